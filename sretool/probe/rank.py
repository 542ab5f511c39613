"""Whether two sets of measurements differ by more than chance: by their ranks alone, so that one slow
answer, or times of any distribution, mislead nobody.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

EXACT_UP_TO = 24
"""Values of both sides together up to which the chance of a group is counted (1 ms) and not estimated;
beyond it the estimate is good to 0.01."""
SUMS_UP_TO = 600
"""The same for groups together, by the sums their U can have: 30 hops of 3 and 3 values have 300."""


class Stratum(NamedTuple):
    """Mann and Whitney's U of one group, doubled so that ties are whole numbers: for every pair of a value
    before and one after 2 if the later one is larger, 1 if they are equal. `ways`: how many of all ways to
    deal the values out give which sum; None where they are too many to be counted.
    """

    twice_u: int
    mean: float
    variance: float
    ways: dict[int, int] | None


def stratum(before: Sequence[float], after: Sequence[float]) -> Stratum:
    """Of two sets of at least one value each."""
    m, n = len(before), len(after)
    ranks, ties = _doubled_midranks(before, after)
    twice_u = sum(ranks[m:]) - n * (n + 1)
    total = m + n
    # Lehmann 1975, Nonparametrics, 1.4: variance with ties; of 2U, so four times that of U
    spread = total + 1 - (sum(tied**3 - tied for tied in ties) / (total * (total - 1)) if total > 1 else 0)
    ways = _ways(ranks, n) if total <= EXACT_UP_TO else None
    return Stratum(twice_u, m * n, m * n * spread / 3, ways)


def chance(strata: Iterable[Stratum]) -> float:
    """The two-sided probability that groups of values, each before and after alike in truth, lean at least as
    far to one side together as these do (van Elteren 1960, unweighted; of one group Mann and Whitney's
    test). Exact when every group is small, else by the normal distribution.
    """
    groups = list(strata)
    off = abs(sum(group.twice_u - group.mean for group in groups))
    if any(group.ways is None for group in groups) or sum(len(g.ways or ()) for g in groups) > SUMS_UP_TO:
        variance = sum(group.variance for group in groups)
        # one step of 2U is 2 (1 between ties): half of it corrects for continuity
        return 1.0 if variance <= 0 else math.erfc(max(0.0, off - 1) / math.sqrt(2 * variance))
    deals = {0: 1}
    for group in groups:
        deals = _added(deals, group.ways or {})
    mean = sum(group.mean for group in groups)
    far = sum(count for twice_u, count in deals.items() if abs(twice_u - mean) >= off - 1e-9)
    return far / sum(deals.values())


def least_chance(sizes: Iterable[tuple[int, int]]) -> float:
    """What `chance` can come down to with so many values before and after in each group."""
    ways = math.prod(math.comb(min(m + n, 1000), min(m, n, 500)) for m, n in sizes)
    return min(1.0, 2 / ways)


def split(part: int, before: int, after: int) -> float:
    """The probability that all `part` of `before` + `after` draws that were special fell among the first
    `before` of them (Fisher's exact test, one-sided).
    """
    found = 1.0
    for done in range(part):
        if done >= before:
            return 0.0
        found *= (before - done) / (before + after - done)
        if found < 1e-12:
            return 0.0
    return found


def _doubled_midranks(before: Sequence[float], after: Sequence[float]) -> tuple[list[int], list[int]]:
    """Twice the rank of each value, those of equal ones averaged; and how many are equal, by value."""
    values = [*before, *after]
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks, ties, below = [0] * len(values), [], 0
    for _, group in groupby(order, key=values.__getitem__):
        members = list(group)
        for index in members:
            ranks[index] = 2 * below + len(members) + 1
        ties.append(len(members))
        below += len(members)
    return ranks, ties


def _ways(ranks: Sequence[int], n: int) -> dict[int, int]:
    """In how many ways `n` of the ranks have which sum, as 2U."""
    by_size: list[dict[int, int]] = [{0: 1}, *({} for _ in range(n))]
    for rank in ranks:
        for size in range(n, 0, -1):
            into = by_size[size]
            for total, count in by_size[size - 1].items():
                into[total + rank] = into.get(total + rank, 0) + count
    return {total - n * (n + 1): count for total, count in by_size[n].items()}


def _added(left: dict[int, int], right: dict[int, int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for one, ways in left.items():
        for other, more in right.items():
            found[one + other] = found.get(one + other, 0) + ways * more
    return found
