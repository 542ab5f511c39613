"""ctnetlink: the dump of all tracked connections, and its entries.

Shapes: include/uapi/linux/netfilter/nfnetlink.h `struct nfgenmsg`, nfnetlink_conntrack.h CTA_*,
nf_conntrack_common.h IPS_*, nf_conntrack_tcp.h TCP_CONNTRACK_*.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

from sretool.errors import ParseError
from sretool.host import netlink
from sretool.host.source import Dump

NETLINK_NETFILTER = 12
CT_NEW, CT_GET = 0x100, 0x101  # NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_*
FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}
CTA_TUPLE_ORIG, CTA_STATUS, CTA_PROTOINFO = 1, 3, 4
CTA_TUPLE_IP, CTA_TUPLE_PROTO = 1, 2
CTA_IP: dict[int, tuple[int, int]] = {socket.AF_INET: (1, 2), socket.AF_INET6: (3, 4)}
CTA_PROTO_NUM, CTA_PROTO_SRC_PORT, CTA_PROTO_DST_PORT = 1, 2, 3
CTA_PROTOINFO_STATE = 1  # in each of CTA_PROTOINFO_TCP, _DCCP and _SCTP
SEEN_REPLY, ASSURED, SRC_NAT, DST_NAT, OFFLOAD, HW_OFFLOAD = 2, 4, 1 << 4, 1 << 5, 1 << 14, 1 << 15

TCP, DCCP, SCTP = 6, 33, 132
PROTOCOLS = {
    1: "icmp",
    2: "igmp",
    TCP: "tcp",
    17: "udp",
    DCCP: "dccp",
    47: "gre",
    50: "esp",
    51: "ah",
    58: "icmpv6",
    SCTP: "sctp",
    136: "udplite",
}
_STATES = {
    TCP: (
        "none",
        "syn-sent",
        "syn-recv",
        "established",
        "fin-wait",
        "close-wait",
        "last-ack",
        "time-wait",
        "close",
        "syn-sent2",
    ),
    SCTP: (
        "none",
        "closed",
        "cookie-wait",
        "cookie-echoed",
        "established",
        "shutdown-sent",
        "shutdown-recd",
        "shutdown-ack-sent",
        "heartbeat-sent",
    ),
    DCCP: ("none", "request", "respond", "partopen", "open", "closereq", "closing", "time-wait", "ignore"),
}


class Entry(NamedTuple):
    """One tracked connection: of the first packet's direction, as on the wire. `state` is the protocol's own
    state, None for protocols that have none.
    """

    protocol: int
    source: bytes
    destination: bytes
    source_port: int | None
    destination_port: int | None
    status: int
    state: int | None


def request(family: str | None) -> Dump:
    """The dump of the table, of one family where asked."""
    number = FAMILIES[family] if family is not None else socket.AF_UNSPEC
    payload = struct.pack("=BBH", number, 0, 0)
    return Dump("conntrack", NETLINK_NETFILTER, CT_GET, netlink.NLM_F_DUMP, payload)


def protocol_name(number: int) -> str:
    """`tcp`, `udp`, …"""
    return PROTOCOLS.get(number, f"unknown-{number}")


def state_name(protocol: int, status: int, state: int | None) -> str:
    """What `conntrack -L` says of it, in lower case."""
    if state is not None and protocol in _STATES:
        known = _STATES[protocol]
        return known[state] if state < len(known) else f"unknown-{state}"
    if not status & SEEN_REPLY:
        return "unreplied"
    return "assured" if status & ASSURED else "replied"


def state_names() -> list[str]:
    """Every state there is a name for."""
    return list(dict.fromkeys([*(name for names in _STATES.values() for name in names), *FLOW_STATES]))


FLOW_STATES = ("unreplied", "replied", "assured")


def entries(frames: list[bytes]) -> Iterator[Entry]:
    """Every entry of a dump.

    Raises:
        ParseError: a message or attribute that is cut.
    """
    # The kernel writes the original direction first, with all of its parts (net/netfilter/
    # nf_conntrack_netlink.c ctnetlink_fill_info), so one unpack reads it: 262,144 entries pass here.
    head = netlink.NLMSG_HEADER.unpack_from
    for frame in frames:
        at, size = 0, len(frame)
        while at + 16 <= size:
            length, kind, _, _, _ = head(frame, at)
            end = at + length
            if length < 16 or end > size:
                raise ParseError(WHAT, f"netlink message of {length} bytes at {at} in a frame of {size}")
            if kind == CT_NEW:
                if length < 20:
                    raise ParseError(WHAT, f"an entry of {length} bytes")
                yield _quick(frame, at + 20, end) or _whole(frame[at + 20 : end], frame[at + 16])
            at = (end + 3) & ~3
        if at < size:
            raise ParseError(WHAT, f"{size - at} bytes too many at the end of a frame")


WHAT = "conntrack"
_NESTED = 0x8000


def _layout(address_bytes: int, kinds: tuple[int, int]) -> tuple[struct.Struct, tuple[int, ...]]:
    """The tuple of a protocol with ports: as one structure, and the attribute headers it must have."""

    def header(length: int, kind: int) -> int:
        return int(struct.unpack("=I", struct.pack("=HH", 4 + length, kind))[0])

    address = 4 + address_bytes
    text = f"=III{address_bytes}sI{address_bytes}sIIB3xIH2xIH2x"
    return struct.Struct(text), (
        header(4 + 2 * address + 28, CTA_TUPLE_ORIG | _NESTED),
        header(2 * address, CTA_TUPLE_IP | _NESTED),
        header(address_bytes, kinds[0]),
        header(address_bytes, kinds[1]),
        header(24, CTA_TUPLE_PROTO | _NESTED),
        header(1, CTA_PROTO_NUM),
        header(2, CTA_PROTO_SRC_PORT),
        header(2, CTA_PROTO_DST_PORT),
    )


_LAYOUTS = [_layout(4, CTA_IP[socket.AF_INET]), _layout(16, CTA_IP[socket.AF_INET6])]
_BY_LENGTH = {layout.size: (layout, headers) for layout, headers in _LAYOUTS}
_PAIR = struct.Struct("=HH")
_SHORT = struct.Struct("=H")
_ORDER = struct.Struct(">I")
_WITH_STATE = frozenset(_STATES)


def _quick(frame: bytes, at: int, end: int) -> Entry | None:
    """The entry, if its parts lie where they always do; `at` is its first attribute."""
    if at + 4 > end:
        return None
    known = _BY_LENGTH.get(_SHORT.unpack_from(frame, at)[0])
    if known is None or at + known[0].size > end:
        return None
    layout, headers = known
    h0, h1, h2, src, h3, dst, h4, h5, number, h6, sport, h7, dport = layout.unpack_from(frame, at)
    if (h0, h1, h2, h3, h4, h5, h6, h7) != headers:
        return None
    at += layout.size
    status = state = None
    wants_state = number in _WITH_STATE
    pair = _PAIR.unpack_from
    while at + 4 <= end:
        length, kind = pair(frame, at)
        if length < 4 or at + length > end:
            return None
        kind &= netlink.NLA_TYPE_MASK
        if kind == CTA_STATUS and length == 8:
            status = _ORDER.unpack_from(frame, at + 4)[0]
            if not wants_state:
                break
        elif kind == CTA_PROTOINFO and wants_state:
            # the state is the first attribute of the only one in it
            if length < 13 or pair(frame, at + 8) != (5, CTA_PROTOINFO_STATE):
                return None
            state = frame[at + 12]
            break
        at += (length + 3) & ~3
    if status is None:
        return None
    return Entry(number, src, dst, socket.ntohs(sport), socket.ntohs(dport), status, state)


def _whole(payload: bytes, family: int) -> Entry:
    """An entry attribute by attribute."""
    parts = dict(netlink.attributes(payload, 0, WHAT))
    sides = dict(netlink.attributes(parts.get(CTA_TUPLE_ORIG, b""), 0, WHAT))
    addresses = dict(netlink.attributes(sides.get(CTA_TUPLE_IP, b""), 0, WHAT))
    protocol = dict(netlink.attributes(sides.get(CTA_TUPLE_PROTO, b""), 0, WHAT))
    kinds = CTA_IP.get(family, CTA_IP[socket.AF_INET])
    source, destination = (addresses.get(kind, b"") for kind in kinds)
    number = protocol.get(CTA_PROTO_NUM, b"")
    if len(source) not in (4, 16) or len(destination) != len(source) or len(number) != 1:
        raise ParseError(WHAT, "an entry without addresses or protocol")
    status = parts.get(CTA_STATUS, bytes(4))
    state = None
    if number[0] in _WITH_STATE:
        for _, value in netlink.attributes(parts.get(CTA_PROTOINFO, b""), 0, WHAT):
            raw = dict(netlink.attributes(value, 0, WHAT)).get(CTA_PROTOINFO_STATE)
            state = raw[0] if raw else None
    return Entry(
        number[0],
        source,
        destination,
        _port(protocol.get(CTA_PROTO_SRC_PORT)),
        _port(protocol.get(CTA_PROTO_DST_PORT)),
        int.from_bytes(status, "big") & 0xFFFFFFFF,
        state,
    )


def _port(raw: bytes | None) -> int | None:
    return int.from_bytes(raw, "big") if raw is not None and len(raw) == 2 else None
