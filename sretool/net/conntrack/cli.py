"""`sretool net conntrack`."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterable, Sequence
from typing import Annotated, Optional

import typer

from sretool.command import How, Run, command
from sretool.command.thresholds import with_thresholds
from sretool.errors import ExitCode, UsageError
from sretool.net.conntrack import decode, read
from sretool.net.conntrack.model import Conntrack
from sretool.report.answer import Answer
from sretool.report.check import judge


@command(
    "net.conntrack",
    view="sretool.net.conntrack.view:report",
    options=("passive", "list", "sampled", "family", "thresholds"),
    rows="sources",
    default_fields=("source", "entries", "entries_ratio", "unreplied"),
    how=(
        How(
            "sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max", "how full the table is"
        ),
        How("cat /proc/net/stat/nf_conntrack", "drops and failures by CPU, hexadecimal"),
        How("conntrack -L", "every entry"),
    ),
    examples=(
        ("sretool net conntrack", "how full the table is, of what, and who fills it"),
        ("sretool net conntrack --state unreplied --limit 20", "who opens connections nobody answers"),
        ("sretool net conntrack --destination 10.96.0.10 --port 53 --json", "who asks that resolver"),
    ),
)
def conntrack(
    run: Run,
    source: Annotated[
        Optional[str],
        typer.Option("--source", help="From this address, or this prefix.", metavar="PREFIX"),
    ] = None,
    destination: Annotated[
        Optional[str],
        typer.Option("--destination", help="To this address, or this prefix, before NAT.", metavar="PREFIX"),
    ] = None,
    port: Annotated[
        Optional[int],
        typer.Option("--port", help="This port, at either end.", metavar="N", min=1, max=65535),
    ] = None,
    state: Annotated[
        Optional[list[str]],
        typer.Option(
            "--state",
            help="In these states, also unreplied, replied, assured; repeat it or join by commas.",
            metavar="STATE",
        ),
    ] = None,
    proto: Annotated[
        Optional[list[str]],
        typer.Option("--proto", help="Of these protocols: tcp, udp, icmp, …", metavar="PROTO"),
    ] = None,
) -> Answer[Conntrack]:
    """Show how full the table of tracked connections is, and who fills it."""
    from sretool.net.conntrack.checks import CHECKS

    family = {4: "inet", 6: "inet6", None: None}[run.options.family]
    wanted = read.Wanted(
        family,
        _prefix("--source", source),
        _prefix("--destination", destination),
        port,
        _named("--proto", proto, list(decode.PROTOCOLS.values())),
        _named("--state", state, decode.state_names()),
    )
    rules = with_thresholds(CHECKS, run.options.set_ or ())
    now, before = run.pair(
        functools.partial(read.sample, ask=read.Ask(family=family)),
        first=functools.partial(read.sample, ask=read.COUNTERS),
    )
    data = read.build(now, before, wanted)
    run.errors += now.errors
    verdicts = list(judge(rules, data))
    if run.options.limit:
        data.destinations = data.destinations[: run.options.limit]
    data.checks = [verdict for verdict, _ in verdicts]
    answer = Answer(data=data, findings=[finding for _, found in verdicts for finding in found])
    if data.tracking and data.count is None and data.matched is None:
        answer.exit_code = ExitCode.CANNOT_LOOK
    return answer


def _prefix(flag: str, text: str | None) -> read.Prefix | None:
    try:
        return None if text is None else ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise UsageError(flag, str(error), "give an address, or a prefix as 10.0.0.0/24") from None


def _named(flag: str, names: Iterable[str] | None, known: Sequence[str]) -> frozenset[str] | None:
    if not names:
        return None
    wanted = {name.strip().lower() for name in ",".join(names).split(",")}
    for name in sorted(wanted.difference(known)):
        raise UsageError(flag, f"unknown {name!r}", f"known are {', '.join(known)}")
    return frozenset(wanted)
