"""`sretool sockets list` and `sretool sockets listen`."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Annotated, Optional

import typer

from sretool.command import How, Run, command
from sretool.command.options import PATTERN
from sretool.command.thresholds import with_thresholds
from sretool.errors import UsageError
from sretool.report.answer import Answer
from sretool.report.check import judge
from sretool.sockets import read
from sretool.sockets.model import TCP_INFO_FIELDS, Listening, Sockets
from sretool.sockets.read import diag

_OWNER_FIELDS = {"pid", "process", "unit", "container", "container_name", "cgroup"}

PortOption = Annotated[
    Optional[int], typer.Option("--port", help="This port, at either end.", metavar="N", min=1, max=65535)
]
LocalPortOption = Annotated[
    Optional[int], typer.Option("--port", help="This local port.", metavar="N", min=1, max=65535)
]
StateOption = Annotated[
    Optional[list[str]],
    typer.Option("--state", help="These states; repeat it or join by commas.", metavar="STATE"),
]
PidOption = Annotated[
    Optional[int], typer.Option("--pid", help="Sockets this process holds.", metavar="PID", min=1)
]
ProcessOption = Annotated[
    Optional[str],
    typer.Option("--process", help=f"Sockets of processes with this comm. {PATTERN}", metavar="NAME"),
]
UnitOption = Annotated[
    Optional[str], typer.Option("--unit", help=f"Sockets of this systemd unit. {PATTERN}", metavar="UNIT")
]
TcpOption = Annotated[bool, typer.Option("--tcp", help="TCP only.")]
UdpOption = Annotated[bool, typer.Option("--udp", help="UDP only.")]


@command(
    "sockets.list",
    view="sretool.sockets.view:listing",
    options=("passive", "list", "family"),
    rows="sockets",
    default_fields=(
        "protocol",
        "state",
        "recv_q_bytes",
        "send_q_bytes",
        "local_address",
        "local_port",
        "remote_address",
        "remote_port",
        "process",
        "pid",
        "unit",
    ),
    how=(
        How("ss -tuanp", "the same sockets with their processes"),
        How("ss -tinm", "round-trip times, retransmissions and memory"),
        How("cat /proc/net/tcp /proc/net/tcp6", "the kernel's own text form"),
    ),
    examples=(
        ("sretool sockets list --state established --port 5432", "who talks to the database"),
        ("sretool sockets list --state close-wait --sort process", "who does not close"),
        ("sretool sockets list --unit nginx --fields remote_address,rtt_ms,retransmits_total", "slow peers"),
    ),
)
def list_(
    run: Run,
    state: StateOption = None,
    port: PortOption = None,
    pid: PidOption = None,
    process: ProcessOption = None,
    unit: UnitOption = None,
    tcp: TcpOption = False,
    udp: UdpOption = False,
) -> Answer[Sockets]:
    """List TCP and UDP sockets with their owners."""
    wanted = {*(run.fields() or ()), (run.options.sort or "").removeprefix("-")}
    info = not wanted.isdisjoint(TCP_INFO_FIELDS)
    narrow = read.Narrow(pid, process, unit)
    ask = read.Ask(
        tcp_states=_states(state, diag.TCP_STATES) if tcp or not udp else 0,
        udp_states=_states(state, _UDP_STATES) if udp or not tcp else 0,
        families=_families(run),
        port=port,
        info=info,
        owners=run.options.fields is None
        or not wanted.isdisjoint(_OWNER_FIELDS)
        or _by_owner(pid, process, unit),
        pid=pid,
        process=process,
    )
    now = run.one(functools.partial(read.sample, ask=ask))
    run.errors += now.errors
    return Answer(data=read.build_list(now, narrow, info=info))


@command(
    "sockets.listen",
    view="sretool.sockets.view:listeners",
    options=("passive", "list", "sampled", "family", "thresholds"),
    rows="listeners",
    default_fields=(
        "protocol",
        "local_address",
        "local_port",
        "reach",
        "accept_queue",
        "accept_queue_limit",
        "drops",
        "drops_per_s",
        "process",
        "pid",
        "unit",
    ),
    how=(
        How("ss -tulnpm", "listeners: Recv-Q is the accept queue, Send-Q its limit, skmem's d its drops"),
        How("nstat -asz TcpExtListenOverflows TcpExtListenDrops", "drops of all listeners since boot"),
    ),
    examples=(
        ("sretool sockets listen", "who listens, and who drops connections now"),
        ("sretool sockets listen --port 443 --sample 0 --json", "one listener, at once"),
    ),
)
def listen(
    run: Run,
    port: LocalPortOption = None,
    pid: PidOption = None,
    process: ProcessOption = None,
    unit: UnitOption = None,
    tcp: TcpOption = False,
    udp: UdpOption = False,
) -> Answer[Listening]:
    """List listeners, those in trouble first."""
    from sretool.sockets.checks import CHECKS

    rules = with_thresholds(CHECKS, run.options.set_ or ())
    ask = read.LISTENERS._replace(families=_families(run), port=port, pid=pid, process=process)
    if tcp and not udp:
        ask = ask._replace(udp_states=0)
    if udp and not tcp:
        ask = ask._replace(tcp_states=0)
    now, before = run.pair(functools.partial(read.sample, ask=ask))
    run.errors += now.errors
    data = read.build(now, before, read.Narrow(pid, process, unit))
    verdicts = list(judge(rules, data))
    data.checks = [verdict for verdict, _ in verdicts]
    return Answer(data=data, findings=[finding for _, found in verdicts for finding in found])


_UDP_STATES = ("", *(diag.UDP_STATES.get(number, "") for number in range(1, diag.CLOSED + 1)))


def _states(names: Iterable[str] | None, table: tuple[str, ...]) -> int:
    """The mask of the states named, all without names.

    Raises:
        UsageError: a name that is no state of any protocol.
    """
    if not names:
        return diag.ALL_STATES
    mask = 0
    for name in ",".join(names).split(","):
        name = name.strip().lower()
        known = [*diag.TCP_STATES[1:], "unconnected"]
        if name not in known:
            raise UsageError("--state", f"unknown state {name!r}", f"the states are {', '.join(known)}")
        if name in table:
            mask |= 1 << table.index(name)
    return mask


def _families(run: Run) -> tuple[str, ...]:
    return {4: ("inet",), 6: ("inet6",), None: ("inet", "inet6")}[run.options.family]


def _by_owner(*filters: object) -> bool:
    return any(value is not None for value in filters)
