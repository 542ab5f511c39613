from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sretool.probe.pace import Pace


def test_a_burst_at_once_and_then_in_steps() -> None:
    pace = Pace(100.0, 3)
    leave = [pace.next(50.0) for _ in range(6)]
    assert all(at <= 50.0 for at in leave[:3])
    assert [round(at - 50.0, 6) for at in leave[3:]] == [0.01, 0.02, 0.03]


def test_after_a_rest_a_burst_is_allowed_again() -> None:
    pace = Pace(100.0, 2)
    for _ in range(5):
        pace.next(0.0)
    assert pace.next(10.0) <= 10.0
    assert pace.next(10.0) <= 10.0
    assert pace.next(10.0) > 10.0


@given(st.lists(st.floats(0, 0.05), max_size=60), st.integers(1, 10))
def test_never_more_than_the_rate_allows(gaps: list[float], burst: int) -> None:
    pace, now, left = Pace(100.0, burst), 0.0, []
    for gap in gaps:
        now += gap
        now = max(now, pace.next(now))
        left.append(now)
    for i, start in enumerate(left):
        for j in range(i, len(left)):
            assert j - i + 1 <= burst + (left[j] - start) * 100.0 + 1e-6
