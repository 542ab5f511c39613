"""`sretool sockets listen`."""

from __future__ import annotations

import functools
from typing import Annotated, Optional

import typer

from sretool.command import How, Run, command
from sretool.command.thresholds import with_thresholds
from sretool.report.answer import Answer
from sretool.report.check import judge
from sretool.sockets import read
from sretool.sockets.listen.model import Listening
from sretool.sockets.listen.peaks import Peaks
from sretool.sockets.listen.read import LISTENERS, Ask, build, sample
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

LocalPortOption = Annotated[
    Optional[int], typer.Option("--port", help="This local port.", metavar="N", min=1, max=65535)
]


@command(
    "sockets.listen",
    view="sretool.sockets.listen.view:listeners",
    options=("passive", "list", "sampled", "family", "thresholds"),
    rows="listeners",
    default_fields=(
        "protocol",
        "local_address",
        "local_port",
        "reach",
        "accept_queue",
        "accept_queue_peak",
        "accept_queue_limit",
        "syn_queue",
        "drops",
        "drops_per_s",
        "process",
        "pid",
        "unit",
    ),
    how=(
        How("ss -tulnpm", "listeners: Recv-Q is the accept queue, Send-Q its limit, skmem's d its drops"),
        How("ss -tan state syn-recv", "half-open connections"),
        How("sysctl net.core.somaxconn net.ipv4.tcp_max_syn_backlog net.ipv4.tcp_syncookies", "the limits"),
        How("nstat -asz TcpExtListenOverflows TcpExtListenDrops", "drops of all listeners since boot"),
    ),
    examples=(
        ("sretool sockets listen", "who listens, and who drops connections now"),
        ("sretool sockets listen --port 443 --sample 10", "how full its queue gets in ten seconds"),
        ("sretool sockets listen --port 443 --sample 0 --json", "one listener, at once"),
        ("sretool sockets listen 'src 0.0.0.0 and not process = sshd'", "who else listens on every address"),
    ),
)
def listen(
    run: Run,
    filter_: FilterArgument = None,
    port: LocalPortOption = None,
    pid: PidOption = None,
    process: ProcessOption = None,
    unit: UnitOption = None,
    tcp: TcpOption = False,
    udp: UdpOption = False,
) -> Answer[Listening]:
    """List listeners, those in trouble first.

    FILTER is that of `sockets list`.
    """
    from sretool.sockets.listen.checks import CHECKS

    rules = with_thresholds(CHECKS, run.options.set_ or ())
    ask = LISTENERS._replace(families=families(run), port=port, pid=pid, process=process)
    ask = ask._replace(rows=filter_tree(filter_))
    if tcp and not udp:
        ask = ask._replace(udp_states=0)
    if udp and not tcp:
        ask = ask._replace(tcp_states=0)
    peaks = Peaks(families(run)) if ask.tcp_states else None
    now, before = run.pair(
        functools.partial(sample, ask=Ask(ask)),
        peaks.during if peaks is not None else None,
        # whose they are costs a look at every descriptor of the host, and is asked of the newer one
        functools.partial(sample, ask=Ask(ask._replace(owners=False, users=False, rows=None), limits=False)),
    )
    run.errors += now.errors
    data = build(now, before, read.Narrow(pid, process, unit), peaks)
    verdicts = list(judge(rules, data))
    data.checks = [verdict for verdict, _ in verdicts]
    return Answer(data=data, findings=[finding for _, found in verdicts for finding in found])
