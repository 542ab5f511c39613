"""`sretool sockets summary`."""

from __future__ import annotations

import functools
from enum import Enum
from typing import Annotated, Optional

import typer

from sretool.command import How, Run, command
from sretool.command.thresholds import with_thresholds
from sretool.report.answer import Answer
from sretool.sockets.options import families
from sretool.sockets.summary.model import DEFAULT, HEALTH, Summary

LEAST = 4


class Grouping(str, Enum):
    """What --by takes."""

    process = "process"
    unit = "unit"
    peer = "peer"
    route = "route"


@command(
    "sockets.summary",
    view="sretool.sockets.summary.view:summary",
    options=("passive", "list", "sampled", "family", "thresholds"),
    rows="groups",
    default_fields=DEFAULT,
    how=(
        How("ss -s", "sockets by protocol"),
        How("ss -tan state close-wait | wc -l", "sockets in one state, and a header"),
        How("ss -tinH", "what --by adds up: bytes_retrans, data_segs_out, rtt, minrtt, rwnd_limited"),
        How("cat /proc/net/sockstat /proc/net/protocols", "orphans, time-wait, memory in pages"),
        How("sysctl -e net.ipv4.ip_local_port_range net.ipv4.tcp_mem net.ipv4.tcp_max_orphans", "limits"),
        How("nstat -asz TcpExtTCPReqQFullDrop TcpExtTCPTimeWaitOverflow UdpRcvbufErrors", "what was lost"),
    ),
    examples=(
        ("sretool sockets summary", "what is near its limit, who has how many, with whom"),
        ("sretool sockets summary --by peer", "which peers lose segments, are slow, or do not read"),
        ("sretool sockets summary --sort close_wait --limit 5", "who does not close"),
        ("sretool sockets summary --json | jq .data.limits", "how full everything is, for a script"),
    ),
)
def summary(
    run: Run,
    by: Annotated[
        Optional[Grouping],
        typer.Option("--by", help="How connections fare, by whom: two dumps with tcp_info, no packet."),
    ] = None,
) -> Answer[Summary]:
    """Count sockets by state, process and peer, and hold them against their limits."""
    from sretool.report.check import judge
    from sretool.sockets.summary import read
    from sretool.sockets.summary.build import build
    from sretool.sockets.summary.checks import CHECKS

    rules = with_thresholds(CHECKS, run.options.set_ or ())
    named = {*(run.fields() or ()), (run.options.sort or "").removeprefix("-")}
    health = by is not None or not named.isdisjoint(HEALTH)
    ask = read.whole(families(run), info=health, routes=by is Grouping.route)
    now, before = run.pair(
        functools.partial(read.sample, ask=ask),
        first=functools.partial(read.sample, ask=read.compared(families(run), info=health)),
    )
    run.errors += now.errors
    data = build(now, before, (by or Grouping.process).value, health=health)
    judged = list(judge(rules, data))
    data.checks = [verdict for verdict, _ in judged]
    lines, options = run.terminal.lines, run.options
    if (
        lines is not None
        and not health
        and (options.limit, options.sort, options.json) == (None, None, False)
    ):
        data.groups = data.groups[: max(LEAST, lines // 5)]  # the rest belongs on the same screen
    return Answer(data=data, findings=[finding for _, found in judged for finding in found])
