"""How connections fare, from what tcp_info counts: two dumps, and no packet is sent."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from sretool.host import netlink
from sretool.sockets.read import diag

# tcpi_lost at 32, rtt at 68: what changes with time alone lies before 100
_NOW = struct.Struct("=32xI32xI")
# total_retrans at 100, bytes_acked at 120, bytes_received, min_rtt at 148, data_segs_out at 156,
# delivery_rate, busy_time, rwnd_limited, sndbuf_limited, bytes_sent at 200, bytes_retrans; all since 4.19
_TOTALS = struct.Struct("=I16xQQ12xI4xIQQQQ8xQQ")
_FROM = 100
_WRAP = 1 << 32
NO_MIN_RTT = 0xFFFFFFFF
_UNMEASURED = (diag.LISTEN, diag.TIME_WAIT)


class Totals(NamedTuple):
    """Of one connection since it opened; times in microseconds."""

    retransmitted: int
    bytes_acked: int
    bytes_received: int
    min_rtt: int
    segments: int
    delivery_rate: int
    busy: int
    rwnd_limited: int
    sndbuf_limited: int
    bytes_sent: int
    bytes_retransmitted: int


class Health:
    """The connections of one group, added up. Deltas are over the sample, of one that opened within it
    all it has.
    """

    def __init__(self) -> None:
        self.connections = self.opened = self.retransmitting = self.lost = self.delivery_rate = 0
        self.segments = self.retransmitted = self.bytes_sent = self.bytes_retransmitted = 0
        self.bytes_acked = self.bytes_received = self.busy = self.rwnd_limited = self.sndbuf_limited = 0
        self.rtts: list[int] = []
        self.over: list[int] = []
        self.min_rtt: int | None = None

    def take(self, raw: bytes, retransmits: int, earlier: Mapping[int, bytes] | None, cookie: int) -> None:
        """One connection; without an earlier reading what it is now, and not what became of it."""
        lost, rtt = _NOW.unpack_from(raw)
        one = Totals._make(_TOTALS.unpack_from(raw, _FROM))
        self.connections += 1
        self.retransmitting += retransmits > 0
        self.lost += lost
        if one.delivery_rate > self.delivery_rate:
            self.delivery_rate = one.delivery_rate
        if rtt:
            self.rtts.append(rtt)
            if 0 < one.min_rtt < NO_MIN_RTT:
                self.over.append(max(0, rtt - one.min_rtt))
                if self.min_rtt is None or one.min_rtt < self.min_rtt:
                    self.min_rtt = one.min_rtt
        if earlier is not None and (old := earlier.get(cookie)) != raw[_FROM:]:  # most of many are idle
            self._grow(one, None if old is None else Totals._make(_TOTALS.unpack(old)))

    def _grow(self, one: Totals, old: Totals | None) -> None:
        if old is None:
            self.opened += 1
            old = _NEW
        # segments are counted in 32 bits, and one cookie is one socket for ever
        self.segments += (one.segments - old.segments) % _WRAP
        self.retransmitted += (one.retransmitted - old.retransmitted) % _WRAP
        self.bytes_sent += max(0, one.bytes_sent - old.bytes_sent)
        self.bytes_retransmitted += max(0, one.bytes_retransmitted - old.bytes_retransmitted)
        self.bytes_acked += max(0, one.bytes_acked - old.bytes_acked)
        self.bytes_received += max(0, one.bytes_received - old.bytes_received)
        self.busy += max(0, one.busy - old.busy)
        self.rwnd_limited += max(0, one.rwnd_limited - old.rwnd_limited)
        self.sndbuf_limited += max(0, one.sndbuf_limited - old.sndbuf_limited)


_NEW = Totals(*[0] * 11)


def measured(table: diag.Table) -> Iterator[tuple[int, diag.Values, bytes]]:
    """(place in the table, fixed part, numbers as they were sent) of every TCP connection whose tcp_info
    a kernel sent that has all of them.
    """
    if table.protocol != "tcp":
        return
    find = finder()
    size = _FROM + _TOTALS.size
    for place, record in enumerate(table.records):
        values, frame, at = record
        if values[3] in _UNMEASURED:
            continue
        offset, length = find(frame, at, values[0])
        if length >= size:
            start = at + offset
            yield place, values, frame[start : start + size]


def finder() -> Callable[[bytes, int, int], tuple[int, int]]:
    """A function (frame, offset, length of a message) -> (offset of INET_DIAG_INFO in the message, its
    length; 0 without).

    Messages of one length nearly always have their attributes in the same places. So the headers of all
    are compared at once with those of one of that length that was walked: 0.4 instead of 6 µs a socket.
    """
    known: dict[int, tuple[struct.Struct, tuple[int, ...], tuple[int, int]]] = {}

    def find(frame: bytes, at: int, size: int) -> tuple[int, int]:
        layout = known.get(size)
        if layout is not None and layout[0].unpack_from(frame, at) == layout[1]:
            return layout[2]
        layout = _walked(frame, at, size)
        known[size] = layout
        return layout[2]

    return find


def _walked(frame: bytes, at: int, size: int) -> tuple[struct.Struct, tuple[int, ...], tuple[int, int]]:
    place, where = diag.MESSAGE_BYTES, (0, 0)
    code = f"={diag.MESSAGE_BYTES}x"
    headers: list[int] = []
    while place + 4 <= size:
        length, kind = netlink.ATTRIBUTE_HEADER.unpack_from(frame, at + place)
        headers += [length, kind]
        if length < 4 or place + length > size:
            code += "HH"
            break
        if kind & netlink.NLA_TYPE_MASK == diag.INET_DIAG_INFO:
            where = (place + 4, length - 4)
        step = min((length + 3) & ~3, size - place)
        code += f"HH{step - 4}x"
        place += step
    if place < size:  # damaged: nothing in it is believed
        where = (0, 0)
    return struct.Struct(code), tuple(headers), where


def by_cookie(tables: Iterable[diag.Table]) -> dict[int, bytes]:
    """The numbers of an earlier reading by socket cookie, as they were sent."""
    return {values[11]: raw[_FROM:] for table in tables for _, values, raw in measured(table)}
