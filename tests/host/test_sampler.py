"""Two readings: live, recorded, repeated, interrupted."""

from __future__ import annotations

import time
from collections.abc import Callable

from sretool.host.fake import Fake
from sretool.host.live import Live
from sretool.host.sampler import Sampler
from sretool.host.source import Source


def test_a_recording_of_two_moments_gives_both_and_does_not_wait() -> None:
    first = Fake({"/x": "1"})
    second = Fake({"/x": "2"}, earlier=first)
    sampler = Sampler(second, 60.0)
    started = time.monotonic()
    assert sampler.pair(lambda source: source.read("/x")) == (b"2", b"1")
    assert Sampler(second, 0).pair(lambda source: source.read("/x")) == (b"2", None)
    assert Sampler(first, 60.0).pair(lambda source: source.read("/x")) == (b"1", None)
    assert time.monotonic() - started < 5


def test_what_only_serves_to_compare_may_read_less() -> None:
    less: Callable[[Source], str] = lambda source: f"less {source.read('/x').decode()}"  # noqa: E731
    more: Callable[[Source], str] = lambda source: f"more {source.read('/x').decode()}"  # noqa: E731
    now = Fake({"/x": "2"}, earlier=Fake({"/x": "1"}))
    assert Sampler(now, 60.0).pair(more, first=less) == ("more 2", "less 1")
    assert Sampler(now, 0).pair(more, first=less) == ("more 2", None)
    now.live = True
    watch = Sampler(now, 0.01)
    assert [watch.pair(more, first=less) for _ in "12"] == [("more 2", "less 2"), ("more 2", "more 2")]
    shown = Sampler(now, 0.01, at_once=True)
    assert shown.pair(more, first=less) == ("more 2", None)


def test_a_watch_reuses_the_last_reading() -> None:
    readings = iter(range(10))
    sampler = Sampler(Live(), 0.01)
    take: Callable[[Source], int] = lambda source: next(readings)  # noqa: E731
    assert sampler.pair(take) == (1, 0)
    assert sampler.pair(take) == (2, 1)


def test_an_interrupt_ends_the_wait_but_keeps_the_answer() -> None:
    def interrupt(source: Source, until: Callable[[], bool]) -> None:
        raise KeyboardInterrupt

    sampler = Sampler(Live(), 60.0)
    readings = iter(range(10))
    assert sampler.pair(lambda source: next(readings), during=interrupt) == (1, 0)
    assert sampler.interrupted
