"""Sockets that opened, changed state and closed, from one dump to the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Iterator

from sretool.command import Run
from sretool.host.source import Source
from sretool.report.change import Change
from sretool.report.times import rfc3339
from sretool.sockets.model import Socket
from sretool.sockets.read import Sample

_INET = ("inet", "inet6")


def follow(
    run: Run, sample: Callable[[Source], Sample], rows: Callable[[Sample], Iterable[Socket]]
) -> Iterator[Change]:
    """What changed in each --sample seconds, until ^C or --deadline. What opened and closed between
    two dumps is not seen.

    Raises:
        SourceError: the first dump failed.
    """
    seconds, limit = run.options.sample, run.options.deadline
    end = None if limit is None else time.monotonic() + limit
    before = by_key(rows(run.begin(sample)))

    def told() -> Iterator[Change]:
        nonlocal before
        while end is None or time.monotonic() < end:
            if end is not None:
                run.sampler.seconds = min(seconds, end - time.monotonic())
            reading = run.pair(sample)[0]
            now = by_key(rows(reading))
            if not reading.tables and not reading.others and not reading.elsewhere:
                run.errors += reading.errors
                return
            yield from compare(before, now, rfc3339(reading.clock.wall))
            before = now
            if run.interrupted:
                return

    return told()


def by_key(rows: Iterable[Socket]) -> dict[Hashable, Socket]:
    """A connection is told by its ends, for its inode goes before it does (time-wait has none), every
    other socket by its inode.
    """
    return {_key(row): row for row in rows}


def _key(row: Socket) -> Hashable:
    ends = (row.netns_inode, row.protocol, row.family, row.local_address, row.local_port, row.interface)
    if row.family in _INET and row.remote_port is not None:
        return (*ends, row.remote_address, row.remote_port)
    return (*ends, row.inode)


def compare(before: dict[Hashable, Socket], now: dict[Hashable, Socket], at: str) -> Iterator[Change]:
    """The closed first, then the others in the order of the newer dump."""
    for key, row in before.items():
        if key not in now or _another(row, now[key]):
            yield Change(at, "removed", {}, row)
    for key, row in now.items():
        earlier = before.get(key)
        if earlier is None or _another(earlier, row):
            yield Change(at, "added", {}, row)
        elif earlier.state != row.state:
            yield Change(at, "changed", {"state": earlier.state}, row)


def _another(earlier: Socket, row: Socket) -> bool:
    """A new connection between the same ends."""
    return earlier.inode is not None and row.inode is not None and earlier.inode != row.inode
