"""Two moments, one collection. The only place in sretool that sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from sretool.host.source import Source

S = TypeVar("S")
During = Callable[[Source, Callable[[], bool]], None]


class Sampler:
    """Takes readings `seconds` apart. In a watch the reading that was new becomes the old one, so
    every round after the first costs one reading.

    ^C during the wait ends the wait: the second reading is taken at once, and `interrupted` says
    so, because what is known so far is worth showing.

    `at_once`: the first call gives its reading without waiting for another one, for a watch that has
    something to show from the start.
    """

    def __init__(self, source: Source, seconds: float, *, at_once: bool = False) -> None:
        self.source = source
        self.seconds = seconds
        self.at_once = at_once
        self.interrupted = False
        self.last: Any = None
        self._taken_at = 0.0

    def begin(self, sample: Callable[[Source], S]) -> S:
        """A first reading, at once: the next `pair` compares with it."""
        return self._take(sample)

    def pair(
        self,
        sample: Callable[[Source], S],
        during: During | None = None,
        first: Callable[[Source], S] | None = None,
    ) -> tuple[S, S | None]:
        """(now, before). With `seconds` 0, or a recording of one moment, before is None.

        `first` takes the earlier reading where it is for nothing else: it may leave out what only
        the newer one is asked for.
        `during(source, until)` is run between the readings of a live host: it may read as often
        as it likes and must return soon after `until()` becomes true.
        """
        if self.seconds == 0:
            return sample(self.source), None
        if not self.source.live:
            earlier = self.source.earlier
            return sample(self.source), None if earlier is None else (first or sample)(earlier)
        if self.last is not None:
            before: S = self.last
        else:
            before = self._take(sample if self.at_once else first or sample)
        if self.at_once:
            self.at_once = False
            return before, None
        self._wait(during)
        return self._take(sample), before

    def _take(self, sample: Callable[[Source], S]) -> S:
        self._taken_at = time.monotonic()
        taken = sample(self.source)
        self.last = taken
        return taken

    def _wait(self, during: During | None) -> None:
        # from reading to reading, whatever was done with it meanwhile; but a host or a terminal so
        # slow that this takes all of the time gets some rest
        end = max(self._taken_at + self.seconds, time.monotonic() + self.seconds / 2)

        def over() -> bool:
            return time.monotonic() >= end

        try:
            if during is not None:
                during(self.source, over)
            while not over():
                time.sleep(max(0.0, end - time.monotonic()))
        except KeyboardInterrupt:
            self.interrupted = True


SLICE_S = 0.05


def ticks(until: Callable[[], bool], period_s: float, cpu_share: float) -> Iterator[None]:
    """For a `during`: one turn every `period_s`, or so seldom that the turns take no more than
    `cpu_share` of a CPU, while `until()` is false. It is over at most SLICE_S after that.
    """
    while not until():
        began = time.thread_time()
        yield
        rest = max(period_s, (time.thread_time() - began) / cpu_share)
        while rest > 0 and not until():
            time.sleep(min(rest, SLICE_S))
            rest -= SLICE_S
