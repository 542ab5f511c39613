"""Nexthop objects, from an RTM_GETNEXTHOP dump: routes name them by id (`nhid`).

Shapes: include/uapi/linux/nexthop.h, `struct nhmsg`, `struct nexthop_grp` and NHA_*.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

from sretool.errors import ParseError
from sretool.host import netlink
from sretool.host.source import Dump
from sretool.net.routes.read import decode, encap

RTM_NEWNEXTHOP, RTM_GETNEXTHOP = 104, 106
_HEADER = struct.Struct("=BBBxI")
NHA_ID, NHA_GROUP, NHA_GROUP_TYPE, NHA_BLACKHOLE, NHA_OIF, NHA_GATEWAY = 1, 2, 3, 4, 5, 6
NHA_ENCAP_TYPE, NHA_ENCAP, NHA_MASTER, NHA_FDB, NHA_RES_GROUP = 7, 8, 10, 11, 12
RES_BUCKETS, RES_IDLE_TIMER, RES_UNBALANCED_TIMER, RES_UNBALANCED_TIME = 1, 2, 3, 4
GROUP_TYPES = ("mpath", "resilient")
USER_HZ = 100.0  # clock_t of the kernel's interfaces, on every architecture but alpha
_MEMBER = struct.Struct("=IBBxx")

NEXTHOPS = Dump(
    "route/nexthops", netlink.NETLINK_ROUTE, RTM_GETNEXTHOP, netlink.NLM_F_DUMP, _HEADER.pack(0, 0, 0, 0)
)


class Resilient(NamedTuple):
    """A resilient group's table. Times in seconds; None where the kernel gave none."""

    buckets: int | None
    idle_timer_s: float | None
    unbalanced_timer_s: float | None
    unbalanced_s: float | None


class Nexthop(NamedTuple):
    """One object: a next hop, or a group of them (`members`: id and weight)."""

    id: int
    family: int
    scope: int
    protocol: int
    flags: int
    gateway: str | None
    ifindex: int
    blackhole: bool
    fdb: bool
    encap: str | None
    encap_to: str | None
    group_type: str | None
    members: tuple[tuple[int, int], ...]
    resilient: Resilient | None


def read(frames: Iterable[bytes]) -> list[Nexthop]:
    """Objects by id.

    Raises:
        ParseError: a message that is cut, or without an id.
    """
    what = NEXTHOPS.key
    found = []
    for frame in frames:
        for kind, _flags, payload in netlink.messages(frame, what):
            if kind != RTM_NEWNEXTHOP:
                continue
            if len(payload) < _HEADER.size:
                raise ParseError(what, f"a nexthop message of {len(payload)} bytes")
            values = dict(netlink.attributes(payload, _HEADER.size, what))
            if NHA_ID not in values:
                raise ParseError(what, "a nexthop without an id")
            found.append(_nexthop(values, _HEADER.unpack_from(payload), what))
    found.sort(key=lambda nexthop: nexthop.id)
    return found


def _nexthop(values: dict[int, bytes], head: tuple[int, ...], what: str) -> Nexthop:
    family, scope, protocol, flags = head
    raw = values.get(NHA_GATEWAY)
    number = netlink.number(values.get(NHA_ENCAP_TYPE)) or 0
    kind = netlink.number(values.get(NHA_GROUP_TYPE)) or 0
    return Nexthop(
        id=netlink.number(values[NHA_ID]) or 0,
        family=family,
        scope=scope,
        protocol=protocol,
        flags=flags,
        gateway=None if raw is None else decode.address(raw, what),
        ifindex=netlink.number(values.get(NHA_OIF)) or 0,
        blackhole=NHA_BLACKHOLE in values,
        fdb=NHA_FDB in values,
        encap=encap.name(number),
        encap_to=encap.words(number, values[NHA_ENCAP], what) if NHA_ENCAP in values else None,
        group_type=None
        if NHA_GROUP not in values
        else GROUP_TYPES[kind]
        if kind < len(GROUP_TYPES)
        else f"unknown-{kind}",
        members=tuple(_members(values.get(NHA_GROUP, b""), what)),
        resilient=_resilient(values[NHA_RES_GROUP], what) if NHA_RES_GROUP in values else None,
    )


def _members(raw: bytes, what: str) -> Iterable[tuple[int, int]]:
    if len(raw) % _MEMBER.size:
        raise ParseError(what, f"a group of {len(raw)} bytes")
    # the weight is kept less one; since Linux 6.12 its upper half is the byte after (weight_high)
    return ((id_, (high << 8 | low) + 1) for id_, low, high in _MEMBER.iter_unpack(raw))


def _resilient(raw: bytes, what: str) -> Resilient:
    values = dict(netlink.attributes(raw, 0, what))

    def seconds(kind: int) -> float | None:
        ticks = netlink.number(values.get(kind))
        return None if ticks is None else ticks / USER_HZ

    return Resilient(
        netlink.number(values.get(RES_BUCKETS)),
        seconds(RES_IDLE_TIMER),
        seconds(RES_UNBALANCED_TIMER),
        seconds(RES_UNBALANCED_TIME),
    )
