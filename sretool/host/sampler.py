"""Two moments, one collection. The only place in sretool that sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from sretool.host.source import Source

S = TypeVar("S")
During = Callable[[Source, Callable[[], bool]], None]


class Sampler:
    """Takes readings `seconds` apart. In a watch the reading that was new becomes the old one, so
    every round after the first costs one reading.

    ^C during the wait ends the wait: the second reading is taken at once, and `interrupted` says
    so, because what is known so far is worth showing.
    """

    def __init__(self, source: Source, seconds: float) -> None:
        self.source = source
        self.seconds = seconds
        self.interrupted = False
        self._last: Any = None

    def pair(self, sample: Callable[[Source], S], during: During | None = None) -> tuple[S, S | None]:
        """(now, before). With `seconds` 0, or a recording of one moment, before is None.

        `during(source, until)` is run between the readings of a live host: it may read as often
        as it likes and must return soon after `until()` becomes true.
        """
        if self.seconds == 0:
            return sample(self.source), None
        if not self.source.live:
            earlier = self.source.earlier
            return sample(self.source), None if earlier is None else sample(earlier)
        before: S = self._last if self._last is not None else sample(self.source)
        self._wait(during)
        now = sample(self.source)
        self._last = now
        return now, before

    def _wait(self, during: During | None) -> None:
        end = time.monotonic() + self.seconds

        def over() -> bool:
            return time.monotonic() >= end

        try:
            if during is not None:
                during(self.source, over)
            while not over():
                time.sleep(max(0.0, end - time.monotonic()))
        except KeyboardInterrupt:
            self.interrupted = True
