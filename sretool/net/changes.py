"""Rows of rtnetlink tables as they come, change and go.

The kernel tells of a change in a message of the same shape as a dump's: RTM_NEW… for a row that is
there now, RTM_DEL… for one that went (net/core/rtnetlink.c rtnl_notify).
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sretool.errors import Inconsistent, ParseError, SretoolError
from sretool.host import interfaces, netlink
from sretool.host.source import Source, Subscription
from sretool.report.change import Change
from sretool.report.times import rfc3339

RTNLGRP_LINK = 1
NLM_F_REPLACE = 0x100
_KIND = struct.Struct("=H")
_KIND_AT = 4  # nlmsghdr nlmsg_type


class Table(NamedTuple):
    """How the changes of one table are read.

    groups: RTNLGRP_* (include/uapi/linux/rtnetlink.h). new, gone: its message types. devices: names by
    index, kept up to date. rows: of a message of type `new`, with its header. key: what tells rows
    apart; None for a table that is too large to be kept, where the kernel says whether a row took the
    place of another (NLM_F_REPLACE). fields: those whose change is one.
    """

    groups: tuple[int, ...]
    new: int
    gone: int
    devices: dict[int, str]
    rows: Callable[[bytes], Iterable[Any]]
    key: Callable[[Any], Hashable] | None = None
    fields: Sequence[str] = ()


def follow(
    source: Source,
    table: Table,
    errors: list[SretoolError],
    seconds: float | None,
    known: Callable[[], Iterable[Any]] = tuple,
) -> Iterator[Change]:
    """Changes from now on, for `seconds` (None: for ever). `known` reads the rows of the beginning.
    What was lost, or could not be read, is noted in `errors`.

    Raises:
        SourceError, ParseError: the kernel does not tell of changes, or not what there is.
    """
    # heard before it is read what there is, so that no change falls between the two
    subscription = source.subscribe(netlink.NETLINK_ROUTE, (RTNLGRP_LINK, *table.groups))
    try:
        table.devices.update(interfaces.read(source))
        rows = {} if table.key is None else {table.key(row): row for row in known()}
    except BaseException:
        subscription.close()
        raise
    return _heard(subscription, table, rows, errors, seconds)


def _heard(
    subscription: Subscription,
    table: Table,
    rows: dict[Hashable, Any],
    errors: list[SretoolError],
    seconds: float | None,
) -> Iterator[Change]:
    end = None if seconds is None else time.monotonic() + seconds
    try:
        while True:
            try:
                frame = subscription.receive(None if end is None else max(0.0, end - time.monotonic()))
                if frame is None:
                    return
                yield from _of_frame(frame, table, rows)
            except (Inconsistent, ParseError) as error:
                errors.append(error)
    finally:
        subscription.close()


def _of_frame(frame: bytes, table: Table, rows: dict[Hashable, Any]) -> Iterator[Change]:
    at = rfc3339(time.time())
    for kind, flags, message in netlink.split(frame):
        if kind == interfaces.RTM_NEWLINK:
            table.devices.update(interfaces.names([message]))
        if kind == table.new:
            for row in table.rows(message):
                yield from _came(row, at, flags, table, rows)
        elif kind == table.gone:
            there = bytearray(message)
            _KIND.pack_into(there, _KIND_AT, table.new)
            for row in table.rows(bytes(there)):
                if table.key is not None:
                    rows.pop(table.key(row), None)
                yield Change(at, "removed", {}, row)


def _came(row: Any, at: str, flags: int, table: Table, rows: dict[Hashable, Any]) -> Iterator[Change]:
    if table.key is None:
        yield Change(at, "changed" if flags & NLM_F_REPLACE else "added", {}, row)
        return
    before = rows.get(table.key(row))
    rows[table.key(row)] = row
    if before is None:
        yield Change(at, "added", {}, row)
        return
    was = {name: old for name in table.fields if (old := getattr(before, name)) != getattr(row, name)}
    if was:
        yield Change(at, "changed", was, row)
