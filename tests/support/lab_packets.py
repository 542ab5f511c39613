"""The packets of the TUN simulator: probes read, answers built. Headers by struct, since time counts
here; what a tracer must dissect besides (MPLS labels, interfaces) by scapy, which is nobody's own.
"""

from __future__ import annotations

import socket
import struct
from functools import cache
from typing import Any, NamedTuple

from path_walk import Answer, Packet
from paths import Node

UDP, TCP = 17, 6
ICMP = {4: 1, 6: 58}
ECHO_REQUEST = {4: 8, 6: 128}
ECHO_REPLY = {4: 0, 6: 129}
# RFC 4884 4: only these have the length attribute
LENGTH_IN = {4: (3, 11, 12), 6: (1, 3)}
OUTSIDE = {4: "192.0.2.1", 6: "2001:db8::1"}
"""What a NAT puts in place of our address."""
ROLES = ("incoming", "sub-ip", "outgoing", "next-hop")
TIMES_EXCEEDED_QUOTE = {4: 576 - 28, 6: 1280 - 48}
"""RFC 1812 4.3.2.3 and RFC 4443 3.3: the answer is no bigger than that with its headers."""


class Seen(NamedTuple):
    """A probe: what routers look at, and its bytes. `header` is where the transport begins."""

    packet: Packet
    raw: bytes
    family: int
    header: int


@cache
def packed(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def checksum(data: bytes) -> int:
    """RFC 1071."""
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def probe(raw: bytes) -> Seen | None:
    """UDP, an echo request, or a SYN; None for all else that a host sends."""
    family = raw[0] >> 4
    if family == 4:
        header, protocol, ttl = (raw[0] & 15) * 4, raw[9], raw[8]
        addresses, unfragmentable = raw[12:20], bool(raw[6] & 0x40)
    else:
        header, protocol, ttl, addresses, unfragmentable = 40, raw[6], raw[7], raw[8:40], True
    if len(raw) < header + 8:
        return None
    flow: tuple[Any, ...]
    if protocol == ICMP[family]:
        if raw[header] != ECHO_REQUEST[family]:
            return None
        # Cisco and Juniper hash the first four bytes (Paris traceroute, Augustin et al. 2006), others
        # the identifier
        name, flow = "icmp", (addresses, raw[header : header + 6])
    elif protocol in (UDP, TCP):
        if protocol == TCP and (len(raw) < header + 20 or raw[header + 13] & 0x17 != 0x02):
            return None
        name, flow = "tcp" if protocol == TCP else "udp", (addresses, protocol, raw[header : header + 4])
    else:
        return None
    return Seen(Packet(name, ttl, flow, len(raw), unfragmentable), raw, family, header)


def answer_to(seen: Seen, answer: Answer) -> bytes:
    """What the host or router sends."""
    family, raw = seen.family, seen.raw
    transport = raw[seen.header :]
    ours = raw[12:16] if family == 4 else raw[8:24]
    here = packed(answer.node.address)
    if answer.kind == "icmp":
        assert answer.icmp is not None
        body, protocol, at = _error(seen, answer), ICMP[family], 2
    elif answer.kind == "echo-reply":
        body, protocol, at = bytes([ECHO_REPLY[family], 0, 0, 0]) + transport[4:], ICMP[family], 2
    elif answer.kind == "datagram":
        sport, dport = struct.unpack_from("!HH", transport)
        body, protocol, at = struct.pack("!HHHH", dport, sport, 12, 0) + b"pong", UDP, 6
    else:
        sport, dport, sequence = struct.unpack_from("!HHI", transport)
        flags, window = (0x12, 65535) if answer.kind == "syn-ack" else (0x14, 0)
        body = struct.pack(
            "!HHIIBBHHH", dport, sport, 0x5EED, (sequence + 1) & 0xFFFFFFFF, 0x50, flags, window, 0, 0
        )
        protocol, at = TCP, 16
    pseudo = b""
    if family == 6 or protocol != ICMP[4]:
        length = struct.pack("!IxxxB", len(body), protocol)
        pseudo = here + ours + (length if family == 6 else struct.pack("!xBH", protocol, len(body)))
    body = body[:at] + struct.pack("!H", checksum(pseudo + body)) + body[at + 2 :]
    if family == 6:
        return struct.pack("!IHBB", 6 << 28, len(body), protocol, answer.reply_ttl) + here + ours + body
    head = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0, answer.reply_ttl, protocol, 0, here, ours
    )
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


