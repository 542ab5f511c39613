"""`sretool checks`."""

from __future__ import annotations

from typing import Annotated

import typer

from sretool.checks.catalogue import catalogue
from sretool.checks.model import Check, Checks
from sretool.command import How, Run, command
from sretool.command.thresholds import unknown_check
from sretool.report.answer import Answer


@command(
    "checks.list",
    view="sretool.checks.view:listing",
    options=("list",),
    rows="checks",
    default_fields=("id", "title", "reads", "window"),
    how=(How("sretool checks list --json", "the same, with thresholds and their sources"),),
    examples=(
        ("sretool checks list", "what sretool can find, and by what"),
        ("sretool checks list --fields id,thresholds", "what --set can change"),
    ),
)
def list_(run: Run) -> Answer[Checks]:
    """List the checks: what is found, and by what."""
    checks = catalogue()
    return Answer(data=Checks(checks, len(checks)))


@command(
    "checks.explain",
    view="sretool.checks.view:explanation",
    how=(How("sretool checks list --json", "the same for every check"),),
    examples=(("sretool checks explain cpu.saturation", "what it reads, when it fires, what to do"),),
)
def explain(
    run: Run, id: Annotated[str, typer.Argument(metavar="ID", help="A check's id, as in a finding.")]
) -> Answer[Check]:
    """Explain one check: what it reads, when it fires, what to do."""
    checks = {check.id: check for check in catalogue()}
    if id not in checks:
        raise unknown_check("ID", id, list(checks))
    return Answer(data=checks[id])
