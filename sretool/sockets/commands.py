"""`sretool sockets list`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Annotated, Optional

import typer

from sretool.command import How, Run, command
from sretool.errors import UsageError
from sretool.host.source import Source
from sretool.report.answer import Answer
from sretool.sockets import read
from sretool.sockets.filter.tree import Cgroup, Field, Mark, Node, conjuncts, fields, uses
from sretool.sockets.model import ATTRIBUTE_FIELDS, DEFAULT_FIELDS, TCP_INFO_FIELDS, Socket, Sockets
from sretool.sockets.options import (
    FilterArgument,
    PidOption,
    ProcessOption,
    TcpOption,
    UdpOption,
    UnitOption,
    families,
    filter_tree,
)
from sretool.sockets.read import diag
from sretool.sockets.read.wanted import OWNER_FIELDS

PortOption = Annotated[
    Optional[int], typer.Option("--port", help="This port, at either end.", metavar="N", min=1, max=65535)
]
StateOption = Annotated[
    Optional[list[str]],
    typer.Option("--state", help="These states; repeat it or join by commas.", metavar="STATE"),
]


UdpliteOption = Annotated[bool, typer.Option("--udplite", help="UDP-Lite.")]
RawOption = Annotated[bool, typer.Option("--raw", help="Raw IP.")]
MptcpOption = Annotated[bool, typer.Option("--mptcp", help="Multipath TCP; its subflows are TCP.")]
UnixOption = Annotated[bool, typer.Option("--unix", help="UNIX sockets, with who is at the other end.")]
PacketOption = Annotated[bool, typer.Option("--packet", help="Packet sockets: captures, DHCP, LLDP.")]
NetlinkOption = Annotated[bool, typer.Option("--netlink", help="Netlink sockets.")]
VsockOption = Annotated[bool, typer.Option("--vsock", help="Sockets between a virtual machine and its host.")]
AllNetnsOption = Annotated[
    bool, typer.Option("--all-netns", help="Of every network namespace, with its name or container.")
]
AllOption = Annotated[bool, typer.Option("--all", help="Every family.")]


@command(
    "sockets.list",
    view="sretool.sockets.view:listing",
    options=("passive", "list", "sampled", "followed", "family"),
    rows="sockets",
    default_fields=DEFAULT_FIELDS,
    how=(
        How("ss -tuanp", "the same sockets with their processes"),
        How("ss -tinm", "round-trip times, retransmissions and memory"),
        How("ss -xanp", "UNIX sockets (--unix)"),
        How("ip -all netns exec ss -tuanp", "those of the namespaces that have a name (--all-netns)"),
        How("ss -f netlink -an; ss -0an; ss -wan", "netlink, packet and raw sockets"),
        How("cat /proc/net/tcp /proc/net/tcp6", "the kernel's own text form"),
    ),
    examples=(
        ("sretool sockets list --state established --port 5432", "who talks to the database"),
        ("sretool sockets list --state close-wait --sort process", "who does not close"),
        ("sretool sockets list 'dst 10.0.0.0/8 and dport = :443 and rtt_ms > 50'", "slow calls within"),
        ("sretool sockets list 'recv_q_bytes > 0 and not process = sshd'", "who does not read"),
        ("sretool sockets list --unix 'local_address = /run/docker.sock'", "who talks to the daemon"),
        ("sretool sockets list --packet", "who captures packets"),
        ("sretool sockets list --all-netns 'sport = :8080 state listen'", "which containers listen there"),
        ("sretool sockets list --port 443 --changes --jsonl", "who connects and disconnects"),
        ("sretool sockets list --unit nginx --fields remote_address,rtt_ms,retransmits_total", "slow peers"),
    ),
)
def list_(
    run: Run,
    filter_: FilterArgument = None,
    state: StateOption = None,
    port: PortOption = None,
    pid: PidOption = None,
    process: ProcessOption = None,
    unit: UnitOption = None,
    tcp: TcpOption = False,
    udp: UdpOption = False,
    udplite: UdpliteOption = False,
    raw: RawOption = False,
    mptcp: MptcpOption = False,
    unix: UnixOption = False,
    packet: PacketOption = False,
    netlink: NetlinkOption = False,
    vsock: VsockOption = False,
    every: AllOption = False,
    all_netns: AllNetnsOption = False,
) -> Answer[Sockets]:
    """List sockets with their owners: TCP and UDP, or the families named.

    FILTER is that of ss: sport, dport (with = != > < >= <=), src, dst, state, exclude, dev, fwmark, cgroup,
    autobound, ( ), and, or, not; and binds before or. Its further terms are the fields of a row:
    process = NAME, unit = NAME, rtt_ms > 50. A field that is null fits no comparison, so not of it does.
    """
    tree = filter_tree(filter_)
    named = fields(tree)
    wanted = {*(run.fields() or ()), (run.options.sort or "").removeprefix("-")} | named
    info = not wanted.isdisjoint(TCP_INFO_FIELDS)
    more = not wanted.isdisjoint(ATTRIBUTE_FIELDS) or uses(tree, Mark, Cgroup)
    narrow = read.Narrow(pid, process, unit)
    only_pid, only_process = _owner(tree)
    flags = (udplite, raw, mptcp, unix, packet, netlink, vsock)
    others = [name for name, flag in zip(read.OTHERS, flags) if flag or every]
    both = every or not (tcp or udp or others)
    ask = read.Ask(
        tcp_states=_states(state, diag.TCP_STATES) if tcp or both else 0,
        udp_states=_states(state, _UDP_STATES) if udp or both else 0,
        families=families(run),
        port=port,
        info=info,
        owners=run.options.fields is None
        or not wanted.isdisjoint(OWNER_FIELDS)
        or _by_owner(pid, process, unit),
        pid=only_pid if pid is None else pid,
        process=only_process if process is None else process,
        filter=tree,
        others={name: _states(state, _TABLES.get(name, _OTHER_STATES)) for name in others},
        everywhere=all_netns,
    )
    sample = functools.partial(read.sample, ask=ask)
    if run.options.changes:
        return _follow(run, sample, lambda now: read.build_list(now, narrow, info=info, more=more).sockets)
    now = run.pair(sample)[0] if run.options.watch else run.one(sample)
    if now.errors and not now.tables and not now.others and not now.elsewhere:
        raise now.errors[0]
    run.errors += now.errors
    return Answer(data=read.build_list(now, narrow, info=info, more=more))


def _follow(
    run: Run, sample: Callable[[Source], read.Sample], rows: Callable[[read.Sample], list[Socket]]
) -> Answer[Sockets]:
    from sretool.command.changes import follow
    from sretool.sockets import changes
    from sretool.sockets.view import line

    if run.options.sample == 0:
        raise UsageError("--changes", "needs a period", "give --sample more than 0")
    return follow(run, changes.follow(run, sample, rows), line)


def _owner(tree: Node | None) -> tuple[int | None, str | None]:
    """The one process that a filter is about, by pid or name: no other needs to be looked at."""
    found: dict[str, str | float] = {}
    for part in () if tree is None else conjuncts(tree):
        if isinstance(part, Field) and part.name in ("pid", "process") and part.op == "=":
            found.setdefault(part.name, part.value)
    pid, process = found.get("pid"), found.get("process")
    return pid if isinstance(pid, int) else None, process if isinstance(process, str) else None


_UDP_STATES = ("", *(diag.UDP_STATES.get(number, "") for number in range(1, diag.CLOSED + 1)))
_OTHER_STATES = tuple("unconnected" if name == "closed" else name for name in diag.TCP_STATES)
_TABLES = {"udplite": _UDP_STATES, "raw": _UDP_STATES, "mptcp": diag.TCP_STATES}


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


def _by_owner(*filters: object) -> bool:
    return any(value is not None for value in filters)
