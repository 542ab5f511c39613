from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sretool.probe.stats import wilson


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    # R: prop.test(x, n, correct=FALSE)$conf.int
    [(0, 10, 0.0, 0.2775), (1, 3, 0.0615, 0.7923), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0)],
)
def test_known_intervals(hits: int, trials: int, low: float, high: float) -> None:
    assert wilson(hits, trials) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


@given(st.integers(0, 500), st.integers(0, 500))
def test_the_interval_holds_the_ratio(hits: int, misses: int) -> None:
    low, high = wilson(hits, hits + misses)
    assert 0 <= low <= high <= 1
    if hits + misses:
        assert low - 1e-12 <= hits / (hits + misses) <= high + 1e-12