def _error(seen: Seen, answer: Answer) -> bytes:
    """The ICMP message, its checksum not yet there."""
    assert answer.icmp is not None
    family, node = seen.family, answer.node
    quote = _quote(seen, answer)[: TIMES_EXCEEDED_QUOTE[family]]
    extension = extensions(node)
    rest = struct.pack("!I", answer.mtu)
    if extension and answer.icmp[0] in LENGTH_IN[family]:
        unit = 4 if family == 4 else 8
        if node.old_style:
            quote = quote[:128].ljust(128, b"\0")  # RFC 4884 5.2: at 128, and no length says so
        else:
            quote = quote[: 576 - 28 - len(extension)] if family == 4 else quote[: 1232 - len(extension)]
            quote = quote[: len(quote) // unit * unit] if len(quote) > 128 else quote
            quote = quote.ljust(max(128, -(-len(quote) // unit) * unit), b"\0")
            length = len(quote) // unit
            rest = bytes([0, length, 0, 0]) if family == 4 else bytes([length, 0, 0, 0])
        quote += extension
    return struct.pack("!BBH", *answer.icmp, 0) + rest + quote


def _quote(seen: Seen, answer: Answer) -> bytes:
    header, node = seen.header, answer.node
    raw = bytearray(seen.raw)
    raw[8 if seen.family == 4 else 7] = answer.quoted_ttl
    if answer.rewritten:
        _rewrite(raw, seen, answer.rewritten)
    if node.quote == "foreign" or answer.about is not None:
        # a packet of another of our sockets: whatever tells packets to one host apart differs
        if seen.family == 4:
            raw[4:6] = bytes(byte ^ 0x2A for byte in raw[4:6])
        at = header + 2 if seen.packet.protocol == "icmp" else header
        raw[at:] = bytes(byte ^ 0x2A for byte in raw[at:])
    if answer.about == "host":
        at = 16 if seen.family == 4 else 24
        raw[at : at + 4] = bytes(byte ^ 0x15 for byte in raw[at : at + 4])
    if seen.family == 4:
        raw[10:12] = b"\0\0"
        raw[10:12] = struct.pack("!H", checksum(bytes(raw[:header])))
    if node.quote == "corrupt":
        raw[header + 8 :] = bytes(byte ^ 0xFF for byte in raw[header + 8 :])
    if node.quote == "short" or answer.about is not None:
        return bytes(raw[: header + 8])
    if isinstance(node.quote, int):
        return bytes(raw[: header + node.quote])
    return bytes(raw)


def _rewrite(raw: bytearray, seen: Seen, what: frozenset[str]) -> None:
    """What a NAT changed of the packet and did not change back in the quote. It translates source
    address and port, so the checksum changes with them; one that changes address and port back
    often leaves the checksum (Dublin Traceroute finds NATs by that).
    """
    family, header = seen.family, seen.header
    source = slice(12, 16) if family == 4 else slice(8, 24)
    in_sum = not (seen.packet.protocol == "icmp" and family == 4)  # no pseudo header in ICMP
    port = slice(header + 4, header + 6) if seen.packet.protocol == "icmp" else slice(header, header + 2)
    at = header + {"udp": 6, "tcp": 16, "icmp": 2}[seen.packet.protocol]
    outside = packed(OUTSIDE[family])
    new_port = struct.pack("!H", struct.unpack("!H", raw[port])[0] ^ 0x4001)
    if at + 2 <= len(raw) and "checksum" in what:
        (old,) = struct.unpack_from("!H", raw, at)
        before = (bytes(raw[source]) if in_sum else b"") + bytes(raw[port])
        after = (outside if in_sum else b"") + new_port
        # RFC 1624: HC' = ~(~HC + ~m + m')
        total = (~old & 0xFFFF) + checksum(before) + (~checksum(after) & 0xFFFF)
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        struct.pack_into("!H", raw, at, ~total & 0xFFFF)
    if "source" in what:
        raw[source] = outside
    if "port" in what:
        raw[port] = new_port


_extensions: dict[int, tuple[Node, bytes]] = {}


def extensions(node: Node) -> bytes:
    """The extension structure (RFC 4884 7) with its MPLS stack (RFC 4950) and interfaces (RFC 5837)."""
    if not node.labels and not node.interfaces:
        return b""
    if id(node) not in _extensions:
        _extensions[id(node)] = (node, _by_scapy(node))
    return _extensions[id(node)][1]


def _by_scapy(node: Node) -> bytes:
    from scapy.config import conf

    conf.route_autoload = conf.route6_autoload = False
    from scapy.contrib.mpls import MPLS, ICMPExtension_MPLS
    from scapy.layers.inet import ICMPExtension_Header, ICMPExtension_InterfaceInformation
    from scapy.packet import Raw

    objects = []  # one by one: an object with another behind it counts that into its length
    if node.labels:
        stack = [MPLS(label=label, cos=cos, s=bottom, ttl=ttl) for label, cos, bottom, ttl in node.labels]
        objects.append(ICMPExtension_MPLS(stack=stack))
    for told in node.interfaces:
        fields: dict[str, Any] = {"classtype": ROLES.index(told["role"])}
        if told.get("index") is not None:
            fields.update(has_ifindex=1, ifindex=told["index"])
        if told.get("address") is not None:
            four = ":" not in told["address"]
            fields.update(has_ipaddr=1, afi=1 if four else 2)
            fields["ip4" if four else "ip6"] = told["address"]
        if told.get("name") is not None:
            # RFC 5837 4.3: the length counts itself, and is a multiple of four; scapy's own does neither
            name = told["name"].encode()
            length = (len(name) + 4) // 4 * 4
            fields.update(has_ifname=1, ifname_len=length, ifname=name.ljust(length - 1, b"\0"))
        if told.get("mtu") is not None:
            fields.update(has_mtu=1, mtu=told["mtu"])
        objects.append(ICMPExtension_InterfaceInformation(**fields))
    return bytes(ICMPExtension_Header() / Raw(b"".join(map(bytes, objects))))
