"""What routers append to an ICMP error (RFC 4884): MPLS labels (RFC 4950), interfaces (RFC 5837)."""

from __future__ import annotations

import socket
import struct
from typing import Literal, NamedTuple

from sretool.probe.network import Interface, Label
from sretool.probe.packet import checksum

# RFC 4884 5.5: routers older than it append at a fixed place, and say so nowhere
OLD_PLACE = 128
_MPLS, _INTERFACE = 1, 2
_ROLES: tuple[Literal["incoming", "sub-ip", "outgoing", "next-hop"], ...] = (
    "incoming",
    "sub-ip",
    "outgoing",
    "next-hop",
)
_HAS_INDEX, _HAS_ADDRESS, _HAS_NAME, _HAS_MTU = 8, 4, 2, 1
_AFI = {1: (socket.AF_INET, 4), 2: (socket.AF_INET6, 16)}
_OBJECT = struct.Struct("!HBB")


class Extensions(NamedTuple):
    """Of one ICMP error, in the order they stand there."""

    labels: tuple[Label, ...] = ()
    interfaces: tuple[Interface, ...] = ()


NONE = Extensions()


def split(body: bytes, length: int, place: int = OLD_PLACE, *, least: int = 0) -> tuple[bytes, Extensions]:
    """The quoted packet and the extensions in what follows the eight bytes of an ICMP header. `length`
    is what its length field says in bytes, 0 for an old router that says nothing; `place` is where such
    a one puts them (less than 128 where the beginning of the quote is missing).

    What is malformed, or has a wrong checksum, counts as no extension. A quote before extensions is without
    the zeros that fill it up (RFC 4884 4), whether they are the router's or the packet's own; its first
    `least` bytes are headers, and their zeros are.
    """
    at = length or place
    quoted, structure = body[:at], body[at:]
    quoted = quoted.rstrip(b"\0").ljust(min(len(quoted), least), b"\0")
    # zero: not computed (RFC 4884 7); where nothing says that these are extensions, that is too little
    unchecked = length > 0 and structure[2:4] == b"\0\0"
    if len(structure) < 4 or structure[0] >> 4 != 2 or (checksum(structure) and not unchecked):
        return (quoted if length else body), NONE
    return quoted, _objects(structure[4:])


def _objects(data: bytes) -> Extensions:
    labels: list[Label] = []
    interfaces: list[Interface] = []
    while len(data) >= _OBJECT.size:
        length, number, kind = _OBJECT.unpack_from(data)
        if not _OBJECT.size <= length <= len(data):
            break
        payload = data[_OBJECT.size : length]
        if number == _MPLS and kind == 1:
            labels += _labels(payload)
        elif number == _INTERFACE and (found := _interface(kind, payload)) is not None:
            interfaces.append(found)
        data = data[length:]
    return Extensions(tuple(labels), tuple(interfaces))


def _labels(payload: bytes) -> list[Label]:
    whole = payload[: len(payload) // 4 * 4]
    return [
        Label(entry >> 12, entry >> 9 & 7, bool(entry >> 8 & 1), entry & 0xFF)
        for (entry,) in struct.iter_unpack("!I", whole)
    ]


def _interface(kind: int, payload: bytes) -> Interface | None:
    """RFC 5837 4.1 to 4.4; None when a part that is announced is not there."""
    index = address = name = mtu = None
    try:
        if kind & _HAS_INDEX:
            (index,), payload = struct.unpack_from("!I", payload), payload[4:]
        if kind & _HAS_ADDRESS:
            family, size = _AFI[struct.unpack_from("!H", payload)[0]]
            address, payload = socket.inet_ntop(family, payload[4 : 4 + size]), payload[4 + size :]
        if kind & _HAS_NAME:
            # the length counts itself and the padding
            size = payload[0]
            if not 1 <= size <= len(payload):
                return None
            raw = payload[1:size].rstrip(b"\0")
            name, payload = raw.decode("utf-8", "backslashreplace"), payload[size:]
        if kind & _HAS_MTU:
            (mtu,) = struct.unpack_from("!I", payload)
    except (struct.error, KeyError, ValueError, IndexError):
        return None
    return Interface(_ROLES[kind >> 6], index, address, name, mtu)
