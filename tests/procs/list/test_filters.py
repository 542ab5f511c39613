"""Which rows a filter keeps."""

from __future__ import annotations

import pytest
from procfs import host, process

from sretool.errors import UsageError
from sretool.procs.list import read
from sretool.procs.list.filters import Selection, states


def kept(select: Selection) -> list[int]:
    made = [
        process(1, state=b"D", cgroup="0::/a/b\n"),
        process(2, cgroup="0::/a\n"),
        process(3, state=b"Z", cgroup="0::/ab\n"),
    ]
    data = read.build(read.sample(host(*made), read.EVERYTHING), None, select.keeps)
    return sorted(row.pid for row in data.processes)


def test_a_cgroup_by_path_is_it_and_all_below() -> None:
    assert kept(Selection(cgroup="/a")) == kept(Selection(cgroup="/a/")) == [1, 2]
    assert kept(Selection(cgroup="a*")) == []
    assert kept(Selection(cgroup="/a*")) == [1, 2, 3]
    assert kept(Selection(cgroup="b")) == [1, 3]


def test_states_by_word_or_letter() -> None:
    assert states(["D,zombie", "T"]) == {"disk-sleep", "zombie", "stopped"}
    assert states(["t"]) == {"tracing-stop"}
    assert kept(Selection(states=states(["D"]))) == [1]
    with pytest.raises(UsageError, match=r"'Q'.*disk-sleep \(D\)"):
        states(["Q"])


def test_all_must_hold() -> None:
    assert kept(Selection(states=states(["D"]), pids={1, 2})) == [1]
    assert kept(Selection(pids=frozenset())) == []
