"""IPv4 and IPv6 probes as bytes: UDP, ICMP and ICMPv6 echo, TCP SYN.

RFC 791, 8200 (IP), 768 (UDP), 792, 4443 (ICMP), 9293 (TCP). Addresses are packed, as inet_pton(3)
gives them; their length says which IP version it is.
"""

from __future__ import annotations

import struct

UDP, TCP = 17, 6
ICMP = {4: 1, 6: 58}
ECHO_REQUEST, ECHO_REPLY = {4: 8, 6: 128}, {4: 0, 6: 129}
IP_BYTES = {4: 20, 6: 40}
SYN, RST, ACK = 0x02, 0x04, 0x10

_IPV4 = struct.Struct("!BBHHHBBH4s4s")
_IPV6 = struct.Struct("!IHBB16s16s")
_UDP = struct.Struct("!HHHH")
_ECHO = struct.Struct("!BBHHH")
_TCP = struct.Struct("!HHIIBBHHH")
# a SYN without MSS looks odd to firewalls; 1460 is what Ethernet gives
_MSS = struct.pack("!BBH", 2, 4, 1460)
TCP_BYTES = _TCP.size + len(_MSS)


def total(data: bytes) -> int:
    """The ones' complement sum of its 16-bit words (RFC 1071), 0 to 0xFFFF; 0 only when all are 0."""
    if len(data) % 2:
        data += b"\0"
    # the sum modulo 0xFFFF of the words is that of the whole number, since 0x10000 = 1 modulo 0xFFFF
    number = int.from_bytes(data, "big")
    return number % 0xFFFF or (0xFFFF if number else 0)


def checksum(data: bytes) -> int:
    """RFC 1071; 0 of a message that carries its right checksum."""
    return ~total(data) & 0xFFFF


def pseudo(source: bytes, destination: bytes, protocol: int, length: int) -> bytes:
    """The pseudo header under a transport's checksum (RFC 768, 9293; RFC 8200 8.1)."""
    if len(source) == 4:
        return struct.pack("!4s4sBBH", source, destination, 0, protocol, length)
    return struct.pack("!16s16sII", source, destination, length, protocol)


def tune(message: bytes, wanted: int) -> bytes:
    """The two bytes, for a place where `message` (pseudo header included) has zeros, that give it the
    checksum `wanted` (1 to 0xFFFE) once that stands in its checksum field, also zeros here.
    """
    return struct.pack("!H", ((~wanted & 0xFFFF) - total(message)) % 0xFFFF)


def ip(
    source: bytes, destination: bytes, protocol: int, ttl: int, payload: bytes, *, tos: int = 0, id: int = 0
) -> bytes:
    """A whole packet; `id` is IPv4's identification. DF is not set, and IPv6's flow label is 0."""
    if len(source) == 16:
        head = _IPV6.pack(6 << 28 | tos << 20, len(payload), protocol, ttl, source, destination)
        return head + payload
    length = _IPV4.size + len(payload)
    head = _IPV4.pack(0x45, tos, length, id, 0, ttl, protocol, 0, source, destination)
    return b"".join((head[:10], struct.pack("!H", checksum(head)), head[12:], payload))


def udp(
    source: bytes, destination: bytes, sport: int, dport: int, payload: bytes, wanted: int | None = None
) -> bytes:
    """A datagram. With `wanted`, the first two bytes of the payload are chosen so that this (1 to
    0xFFFE) is its checksum.
    """
    length = _UDP.size + len(payload)
    under = pseudo(source, destination, UDP, length)
    if wanted is None:
        sum_ = checksum(under + _UDP.pack(sport, dport, length, 0) + payload) or 0xFFFF
        return _UDP.pack(sport, dport, length, sum_) + payload
    rest = b"\0\0" + payload[2:]
    tuned = tune(under + _UDP.pack(sport, dport, length, 0) + rest, wanted)
    return _UDP.pack(sport, dport, length, wanted) + tuned + payload[2:]


def echo(
    source: bytes,
    destination: bytes,
    identifier: int,
    sequence: int,
    payload: bytes,
    wanted: int | None = None,
) -> bytes:
    """An echo request; `wanted` as in `udp`."""
    family = 4 if len(source) == 4 else 6
    kind = ECHO_REQUEST[family]
    under = b""
    if family == 6:
        under = pseudo(source, destination, ICMP[6], _ECHO.size + len(payload))
    head = _ECHO.pack(kind, 0, 0, identifier, sequence)
    if wanted is None:
        return _ECHO.pack(kind, 0, checksum(under + head + payload), identifier, sequence) + payload
    tuned = tune(under + head + b"\0\0" + payload[2:], wanted)
    return _ECHO.pack(kind, 0, wanted, identifier, sequence) + tuned + payload[2:]


def syn(
    source: bytes, destination: bytes, sport: int, dport: int, sequence: int, payload: bytes = b""
) -> bytes:
    """A segment that asks for a connection."""
    offset = TCP_BYTES // 4 << 4
    return _segment(source, destination, sport, dport, sequence, offset, SYN, _MSS + payload)


def rst(source: bytes, destination: bytes, sport: int, dport: int, sequence: int) -> bytes:
    """A segment that takes a connection back."""
    return _segment(source, destination, sport, dport, sequence, _TCP.size // 4 << 4, RST, b"")


def _segment(
    source: bytes,
    destination: bytes,
    sport: int,
    dport: int,
    sequence: int,
    offset: int,
    flags: int,
    rest: bytes,
) -> bytes:
    window = 64240 if flags == SYN else 0
    under = pseudo(source, destination, TCP, _TCP.size + len(rest))
    head = _TCP.pack(sport, dport, sequence, 0, offset, flags, window, 0, 0)
    sum_ = checksum(under + head + rest)
    return _TCP.pack(sport, dport, sequence, 0, offset, flags, window, sum_, 0) + rest
