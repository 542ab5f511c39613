"""`sretool net neigh`."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterable
from typing import Annotated, Optional

import typer

from sretool.command import How, Run, command
from sretool.command.thresholds import with_thresholds
from sretool.errors import UsageError
from sretool.net.neigh import decode, read
from sretool.net.neigh.model import Neighbours
from sretool.report.answer import Answer
from sretool.report.check import judge


@command(
    "net.neigh",
    view="sretool.net.neigh.view:listing",
    options=("passive", "list", "sampled", "followed", "family", "thresholds"),
    rows="neighbours",
    default_fields=(
        "dst",
        "dev",
        "lladdr",
        "state",
        "updated_s",
        "used_s",
        "confirmed_s",
        "flags",
        "changed",
    ),
    how=(
        How("ip -s neigh", "neighbours with the times of use, confirmation and change"),
        How("ip ntable show name arp_cache", "the table's thresholds, entries and counters"),
        How("sysctl net.ipv4.neigh.default.gc_thresh3", "the largest number of entries"),
    ),
    examples=(
        ("sretool net neigh", "who answers, who does not, and whether the table is near its limit"),
        ("sretool net neigh --state failed,incomplete", "who does not answer"),
        ("sretool net neigh --changes --jsonl", "every change of state, as it happens"),
        ("sretool net neigh --address 10.0.0.0/24 --dev eth0 --json", "for a script"),
    ),
)
def neigh(
    run: Run,
    dev: Annotated[Optional[str], typer.Option("--dev", help="On this interface.", metavar="IFACE")] = None,
    state: Annotated[
        Optional[list[str]],
        typer.Option("--state", help="In these states; repeat it or join by commas.", metavar="STATE"),
    ] = None,
    address: Annotated[
        Optional[str], typer.Option("--address", help="This address, or in this prefix.", metavar="PREFIX")
    ] = None,
    everyone: Annotated[
        bool, typer.Option("--all", help="Also those that are never asked for: noarp, none.")
    ] = False,
) -> Answer[Neighbours]:
    """List neighbours: who answers ARP and neighbour discovery."""
    from sretool.net.neigh.checks import CHECKS

    family = {4: "inet", 6: "inet6", None: None}[run.options.family]
    wanted = read.Wanted(family, dev, _states(state), _prefix(address), everyone)
    if run.options.changes:
        from sretool.command.changes import follow
        from sretool.net.neigh import follow as changes
        from sretool.net.neigh.view import line

        return follow(run, changes.follow(run.source, wanted, run.errors, run.options.deadline), line)
    rules = with_thresholds(CHECKS, run.options.set_ or ())
    now, before = run.pair(read.sample, first=functools.partial(read.sample, ask=read.COUNTERS))
    run.errors += now.errors
    data = read.build(now, before, wanted)
    verdicts = list(judge(rules, data))
    data.checks = [verdict for verdict, _ in verdicts]
    return Answer(data=data, findings=[finding for _, found in verdicts for finding in found])


def _states(names: Iterable[str] | None) -> frozenset[str] | None:
    if not names:
        return None
    known = list(decode.STATES.values())
    wanted = {name.strip().lower() for name in ",".join(names).split(",")}
    for name in wanted.difference(known):
        raise UsageError("--state", f"unknown state {name!r}", f"the states are {', '.join(known)}")
    return frozenset(wanted)


def _prefix(text: str | None) -> read.Prefix | None:
    try:
        return None if text is None else ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise UsageError("--address", str(error), "give an address, or a prefix as 10.0.0.0/24") from None
