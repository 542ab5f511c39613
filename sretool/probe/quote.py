"""ICMP errors as bytes: what they say, and the packet they quote. Anybody may have sent them."""

from __future__ import annotations

import struct

from msgspec import Struct

from sretool.errors import ParseError
from sretool.probe import extensions
from sretool.probe.extensions import Extensions
from sretool.probe.packet import IP_BYTES, checksum

# (family, type): the bytes that one unit of its length field means (RFC 4884 4.1 to 4.5), None: it has
# no such field
_ERRORS = {(4, 3): 4, (4, 11): 4, (4, 12): 4, (6, 1): 8, (6, 3): 8, (6, 2): None, (6, 4): None}
_LENGTH_AT = {4: 5, 6: 4}


class Quote(Struct, frozen=True):
    """The packet that an error quotes, as far as it is there: `transport` is what follows its IP header.
    `id` is IPv4's identification.
    """

    source: bytes
    destination: bytes
    protocol: int
    id: int | None
    tos: int
    transport: bytes


class Message(Struct, frozen=True):
    """An ICMP error. `mtu` is the one a packet-too-big or fragmentation-needed advertises."""

    type: int
    code: int
    quote: Quote
    mtu: int | None
    extensions: Extensions


def without_header(data: bytes) -> tuple[int, bytes]:
    """The TTL and the payload of a whole IPv4 packet, as a raw socket gives it (raw(7)).

    Raises:
        ParseError: it is none.
    """
    size = (data[0] & 0xF) * 4 if data else 0
    if size < IP_BYTES[4] or data[0] >> 4 != 4 or len(data) < size:
        raise ParseError("packet", "no IPv4 header")
    return data[8], data[size:]


def error(family: int, data: bytes, *, whole: bool = True) -> Message:
    """An ICMP message from its type on. Not `whole`: its end was cut off here, so IPv4's checksum is not
    looked at; IPv6's the kernel has (net/ipv6/raw.c).

    Raises:
        ParseError: no error message, a wrong checksum, or no IP header in it.
    """
    if len(data) < 8 or (family, data[0]) not in _ERRORS:
        raise ParseError("icmp", "no error message")
    if family == 4 and whole and checksum(data):
        raise ParseError("icmp", "wrong checksum")
    unit = _ERRORS[family, data[0]]
    if unit is None:
        quoted, found = data[8:], extensions.NONE
    else:
        length, headers = data[_LENGTH_AT[family]] * unit, IP_BYTES[family] + 8
        quoted, found = extensions.split(data[8:], length, least=headers)
    return Message(data[0], data[1], _quote(family, quoted), _mtu(family, data), found)


def _mtu(family: int, data: bytes) -> int | None:
    # a router older than RFC 1191 leaves the field 0
    if family == 4 and data[:2] == b"\x03\x04":
        return int(struct.unpack_from("!H", data, 6)[0]) or None
    if family == 6 and data[0] == 2:
        return int(struct.unpack_from("!I", data, 4)[0]) or None
    return None


def _quote(family: int, data: bytes) -> Quote:
    if len(data) < IP_BYTES[family] or data[0] >> 4 != family:
        raise ParseError("icmp", f"quotes no IPv{family} header")
    if family == 6:
        tos = struct.unpack_from("!H", data)[0] >> 4 & 0xFF
        return Quote(data[8:24], data[24:40], data[6], None, tos, data[40:])
    size = (data[0] & 0xF) * 4
    # a fragment other than the first has no ports in it
    if not IP_BYTES[4] <= size <= len(data) or struct.unpack_from("!H", data, 6)[0] & 0x1FFF:
        raise ParseError("icmp", "quotes an IPv4 header that cannot be ours")
    (number,) = struct.unpack_from("!H", data, 4)
    return Quote(data[12:16], data[16:20], data[9], number, data[1], data[size:])
