from __future__ import annotations

import random
from math import ceil, log

import pytest

from sretool.net.trace.ecmp.stopping import MOST_EXACT, flows_for, miss

# Veitch et al. 2009, table for 95 %, which counts only the last stop
PUBLISHED = [6, 11, 16, 21, 27, 33, 38, 44, 51, 57, 63, 70, 76, 83, 90, 96]


def test_the_published_stops_but_where_they_fail_too_often() -> None:
    ours = [flows_for(seen) for seen in range(1, 17)]
    assert [mine - theirs for mine, theirs in zip(ours, PUBLISHED)] == [0] * 6 + [1, 1] + [0] * 8
    assert miss(PUBLISHED[:7], 8) > 0.05
    assert miss(PUBLISHED[:8], 9) > 0.05


@pytest.mark.parametrize("ways", [*range(2, 17), 32])
def test_at_most_one_in_twenty_is_missed(ways: int) -> None:
    assert miss([flows_for(seen) for seen in range(1, ways)], ways) <= 0.05


def test_many_ways_are_bounded_in_time_and_in_risk() -> None:
    bounds = [ceil(log((seen + 1) / 0.05) / log((seen + 1) / seen)) for seen in range(17, MOST_EXACT + 1)]
    exact = [flows_for(seen) for seen in range(17, MOST_EXACT + 1)]
    assert all(0 <= bound - number <= 1 for bound, number in zip(bounds, exact))
    stops = [flows_for(seen) for seen in range(1, 64)]
    assert stops == sorted(stops)
    assert miss(stops, 48) <= 0.0505
    assert flows_for(4000) > 40_000


@pytest.mark.parametrize("ways", [2, 5, 9])
def test_beside_drawing_lots(ways: int) -> None:
    stops = [flows_for(seen) for seen in range(1, ways)]
    lots, missed, runs = random.Random(7), 0, 4000
    for _ in range(runs):
        seen: set[int] = set()
        for flows in range(1, 1000):
            seen.add(lots.randrange(ways))
            if len(seen) == ways:
                break
            if flows >= stops[len(seen) - 1]:
                missed += 1
                break
    assert abs(missed / runs - miss(stops, ways)) < 0.015
