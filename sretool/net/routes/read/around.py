"""What stands around a route: the state of its links (RTM_GETLINK) and of its next hops
(RTM_GETNEIGH). Only what a route's fate depends on: `net links` and `net neigh` have the rest.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sretool.errors import ParseError
from sretool.host import interfaces, netlink
from sretool.host.interfaces import IFINFOMSG, LINKS
from sretool.host.source import Dump

# include/uapi/linux/if_link.h, if.h
IFLA_IFNAME, IFLA_MTU, IFLA_MASTER, IFLA_OPERSTATE, IFLA_LINKINFO, IFLA_GROUP, IFLA_CARRIER = (
    3, 4, 10, 16, 18, 27, 33,
)  # fmt: skip
IFLA_INFO_KIND, IFLA_INFO_DATA, IFLA_VRF_TABLE = 1, 2, 1
IFF_UP, IFF_LOOPBACK, IFF_POINTOPOINT, IFF_NOARP = 0x1, 0x8, 0x10, 0x80
OPERSTATES = ("unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up")
# include/uapi/linux/neighbour.h
RTM_NEWNEIGH, RTM_GETNEIGH = 28, 30
NDMSG = struct.Struct("=BxxxiHBB")
NDA_DST = 1
NUD = {
    0: "none", 0x01: "incomplete", 0x02: "reachable", 0x04: "stale", 0x08: "delay", 0x10: "probe",
    0x20: "failed", 0x40: "noarp", 0x80: "permanent",
}  # fmt: skip
NTF_PROXY = 0x8
SILENT = ("failed", "incomplete")
"""States of a neighbour that does not answer."""

NEIGHBOURS = Dump(
    "route/neigh", netlink.NETLINK_ROUTE, RTM_GETNEIGH, netlink.NLM_F_DUMP, NDMSG.pack(0, 0, 0, 0, 0)
)


class LinkState(NamedTuple):
    """One interface. `carrier` is None where the kernel says nothing of it; `vrf_table` is the table
    of the VRF that it is, or belongs to.
    """

    name: str
    up: bool
    carrier: bool | None
    operstate: str
    mtu: int | None
    group: int
    loopback: bool
    asks: bool
    master: int
    vrf_table: int | None

    @property
    def trouble(self) -> str | None:
        """Why nothing leaves through it."""
        if not self.up:
            return "the link is down"
        return "the link has no carrier" if self.carrier is False else None


def links(frames: Iterable[bytes]) -> dict[int, LinkState]:
    """Interfaces by index.

    Raises:
        ParseError: frames that are no link dump.
    """
    found: dict[int, LinkState] = {}
    for frame in frames:
        for kind, _flags, payload in netlink.messages(frame, LINKS.key):
            if kind != interfaces.RTM_NEWLINK:
                continue
            if len(payload) < IFINFOMSG.size:
                raise ParseError(LINKS.key, f"a link message of {len(payload)} bytes")
            _, _, index, flags, _ = IFINFOMSG.unpack_from(payload)
            found[index] = _link(index, flags, dict(netlink.attributes(payload, IFINFOMSG.size, LINKS.key)))
    for index, link in found.items():
        if link.vrf_table is None and link.master in found:
            found[index] = link._replace(vrf_table=found[link.master].vrf_table)
    return found


def _link(index: int, flags: int, values: dict[int, bytes]) -> LinkState:
    info = dict(netlink.attributes(values.get(IFLA_LINKINFO, b""), 0, LINKS.key))
    vrf = None
    if netlink.name(info.get(IFLA_INFO_KIND, b"")) == "vrf":
        vrf = netlink.number(
            dict(netlink.attributes(info.get(IFLA_INFO_DATA, b""), 0, LINKS.key)).get(IFLA_VRF_TABLE)
        )
    state = netlink.number(values.get(IFLA_OPERSTATE)) or 0
    carrier = netlink.number(values.get(IFLA_CARRIER))
    return LinkState(
        name=netlink.name(values[IFLA_IFNAME]) if IFLA_IFNAME in values else f"if{index}",
        up=bool(flags & IFF_UP),
        carrier=None if carrier is None else bool(carrier),
        operstate=OPERSTATES[state] if state < len(OPERSTATES) else f"unknown-{state}",
        mtu=netlink.number(values.get(IFLA_MTU)),
        group=netlink.number(values.get(IFLA_GROUP)) or 0,
        loopback=bool(flags & IFF_LOOPBACK),
        asks=not flags & (IFF_LOOPBACK | IFF_POINTOPOINT | IFF_NOARP),
        master=netlink.number(values.get(IFLA_MASTER)) or 0,
        vrf_table=vrf,
    )


def neighbours(frames: Iterable[bytes], links: Mapping[int, LinkState]) -> dict[tuple[str, bytes], str]:
    """States by interface name and address.

    Raises:
        ParseError: a message that is cut.
    """
    what = NEIGHBOURS.key
    found: dict[tuple[str, bytes], str] = {}
    for frame in frames:
        for kind, _flags, payload in netlink.messages(frame, what):
            if kind != RTM_NEWNEIGH:
                continue
            if len(payload) < NDMSG.size:
                raise ParseError(what, f"a neighbour message of {len(payload)} bytes")
            _, index, state, flags, _ = NDMSG.unpack_from(payload)
            if flags & NTF_PROXY:
                continue
            address = dict(netlink.attributes(payload, NDMSG.size, what)).get(NDA_DST)
            if address is not None and index in links:
                found[links[index].name, address] = NUD.get(state) or f"unknown-{state:#x}"
    return found
