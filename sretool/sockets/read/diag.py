"""sock_diag dumps: requests, and frames decoded without copying them.

Shapes: include/uapi/linux/inet_diag.h, `struct inet_diag_req_v2` and `struct inet_diag_msg`.
"""

from __future__ import annotations

import socket
import struct
from typing import Literal, NamedTuple

from sretool.errors import ParseError
from sretool.host import netlink
from sretool.host.source import Dump
from sretool.sockets import states

SOCK_DIAG_BY_FAMILY = 20
FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}
PROTOCOLS = {"tcp": 6, "udp": 17, "udplite": 136, "raw": 255, "mptcp": 262}
MODULES = {
    "tcp": "tcp_diag",
    "udp": "udp_diag",
    "udplite": "udp_diag",
    "raw": "raw_diag",
    "mptcp": "mptcp_diag",
}
CONNECTIONS = ("tcp", "mptcp")
"""Protocols with the states of TCP, and listeners; of the others a socket has a peer, or none."""
INET_DIAG_REQ_BYTECODE, INET_DIAG_REQ_PROTOCOL = 1, 3
INET_DIAG_INFO, INET_DIAG_SKMEMINFO, INET_DIAG_SKV6ONLY, INET_DIAG_MARK, INET_DIAG_CGROUP_ID = (
    2,
    7,
    11,
    15,
    21,
)
_DETAILS = 0b111100  # INET_DIAG_VEGASINFO, CONG, TOS and TCLASS, and what comes with them

TCP_STATES, UDP_STATES, ALL_STATES = states.TCP_STATES, states.UDP_STATES, states.ALL_STATES
ESTABLISHED, CLOSED, LISTEN = states.ESTABLISHED, states.CLOSED, states.LISTEN
SYN_RECV, TIME_WAIT, NEW_SYN_RECV = states.SYN_RECV, states.TIME_WAIT, states.NEW_SYN_RECV

# nlmsghdr and inet_diag_msg in one go. Ports are big-endian, everything else is native.
_MESSAGES = {
    "inet": struct.Struct("=IH10xBBBBHH4s12x4s12xIQIIIII"),
    "inet6": struct.Struct("=IH10xBBBBHH16s16sIQIIIII"),
}
MESSAGE_BYTES = 88
_HEAD = struct.Struct("=IH")

Values = tuple[int, int, int, int, int, int, int, int, bytes, bytes, int, int, int, int, int, int, int]
"""length, type, family, state, timer, retransmits, local port, remote port (both big-endian), local
address, remote address, interface index, cookie, expires, rqueue, wqueue, uid, inode.
"""


Record = tuple[Values, bytes, int]
"""One socket: its fixed part, and the frame and offset of its message, for attributes read on demand.
A plain tuple, because there are 100,000.
"""


class Table(NamedTuple):
    """One dump's sockets after the filter."""

    protocol: str
    family: str
    records: list[Record]


def request(
    protocol: str, family: str, mask: int, *, info: bool, memory: bool, details: bool = False
) -> Dump:
    """The dump of one table, narrowed to the states of `mask` in the kernel."""
    extensions = (info << (INET_DIAG_INFO - 1)) | (memory << (INET_DIAG_SKMEMINFO - 1)) | details * _DETAILS
    number = 4 if family == "inet" else 6
    code = PROTOCOLS[protocol]
    payload = struct.pack("=BBBxI48x", FAMILIES[family], code & 0xFF, extensions, mask)
    if code > 0xFF:
        payload += struct.pack("=HHI", 8, INET_DIAG_REQ_PROTOCOL, code)
    return Dump(
        f"inet-diag/{protocol}/{number}",
        netlink.NETLINK_SOCK_DIAG,
        SOCK_DIAG_BY_FAMILY,
        netlink.NLM_F_DUMP,
        payload,
    )


def narrowed(request: Dump, program: bytes) -> Dump:
    """The same dump of no more than what `program` (`filter.kernel.bytecode`) keeps."""
    attribute = netlink.ATTRIBUTE_HEADER.pack(4 + len(program), INET_DIAG_REQ_BYTECODE) + program
    return request._replace(payload=request.payload + attribute)


