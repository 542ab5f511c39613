"""`sretool sockets summary`."""

from __future__ import annotations

import functools

from sretool.command import How, Run, command
from sretool.command.thresholds import with_thresholds
from sretool.report.answer import Answer
from sretool.sockets.options import families
from sretool.sockets.summary.model import Summary

_SHOWN = (
    *("process", "unit", "processes", "sockets", "established", "listen"),
    *("close_wait", "opening", "closing", "udp"),
)
LEAST = 4


@command(
    "sockets.summary",
    view="sretool.sockets.summary.view:summary",
    options=("passive", "list", "sampled", "family", "thresholds"),
    rows="groups",
    default_fields=_SHOWN,
    how=(
        How("ss -s", "sockets by protocol"),
        How("ss -tan state close-wait | wc -l", "sockets in one state, and a header"),
        How("cat /proc/net/sockstat /proc/net/protocols", "orphans, time-wait, memory in pages"),
        How("sysctl -e net.ipv4.ip_local_port_range net.ipv4.tcp_mem net.ipv4.tcp_max_orphans", "limits"),
        How("nstat -asz TcpExtTCPReqQFullDrop TcpExtTCPTimeWaitOverflow UdpRcvbufErrors", "what was lost"),
    ),
    examples=(
        ("sretool sockets summary", "what is near its limit, who has how many, with whom"),
        ("sretool sockets summary --sort close_wait --limit 5", "who does not close"),
        ("sretool sockets summary --json | jq .data.limits", "how full everything is, for a script"),
    ),
)
def summary(run: Run) -> Answer[Summary]:
    """Count sockets by state, process and peer, and hold them against their limits."""
    from sretool.report.check import judge
    from sretool.sockets.summary import read
    from sretool.sockets.summary.build import build
    from sretool.sockets.summary.checks import CHECKS

    rules = with_thresholds(CHECKS, run.options.set_ or ())
    now, before = run.pair(
        functools.partial(read.sample, ask=read.whole(families(run))),
        first=functools.partial(read.sample, ask=read.compared(families(run))),
    )
    run.errors += now.errors
    data = build(now, before)
    judged = list(judge(rules, data))
    data.checks = [verdict for verdict, _ in judged]
    lines, options = run.terminal.lines, run.options
    if lines is not None and options.limit is None and options.sort is None and not options.json:
        data.groups = data.groups[: max(LEAST, lines // 5)]  # the rest belongs on the same screen
    return Answer(data=data, findings=[finding for _, found in judged for finding in found])
