"""Blocks drawn on a terminal by rich. The only module that imports it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TextIO

from rich.console import Console
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from sretool.report.escape import ascii_only, cut, escape
from sretool.report.table import GAP, Block, Fitted, Lines, Span, Style, Table, fit, notes
from sretool.report.terminal import Terminal

_STYLES: dict[Style, str] = {
    "": "",
    "good": "green",
    "warning": "yellow",
    "critical": "bold red",
    "dim": "dim",
    "strong": "bold",
}


def console(stream: TextIO, terminal: Terminal) -> Console:
    """A console that does what `terminal` says, whatever rich would guess by itself."""
    return Console(
        file=stream,
        width=terminal.columns or 10_000,
        force_terminal=terminal.color,
        no_color=not terminal.color,
        color_system="standard" if terminal.color else None,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
        safe_box=not terminal.unicode,
    )


def draw(blocks: Sequence[Block], stream: TextIO, terminal: Terminal) -> None:
    """Print blocks with rich, a blank line between them."""
    out = console(stream, terminal)

    def glyphs(text: str) -> str:
        return text if terminal.unicode else ascii_only(text)

    for number, block in enumerate(blocks):
        if number:
            out.print()
        if block.title:
            out.print(Text(glyphs(escape(block.title)), style="bold"))
        if isinstance(block, Table):
            _draw_table(block, out, terminal, glyphs)
        else:
            _draw_lines(block, out, glyphs)


def _draw_table(table: Table[Any], out: Console, terminal: Terminal, glyphs: Any) -> None:
    if not table.rows:
        out.print(Text(glyphs(table.empty)))
        return
    fitted: Fitted = fit(table, terminal.columns, glyphs)
    drawn = RichTable(
        box=None, padding=(0, len(GAP), 0, 0), pad_edge=False, show_edge=False, header_style="bold"
    )
    for i in fitted.shown:
        drawn.add_column(
            Text(glyphs(cut(fitted.titles[i], fitted.widths[i]))),
            justify="right" if table.columns[i].right else "left",
            width=fitted.widths[i],
            no_wrap=True,
        )
    for row, cells in zip(table.rows, zip(*fitted.cells)):
        drawn.add_row(
            *(
                Text(
                    glyphs(cut(cells[i], fitted.widths[i])),
                    style=_STYLES[style(row)] if (style := table.columns[i].style) else "",
                )
                for i in fitted.shown
            )
        )
    out.print(drawn)
    for note in notes(table, fitted):
        out.print(Text(glyphs(note), style="dim"))


def _draw_lines(block: Lines, out: Console, glyphs: Any) -> None:
    for line in block.lines:
        spans: Sequence[Span] = [(line, "")] if isinstance(line, str) else line
        text = Text.assemble(*((glyphs(escape(part)), _STYLES[style]) for part, style in spans))
        lead = len(text.plain) - len(text.plain.lstrip())
        if len(text.plain) <= out.width or lead + block.indent >= out.width // 2:
            out.print(text)
            continue
        pieces = text[lead:].wrap(out, out.width - lead - block.indent)
        out.print(Padding(pieces[0], (0, 0, 0, lead), expand=False))
        for piece in pieces[1:]:
            out.print(Padding(piece, (0, 0, 0, lead + block.indent), expand=False))
