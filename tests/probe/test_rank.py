"""The rank test beside plain enumeration, and beside figures that are in textbooks."""

from __future__ import annotations

import itertools
import math
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sretool.probe.rank import EXACT_UP_TO, chance, least_chance, split, stratum

SMALL = st.lists(st.integers(0, 6).map(float), min_size=1, max_size=4)


def twice_u(before: list[float], after: list[float]) -> int:
    return sum(2 * (y > x) + (y == x) for x in before for y in after)


def enumerated(groups: list[tuple[list[float], list[float]]]) -> float:
    """Deal the values of every group out in every way, and count."""
    seen = abs(sum(twice_u(*group) - len(group[0]) * len(group[1]) for group in groups))
    deals = []
    for before, after in groups:
        values = [*before, *after]
        places = range(len(values))
        deals.append(
            [
                twice_u([values[i] for i in places if i not in chosen], [values[i] for i in chosen])
                - len(before) * len(after)
                for chosen in itertools.combinations(places, len(after))
            ]
        )
    sums = [sum(deal) for deal in itertools.product(*deals)]
    return sum(abs(total) >= seen for total in sums) / len(sums)


@given(SMALL, SMALL)
def test_one_group_is_what_enumeration_gives(before: list[float], after: list[float]) -> None:
    found = stratum(before, after)
    assert found.twice_u == twice_u(before, after)
    assert chance([found]) == pytest.approx(enumerated([(before, after)]))


@settings(max_examples=40)
@given(st.lists(st.tuples(SMALL, SMALL).filter(lambda g: len(g[0]) + len(g[1]) < 6), min_size=1, max_size=3))
def test_groups_together_are_what_enumeration_gives(groups: list[tuple[list[float], list[float]]]) -> None:
    assert chance(stratum(*group) for group in groups) == pytest.approx(enumerated(groups))


@given(SMALL, SMALL)
def test_it_is_the_same_from_both_sides(before: list[float], after: list[float]) -> None:
    assert chance([stratum(before, after)]) == pytest.approx(chance([stratum(after, before)]))


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=40))
def test_alike_is_no_difference(values: list[float]) -> None:
    assert chance([stratum(values, values)]) == 1.0


def test_figures_of_tables() -> None:
    """Mann and Whitney 1947, table I: two-sided 0.1 of 3 and 3, 2/70 of 4 and 4, 2/252 of 5 and 5."""
    for size, p in ((3, 0.1), (4, 2 / 70), (5, 2 / 252)):
        low, high = [float(n) for n in range(size)], [float(n) for n in range(10, 10 + size)]
        assert chance([stratum(low, high)]) == pytest.approx(p)
        assert least_chance([(size, size)]) == pytest.approx(p)
    threes = [stratum([1, 2, 3], [4, 5, 6])] * 2
    assert chance(threes) == pytest.approx(2 / 400) == pytest.approx(least_chance([(3, 3)] * 2))


def test_the_estimate_joins_the_count() -> None:
    dice = random.Random(1)
    for shift in (0.0, 0.4, 0.8, 1.2):
        before = [round(dice.gauss(0, 1), 1) for _ in range(EXACT_UP_TO // 2)]
        after = [round(dice.gauss(shift, 1), 1) for _ in range(EXACT_UP_TO // 2)]
        exact = stratum(before, after)
        assert chance([exact._replace(ways=None)]) == pytest.approx(chance([exact]), abs=0.012)


def test_many_values_are_no_trouble() -> None:
    many = [float(n % 997) for n in range(200_000)]
    began = time.process_time()
    assert chance([stratum(many, [value + 50 for value in many])]) < 1e-12
    assert time.process_time() - began < 5
    assert chance([stratum([1.0] * 100, [1.0] * 100)]) == 1.0


@given(st.integers(0, 6), st.integers(1, 6), st.integers(0, 6))
def test_split_is_a_ratio_of_combinations(part: int, before: int, after: int) -> None:
    if part <= before:
        assert split(part, before, after) == pytest.approx(
            math.comb(before, part) / math.comb(before + after, part)
        )
    else:
        assert split(part, before, after) == 0.0
