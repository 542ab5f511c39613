from __future__ import annotations

from sretool.report.markdown import code, write
from sretool.report.table import Column, Lines, Table


def table(*rows: tuple[str, str], **more: object) -> Table[tuple[str, str]]:
    columns = [Column("NAME", lambda row: row[0]), Column("N", lambda row: row[1], right=True)]
    return Table(columns, rows, **more)  # type: ignore[arg-type]


def test_lines_that_follow_each_other_share_a_fence() -> None:
    assert (
        write([Lines(["a"]), Lines([[("b", "strong"), ("c", "dim")]], title="t")])
        == "```text\na\n\nt\nbc\n```\n"
    )
    assert write([]) == ""


def test_a_table() -> None:
    assert (
        write([table(("a", "1"), ("bb", "-"), title="of h", hidden=3)])
        == """\
`of h`

| NAME |   N |
| ---- | --: |
| `a`  |   1 |
| `bb` |   - |

```text
(3 more: --limit 0 shows all)
```
"""
    )


def test_a_column_of_numbers_with_something_else_in_it_is_code() -> None:
    assert "             `1` |" in write([table(("a", "1"), ("b", "www.x.example"))])


def test_an_empty_table_says_so() -> None:
    assert write([table(empty="no rows")]) == "```text\nno rows\n```\n"


def test_code_has_no_end_of_its_own() -> None:
    assert code("a`b|c\x1b") == "`a\\x60b\\x7cc\\x1b`"
    assert code("  ") == ""