def decode(frames: list[bytes], protocol: str, family: str, mask: int) -> list[Record]:
    """The sockets in `frames` whose state is in `mask` (the kernel did that already; a recording holds
    them all).

    Raises:
        ParseError: a message that is cut, or of another family.
    """
    what = f"inet-diag/{protocol}/{family}"
    if protocol == "tcp" and mask >> states.BOUND_INACTIVE & 1:
        mask |= 1 << CLOSED  # what the kernel says of them: see `rows.state_name`
    unpack = _MESSAGES[family].unpack_from
    number = FAMILIES[family]
    # in a dump of state syn-recv the kernel includes what it calls new-syn-recv, and says syn-recv
    found: list[Record] = []
    append = found.append
    for frame in frames:
        at, size = 0, len(frame)
        while at < size:
            if at + MESSAGE_BYTES > size:
                at = _skip(frame, at, what)
                continue
            values: Values = unpack(frame, at)
            length = values[0]
            if values[1] != SOCK_DIAG_BY_FAMILY:
                at = _skip(frame, at, what)
                continue
            if length < MESSAGE_BYTES or at + length > size:
                raise ParseError(what, f"a socket message of {length} bytes at {at} in a frame of {size}")
            if values[2] != number:
                raise ParseError(what, f"a socket of address family {values[2]}")
            if mask >> values[3] & 1:
                append((values, frame, at))
            at += (length + 3) & ~3
    return found


def _skip(frame: bytes, at: int, what: str) -> int:
    """The offset behind a message that is no socket (the end of a dump)."""
    size = len(frame)
    if at + 16 <= size:
        length, kind = _HEAD.unpack_from(frame, at)
        if length >= 16 and at + length <= size and kind != SOCK_DIAG_BY_FAMILY:
            return int(at + ((length + 3) & ~3))
    raise ParseError(what, f"a message cut short at {at} in a frame of {size}")


def attributes(record: Record, what: str) -> dict[int, bytes]:
    """The attributes behind the fixed part.

    Raises:
        ParseError: a length that does not fit the message.
    """
    values, frame, at = record
    return dict(netlink.attributes(frame[at + MESSAGE_BYTES : at + values[0]], 0, what))


def order(record: Record) -> bytes:
    """Sorts by local port, remote port, local address, remote address."""
    _, frame, at = record
    return frame[at + 20 : at + 56]


_ORDER: Literal["little", "big"] = "little" if struct.pack("=H", 1) == b"\1\0" else "big"


class Memory(NamedTuple):
    """The part of INET_DIAG_SKMEMINFO we show (include/uapi/linux/sock_diag.h SK_MEMINFO_*)."""

    receive_buffer_bytes: int | None
    drops: int | None


def memory(raw: bytes | None) -> Memory:
    """Decode; SK_MEMINFO_DROPS came with 4.6."""
    words = struct.unpack(f"={len(raw) // 4}I", raw[: len(raw) & ~3]) if raw else ()
    return Memory(words[1] if len(words) > 1 else None, words[8] if len(words) > 8 else None)


def mark(attributes: dict[int, bytes]) -> int | None:
    """INET_DIAG_MARK: SO_MARK, which the kernel tells to CAP_NET_ADMIN only."""
    raw = attributes.get(INET_DIAG_MARK, b"")
    return int.from_bytes(raw, _ORDER) if len(raw) == 4 else None


def cgroup_id(attributes: dict[int, bytes]) -> int | None:
    """INET_DIAG_CGROUP_ID (since 5.9): the cgroup v2 directory of the socket's creator."""
    raw = attributes.get(INET_DIAG_CGROUP_ID, b"")
    return int.from_bytes(raw, _ORDER) if len(raw) == 8 else None


def plain(address: bytes) -> bytes:
    """An IPv4 address in four bytes, also where an inet6 socket uses it (::ffff:192.0.2.1)."""
    return address[12:] if len(address) == 16 and address.startswith(_MAPPED) else address


_MAPPED = bytes(10) + b"\xff\xff"
