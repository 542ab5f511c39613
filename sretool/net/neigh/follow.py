"""Neighbours as they come, change and go."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.errors import SretoolError
from sretool.host import netlink
from sretool.host.identity import identity
from sretool.host.source import Source
from sretool.net import changes
from sretool.net.neigh import decode
from sretool.net.neigh.model import Neighbour
from sretool.net.neigh.read import Wanted, key
from sretool.report.change import Change

_RTNLGRP_NEIGH = 3
_RTM_DELNEIGH = 29
_FIELDS = ("state", "lladdr", "flags", "protocol")


def follow(
    source: Source, wanted: Wanted, errors: list[SretoolError], seconds: float | None
) -> Iterator[Change]:
    """The changes of neighbours that are `wanted`; what could not be told is in `errors`.

    Raises:
        SourceError, ParseError: the kernel does not tell of changes, or not which neighbours there are.
    """
    devices: dict[int, str] = {}
    ticks = identity(source).clock_ticks_per_s

    def rows(message: bytes) -> Iterator[Neighbour]:
        return decode.neighbours([message], devices, ticks)

    def known() -> Iterator[Neighbour]:
        frames = netlink.noted(source.netlink(decode.NEIGHBOURS), decode.NEIGHBOURS.key, errors)
        return decode.neighbours(frames, devices, ticks)

    table = changes.Table((_RTNLGRP_NEIGH,), decode.RTM_NEWNEIGH, _RTM_DELNEIGH, devices, rows, key, _FIELDS)
    told = changes.follow(source, table, errors, seconds, known)
    return (change for change in told if wanted.keeps(change.row))
