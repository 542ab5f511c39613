"""Statistics that say how sure they are."""

from __future__ import annotations

import bisect
import math
from array import array

Z_95 = 1.959964


def wilson(hits: int, trials: int, z: float = Z_95) -> tuple[float, float]:
    """The 95 % interval of a ratio seen as `hits` of `trials` (Wilson 1927), or that of another normal
    quantile `z`: unlike the textbook interval it holds for few trials and at 0 and 1. Without a trial
    anything is possible.
    """
    if trials == 0:
        return 0.0, 1.0
    ratio = hits / trials
    weight = z * z / trials
    middle = ratio + weight / 2
    spread = z * math.sqrt((ratio * (1 - ratio) + weight / 4) / trials)
    return max(0.0, (middle - spread) / (1 + weight)), min(1.0, (middle + spread) / (1 + weight))


class Samples:
    """Round-trip times as they come, and what they amount to; every figure is over all of them, in the
    unit they were given in, and None where there are too few for it.
    """

    def __init__(self) -> None:
        self._sorted = array("d")
        self.last: float | None = None
        self._sum = self._mean = self._squares = self._jitter = 0.0

    def add(self, value: float) -> None:
        """One more, in order of sending."""
        if self.last is not None:
            # RFC 3550 6.4.1: J = J + (|D| - J) / 16, from the second sample on
            self._jitter += (abs(value - self.last) - self._jitter) / 16
        bisect.insort(self._sorted, value)
        self.last = value
        self._sum += value
        # Welford 1962: the old mean on one side, the new one on the other
        delta = value - self._mean
        self._mean += delta / len(self._sorted)
        self._squares += delta * (value - self._mean)

    def __len__(self) -> int:
        return len(self._sorted)

    @property
    def min(self) -> float | None:
        """The smallest."""
        return self._sorted[0] if self._sorted else None

    @property
    def max(self) -> float | None:
        """The largest."""
        return self._sorted[-1] if self._sorted else None

    @property
    def mean(self) -> float | None:
        """The arithmetic mean."""
        return self._sum / len(self._sorted) if self._sorted else None

    @property
    def stdev(self) -> float | None:
        """The sample standard deviation, n - 1; None of fewer than two."""
        count = len(self._sorted)
        return math.sqrt(max(0.0, self._squares) / (count - 1)) if count > 1 else None

    @property
    def jitter(self) -> float | None:
        """The smoothed difference of neighbours (RFC 3550 6.4.1); None of fewer than two."""
        return self._jitter if len(self._sorted) > 1 else None

    def percentile(self, share: float) -> float | None:
        """The value below which `share` of all lie, linear between neighbours (Hyndman and Fan 1996,
        type 7, as numpy and spreadsheets).
        """
        if not self._sorted:
            return None
        place = share * (len(self._sorted) - 1)
        below = math.floor(place)
        above = min(below + 1, len(self._sorted) - 1)
        return self._sorted[below] + (place - below) * (self._sorted[above] - self._sorted[below])
