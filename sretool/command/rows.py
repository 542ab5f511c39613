"""The rows of a listing in the order and number that were asked for."""

from __future__ import annotations

from typing import Any

from sretool.command.options import Options
from sretool.report.terminal import Terminal

NO_LIMIT = "max"  # what the kernel writes for no limit, and a number's only other value in our models
SCREEN_ROWS_KEPT = 6  # header, notes and the next prompt


def ordered(rows: list[Any], sort: str | None) -> list[Any]:
    """By the field that --sort names: numbers largest first, text A to Z, `-` reverses; what is not
    known comes last. As they are where none is named.
    """
    if sort is None:
        return rows
    name = sort.removeprefix("-")
    known = [row for row in rows if getattr(row, name) is not None]
    numeric = all(
        isinstance(getattr(row, name), (int, float)) or getattr(row, name) == NO_LIMIT for row in known
    )

    def key(row: Any) -> Any:
        value = getattr(row, name)
        return str(value) if not numeric else float("inf") if value == NO_LIMIT else value

    known.sort(key=key, reverse=numeric != sort.startswith("-"))
    return known + [row for row in rows if getattr(row, name) is None]


def most(options: Options, terminal: Terminal) -> int | None:
    """How many rows are shown: --limit, else what a terminal has room for; None or 0 is all."""
    text = not options.json and not options.jsonl
    if options.limit is None and text and terminal.lines is not None:
        return max(5, terminal.lines - SCREEN_ROWS_KEPT)
    return options.limit
