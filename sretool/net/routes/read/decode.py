"""Route messages decoded, 100,000 of them in a third of a second.

Shapes: include/uapi/linux/rtnetlink.h, `struct rtmsg` and RTA_*.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Union

from sretool.errors import ParseError
from sretool.host import netlink
from sretool.net.routes.model import NextHop, Route
from sretool.net.routes.read import encap, names
from sretool.net.routes.read.names import TableNames
from sretool.net.routes.read.wanted import EVERY, Prefixes, Wanted

RTM_NEWROUTE, RTM_GETROUTE = 24, 26
FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}
RTMSG = struct.Struct("=BBBBBBBBI")
(RTA_DST, RTA_SRC, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC, RTA_METRICS, RTA_MULTIPATH) = (
    1, 2, 4, 5, 6, 7, 8, 9,
)  # fmt: skip
RTA_TABLE, RTA_MARK, RTA_VIA, RTA_PREF, RTA_ENCAP_TYPE, RTA_ENCAP = 15, 16, 18, 20, 21, 22
RTA_UID, RTA_NH_ID = 25, 30

_MESSAGE_FORM = "=IH10xBBBBBBBBI"  # nlmsghdr and rtmsg
WORD = struct.Struct("=I")
_WORDS = (RTA_OIF, RTA_PRIORITY, RTA_TABLE)
LAYOUTS_A_LENGTH = 8
TEXTS_KEPT = 1 << 14
_HEAD = struct.Struct("=IH")
_NEXTHOP = struct.Struct("=HBBi")
_ntop = socket.inet_ntop
# shared by all rows that have none of it; nobody changes a row
_NO_FLAGS: list[str] = []
_NO_LEGS: list[NextHop] = []
_NO_METRICS: dict[str, int | float | str] = {}


def decode(
    frames: Iterable[bytes],
    family: str,
    devices: Mapping[int, str],
    tables: TableNames,
    wanted: Wanted = EVERY,
    objects: Mapping[int, list[NextHop]] | None = None,
) -> Iterator[Route]:
    """The routes of one dump, cached ones (exceptions) left out as `ip route` does.

    Args:
        frames: as they were received, or as they come.
        family: inet or inet6.
        devices: interface names by index.
        tables: table names by number.
        wanted: which routes to make rows of.
        objects: next hops by nexthop object, for routes that only name one.

    Raises:
        ParseError: a message that is cut, or of another family.
    """
    what = f"route/routes/{4 if family == 'inet' else 6}"
    number = FAMILIES[family]
    row = _Rows(family, devices, tables, what, objects or {})
    fits = None
    if wanted.dst is not None or wanted.covering is not None:
        fits = Prefixes(wanted, 32 if family == "inet" else 128)
    late = wanted.narrow
    for values, layout in _messages(frames, what):
        if values[2] != number:
            raise ParseError(what, f"a route of address family {values[2]}")
        if values[10] & names.CLONED:
            continue
        if fits is not None and not fits(values[layout.dst] if layout.dst else b"", values[3], what):
            continue
        route = row.make(values, layout)
        if not late or wanted.takes(route):
            yield route


class _Layout(NamedTuple):
    """A message's attributes in their order and lengths. Thousands of routes in a row have the same,
    and are then read by one unpack and one comparison each.

    `headers` are the attribute headers as words; the others are places in what `unpack` gives, 0
    for an attribute that is not there. `rest` has the places of all other attributes by type.
    """

    unpack: Callable[[bytes, int], tuple[Any, ...]]
    headers: tuple[int, ...]
    dst: int
    gateway: int
    oif: int
    metric: int
    table: int
    rest: tuple[tuple[int, int], ...]


def _messages(frames: Iterable[bytes], what: str) -> Iterator[tuple[tuple[Any, ...], _Layout]]:
    """Every route message: the header's fields, then a word and a value for each attribute."""
    known: dict[int, list[_Layout]] = {}
    headers: tuple[int, ...]
    unpack: Callable[[bytes, int], tuple[Any, ...]]
    layout = _Layout(_HEAD.unpack_from, (), 0, 0, 0, 0, 0, ())
    last, unpack, headers, step = 1 << 32, layout.unpack, layout.headers, 0
    for frame in frames:
        at, size = 0, len(frame)
        while at < size:
            if at + last <= size:  # most messages are as the one before
                values = unpack(frame, at)
                if values[0] == last and values[1] == RTM_NEWROUTE and values[11::2] == headers:
                    yield values, layout
                    at += step
                    continue
            length, kind = _HEAD.unpack_from(frame, at) if at + 28 <= size else (0, 0)
            if kind != RTM_NEWROUTE:
                at = _skip(frame, at, what)
                continue
            if length < 28 or at + length > size:
                raise ParseError(what, f"a route message of {length} bytes at {at} in a frame of {size}")
            for layout in known.get(length, ()):
                values = layout.unpack(frame, at)
                if values[11::2] == layout.headers:
                    yield values, layout
                    break
            else:
                layout = _layout(frame, at, at + length, what)
                if len(alike := known.setdefault(length, [])) < LAYOUTS_A_LENGTH:
                    alike.append(layout)
                yield layout.unpack(frame, at), layout
            last, unpack, headers, step = length, layout.unpack, layout.headers, (length + 3) & ~3
            at += step


