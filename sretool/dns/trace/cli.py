"""`sretool dns trace`."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Optional

import typer

from sretool.command import How, Run, command
from sretool.command.thresholds import with_thresholds
from sretool.dns.trace.checks import CHECKS
from sretool.dns.trace.model import Trace
from sretool.report.answer import Answer
from sretool.report.check import judge


class Servers(str, Enum):
    """How many servers of a zone are asked."""

    all = "all"
    one = "one"


@command(
    "dns.trace",
    view="sretool.dns.trace.view:trace",
    options=("family", "network", "thresholds"),
    judges=True,
    sends=True,
    how=(
        How("dig +trace +nodnssec {name} {rdtype}", "one server a zone, addresses from the local resolver"),
        How("dig +norecurse +nsid @198.41.0.4 {name} {rdtype}", "one question to one root server"),
    ),
    examples=(
        ("sretool dns trace example.com", "every server of every zone down to the A record; up to 4 s"),
        ("sretool dns trace --servers one example.com MX", "a quick look: one server a zone"),
        ("sretool dns trace --json --hints lab.root --port 5300 www.lab", "your own root, for a script"),
    ),
)
def trace(
    run: Run,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A DNS name; . is the root.")],
    rdtype: Annotated[str, typer.Argument(metavar="[TYPE]", help="Record type: A, MX, TYPE65 …")] = "A",
    servers: Annotated[
        Servers, typer.Option("--servers", help="Ask all servers of a zone, or one (the next when it fails).")
    ] = Servers.all,
    hints: Annotated[
        Optional[str], typer.Option("--hints", metavar="FILE", help="Root servers, as in named.root.")
    ] = None,
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=1, max=65535, help="Port of every server.")
    ] = 53,
) -> Answer[Trace]:
    """Ask every server from the root down to the answer.

    Sends at most 200 queries, to the servers themselves and to no resolver of this host. A name or
    type that does not exist is a warning (exit 1). DNSSEC signatures are not checked.
    """
    from sretool.dns.trace import live

    rules = with_thresholds(CHECKS, run.options.set_ or ())
    data, code = live.trace(run, name, rdtype, servers is Servers.all, hints, port)
    verdicts = list(judge(rules, data))
    data.checks = [verdict for verdict, _ in verdicts]
    findings = [finding for _, found in verdicts for finding in found]
    return Answer(data=data, findings=findings, exit_code=code)
