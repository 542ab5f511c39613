"""The fixed-width writer: fits, never wraps a row, says what it left out; rich draws the same."""

from __future__ import annotations

import io
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sretool.report.escape import width
from sretool.report.table import Column, Lines, Table, columns_for, write
from sretool.report.terminal import Terminal
from sretool.report.text import draw


@dataclass
class Row:
    pid: int
    rss_bytes: int | None
    busy_ratio: float | None
    command: str


ROWS = [
    Row(1, 4096, 0.5, "init"),
    Row(4711, None, None, "a \x1b[31mvery long command line that goes on and on and on and on and on"),
]
COLUMNS = columns_for(
    ("pid", "rss_bytes", "busy_ratio", "command"), right=("pid",), flexible=("command",), drop=("busy_ratio",)
)


def plain(table: Table[Row], columns: int | None, unicode: bool = True) -> list[str]:
    out = io.StringIO()
    write([table], out, columns, unicode)
    return out.getvalue().splitlines()


def test_a_pipe_gets_everything() -> None:
    lines = plain(Table(COLUMNS, ROWS), None)
    assert lines[0].split() == ["PID", "RSS", "BUSY", "COMMAND"]
    assert lines[1].split() == ["1", "4.0K", "50.0%", "init"]
    assert lines[2].split()[:3] == ["4711", "-", "-"]
    assert lines[2].endswith("on and on")
    assert r"\x1b[31m" in lines[2]
    assert [line for line in lines if line != line.rstrip()] == []


def test_a_narrow_terminal_cuts_the_flexible_column_then_drops() -> None:
    lines = plain(Table(COLUMNS, ROWS), 40)
    assert all(width(line) <= 40 for line in lines)
    assert lines[2].endswith("…")
    narrow = plain(Table(COLUMNS, ROWS), 21)
    assert "BUSY" not in narrow[0]
    assert "(no room for BUSY: a wider terminal or --json shows them)" in " ".join(narrow[3:]).replace(
        "  ", " "
    )


def test_empty_and_hidden_are_said() -> None:
    assert plain(Table(COLUMNS, [], empty="no process matches"), 80) == ["no process matches"]
    assert "(7 more: --limit 0 shows all)" in plain(Table(COLUMNS, ROWS, hidden=7), 80)


@given(
    st.lists(
        st.builds(Row, st.integers(0, 10**9), st.none() | st.integers(0), st.none(), st.text()), max_size=5
    ),
    st.integers(30, 200),
)
def test_no_row_is_wider_than_the_terminal(rows: list[Row], columns: int) -> None:
    lines = plain(Table(COLUMNS, rows), columns)
    assert all(width(line) <= columns for line in lines)
    if rows:
        notes = [number for number, line in enumerate(lines) if line.startswith("(no room")]
        assert (notes[0] if notes else len(lines)) == len(rows) + 1


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_rich_draws_the_same_cells(columns: int) -> None:
    out = io.StringIO()
    draw([Table(COLUMNS, ROWS)], out, Terminal(True, columns, 24, False, True))
    drawn = [line.split() for line in out.getvalue().splitlines()]
    assert drawn == [line.split() for line in plain(Table(COLUMNS, ROWS), columns)]


def test_lines_wrap_with_a_hanging_indent_and_pipes_do_not() -> None:
    block = Lines(["      do:   " + "word " * 30], indent=6)
    out = io.StringIO()
    write([block], out, 60, True)
    assert all(len(line) <= 60 for line in out.getvalue().splitlines())
    assert out.getvalue().splitlines()[1].startswith(" " * 12)
    out = io.StringIO()
    write([block], out, None, True)
    assert len(out.getvalue().splitlines()) == 1
    out = io.StringIO()
    draw([block], out, Terminal(True, 60, 24, False, True))
    assert all(len(line) <= 60 for line in out.getvalue().splitlines())
    # what is copied from a terminal drags no spaces along: the words' own space at most
    assert not any(line.endswith("  ") for line in out.getvalue().splitlines())


def test_ascii_terminals_get_ascii() -> None:
    out = io.StringIO()
    write([Lines([[("└─ ", ""), ("größe", "strong")]])], out, 80, False)
    assert out.getvalue() == "`- gr\\xf6\\xdfe\n"


def test_what_cut_marks_is_ascii_where_it_must_be() -> None:
    table = Table([Column("NAME", str, flexible=True, least=4)], ["a" * 30])
    out = io.StringIO()
    write([table], out, 10, unicode=False)
    assert out.getvalue() == "NAME\naaaaaaaaa~\n"