def _layout(frame: bytes, at: int, end: int, what: str) -> _Layout:
    """The layout of one message, whose attributes are checked here."""
    form = _MESSAGE_FORM
    headers = []
    places: dict[int, int] = {}
    pos = at + 28
    while pos < end:
        taken, name = netlink.ATTRIBUTE_HEADER.unpack_from(frame, pos) if pos + 4 <= end else (0, 0)
        if taken < 4 or pos + taken > end:
            raise ParseError(what, f"an attribute of {taken} bytes at {pos} in a message to {end}")
        headers.append(WORD.unpack_from(frame, pos)[0])
        places[name & netlink.NLA_TYPE_MASK] = 11 + 2 * len(headers) - 1
        form += "II" if name in _WORDS and taken == 8 else f"I{taken - 4}s"
        if (padding := -taken % 4) and pos + taken + padding <= end:
            form += f"{padding}x"
        if name in _WORDS and taken != 8:
            raise ParseError(what, f"a number of {taken - 4} bytes in attribute {name}")
        pos += taken + padding
    return _Layout(
        unpack=struct.Struct(form).unpack_from,
        headers=tuple(headers),
        dst=places.pop(RTA_DST, 0),
        gateway=places.pop(RTA_GATEWAY, 0),
        oif=places.pop(RTA_OIF, 0),
        metric=places.pop(RTA_PRIORITY, 0),
        table=places.pop(RTA_TABLE, 0),
        rest=tuple(places.items()),
    )


class _Rows:
    """Makes rows; remembers what repeats from row to row."""

    def __init__(
        self,
        family: str,
        devices: Mapping[int, str],
        tables: TableNames,
        what: str,
        objects: Mapping[int, list[NextHop]],
    ) -> None:
        self.family = family
        self.objects = objects
        self.number = FAMILIES[family]
        self.bits = 32 if family == "inet" else 128
        self.what = what
        self.devices = _Devices(devices)
        self.tables = tables
        self.texts = _Texts()
        self.types = _Named(dict(enumerate(names.TYPES)))
        self.protocols = _Named(names.PROTOCOLS)
        self.scopes = _Named(names.SCOPES)
        self.head: tuple[int, ...] = ()
        self.table = self.tos = -1
        self.type = self.table_name = self.protocol = self.scope = ""
        self.flags = _NO_FLAGS

    def make(self, values: tuple[Any, ...], layout: _Layout) -> Route:
        head, table = values[4:11], values[layout.table] if layout.table else values[6]
        if head != self.head or table != self.table:  # seldom: most are as the one before
            self.head, self.table = head, table
            _, tos, _, protocol, scope, kind, flags = head
            self.tos, self.type, self.table_name = tos, self.types[kind], self.tables[table]
            self.protocol, self.scope = self.protocols[protocol], self.scopes[scope]
            self.flags = names.flag_names(flags) if flags else _NO_FLAGS
        dst = "default"
        if dst_len := values[3]:
            raw = values[layout.dst] if layout.dst else b""
            try:
                dst = _ntop(self.number, raw)
            except ValueError:
                raise ParseError(self.what, f"a destination of {len(raw)} bytes") from None
            if dst_len != self.bits:
                dst = f"{dst}/{dst_len}"
        gateway = self.texts[values[layout.gateway]] if layout.gateway else None
        dev = self.devices[values[layout.oif]] if layout.oif else None
        metric = values[layout.metric] if layout.metric else 0
        if layout.rest:
            return self._rich(values, layout, dst, gateway, dev, metric)
        return Route(
            self.family, self.type, dst, gateway, dev, self.table_name, self.protocol, self.scope, None,
            metric, self.flags, _NO_LEGS, _NO_METRICS, None, self.tos, None, None, None, None,
        )  # fmt: skip

    def _rich(
        self,
        values: tuple[Any, ...],
        layout: _Layout,
        dst: str,
        gateway: str | None,
        dev: str | None,
        metric: int,
    ) -> Route:
        """A route with what few have."""
        rest = {name: values[place] for name, place in layout.rest}
        via = rest.get(RTA_VIA, b"")[2:]
        if gateway is None and via:
            gateway = self.texts[via]
        legs = _NO_LEGS
        if RTA_MULTIPATH in rest:
            legs = list(_legs(rest[RTA_MULTIPATH], self.devices, self.texts, self.what))
        more = _more(rest, values[4], self.texts, self.what)
        if more.nhid is not None and dev is None and not legs:
            # net.ipv4.nexthop_compat_mode 0: the kernel names the object and nothing else
            legs = self.objects.get(more.nhid, _NO_LEGS)
            if len(legs) == 1:
                gateway, dev, legs = legs[0].gateway, legs[0].dev, _NO_LEGS
        return Route(
            self.family, self.type, dst, gateway, dev, self.table_name, self.protocol, self.scope,
            more.prefsrc, metric, self.flags, legs, more.metrics, more.src, self.tos, more.nhid,
            more.encap, more.pref,
            more.encap_to,
        )  # fmt: skip


