"""`sretool snapshot diff`."""

from __future__ import annotations

from typing import Annotated

import typer

from sretool.command import How, Run, command
from sretool.command.thresholds import with_thresholds
from sretool.net.trace.diff.checks import CHECKS as TRACE
from sretool.report.answer import Answer
from sretool.report.check import judge
from sretool.snapshot.diff.checks import CHECKS as ANSWERS
from sretool.snapshot.diff.compared import compared
from sretool.snapshot.diff.model import Diff

FILE = "An answer saved with --json, or a recording; - is standard input."


@command(
    "snapshot.diff",
    view="sretool.snapshot.diff.view:diff",
    options=("list", "thresholds"),
    rows="changes",
    default_fields=("impact", "kind", "subject", "where", "before", "after", "chance"),
    judges=True,
    how=(
        How(
            "diff <(python3 -m json.tool --sort-keys {before}) <(python3 -m json.tool --sort-keys {after})",
            "every character that differs, measurements too",
        ),
    ),
    examples=(
        (
            "sretool snapshot diff before.json after.json",
            "two of: sretool net trace --json HOST > FILE; what matters most first",
        ),
        (
            "sretool snapshot diff before.json - --fail-on critical",
            "against what comes through a pipe, as a gate",
        ),
        ("sretool snapshot diff monday.tar.gz today.tar.gz", "how a host is set up, by two recordings"),
    ),
)
def diff(
    run: Run,
    before: Annotated[str, typer.Argument(metavar="BEFORE", help=FILE)],
    after: Annotated[str, typer.Argument(metavar="AFTER", help=FILE)],
    every: Annotated[
        bool, typer.Option("--every", help="Compare measurements too: sizes, rates, ages, counters.")
    ] = False,
) -> Answer[Diff]:
    """Compare two saved answers of one command, or two recordings: what changed, worst first.

    Of two traces it tells hops, legs, loss, times and ends beyond chance. Exits 1 when something
    changed that matters, 2 when it is critical: a target that is not reached any more.
    """
    rules = with_thresholds((*TRACE, *ANSWERS), run.options.set_ or ())
    data, model = compared(before, after, rules, run.errors, every=every)
    ids = {rule.id for rule in (TRACE if data.compared == "traces" else ANSWERS)}
    verdicts = list(judge([rule for rule in rules if rule.id in ids], model))
    data.checks = [verdict for verdict, _ in verdicts]
    return Answer(data=data, findings=[finding for _, found in verdicts for finding in found])
