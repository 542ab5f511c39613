"""`sretool net trace`."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Optional

import typer

from sretool.command import How, Run, command
from sretool.command.thresholds import with_thresholds
from sretool.errors import ExitCode, UsageError
from sretool.net.trace.build import whole
from sretool.net.trace.checks import CHECKS
from sretool.net.trace.drive import BURST, PER_SECOND
from sretool.net.trace.model import Trace
from sretool.net.trace.rounds import traced
from sretool.net.trace.session import Ask
from sretool.probe.live import Leaving, namespace_path
from sretool.probe.options import MarkOption, NetnsOption, SourceOption
from sretool.report.answer import Answer, Finding
from sretool.report.check import judge

MOST_QUERIES = 6  # a Linux router answers six probes at once; more would look like loss
QUERIES, FEW_HOSTS = 3, 10
MOST_HOSTS = 256
MOST_FLOWS = (
    256  # a hop with 16 ways needs some 200: each way must see six, and which one a flow takes is luck
)
PORTS = {"udp": 33434, "icmp": 0, "tcp": 443}


class Protocol(str, Enum):
    """What the probes are."""

    udp = "udp"
    icmp = "icmp"
    tcp = "tcp"


class By(str, Enum):
    """By which sockets."""

    auto = "auto"
    raw = "raw"
    sockets = "sockets"


@command(
    "net.trace",
    view="sretool.net.trace.view:trace",
    options=("family", "network", "sampled", "resolving", "origins", "thresholds"),
    judges=True,
    sends=True,
    counted_by="report",
    forms={
        "csv": "sretool.net.trace.export:csv",
        "markdown": "sretool.net.trace.export:markdown",
        "dot": "sretool.net.trace.dot:dot",
    },
    how=(
        How(
            "traceroute -n -N 32 -m {max_ttl} {hosts}",
            "the same path, probe by probe (-I: ICMP, -T -p PORT: TCP)",
        ),
        How("tracepath -n -m {max_ttl} {hosts}", "the same without root, one hop after the other"),
        How("mtr -n -w -c 10 {hosts}", "loss and times over ten rounds (--report)"),
    ),
    examples=(
        ("sretool net trace db-1.example", "every hop, as an ordinary user"),
        ("sretool net trace --protocol tcp -p 443 web.example", "the way the application goes; port open?"),
        ("sretool net trace -w web.example", "live: loss, times and changes of every hop"),
        ("sretool net trace --report -c 60 web.example", "a minute of it, then one table"),
        ("sretool net trace --resolve --markdown web.example", "with names, to paste into a ticket"),
        (
            "sudo sretool net trace --ecmp --protocol tcp -p 443 web.example",
            "every way, and which of them loses packets",
        ),
        ("sretool net trace --json 10.0.0.7", "for a script; exits 2 when the target is not reached"),
    ),
)
def trace(
    run: Run,
    hosts: Annotated[
        list[str], typer.Argument(metavar="HOST…", help="Names or addresses; fe80::1%eth0 for a link's own.")
    ],
    protocol: Annotated[
        Protocol, typer.Option("--protocol", help="UDP, ICMP echo, or TCP SYN.")
    ] = Protocol.udp,
    port: Annotated[
        Optional[int],
        typer.Option(
            "-p",
            "--port",
            help="Destination port; 33434 of udp, 443 of tcp.",
            metavar="PORT",
            min=1,
            max=65535,
        ),
    ] = None,
    method: Annotated[
        By, typer.Option("--method", help="Raw sockets, sockets that need no right, or what we may.")
    ] = By.auto,
    queries: Annotated[
        Optional[int],
        typer.Option(
            "--queries",
            help="Probes a hop in the first burst; 3, or 1 of more than 10 hosts.",
            metavar="N",
            min=1,
            max=MOST_QUERIES,
        ),
    ] = None,
    first_ttl: Annotated[
        int, typer.Option("--first-ttl", help="Begin at this hop.", metavar="TTL", min=1, max=255)
    ] = 1,
    max_ttl: Annotated[
        int, typer.Option("--max-ttl", help="Ask no farther than this hop.", metavar="TTL", min=1, max=255)
    ] = 30,
    report: Annotated[
        bool,
        typer.Option("--report", help="Ask --count times (10), --sample seconds apart; then answer once."),
    ] = False,
    ecmp: Annotated[
        bool, typer.Option("--ecmp", help="Find every way there, and what each loses (CAP_NET_RAW).")
    ] = False,
    flows: Annotated[
        int,
        typer.Option("--flows", help="Flows that --ecmp tries at most.", metavar="N", min=6, max=1024),
    ] = MOST_FLOWS,
    source: SourceOption = None,
    mark: MarkOption = None,
    tos: Annotated[
        int, typer.Option("--tos", help="TOS, or traffic class: DSCP × 4.", metavar="N", min=0, max=255)
    ] = 0,
    netns: NetnsOption = None,
    rate: Annotated[
        float,
        typer.Option(
            "--rate", help="Probes a second to a host beyond the first ones.", metavar="N", min=1, max=10000
        ),
    ] = PER_SECOND,
    parallel: Annotated[
        int,
        typer.Option("--parallel", help="Probes to a host that leave at once.", metavar="N", min=1, max=1000),
    ] = BURST,
) -> Answer[Trace]:
    """Show every hop to a host, all at once.

    Sends UDP, ICMP or TCP packets: to a host at most 100 at once, then 1,000 a second. A silent target costs
    1.2 s, or a fifth more than --timeout. Needs no root; with it, all probes are one flow and take one way,
    and a RST behind each SYN takes it back (twice the packets), so that no application sees a connection.
    --ecmp sends six flows, then those that each router lacks, and 30 to 100 probes a leg at 180 a second.
    --jsonl prints events as they happen: reply, lost, change, then the paths and the end.
    """
    if len(hosts) > MOST_HOSTS:
        raise UsageError("HOST", f"{len(hosts)} hosts are more than {MOST_HOSTS}", "trace some at a time")
    rules = with_thresholds(CHECKS, run.options.set_ or ())
    leaving = Leaving(
        port or PORTS[protocol.value], source, run.options.interface, mark, tos, namespace_path(netns)
    )
    timeout_s = run.options.timeout or 1.0
    # near hops are the same for all hosts, and a Linux router answers one asker six times at once
    queries = queries or (QUERIES if len(hosts) <= FEW_HOSTS else 1)
    ask = Ask(
        hosts,
        protocol.value,
        method.value,
        leaving,
        queries,
        first_ttl,
        max_ttl,
        timeout_s,
        rate,
        parallel,
        flows if ecmp else None,
    )
    paths = traced(ask, run, report)
    findings: list[Finding] = []
    for path in paths:
        verdicts = list(judge(rules, path))
        path.checks = [verdict for verdict, _ in verdicts]
        findings += [finding for _, found in verdicts for finding in found]
    data = whole(paths)
    answer = Answer(data=data, findings=findings)
    if data.end_reason == "deadline":
        answer.exit_code = ExitCode.CANNOT_LOOK
    return answer
