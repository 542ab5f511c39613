"""Interfaces and their addresses.

Shapes: include/uapi/linux/if_link.h and if_addr.h, `struct ifinfomsg`, `struct ifaddrmsg`.
"""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

from sretool.errors import ParseError, SretoolError
from sretool.host import interfaces, netlink
from sretool.host.source import Clock, Dump, Source
from sretool.net.addrs.model import AddressInfo, Link, Links
from sretool.net.links.read import decode

RTM_NEWADDR, RTM_GETADDR = 20, 22
IFADDRMSG = struct.Struct("=BBBBI")
IFA_ADDRESS, IFA_LOCAL, IFA_LABEL, IFA_BROADCAST, IFA_CACHEINFO, IFA_FLAGS = 1, 2, 3, 4, 6, 8
FAMILIES: dict[int, str] = {socket.AF_INET: "inet", socket.AF_INET6: "inet6"}
FOREVER = 0xFFFFFFFF

ADDRESSES = Dump(
    "route/addrs", netlink.NETLINK_ROUTE, RTM_GETADDR, netlink.NLM_F_DUMP, IFADDRMSG.pack(0, 0, 0, 0, 0)
)
SCOPES = {0: "global", 200: "site", 253: "link", 254: "host", 255: "nowhere"}
# include/uapi/linux/if_addr.h IFA_F_*, bit by bit; the first is `temporary` for IPv6
ADDRESS_FLAGS = (
    "secondary",
    "nodad",
    "optimistic",
    "dadfailed",
    "home",
    "deprecated",
    "tentative",
    "permanent",
    "mngtmpaddr",
    "noprefixroute",
    "mcautojoin",
    "stable-privacy",
)


class Ask(NamedTuple):
    """What to read: all of it is small."""


EVERYTHING = Ask()


class Sample(NamedTuple):
    """One reading; None where a dump failed."""

    clock: Clock
    links: list[bytes] | None
    addresses: list[bytes] | None
    errors: list[SretoolError]


def sample(source: Source, ask: Ask = EVERYTHING) -> Sample:
    """Both dumps; what could not be read is in `errors`."""
    errors: list[SretoolError] = []
    clock = source.clock()
    links = netlink.attempted(source, interfaces.LINKS, errors)
    return Sample(clock, links, netlink.attempted(source, ADDRESSES, errors), errors)


def build(now: Sample, family: str | None = None, dev: str | None = None) -> Links:
    """Links with their addresses, of one family and one interface where asked. Damaged frames cost
    their own part and are noted in `now.errors`.
    """
    rows: list[Link] = []
    by_index: dict[int, list[AddressInfo]] | None = None
    try:
        rows = list(_links(now.links or []))
        by_index = None if now.addresses is None else _addresses(now.addresses)
    except ParseError as error:
        now.errors.append(error)
    if by_index is not None:
        for row in rows:
            row.addresses = [
                address for address in by_index.get(row.ifindex, []) if family in (None, address.family)
            ]
    rows = [row for row in rows if dev in (None, row.ifname) and (family is None or row.addresses != [])]
    return Links(rows, len(rows))


def _links(frames: list[bytes]) -> list[Link]:
    names = interfaces.names(frames)
    rows = [
        Link(
            ifindex=raw.number,
            ifname=raw.name,
            kind=raw.kind,
            operstate=raw.operstate,
            flags=decode.bits(raw.flags, decode.FLAGS),
            mtu=raw.integer(decode.IFLA_MTU),
            address=interfaces.hardware(raw.values.get(decode.IFLA_ADDRESS)),
            link=raw.other(decode.IFLA_LINK, names),
            master=raw.other(decode.IFLA_MASTER, names),
            qdisc=raw.text(decode.IFLA_QDISC),
            txqlen=raw.integer(decode.IFLA_TXQLEN),
            alias=raw.text(decode.IFLA_IFALIAS),
            addresses=None,
        )
        for raw in decode.links(frames)
    ]
    rows.sort(key=lambda row: row.ifindex)
    return rows


def _addresses(frames: list[bytes]) -> dict[int, list[AddressInfo]]:
    what = ADDRESSES.key
    found: dict[int, list[AddressInfo]] = {}
    for frame in frames:
        for kind, _flags_of_message, payload in netlink.messages(frame, what):
            if kind != RTM_NEWADDR:
                continue
            if len(payload) < IFADDRMSG.size:
                raise ParseError(what, f"an address message of {len(payload)} bytes")
            family, bits, flags, scope, index = IFADDRMSG.unpack_from(payload)
            if family in FAMILIES:
                values = dict(netlink.attributes(payload, IFADDRMSG.size, what))
                found.setdefault(index, []).append(_address(family, bits, flags, scope, values))
    for rows in found.values():
        rows.sort(key=lambda row: row.family)  # stable: the kernel's order within a family
    return found


def _address(family: int, bits: int, flags: int, scope: int, values: dict[int, bytes]) -> AddressInfo:
    def text(kind: int) -> str | None:
        try:
            return socket.inet_ntop(family, values[kind]) if kind in values else None
        except ValueError:
            raise ParseError(ADDRESSES.key, f"an address of {len(values[kind])} bytes") from None

    # on a point-to-point link IFA_ADDRESS is the peer; IPv6 sends IFA_LOCAL only then
    address, local = text(IFA_ADDRESS), text(IFA_LOCAL)
    if local is None and address is None:
        raise ParseError(ADDRESSES.key, "an address message without an address")
    wide = netlink.number(values.get(IFA_FLAGS))
    names = decode.bits(flags if wide is None else wide, ADDRESS_FLAGS)
    if family == socket.AF_INET6 and names[:1] == ["secondary"]:
        names[0] = "temporary"
    cache = values.get(IFA_CACHEINFO, b"")
    preferred, valid = struct.unpack_from("=II", cache) if len(cache) >= 8 else (FOREVER, FOREVER)
    return AddressInfo(
        family=FAMILIES[family],
        local=local or address or "",
        prefixlen=bits,
        peer=address if local is not None and address != local else None,
        broadcast=text(IFA_BROADCAST),
        scope=SCOPES.get(scope, f"unknown-{scope}"),
        label=netlink.name(values[IFA_LABEL]) if IFA_LABEL in values else None,
        flags=names,
        valid_s=None if valid == FOREVER else valid,
        preferred_s=None if preferred == FOREVER else preferred,
    )
