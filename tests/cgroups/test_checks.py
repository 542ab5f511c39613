"""The throttling check."""

from __future__ import annotations

from typing import Any

import pytest

from sretool.cgroups.checks import cpu
from sretool.cgroups.model import Cgroup, Cgroups
from sretool.report.answer import Finding
from sretool.report.check import Verdict, judge


def group(path: str, throttled: int = 0, periods: int = 10, quota: Any = 0.5) -> Cgroup:
    ratio = throttled / periods if periods else None
    return Cgroup(path, path[1:], path[1:], "", "", "", 1, 1, 0.5, quota, ratio, throttled, periods)


def looked(*rows: Cgroup, window_s: float | None = 1.0) -> tuple[Verdict, list[Finding]]:
    ((verdict, found),) = judge(cpu.CHECKS, Cgroups(list(rows), len(rows), "v2", 0, window_s))
    return verdict, found


@pytest.mark.parametrize(
    ("throttled", "periods", "fires"), [(0, 10, 0), (2, 8, 0), (3, 10, 1), (4, 4, 0), (5, 5, 1)]
)
def test_more_than_a_quarter_of_enough_periods(throttled: int, periods: int, fires: int) -> None:
    verdict, found = looked(group("/a", throttled, periods))
    assert len(found) == fires
    assert verdict.outcome == ("found" if fires else "clear")


def test_the_worst_first_with_the_number_of_the_rest() -> None:
    _, found = looked(*(group(f"/{n}", 4 + n) for n in range(6)))
    assert [finding.subject.id for finding in found] == ["/5", "/4", "/3", "/2", "/1"]
    assert "5 more groups" in found[0].summary
    assert found[0].severity == "warning"


def test_no_quota_anywhere_is_nothing_to_judge() -> None:
    assert looked(group("/a", periods=0, quota="max"))[0].outcome == "not-applicable"


def test_one_reading_is_unknown() -> None:
    assert looked(group("/a", 9), window_s=None)[0].outcome == "unknown"
