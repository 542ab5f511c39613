"""From two files to what is different between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sretool.errors import SretoolError, UsageError
from sretool.net.trace.diff.checks import limits
from sretool.report.answer import RANK
from sretool.report.check import Rule
from sretool.snapshot.diff import recordings, rows
from sretool.snapshot.diff.load import TRACE, Saved, document, load, traces
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
    if old.side.schema == TRACE:
        found.compared = "traces"
        hosts = (old.side.host, new.side.host)
        model, found.changes = paths_compared(traces(old), traces(new), limits(rules), hosts)
        found.made_differently = [one for diff in model for one in diff.differences]
    elif old.is_recording:
        found.compared = "recordings"
        found.changes = model = _ranked(recordings.changes(before, after, errors, every=every))
    else:
        found.changes = model = _answers(old, new, every=every)
    found.total = len(found.changes)
    return found, model


def _answers(old: Saved, new: Saved, *, every: bool) -> list[Change]:
    return _ranked(
        [
            *rows.findings(old.findings, new.findings),
            *rows.changes(old.side.schema, document(old), document(new), every=every),
        ]
    )


def _ranked(found: Iterable[Change]) -> list[Change]:
    return sorted(found, key=lambda change: -RANK[change.impact])
