"""Network interfaces by index, from an RTM_GETLINK dump: sockets and routes name devices by number."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable

from sretool.errors import ParseError
from sretool.host import netlink
from sretool.host.source import Dump, Source

# include/uapi/linux/rtnetlink.h, if_link.h
RTM_NEWLINK, RTM_GETLINK = 16, 18
IFINFOMSG = struct.Struct("=BxHiII")
IFLA_IFNAME = 3

LINKS = Dump(
    "route/links", netlink.NETLINK_ROUTE, RTM_GETLINK, netlink.NLM_F_DUMP, IFINFOMSG.pack(0, 0, 0, 0, 0)
)


def names(frames: Iterable[bytes]) -> dict[int, str]:
    """Interface index -> name.

    Raises:
        ParseError: frames that are no link dump.
    """
    found: dict[int, str] = {}
    for frame in frames:
        for kind, _flags, payload in netlink.messages(frame, LINKS.key):
            if kind != RTM_NEWLINK:
                continue
            if len(payload) < IFINFOMSG.size:
                raise ParseError(LINKS.key, f"a link message of {len(payload)} bytes")
            index = IFINFOMSG.unpack_from(payload)[2]
            for attribute, value in netlink.attributes(payload, IFINFOMSG.size, LINKS.key):
                if attribute == IFLA_IFNAME:
                    found[index] = netlink.name(value)
    return found


def read(source: Source, netns: str | None = None) -> dict[int, str]:
    """The names of the interfaces of this namespace, or of that at the path `netns`.

    Raises:
        SourceError: the dump was refused.
        ParseError: it is not what it should be.
    """
    return names(source.netlink(LINKS, netns).frames)


def hardware(raw: bytes | None) -> str | None:
    """A link-layer address: colons between bytes; tunnels over IP have an IP address here."""
    if not raw:
        return None
    if len(raw) in (4, 16):
        return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)
    return raw.hex(":")
