"""What a view is made of, and the one fixed-width writer.

A view returns blocks: `Table` and `Lines`. `write` prints them as plain text, for pipes and for
tables longer than a screen, without importing rich; `text.py` draws the same blocks on a terminal.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, Literal, TextIO, TypeVar, Union

from msgspec import Struct

from sretool.report.escape import ascii_only, cut, escape, width
from sretool.report.units import form_for, text_for

Style = Literal["", "good", "warning", "critical", "dim", "strong"]
Span = tuple[str, Style]
Line = Union[str, Sequence[Span]]
R = TypeVar("R")

GAP = "  "
ROWS_AT_ONCE = 1000  # padded at once: 100,000 rows need not stand in memory twice


class Column(Struct, Generic[R], frozen=True):
    """One column. `cell` gives text that is not yet escaped. Columns shrink (only `flexible`
    ones, down to `least`) and then go, highest `drop` first, when the terminal is too narrow;
    `drop=0` stays.
    """

    title: str
    cell: Callable[[R], str]
    right: bool = False
    flexible: bool = False
    least: int = 8
    drop: int = 0
    style: Callable[[R], Style] | None = None


class Table(Struct, Generic[R], frozen=True):
    """Rows under columns. `empty` is said instead of a table without rows; `hidden` is how many
    rows a limit left out.
    """

    columns: Sequence[Column[R]]
    rows: Sequence[R]
    title: str = ""
    empty: str = "nothing to show"
    hidden: int = 0


class Lines(Struct, frozen=True):
    """Paragraphs: each line is text, or spans of text with a style. Lines wrap on a terminal with
    `indent` columns of hanging indent.
    """

    lines: Sequence[Line] = ()
    title: str = ""
    indent: int = 0


Block = Union[Table[Any], Lines]
FINDINGS = Lines()
"""Stands in a view's blocks where the answer's findings belong; without it they come last."""


def columns_for(
    fields: Sequence[str],
    *,
    titles: dict[str, str] | None = None,
    cells: dict[str, Callable[[Any], str]] | None = None,
    right: Sequence[str] = (),
    flexible: Sequence[str] = (),
    drop: Sequence[str] = (),
    styles: dict[str, Callable[[Any], Style]] | None = None,
) -> list[Column[Any]]:
    """Columns for a row type's fields: the title is the field's name in capitals without its unit,
    the text goes by the unit suffix, numbers align right. The keyword arguments say where a field
    differs. `drop` lists fields in the order they may go, first to go first; the rest stay.
    """
    order = {name: len(drop) - position for position, name in enumerate(drop)}
    return [
        Column(
            title=(titles or {}).get(name, _title(name)),
            cell=(cells or {}).get(name) or _field_cell(name),
            right=name in right or name.endswith(("_bytes", "_ratio", "_ms", "_s")),
            flexible=name in flexible,
            drop=order.get(name, 0),
            style=(styles or {}).get(name),
        )
        for name in fields
    ]


def _title(name: str) -> str:
    for suffix in ("_bytes_per_s", "_bytes", "_ratio", "_ms", "_s"):
        if name.endswith(suffix) and not name.endswith("_per_s"):
            name = name[: -len(suffix)]
            break
    return name.replace("_", " ").upper()


def _field_cell(name: str) -> Callable[[Any], str]:
    form = form_for(name)

    def cell(row: Any) -> str:
        value = getattr(row, name)
        # nearly all are numbers
        return form(value) if value.__class__ is int or value.__class__ is float else text_for(name, value)

    return cell


def fit(table: Table[Any], columns: int | None, glyphs: Callable[[str], str]) -> Fitted:
    """Escape every cell once and choose columns and widths for a terminal of `columns` columns
    (None: as wide as needed).
    """
    titles = [glyphs(column.title) for column in table.columns]
    cells, plain, widths = [], [], []
    for title, column in zip(titles, table.columns):
        texts, ascii_ = _escaped([column.cell(row) for row in table.rows], glyphs)
        cells.append(texts)
        plain.append(ascii_ and title.isascii())
        widths.append(max(width(title), max(map(len if ascii_ else width, texts), default=0)))
    shown = list(range(len(titles)))
    if columns is not None:
        while True:
            room = columns - len(GAP) * (len(shown) - 1)
            least = sum(
                min(widths[i], table.columns[i].least) if table.columns[i].flexible else widths[i]
                for i in shown
            )
            if least <= room or len(shown) == 1:
                break
            going = max(shown, key=lambda i: table.columns[i].drop)
            if table.columns[going].drop == 0:
                going = shown[-1]
            shown.remove(going)
        whole = list(widths)
        _shrink(widths, shown, table, columns - len(GAP) * (len(shown) - 1))
        plain = [is_plain and now == was for is_plain, now, was in zip(plain, widths, whole)]
    gone = [titles[i] for i in range(len(titles)) if i not in shown]
    return Fitted(titles, cells, plain, widths, shown, gone)


def _escaped(texts: list[str], glyphs: Callable[[str], str]) -> tuple[list[str], bool]:
    """A column made safe, and whether it is all ASCII, one column a character. Nearly every column
    is, which is asked once for the column and not for each of 100,000 cells.
    """
    joined = "".join(texts)
    if joined.isascii() and joined.isprintable():
        return texts, True
    # many processes of one program have one command line
    shown = {text: glyphs(escape(text)) for text in set(texts)}
    return [shown[text] for text in texts], all(map(str.isascii, shown.values()))


def _shrink(widths: list[int], shown: list[int], table: Table[Any], room: int) -> None:
    over = sum(widths[i] for i in shown) - room
    flexible = [i for i in shown if table.columns[i].flexible] or shown[-1:]
    while over > 0:
        widest = max(flexible, key=lambda i: widths[i])
        if widths[widest] <= 1:
            return
        step = min(over, max(1, widths[widest] - max([widths[i] for i in flexible if i != widest] or [1])))
        widths[widest] -= step
        over -= step


class Fitted(Struct, frozen=True):
    """A table ready to print: for each column its title, its escaped cells, whether all of it is
    ASCII and fits, and its width; then the columns shown, and the titles of those gone.
    """

    titles: list[str]
    cells: list[list[str]]
    plain: list[bool]
    widths: list[int]
    shown: list[int]
    gone: list[str]


def plain_text(line: Line) -> str:
    """A line without its styles, escaped."""
    return escape(line) if isinstance(line, str) else "".join(escape(text) for text, _ in line)


Paint = Callable[[str, Style], str]
_SGR: dict[Style, str] = {
    "good": "\x1b[32m",
    "warning": "\x1b[33m",
    "critical": "\x1b[1;31m",
    "dim": "\x1b[2m",
    "strong": "\x1b[1m",
}


def paint(text: str, style: Style) -> str:
    """Escaped text in a style, by ECMA-48 sequences."""
    return f"{_SGR[style]}{text}\x1b[0m" if style and text else text


def table_lines(
    table: Table[Any], columns: int | None, glyphs: Callable[[str], str], paint: Paint | None = None
) -> Iterator[str]:
    """A table as text lines, header first; `paint` gives cells their styles."""
    if not table.rows:
        yield glyphs(table.empty)
        return
    fitted = fit(table, columns, glyphs)
    last = fitted.shown[-1]

    def padded(i: int, texts: Sequence[str]) -> Sequence[str]:
        wide, right = fitted.widths[i], table.columns[i].right
        if fitted.plain[i]:
            if right:
                return [text.rjust(wide) for text in texts]
            return texts if i == last else [text.ljust(wide) for text in texts]
        # cut marks the end with a glyph of ours
        texts = [glyphs(cut(text, wide)) for text in texts]
        # ljust and rjust count characters, a terminal counts columns
        spaces = [" " * (wide - width(text)) for text in texts]
        if right:
            return [space + text for space, text in zip(spaces, texts)]
        return texts if i == last else [text + space for space, text in zip(spaces, texts)]

    title = GAP.join(padded(i, [fitted.titles[i]])[0] for i in fitted.shown)
    yield title if paint is None else paint(title, "strong")
    if paint is None and all(fitted.plain[i] for i in fitted.shown):
        # a format pads a whole row at once
        layout = GAP.join(_format(fitted.widths[i], table.columns[i].right, i == last) for i in fitted.shown)
        for row in zip(*(fitted.cells[i] for i in fitted.shown)):
            yield (layout % row).rstrip()
    else:
        for start in range(0, len(table.rows), ROWS_AT_ONCE):
            rows = table.rows[start : start + ROWS_AT_ONCE]
            chunk = [padded(i, fitted.cells[i][start : start + ROWS_AT_ONCE]) for i in fitted.shown]
            if paint is not None:
                styles = [table.columns[i].style for i in fitted.shown]
                chunk = [_painted(texts, rows, style, paint) for texts, style in zip(chunk, styles)]
            for row in zip(*chunk):
                yield GAP.join(row).rstrip()
    for note in notes(table, fitted):
        yield from wrapped(note, columns, " ")


def _format(wide: int, right: bool, last: bool) -> str:
    return f"%{wide}s" if right else "%s" if last else f"%-{wide}s"


def _painted(
    texts: Sequence[str], rows: Sequence[R], style: Callable[[R], Style] | None, paint: Paint
) -> Sequence[str]:
    return texts if style is None else [paint(text, style(row)) for text, row in zip(texts, rows)]


def notes(table: Table[Any], fitted: Fitted) -> Iterator[str]:
    """What a cut table owes its reader."""
    if table.hidden:
        yield f"({table.hidden} more: --limit 0 shows all)"
    if fitted.gone:
        yield f"(no room for {', '.join(fitted.gone)}: a wider terminal or --json shows them)"


def wrapped(text: str, columns: int | None, hanging: str) -> list[str]:
    """`text` in lines of at most `columns` columns, the later ones indented by `hanging`."""
    if columns is None or width(text) <= columns:
        return [text]
    import textwrap

    return textwrap.wrap(text, columns, subsequent_indent=hanging, break_on_hyphens=False)


def write(
    blocks: Sequence[Block],
    stream: TextIO,
    columns: int | None,
    unicode: bool,
    paint: Paint | None = None,
) -> None:
    """Print blocks as plain text, tables with styles where `paint` is given; `columns` None means a
    pipe, where nothing is cut.
    """

    def glyphs(text: str) -> str:
        return text if unicode else ascii_only(text)

    for number, block in enumerate(blocks):
        if number:
            stream.write("\n")
        if block.title:
            stream.write(glyphs(escape(block.title)) + "\n")
        if isinstance(block, Table):
            lines = table_lines(block, columns, glyphs, paint)
            while some := list(itertools.islice(lines, ROWS_AT_ONCE)):
                stream.write("\n".join(some) + "\n")
            continue
        for line in block.lines:
            text = glyphs(plain_text(line))
            hanging = " " * (len(text) - len(text.lstrip()) + block.indent)
            for part in wrapped(text, columns, hanging):
                stream.write(part + "\n")
