"""Sections of labelled lines: one under the other, or side by side where there is room."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Union

from sretool.report.escape import escape, width
from sretool.report.table import Block, Line, Lines, Span

LABEL = 11
SIDE_BY_SIDE = 150
_GAP = "   "
Text = Union[str, Sequence[Span]]
Row = tuple[str, Text]


class Section(NamedTuple):
    """A title, and lines behind a label each. An empty label goes on with the line before."""

    title: str
    rows: list[Row]


def blocks(sections: Iterable[Section], columns: int | None) -> list[Block]:
    """The sections that have a line."""
    kept = [section for section in sections if section.rows]
    if columns is None or columns < SIDE_BY_SIDE:
        return [Lines([_line(row) for row in one.rows], one.title, LABEL + 1) for one in kept]
    half = (columns - len(_GAP)) // 2
    drawn = [_wrapped(section, half) for section in kept]
    left: list[list[Span]] = []
    total = sum(map(len, drawn)) + len(drawn)
    while drawn and len(left) + len(drawn[0]) // 2 < total / 2:
        left += ([[]] if left else []) + drawn.pop(0)
    right: list[list[Span]] = []
    for one in drawn:
        right += ([[]] if right else []) + one
    rows = max(len(left), len(right))
    left, right = (side + [[]] * (rows - len(side)) for side in (left, right))
    return [Lines([_beside(*pair, half) for pair in zip(left, right)])]


def _spans(text: Text) -> list[Span]:
    return [(text, "")] if isinstance(text, str) else list(text)


def _line(row: Row) -> Line:
    label, text = row
    return [(f"  {label:<{LABEL}} ", "dim"), *_spans(text)]


def _wrapped(section: Section, columns: int) -> list[list[Span]]:
    """The section as lines of at most `columns` columns."""
    lines: list[list[Span]] = [[(section.title, "strong")]]
    for label, text in section.rows:
        line: list[Span] = [(f"  {label:<{LABEL}} ", "dim")]
        used = lead = LABEL + 3
        for part, style in _spans(text):
            # pieces that keep their spaces, so that what is joined again is the same text
            for piece in _pieces(escape(part), columns - lead):
                if used + width(piece.rstrip()) > columns:
                    lines.append(line)
                    line, used, piece = [(" " * lead, "")], lead, piece.lstrip()
                line.append((piece, style))
                used += width(piece)
        lines.append(line)
    return lines


def _pieces(text: str, columns: int) -> list[str]:
    """Words with the spaces behind them; one longer than a line is cut."""
    found: list[str] = []
    for word in text.split(" "):
        found += textwrap.wrap(word, columns, break_on_hyphens=False) if len(word) > columns else [word]
        found[-1] += " "
    if found:
        found[-1] = found[-1][:-1]
    return found


def _beside(left: list[Span], right: list[Span], columns: int) -> list[Span]:
    room = columns - sum(width(text) for text, _ in left)
    return [*left, (" " * max(0, room) + _GAP, ""), *right]
