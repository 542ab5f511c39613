"""Which hop of one path is which of another: a router that was put in shifts all hops behind it, and is
one difference and not one a hop. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from sretool.net.trace.diff.model import Step, addresses
from sretool.net.trace.model import Hop, Path

# Edit distance over hops. Who is silent may be anybody, but rather at its own place.
_OTHER, _SILENT, _GAP = 5, 2, 5
Names = frozenset[str]


def align(before: Path, after: Path) -> list[Step]:
    """The hops of both paths side by side, in order. Those behind the last one that answered of a path
    that does not reach its target are left out: what is there is not known.
    """
    first = max(before.first_ttl, after.first_ttl)
    old, new = (_seen(path, first) for path in (before, after))
    return _aligned(old, new, before.reached, after.reached)


def _seen(path: Path, first: int) -> list[Hop]:
    hops = [hop for hop in path.hops if hop.ttl >= first]
    while hops and not path.reached and not addresses(hops[-1]):
        hops.pop()
    if path.end_reason != "loop":
        return hops
    met: set[str] = set()
    for number, hop in enumerate(hops):
        here = addresses(hop)
        if here and here <= met:
            return hops[:number]
        met |= here
    return hops


def _cost(one: Names, other: Names) -> int:
    if one & other or not (one or other):
        return 0
    return _OTHER if one and other else _SILENT


def _aligned(old: Sequence[Hop], new: Sequence[Hop], old_ends: bool, new_ends: bool) -> list[Step]:
    olds, news = [addresses(hop) for hop in old], [addresses(hop) for hop in new]
    start, most = 0, min(len(old), len(new))
    while start < most and _cost(olds[start], news[start]) == 0:
        start += 1
    end = 0
    while old_ends and new_ends and end < most - start and _cost(olds[-1 - end], news[-1 - end]) == 0:
        end += 1
    middle = _pairs(olds[start : len(olds) - end], news[start : len(news) - end], old_ends, new_ends)
    steps = [Step(*pair) for pair in zip(old[:start], new[:start])]
    for i, j in middle:
        steps.append(Step(None if i is None else old[start + i], None if j is None else new[start + j]))
    steps += [Step(*pair) for pair in zip(old[len(old) - end :], new[len(new) - end :])]
    return steps


def _pairs(
    olds: list[Names], news: list[Names], old_ends: bool, new_ends: bool
) -> list[tuple[int | None, int | None]]:
    """Index pairs of the cheapest alignment (Needleman and Wunsch 1970); the same, mirrored, for the same
    paths the other way round. What one path has behind the end of one that does not reach its target costs
    nothing, and is left out.
    """
    if (list(map(sorted, olds)), old_ends) > (list(map(sorted, news)), new_ends):
        return [(i, j) for j, i in _pairs(news, olds, new_ends, old_ends)]
    costs = [[_GAP * j for j in range(len(news) + 1)]]
    for i, one in enumerate(olds):
        above, row = costs[i], [_GAP * (i + 1)]
        for j, other in enumerate(news):
            row.append(min(above[j] + _cost(one, other), above[j + 1] + _GAP, row[j] + _GAP))
        costs.append(row)
    found: list[tuple[int | None, int | None]] = []
    i, j = len(olds), len(news)
    ends = [(i, j)]
    ends += [] if new_ends else [(at, j) for at in range(i)]
    ends += [] if old_ends else [(i, at) for at in range(j)]
    i, j = min(ends, key=lambda end: (costs[end[0]][end[1]], abs(end[0] - end[1]), end))
    while i or j:
        if i and j and costs[i][j] == costs[i - 1][j - 1] + _cost(olds[i - 1], news[j - 1]):
            i, j = i - 1, j - 1
            found.append((i, j))
        elif i and costs[i][j] == costs[i - 1][j] + _GAP:
            i -= 1
            found.append((i, None))
        else:
            j -= 1
            found.append((None, j))
    return found[::-1]
