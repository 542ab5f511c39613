"""From two files to what is different between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sretool.errors import SretoolError, UsageError
from sretool.net.trace.diff.checks import limits
from sretool.net.trace.diff.saved import TRACE, paths_of
from sretool.report.answer import RANK
from sretool.report.check import Rule
from sretool.snapshot.diff import recordings, rows
from sretool.snapshot.diff.load import Answer, document, load
from sretool.snapshot.diff.model import Change, Diff
from sretool.snapshot.diff.paths import compared as paths_compared


def compared(
    before: str, after: str, rules: Sequence[Rule[Any]], errors: list[SretoolError], *, every: bool
) -> tuple[Diff, Any]:
    """The differences, and what the checks of that kind judge; `every`: of measurements too. What a
    recording cannot tell is in `errors`.

    Raises:
        UsageError: a file cannot be compared, or not with the other.
    """
    if before == after == "-":
        raise UsageError("BEFORE and AFTER", "are both standard input", "save one of them to a file")
    old, new = load(before), load(after)
    if old.side.schema != new.side.schema:
        raise UsageError(
            "BEFORE and AFTER",
            f"are of two kinds: {old.side.schema!r} and {new.side.schema!r}",
            "compare answers of one command, or two recordings",
        )
    found = Diff(old.side, new.side, "answers", [], [], 0, [])
    model: Any
    if old.answer is None or new.answer is None:
        found.compared = "recordings"
        found.changes = model = _ranked(recordings.changes(before, after, errors, every=every))
    elif old.side.schema == TRACE:
        found.compared = "traces"
        hosts = (old.side.host, new.side.host)
        paths = paths_of(before, old.answer), paths_of(after, new.answer)
        model, found.changes = paths_compared(*paths, limits(rules), hosts)
        found.made_differently = [one for diff in model for one in diff.differences]
    else:
        found.changes = model = _ranked(_answers(old.answer, new.answer, (before, after), every=every))
    found.total = len(found.changes)
    return found, model


def _answers(old: Answer, new: Answer, files: tuple[str, str], *, every: bool) -> list[Change]:
    before, after = document(files[0], old), document(files[1], new)
    return [
        *rows.findings(old.findings, new.findings),
        *rows.changes(old.schema, before, after, every=every),
    ]


def _ranked(found: Iterable[Change]) -> list[Change]:
    return sorted(found, key=lambda change: -RANK[change.impact])
