"""Blocks as Markdown, to be pasted into a ticket: GitHub's tables (GFM spec 4.10) and code fences.

Everything that came from outside stands in code: there no name can make a link, a mention, HTML or an
emphasis. A backtick would end the code and a pipe the cell, whatever is written before it, so both are
written as hexadecimal escapes, as control characters are. The text is padded: it reads well where nothing
renders it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from sretool.report.escape import escape, width
from sretool.report.table import Block, Column, Line, Lines, Table, fit, notes, plain_text

_CODE = str.maketrans({"`": "\\x60", "|": "\\x7c"})
_FENCE = str.maketrans({"`": "\\x60"})
_NUMBER = re.compile(r"[-–0-9.,/%× ]*")


def write(blocks: Sequence[Block]) -> str:
    """The blocks as one Markdown text."""
    parts: list[str] = []
    fenced: list[str] = []
    for block in blocks:
        if isinstance(block, Table) and block.rows:
            parts += _fence(fenced)
            fenced = []
            title = [f"{code(block.title)}\n\n"] if block.title else []
            parts.append("".join([*title, *_table(block)]))
            fenced += notes(block, fit(block, None, str))
        else:
            fenced += [*([""] if fenced else []), *_lines(block)]
    return "\n".join([*parts, *_fence(fenced)])


def code(text: str) -> str:
    """Text from outside as a code span, also in the cell of a table; nothing for nothing."""
    shown = escape(text).translate(_CODE).strip()
    return f"`{shown}`" if shown else ""


def _lines(block: Block) -> Iterator[str]:
    if block.title:
        yield escape(block.title)
    lines: Sequence[Line] = block.lines if isinstance(block, Lines) else [block.empty]
    yield from map(plain_text, lines)


def _fence(lines: Sequence[str]) -> list[str]:
    if not lines:
        return []
    return ["\n".join(["```text", *(line.translate(_FENCE).rstrip() for line in lines), "```", ""])]


def _table(table: Table[Any]) -> Iterator[str]:
    columns = [_column(column, table.rows) for column in table.columns]
    widths = [max(3, *map(width, cells)) for cells in columns]
    rule = [
        "-" * (wide - 1) + ":" if column.right else "-" * wide for column, wide in zip(table.columns, widths)
    ]
    for number, row in enumerate(zip(*columns)):
        cells = (
            " " * (wide - width(cell)) + cell if column.right else cell + " " * (wide - width(cell))
            for cell, wide, column in zip(row, widths, table.columns)
        )
        yield f"| {' | '.join(cells)} |\n"
        if number == 0:
            yield f"| {' | '.join(rule)} |\n"


def _column(column: Column[Any], rows: Sequence[Any]) -> list[str]:
    """The title, which is ours, and the cells."""
    cells = [column.cell(row) for row in rows]
    plain = column.right and all(map(_NUMBER.fullmatch, cells))
    return [column.title, *(cell.strip() if plain else code(cell) for cell in cells)]
