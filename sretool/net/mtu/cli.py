"""`sretool net mtu`."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Optional

import typer

from sretool.command import How, Run, command
from sretool.command.progress import Progress
from sretool.command.thresholds import with_thresholds
from sretool.errors import ExitCode
from sretool.net.mtu.checks import CHECKS
from sretool.net.mtu.model import Mtu
from sretool.net.mtu.read import Ask, measure
from sretool.probe.live import Leaving, namespace_path
from sretool.probe.options import MarkOption, NetnsOption, SourceOption
from sretool.report.answer import Answer
from sretool.report.check import judge


class Protocol(str, Enum):
    """What is sent."""

    auto = "auto"
    udp = "udp"
    icmp = "icmp"


@command(
    "net.mtu",
    view="sretool.net.mtu.view:mtu",
    options=("family", "network", "thresholds"),
    judges=True,
    sends=True,
    how=(
        How("tracepath -n -m {max_ttl} {host}", "the path MTU, one packet after the other"),
        How("ip route get {host}", "the route's MTU, or the path MTU the kernel has learnt"),
        How("ss -tin dst {host}", "pmtu and mss of live connections"),
    ),
    examples=(
        ("sretool net mtu db-1.example", "largest packet that gets there, and the hop that eats larger ones"),
        ("sretool net mtu -6 web.example", "over IPv6"),
        ("sretool net mtu --max 1500 storage-1", "no jumbo frames, on a link that has them"),
        ("sretool net mtu --json 10.0.0.7", "for a script; exits 2 on a black hole"),
    ),
)
def mtu(
    run: Run,
    host: Annotated[
        str, typer.Argument(metavar="HOST", help="Name or address; fe80::1%eth0 for a link's own.")
    ],
    protocol: Annotated[
        Protocol,
        typer.Option("--protocol", help="udp, icmp (echo requests), or auto: both where allowed."),
    ] = Protocol.auto,
    port: Annotated[
        int, typer.Option("-p", "--port", help="Destination UDP port.", metavar="PORT", min=1, max=65535)
    ] = 33434,
    least: Annotated[
        Optional[int],
        typer.Option(
            "--min", help="Smallest size to ask, IP header included.", metavar="BYTES", min=1, max=65575
        ),
    ] = None,
    most: Annotated[
        Optional[int],
        typer.Option(
            "--max", help="Largest size to ask; else what our link takes.", metavar="BYTES", min=1, max=65575
        ),
    ] = None,
    max_ttl: Annotated[
        int, typer.Option("--max-ttl", help="Ask no farther than this hop.", metavar="TTL", min=1, max=255)
    ] = 30,
    source: SourceOption = None,
    mark: MarkOption = None,
    netns: NetnsOption = None,
) -> Answer[Mtu]:
    """Find the largest packet that gets to a host, and the hop that eats larger ones.

    Sends UDP packets, and echo requests where this user may: at most 64 at once, then 2,000 a
    second, some 30 on a healthy path and 200 where packets are lost. Needs no root.
    """
    rules = with_thresholds(CHECKS, run.options.set_ or ())
    options = run.options
    ask = Ask(
        host,
        options.family,
        Leaving(
            port=port, source=source, interface=options.interface, mark=mark, netns=namespace_path(netns)
        ),
        protocol.value,
        least,
        most,
        max_ttl,
        options.timeout or 1.0,
        options.deadline or float("inf"),
    )
    with Progress(options, f"asking what gets to {host}"):
        data = measure(run.source, ask, run.errors)
    run.interrupted = data.end_reason == "interrupted"
    verdicts = list(judge(rules, data))
    data.checks = [verdict for verdict, _ in verdicts]
    answer = Answer(data=data, findings=[finding for _, found in verdicts for finding in found])
    if data.path_mtu_bytes is None and not answer.findings:
        answer.exit_code = ExitCode.CANNOT_LOOK
    return answer
