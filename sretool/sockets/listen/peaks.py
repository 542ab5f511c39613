"""How full accept queues were between two readings.

A burst of connections fills a queue and is gone again in less than the second between two readings: what
overflows has to be watched. A dump of LISTEN sockets alone costs the kernel little, whatever else the host
has open.
"""

from __future__ import annotations

from collections.abc import Callable

from sretool.errors import ParseError, SourceError
from sretool.host.sampler import ticks
from sretool.host.source import Source
from sretool.sockets.read import diag

PERIOD_S = 1 / 75
CPU_SHARE = 0.025


class Peaks:
    """`during` for `Run.pair`, and what it saw: the most and the least connections that waited, by socket
    cookie.
    """

    def __init__(self, families: tuple[str, ...] = ("inet", "inet6")) -> None:
        self._requests = [
            (family, diag.request("tcp", family, 1 << diag.LISTEN, info=False, memory=False))
            for family in families
        ]
        self.most: dict[int, int] = {}
        self.least: dict[int, int] = {}
        self.looks = 0

    def during(self, source: Source, until: Callable[[], bool]) -> None:
        """Look at every listener, again and again; what is kept is of this call alone.

        One that fails ends it: the readings fail alike, and say so.
        """
        self.most, self.least, self.looks = {}, {}, 0
        for _ in ticks(until, PERIOD_S, CPU_SHARE):
            try:
                for family, request in self._requests:
                    self._look(source.netlink(request).frames, family)
            except (SourceError, ParseError):
                return
            self.looks += 1

    def _look(self, frames: list[bytes], family: str) -> None:
        most, least = self.most, self.least
        for values, _, _ in diag.decode(frames, "tcp", family, 1 << diag.LISTEN):
            cookie, queue = values[11], values[13]
            if queue > most.get(cookie, -1):
                most[cookie] = queue
            if queue < least.get(cookie, queue + 1):
                least[cookie] = queue