class _Devices(dict[int, Union[str, None]]):
    """Interface names by index; `if7` for one that is gone, None for 0."""

    def __init__(self, devices: Mapping[int, str]) -> None:
        super().__init__(devices)
        self[0] = None

    def __missing__(self, index: int) -> str:
        made = self[index] = f"if{index}"
        return made


def _skip(frame: bytes, at: int, what: str) -> int:
    """The offset behind a message that is no route (the end of a dump)."""
    size = len(frame)
    if at + 16 <= size:
        length, kind = _HEAD.unpack_from(frame, at)
        if length >= 16 and at + length <= size and kind != RTM_NEWROUTE:
            return int(at + ((length + 3) & ~3))
    raise ParseError(what, f"a message cut short at {at} in a frame of {size}")


def address(raw: bytes, what: str = "route") -> str:
    """An address of either family as text.

    Raises:
        ParseError: neither 4 nor 16 bytes.
    """
    if len(raw) not in (4, 16):
        raise ParseError(what, f"an address of {len(raw)} bytes")
    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)


class _Texts(dict[bytes, str]):
    """Address text by its bytes, made once: gateways repeat. Where each route has its own (of a million)
    they are not kept for ever.
    """

    def __missing__(self, raw: bytes) -> str:
        if len(self) >= TEXTS_KEPT:
            self.clear()
        made = self[raw] = address(raw)
        return made


class _Named(dict[int, str]):
    """Names by number; a number without one stays visible."""

    def __missing__(self, number: int) -> str:
        made = self[number] = f"unknown-{number}"
        return made


class _More(NamedTuple):
    """What few routes have."""

    prefsrc: str | None
    metrics: dict[str, int | float | str]
    src: str | None
    nhid: int | None
    encap: str | None
    pref: str | None
    encap_to: str | None


_PLAIN = _More(None, _NO_METRICS, None, None, None, None, None)


def _more(rest: dict[int, bytes], src_len: int, texts: _Texts, what: str) -> _More:
    src = None
    if RTA_SRC in rest:
        src = texts[rest[RTA_SRC]]
        if src_len > len(rest[RTA_SRC]) * 8:
            raise ParseError(what, f"a source prefix of {src_len} bits in {len(rest[RTA_SRC])} bytes")
        src = src if src_len == len(rest[RTA_SRC]) * 8 else f"{src}/{src_len}"
    pref = names.of(names.PREFERENCES, netlink.number(rest[RTA_PREF])) if RTA_PREF in rest else None
    kind, to = _encap(rest, what)
    return _More(
        texts[rest[RTA_PREFSRC]] if RTA_PREFSRC in rest else None,
        metrics(rest[RTA_METRICS], what) if RTA_METRICS in rest else _NO_METRICS,
        src,
        netlink.number(rest[RTA_NH_ID]) if RTA_NH_ID in rest else None,
        kind,
        pref,
        to,
    )


def _encap(values: Mapping[int, bytes], what: str) -> tuple[str | None, str | None]:
    if RTA_ENCAP_TYPE not in values:
        return None, None
    number = netlink.number(values[RTA_ENCAP_TYPE])
    return encap.name(number), encap.words(number, values.get(RTA_ENCAP, b""), what)


def metrics(raw: bytes, what: str) -> dict[str, int | float | str]:
    """RTA_METRICS by name; times in milliseconds.

    Raises:
        ParseError: lengths that do not fit.
    """
    found: dict[str, int | float | str] = {}
    for kind, value in netlink.attributes(raw, 0, what):
        if kind == names.RTAX_CC_ALGO:
            found["cc_algo"] = netlink.name(value)
        elif kind in names.METRICS:
            name, divisor = names.METRICS[kind]
            number = netlink.number(value)
            found[name] = number if divisor == 1 else number / divisor
    return found


def _legs(raw: bytes, devices: _Devices, texts: _Texts, what: str) -> Iterator[NextHop]:
    """RTA_MULTIPATH: struct rtnexthop, each followed by attributes of its own."""
    at = 0
    while at < len(raw):
        if at + _NEXTHOP.size > len(raw):
            raise ParseError(what, f"a next hop cut short at {at} of {len(raw)} bytes")
        length, flags, hops, index = _NEXTHOP.unpack_from(raw, at)
        if length < _NEXTHOP.size or at + length > len(raw):
            raise ParseError(what, f"a next hop of {length} bytes at {at} of {len(raw)}")
        values = dict(netlink.attributes(raw[at + _NEXTHOP.size : at + length], 0, what))
        gateway = values.get(RTA_GATEWAY) or values.get(RTA_VIA, b"")[2:]
        yield NextHop(
            texts[gateway] if gateway else None,
            devices[index],
            hops + 1,
            names.flag_names(flags) if flags else _NO_FLAGS,
            *_encap(values, what),
        )
        at += (length + 3) & ~3
