"""Statistics that say how sure they are."""

from __future__ import annotations

import math

Z_95 = 1.959964


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a ratio seen as `hits` of `trials` (Wilson 1927): unlike the textbook
    interval it holds for few trials and at 0 and 1. Without a trial anything is possible.
    """
    if trials == 0:
        return 0.0, 1.0
    ratio = hits / trials
    weight = Z_95 * Z_95 / trials
    middle = ratio + weight / 2
    spread = Z_95 * math.sqrt((ratio * (1 - ratio) + weight / 4) / trials)
    return max(0.0, (middle - spread) / (1 + weight)), min(1.0, (middle + spread) / (1 + weight))
