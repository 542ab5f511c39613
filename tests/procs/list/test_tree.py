"""Ancestry, with and without filters, and where it is nonsense."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from procfs import host, process

from sretool.procs.list import read
from sretool.procs.list.model import Processes
from sretool.procs.list.tree import branches, grown


def family(parents: dict[int, int]) -> Processes:
    made = host(*(process(pid, ppid=ppid) for pid, ppid in parents.items()))
    return read.build(read.sample(made, read.Ask()))


def test_below_their_parents_by_pid() -> None:
    rows = grown(family({1: 0, 2: 0, 30: 1, 4: 30, 20: 1, 5: 30}), None).processes
    assert [(row.pid, row.depth, row.context) for row in rows] == [
        (1, 0, False),
        (20, 1, False),
        (30, 1, False),
        (4, 2, False),
        (5, 2, False),
        (2, 0, False),
    ]
    drawn = branches(rows)
    assert [drawn[row.pid] for row in rows] == ["", "├─", "└─", "  ├─", "  └─", ""]


def test_a_filter_keeps_the_way_up() -> None:
    data = grown(family({1: 0, 3: 1, 4: 3, 5: 3, 6: 1}), lambda row: row.pid == 4)
    assert [(row.pid, row.context) for row in data.processes] == [(1, True), (3, True), (4, False)]
    assert data.total == 1
    assert grown(family({1: 0}), lambda row: False).processes == []


@given(st.dictionaries(st.integers(1, 12), st.integers(0, 12), max_size=12))
def test_any_parents_give_every_row_once(parents: dict[int, int]) -> None:
    rows = grown(family(parents or {1: 0}), None).processes
    assert sorted(row.pid for row in rows) == sorted(parents or {1: 0})
    assert set(branches(rows)) == {row.pid for row in rows}


def test_ten_thousand_generations() -> None:
    rows = grown(family({pid: pid - 1 for pid in range(1, 10_001)}), None).processes
    assert rows[-1].depth == 9_999
