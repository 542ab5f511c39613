"""How fast probes may leave: a token bucket."""

from __future__ import annotations


class Pace:
    """At most `burst` probes at once, then `per_s` a second."""

    def __init__(self, per_s: float, burst: int) -> None:
        self._interval = 1 / per_s
        self._depth = burst * self._interval
        self._empty_at = float("-inf")

    def next(self, now: float) -> float:
        """When the next probe may leave (not after `now`: at once), which takes its token."""
        # The virtual scheduling form of a leaky bucket (ITU-T I.371 GCRA): one number to keep.
        start = max(now, self._empty_at)
        self._empty_at = start + self._interval
        return start - (self._depth - self._interval)
