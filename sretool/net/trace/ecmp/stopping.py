"""How many flows must be seen before we stop looking for one more next hop.

The stopping rule of the multipath detection algorithm (Veitch, Augustin, Teixeira and Friedman, Failure
control in multipath route tracing, INFOCOM 2009): of `k` next hops seen, go on until `flows_for(k)`
flows through the router are known. A router that spreads flows evenly and independently over any number
of next hops then shows all of them with 95 %, each router by itself; a path with several balancers is
whole with less. A next hop with a smaller share than the others is missed more often.
"""

from __future__ import annotations

from functools import cache
from math import ceil, log

CONFIDENCE = 0.95
MOST_EXACT = 32
"""Beyond it the last stop is bounded by the union of what may be missing (k + 1 ways, each missed with
(k / (k + 1)) ** n), which from 17 on is the exact number or one more: a hop that answers from hundreds of
addresses must not cost minutes of arithmetic.
"""


@cache
def flows_for(seen: int) -> int:
    """The flows after which a router with `seen` next hops is done with: 6, 11, 16, 21, 27, 33, …

    The least number with which a router that has one more than `seen` is taken for done too early in
    at most 5 %, all earlier stops counted in. The published table counts the last stop alone and has
    38 and 44 for 7 and 8, which fail in 5.01 and 5.06 %; here they are 39 and 45.
    """
    if seen > MOST_EXACT:
        return ceil(log((seen + 1) / (1 - CONFIDENCE)) / log((seen + 1) / seen))
    earlier = [flows_for(fewer) for fewer in range(1, seen)]
    flows = earlier[-1] + 1 if earlier else 1
    while miss([*earlier, flows], seen + 1) > 1 - CONFIDENCE:
        flows += 1
    return flows


def miss(stops: list[int], ways: int) -> float:
    """How likely a search that stops at `stops[k - 1]` flows with k next hops seen ends before it has
    seen all `ways`, each as likely as the others.
    """
    missed, flows = 0.0, 1
    seen = {1: 1.0}  # after so many flows: next hops seen -> probability of still looking
    while seen:
        for number in [number for number in seen if number < ways and flows >= stops[number - 1]]:
            missed += seen.pop(number)
        seen.pop(ways, None)
        after: dict[int, float] = {}
        for number, chance in seen.items():
            after[number] = after.get(number, 0.0) + chance * number / ways
            after[number + 1] = after.get(number + 1, 0.0) + chance * (ways - number) / ways
        seen, flows = after, flows + 1
    return missed
