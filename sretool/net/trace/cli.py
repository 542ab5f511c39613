"""`sretool net trace`."""

from __future__ import annotations

from typing import Annotated

import typer

from sretool.command import How, Run, command
from sretool.command.thresholds import with_thresholds
from sretool.errors import ExitCode
from sretool.net.trace.checks import CHECKS
from sretool.net.trace.measure import Ask, measure
from sretool.net.trace.model import Trace
from sretool.report.answer import Answer
from sretool.report.check import judge

MOST_QUERIES = 6  # a Linux router answers six probes at once; more would look like loss


@command(
    "net.trace",
    view="sretool.net.trace.view:trace",
    options=("family", "network", "thresholds"),
    judges=True,
    sends=True,
    how=(
        How(
            "traceroute -n -N 32 -q {queries} -p {port} -m {max_ttl} {host}", "the same path, probe by probe"
        ),
        How("tracepath -n -m {max_ttl} {host}", "the same without root, one hop after the other"),
    ),
    examples=(
        ("sretool net trace db-1.example", "every hop, as an ordinary user"),
        ("sretool net trace -6 --port 443 web.example", "over IPv6, to a port a firewall lets pass"),
        ("sretool net trace --json 10.0.0.7", "for a script; exits 2 when the target is not reached"),
    ),
)
def trace(
    run: Run,
    host: Annotated[
        str, typer.Argument(metavar="HOST", help="Name or address; fe80::1%eth0 for a link's own.")
    ],
    port: Annotated[
        int, typer.Option("-p", "--port", help="Destination UDP port.", metavar="PORT", min=1, max=65535)
    ] = 33434,
    queries: Annotated[
        int, typer.Option("--queries", help="Probes a hop.", metavar="N", min=1, max=MOST_QUERIES)
    ] = 3,
    first_ttl: Annotated[
        int, typer.Option("--first-ttl", help="Begin at this hop.", metavar="TTL", min=1, max=255)
    ] = 1,
    max_ttl: Annotated[
        int, typer.Option("--max-ttl", help="Ask no farther than this hop.", metavar="TTL", min=1, max=255)
    ] = 30,
) -> Answer[Trace]:
    """Show every hop to a host, all at once.

    Sends UDP packets: at most 100 at once, then 1,000 a second. A silent target costs 1.2 s, or
    a fifth more than --timeout. Needs no root.
    """
    rules = with_thresholds(CHECKS, run.options.set_ or ())
    data = measure(Ask(host, port, queries, first_ttl, max_ttl, run.options.timeout or 1.0), run)
    verdicts = list(judge(rules, data))
    data.checks = [verdict for verdict, _ in verdicts]
    answer = Answer(data=data, findings=[finding for _, found in verdicts for finding in found])
    if data.end_reason == "deadline":
        answer.exit_code = ExitCode.CANNOT_LOOK
    return answer
