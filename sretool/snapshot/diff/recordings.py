"""Two recordings: the listings of how a host is set up and what it runs, replayed from both, and what
triage finds in one and not in the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from sretool.command.options import Options
from sretool.command.run import Run
from sretool.errors import SretoolError
from sretool.manifest import resolve
from sretool.report.answer import Answer
from sretool.snapshot.diff import rows
from sretool.snapshot.diff.load import Found
from sretool.snapshot.diff.model import Change

TRIAGE = "sretool.triage.cli:triage"
LISTINGS = (
    "sretool.net.routes.cli:routes",
    "sretool.net.rules.cli:rules",
    "sretool.net.nexthops.cli:nexthops",
    "sretool.net.addrs.cli:addrs",
    "sretool.net.links.cli:links",
    "sretool.net.qdisc.cli:qdisc",
    "sretool.net.firewall.cli:firewall",
    "sretool.sockets.listen.cli:listen",
    "sretool.net.neigh.cli:neigh",
    "sretool.procs.list.cli:list_",
)


def changes(before: str, after: str, errors: list[SretoolError], *, every: bool) -> Iterator[Change]:
    """What differs between the recordings in two files; what one of them cannot tell is in `errors`, and
    is not compared.

    Raises:
        UsageError: one of them is no recording.
    """
    runs = [_run(path) for path in (before, after)]
    judged = [_findings(answer) for run in runs if (answer := _replayed(TRIAGE, run, errors)) is not None]
    if len(judged) == 2:
        yield from rows.findings(*judged)
    for target in LISTINGS:
        answers = [_replayed(target, run, errors) for run in runs]
        if answers[0] is None or answers[1] is None:
            continue
        schema = resolve(target).spec.schema
        old, new = (msgspec.to_builtins(answer.data) for answer in answers if answer is not None)
        for change in rows.changes(schema, old, new, every=every):
            if change.kind.startswith("row-"):
                yield change


def _run(path: str) -> Run:
    from sretool.command.output import terminal

    options = Options(from_file=path, json=True)
    run = Run(options, terminal(options))
    _ = run.source  # or a file that cannot be read would only cost its listings
    return run


def _replayed(target: str, run: Run, errors: list[SretoolError]) -> Answer[Any] | None:
    """The answer of a command over a recording, as nobody typed any option."""
    run.errors = []
    try:
        answer: Answer[Any] = resolve(target).spec.function(run)
    except SretoolError as error:
        errors.append(error)
        return None
    return answer


def _findings(answer: Answer[Any]) -> list[Found]:
    return [
        Found(one.id, one.severity, one.summary, {"kind": one.subject.kind, "id": one.subject.id}, one.remedy)
        for one in answer.findings
    ]
