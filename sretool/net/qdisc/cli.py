"""`sretool net qdisc`."""

from __future__ import annotations

import functools
from typing import Annotated, Optional

import typer

from sretool.command import How, Run, command
from sretool.command.thresholds import with_thresholds
from sretool.net.qdisc import read
from sretool.net.qdisc.model import Qdiscs
from sretool.report.answer import Answer
from sretool.report.check import judge


@command(
    "net.qdisc",
    view="sretool.net.qdisc.view:listing",
    options=("passive", "list", "sampled", "thresholds"),
    rows="qdiscs",
    default_fields=(
        *("dev", "kind", "handle", "parent", "backlog_bytes", "backlog_packets", "drops", "drops_per_s"),
        *("overlimits_per_s", "requeues_per_s", "bytes_per_s", "packets_per_s", "options"),
    ),
    how=(
        How("tc -s -d qdisc", "disciplines with parameters, backlog, drops, overlimits and requeues"),
        How("tc -s class show dev lo", "classes of one interface"),
    ),
    examples=(
        ("sretool net qdisc", "what waits, and what is dropped, on every interface"),
        ("sretool net qdisc --dev eth0 --classes", "one interface, with the classes of its shaper"),
        ("sretool net qdisc -w --sort drops_per_s", "who drops, every second"),
    ),
)
def qdisc(
    run: Run,
    dev: Annotated[Optional[str], typer.Option("--dev", help="On this interface.", metavar="IFACE")] = None,
    kind: Annotated[
        Optional[str], typer.Option("--kind", help="Of this kind: fq_codel, tbf, htb, …", metavar="KIND")
    ] = None,
    classes: Annotated[bool, typer.Option("--classes", help="Also the classes of classful ones.")] = False,
) -> Answer[Qdiscs]:
    """List queueing disciplines: what waits, what is dropped."""
    from sretool.net.qdisc.checks import CHECKS

    rules = with_thresholds(CHECKS, run.options.set_ or ())
    now, before = run.pair(functools.partial(read.sample, ask=read.Ask(classes)))
    run.errors += now.errors
    data = read.build(now, before, read.Wanted(dev, kind))
    verdicts = list(judge(rules, data))
    data.checks = [verdict for verdict, _ in verdicts]
    return Answer(data=data, findings=[finding for _, found in verdicts for finding in found])
