"""Differences as a person reads them: what was compared, what matters, then every change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sretool.command import Look
from sretool.command.output import STYLE_OF
from sretool.report.table import FINDINGS, Block, Line, Lines, Table, columns_for
from sretool.report.units import count_text, number_text
from sretool.snapshot.diff.model import Change, Diff, Side

MOST = 4


def diff(data: Diff, look: Look) -> list[Block]:
    """The findings stand before the table of all changes."""
    head: list[Line] = [
        [("before  ", "dim"), (_side(data.before), "strong")],
        [("after   ", "dim"), (_side(data.after), "strong")],
        *_apart(data),
        *_unknown(data),
    ]
    fields = look.fields
    same = len({change.subject for change in data.changes}) < 2
    known = any(change.chance is not None for change in data.changes)
    fields = tuple(
        name for name in fields if not (name == "subject" and same) and not (name == "chance" and not known)
    )
    table = Table(
        columns_for(
            fields,
            cells={name: _cell(name) for name in ("before", "after", "chance")},
            flexible=("where", "before", "after"),
            right=("chance",),
            drop=("chance", "kind", "subject"),
            styles={"impact": lambda change: STYLE_OF[change.impact]},
        ),
        data.changes,
        title=_title(data),
        empty="" if data.compared == "traces" else "no row differs",
        hidden=look.hidden,
    )
    return [Lines(head, indent=8), FINDINGS, table if data.changes else Lines([_title(data)])]


def _side(side: Side) -> str:
    of = f"{side.host}, " if side.host else ""
    return f"{side.file}  ({of}{side.collected_at[:19].replace('T', ' ')} UTC)"


def _title(data: Diff) -> str:
    what = {"traces": "traces", "answers": "answers", "recordings": "recordings"}[data.compared]
    if not data.total:
        return f"Nothing differs between the two {what}."
    first = ", those that matter to users first" if data.total > 1 else ""
    return f"{count_text(data.total, 'change')}{first}:"


def _apart(data: Diff) -> Iterator[Line]:
    for one in data.made_differently:
        spoilt = f"not compared: {', '.join(one.spoils)}" if one.spoils else "all can be compared"
        yield [
            ("note    ", "dim"),
            (f"{one.target}: {one.what} is {_word(one.after)}, was {_word(one.before)}; {spoilt}", "warning"),
        ]


def _unknown(data: Diff) -> Iterator[Line]:
    spoilt = {aspect for one in data.made_differently for aspect in one.spoils}
    for verdict in data.checks:
        if verdict.outcome == "unknown" and not (spoilt and "not comparable" in verdict.reason):
            yield [("unsure  ", "dim"), (f"{verdict.reason}  [{verdict.id}]", "warning")]


def _cell(name: str) -> Any:
    def cell(change: Change) -> str:
        value = getattr(change, name)
        if isinstance(value, float) and (name == "chance" or change.kind == "loss"):
            return f"{value:.1%}"
        if isinstance(value, float) and change.kind == "rtt":
            return f"{number_text(value)} ms"
        if change.kind == "hops-moved" and isinstance(value, list):
            first, last = value
            return f"hop {first}" if first == last else f"hops {first} to {last}"
        return _word(value)

    return cell


def _word(value: Any) -> str:
    """Any JSON value in a few words."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        parts = [f"{key} {_word(inner)}" for key, inner in value.items() if inner not in (None, [], {})]
        return ", ".join(parts) or "-"
    if isinstance(value, list):
        shown = [f"({_word(item)})" if isinstance(item, dict) else _word(item) for item in value[:MOST]]
        more = f" and {len(value) - MOST} more" if len(value) > MOST else ""
        return (", ".join(shown) or "nobody") + more
    return str(value)
