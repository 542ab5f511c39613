"""Route messages decoded. Bulk: 100,000 routes pass through `decode`, so it does not use the general
attribute reader for what nearly every route has.

Shapes: include/uapi/linux/rtnetlink.h, `struct rtmsg` and RTA_*.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Union

from sretool.errors import ParseError
from sretool.host import netlink
from sretool.host.source import Dump
from sretool.net.routes.model import NextHop, Route
from sretool.net.routes.read import names
from sretool.net.routes.read.names import TableNames

RTM_NEWROUTE, RTM_GETROUTE = 24, 26
FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}
RTMSG = struct.Struct("=BBBBBBBBI")
(RTA_DST, RTA_SRC, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC, RTA_METRICS, RTA_MULTIPATH) = (
    1, 2, 4, 5, 6, 7, 8, 9,
)  # fmt: skip
RTA_TABLE, RTA_MARK, RTA_VIA, RTA_PREF, RTA_ENCAP_TYPE, RTA_UID, RTA_NH_ID = 15, 16, 18, 20, 21, 25, 30

_MESSAGE = struct.Struct("=IH10xBBBBBBBBI")  # nlmsghdr and rtmsg
_HEAD = struct.Struct("=IH")
_ATTRIBUTE_WORD = struct.Struct("=HHI")
_NEXTHOP = struct.Struct("=HBBi")
_ntop = socket.inet_ntop
_NO_REST: dict[int, bytes] = {}
# shared by all rows that have none of it; nobody changes a row
_NO_FLAGS: list[str] = []
_NO_LEGS: list[NextHop] = []
_NO_METRICS: dict[str, int | float | str] = {}


def request(family: str) -> Dump:
    """Every route of one family, all tables."""
    number = FAMILIES[family]
    return Dump(
        f"route/routes/{4 if family == 'inet' else 6}",
        netlink.NETLINK_ROUTE,
        RTM_GETROUTE,
        netlink.NLM_F_DUMP,
        RTMSG.pack(number, 0, 0, 0, 0, 0, 0, 0, 0),
    )


class Wanted(NamedTuple):
    """Which routes to make rows of. `covering` keeps those whose destination holds this address."""

    table: str | None = None
    dev: str | None = None
    covering: bytes | None = None


EVERY = Wanted()


def decode(
    frames: list[bytes],
    family: str,
    devices: Mapping[int, str],
    tables: TableNames,
    wanted: Wanted = EVERY,
) -> Iterator[Route]:
    """The routes of one dump, cached ones (exceptions) left out as `ip route` does.

    Raises:
        ParseError: a message that is cut, or of another family.
    """
    what = f"route/routes/{4 if family == 'inet' else 6}"
    number = FAMILIES[family]
    covering = None if wanted.covering is None else int.from_bytes(wanted.covering, "big")
    row = _Rows(family, devices, tables, what)
    for raw in _messages(frames, what):
        head = raw[0]
        if head[2] != number:
            raise ParseError(what, f"a route of address family {head[2]}")
        if head[10] & names.CLONED:
            continue
        if covering is not None and not _covers(raw[1], head[3], covering, what):
            continue
        route = row.make(*raw)
        if wanted.table is not None and route.table != wanted.table:
            continue
        if wanted.dev is None or wanted.dev in (route.dev, *(leg.dev for leg in route.nexthops)):
            yield route


_Raw = tuple[tuple[int, ...], bytes, bytes, int, int, int, dict[int, bytes]]
"""One message: header, RTA_DST, RTA_GATEWAY, RTA_OIF, RTA_PRIORITY, RTA_TABLE, all other attributes.
"""


def _messages(frames: list[bytes], what: str) -> Iterator[_Raw]:
    """Every route message. Attributes are read here and not by netlink.attributes, and a number
    together with its header: it halves the time.
    """
    message, attribute = _MESSAGE.unpack_from, _ATTRIBUTE_WORD.unpack_from
    for frame in frames:
        at, size = 0, len(frame)
        while at < size:
            if at + 28 > size or _HEAD.unpack_from(frame, at)[1] != RTM_NEWROUTE:
                at = _skip(frame, at, what)
                continue
            head = message(frame, at)
            end = at + head[0]
            if head[0] < 28 or end > size:
                raise ParseError(what, f"a route message of {head[0]} bytes at {at} in a frame of {size}")
            dst = gateway = b""
            oif = metric = 0
            table = head[6]
            rest = _NO_REST
            pos = at + 28
            while pos < end:
                # shorter than 8 is only an empty attribute, which no route has
                taken, name, word = attribute(frame, pos) if pos + 8 <= end else (0, 0, 0)
                if taken < 4 or pos + taken > end:
                    raise ParseError(what, f"an attribute of {taken} bytes at {pos} in a message to {end}")
                if name == RTA_DST:
                    dst = frame[pos + 4 : pos + taken]
                elif name == RTA_TABLE:
                    table = word
                elif name == RTA_OIF:
                    oif = word
                elif name == RTA_PRIORITY:
                    metric = word
                elif name == RTA_GATEWAY:
                    gateway = frame[pos + 4 : pos + taken]
                else:
                    rest = {**rest, name & netlink.NLA_TYPE_MASK: frame[pos + 4 : pos + taken]}
                pos += (taken + 3) & ~3
            yield head, dst, gateway, oif, metric, table, rest
            at = (end + 3) & ~3


class _Rows:
    """Makes rows; remembers what repeats from row to row."""

    def __init__(self, family: str, devices: Mapping[int, str], tables: TableNames, what: str) -> None:
        self.family = family
        self.number = FAMILIES[family]
        self.bits = 32 if family == "inet" else 128
        self.what = what
        self.devices = _Devices(devices)
        self.tables = tables
        self.texts = _Texts()
        self.types = _Named(dict(enumerate(names.TYPES)))
        self.protocols = _Named(names.PROTOCOLS)
        self.scopes = _Named(names.SCOPES)

    def make(
        self,
        head: tuple[int, ...],
        dst: bytes,
        gateway: bytes,
        oif: int,
        metric: int,
        table: int,
        rest: dict[int, bytes],
    ) -> Route:
        _, _, _, dst_len, src_len, tos, _, protocol, scope, kind, flags = head
        to = "default"
        if dst_len:
            try:
                to = _ntop(self.number, dst)
            except ValueError:
                raise ParseError(self.what, f"a destination of {len(dst)} bytes") from None
            if dst_len != self.bits:
                to = f"{to}/{dst_len}"
        legs, more = _NO_LEGS, _PLAIN
        if rest:
            gateway = gateway or rest.get(RTA_VIA, b"")[2:]
            if RTA_MULTIPATH in rest:
                legs = list(_legs(rest[RTA_MULTIPATH], self.devices, self.texts, self.what))
            more = _more(rest, src_len, self.texts, self.what)
        return Route(
            self.family,
            self.types[kind],
            to,
            self.texts[gateway] if gateway else None,
            self.devices[oif],
            self.tables[table],
            self.protocols[protocol],
            self.scopes[scope],
            more.prefsrc,
            metric,
            names.flag_names(flags) if flags else _NO_FLAGS,
            legs,
            more.metrics,
            more.src,
            tos,
            more.nhid,
            more.encap,
            more.pref,
        )


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
    """Address text by its bytes, made once: gateways repeat."""

    def __missing__(self, raw: bytes) -> str:
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


_PLAIN = _More(None, _NO_METRICS, None, None, None, None)


def _more(rest: dict[int, bytes], src_len: int, texts: _Texts, what: str) -> _More:
    src = None
    if RTA_SRC in rest:
        src = texts[rest[RTA_SRC]]
        src = src if src_len == len(rest[RTA_SRC]) * 8 else f"{src}/{src_len}"
    encap = pref = None
    if RTA_ENCAP_TYPE in rest:
        number = _number(rest[RTA_ENCAP_TYPE])
        encap = names.ENCAPS[number] if number < len(names.ENCAPS) else f"unknown-{number}"
    if RTA_PREF in rest:
        pref = names.of(names.PREFERENCES, _number(rest[RTA_PREF]))
    return _More(
        texts[rest[RTA_PREFSRC]] if RTA_PREFSRC in rest else None,
        metrics(rest[RTA_METRICS], what) if RTA_METRICS in rest else _NO_METRICS,
        src,
        _number(rest[RTA_NH_ID]) if RTA_NH_ID in rest else None,
        None if encap == "none" else encap,
        pref,
    )


def _number(raw: bytes) -> int:
    """An unsigned number in the machine's order, of any width."""
    return int.from_bytes(raw, sys.byteorder)


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
            number = _number(value)
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
        gateway = None
        for kind, value in netlink.attributes(raw[at + _NEXTHOP.size : at + length], 0, what):
            if kind == RTA_GATEWAY:
                gateway = texts[value]
            elif kind == RTA_VIA:
                gateway = texts[value[2:]]
        yield NextHop(
            gateway,
            devices[index],
            hops + 1,
            names.flag_names(flags) if flags else _NO_FLAGS,
        )
        at += (length + 3) & ~3


def _covers(dst: bytes, dst_len: int, wanted: int, what: str) -> bool:
    if not dst_len:
        return True
    shift = len(dst) * 8 - dst_len
    if shift < 0:
        raise ParseError(what, f"a prefix of {dst_len} bits in {len(dst)} bytes")
    return int.from_bytes(dst, "big") >> shift == wanted >> shift
