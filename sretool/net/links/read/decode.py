"""Link messages decoded; `net addrs` reads the same dump.

Shapes: include/uapi/linux/if_link.h and if.h, `struct ifinfomsg`, IFLA_*, `struct rtnl_link_stats64`.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sretool.errors import ParseError
from sretool.host import interfaces, netlink
from sretool.host.interfaces import IFINFOMSG
from sretool.host.source import Dump
from sretool.net.links.model import Stats

IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINK, IFLA_QDISC, IFLA_MASTER = 1, 3, 4, 5, 6, 10
IFLA_TXQLEN, IFLA_OPERSTATE, IFLA_LINKINFO, IFLA_IFALIAS, IFLA_STATS64 = 13, 16, 18, 20, 23
IFLA_NUM_TX_QUEUES, IFLA_NUM_RX_QUEUES, IFLA_CARRIER, IFLA_LINK_NETNSID = 31, 32, 33, 37
IFLA_XDP, IFLA_TARGET_NETNSID, IFLA_CARRIER_UP_COUNT, IFLA_CARRIER_DOWN_COUNT = 43, 46, 47, 48
IFLA_PROP_LIST, IFLA_ALT_IFNAME = 52, 53
IFLA_INFO_KIND, IFLA_INFO_DATA, IFLA_INFO_SLAVE_KIND, IFLA_INFO_SLAVE_DATA = 1, 2, 4, 5
IFLA_XDP_ATTACHED, IFLA_XDP_PROG_ID = 2, 4

# include/uapi/linux/if.h IF_OPER_*
OPERSTATES = ("unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up")
# include/uapi/linux/if.h IFF_*, bit by bit
FLAGS = (
    *("up", "broadcast", "debug", "loopback", "pointopoint", "notrailers", "running", "noarp", "promisc"),
    *("allmulti", "master", "slave", "multicast", "portsel", "automedia", "dynamic", "lower_up", "dormant"),
    "echo",
)
_XDP = ("", "native", "generic", "offload", "several")
_STATS = Stats.__struct_fields__


class Raw(NamedTuple):
    """One link message: attributes as bytes by type, and those of IFLA_LINKINFO."""

    number: int
    flags: int
    values: dict[int, bytes]
    info: dict[int, bytes]

    @property
    def name(self) -> str:
        """Its name, made fit to be shown."""
        return netlink.name(self.values.get(IFLA_IFNAME, b"")) or f"if{self.number}"

    def text(self, attribute: int) -> str | None:
        """A string attribute, None when it is not there."""
        return netlink.name(self.values[attribute]) if attribute in self.values else None

    def integer(self, attribute: int) -> int | None:
        """An unsigned attribute of any width, None when it is not there."""
        return netlink.number(self.values.get(attribute))

    @property
    def kind(self) -> str | None:
        """bridge, veth, …; None for a device."""
        return netlink.name(self.info[IFLA_INFO_KIND]) if IFLA_INFO_KIND in self.info else None

    @property
    def data(self) -> bytes:
        """What its kind says of itself, IFLA_INFO_DATA."""
        return self.info.get(IFLA_INFO_DATA, b"")

    @property
    def operstate(self) -> str:
        """IFLA_OPERSTATE by name."""
        state = self.integer(IFLA_OPERSTATE) or 0
        return OPERSTATES[state] if state < len(OPERSTATES) else f"unknown-{state}"

    @property
    def netnsid(self) -> int | None:
        """The namespace of the interface IFLA_LINK names; None when it is this one."""
        raw = self.values.get(IFLA_LINK_NETNSID)
        return None if raw is None else int.from_bytes(raw, sys.byteorder, signed=True)

    def other(self, attribute: int, names: dict[int, str]) -> str | None:
        """The interface that an attribute names by its index, None where it names none or itself."""
        index = self.integer(attribute)
        if not index:
            return None
        if attribute == IFLA_LINK and self.netnsid is not None:
            return f"if{index}"
        return None if index == self.number else names.get(index, f"if{index}")


def links(frames: Iterable[bytes], what: str = interfaces.LINKS.key) -> Iterator[Raw]:
    """Every link message, in the kernel's order.

    Raises:
        ParseError: a message that is cut.
    """
    for frame in frames:
        for kind, _, payload in netlink.messages(frame, what):
            if kind != interfaces.RTM_NEWLINK:
                continue
            if len(payload) < IFINFOMSG.size:
                raise ParseError(what, f"a link message of {len(payload)} bytes")
            _, _, index, flags, _ = IFINFOMSG.unpack_from(payload)
            values = dict(netlink.attributes(payload, IFINFOMSG.size, what))
            yield Raw(index, flags, values, dict(netlink.attributes(values.get(IFLA_LINKINFO, b""), 0, what)))


def bits(value: int, names: tuple[str, ...]) -> list[str]:
    """The names of the bits set, the lowest first; those without one as unknown-0x…."""
    found = [name for bit, name in enumerate(names) if value >> bit & 1]
    rest = value >> len(names) << len(names)
    return [*found, f"unknown-{rest:#x}"] if rest else found


def stats(raw: bytes | None) -> Stats | None:
    """IFLA_STATS64, by its length: older kernels count less. None when it is not there."""
    if not raw:
        return None
    count = min(len(raw) // 8, len(_STATS))
    return Stats(*struct.unpack_from(f"={count}Q", raw))


def altnames(link: Raw) -> list[str]:
    """IFLA_ALT_IFNAME of IFLA_PROP_LIST.

    Raises:
        ParseError: a length that does not fit.
    """
    properties = netlink.attributes(link.values.get(IFLA_PROP_LIST, b""), 0, interfaces.LINKS.key)
    return [netlink.name(value) for kind, value in properties if kind == IFLA_ALT_IFNAME]


def xdp(link: Raw) -> str | None:
    """`native, program 12`; None where no XDP program is attached.

    Raises:
        ParseError: a length that does not fit.
    """
    values = dict(netlink.attributes(link.values.get(IFLA_XDP, b""), 0, interfaces.LINKS.key))
    attached = netlink.number(values.get(IFLA_XDP_ATTACHED)) or 0
    if not attached:
        return None
    mode = _XDP[attached] if attached < len(_XDP) else f"unknown-{attached}"
    program = netlink.number(values.get(IFLA_XDP_PROG_ID))
    return mode if program is None else f"{mode}, program {program}"


def name_request(nsid: int, index: int) -> Dump:
    """Asks for one interface of another namespace, by its number there; needs CAP_NET_ADMIN there."""
    payload = IFINFOMSG.pack(0, 0, index, 0, 0) + struct.pack("=HHi", 8, IFLA_TARGET_NETNSID, nsid)
    return Dump(f"route/link/{nsid}/{index}", netlink.NETLINK_ROUTE, interfaces.RTM_GETLINK, 0, payload)
