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
from sretool.sockets.listen.read import build
from sretool.sockets.options import PidOption, ProcessOption, TcpOption, UdpOption, UnitOption, families

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
    from sretool.sockets.listen.checks import CHECKS

    rules = with_thresholds(CHECKS, run.options.set_ or ())
    ask = read.LISTENERS._replace(families=families(run), port=port, pid=pid, process=process)
    if tcp and not udp:
        ask = ask._replace(udp_states=0)
    if udp and not tcp:
        ask = ask._replace(tcp_states=0)
    now, before = run.pair(functools.partial(read.sample, ask=ask))
    run.errors += now.errors
    data = build(now, before, read.Narrow(pid, process, unit))
    verdicts = list(judge(rules, data))
    data.checks = [verdict for verdict, _ in verdicts]
    return Answer(data=data, findings=[finding for _, found in verdicts for finding in found])
