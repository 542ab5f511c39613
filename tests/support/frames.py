"""Netlink frames as the kernel writes them, for decoders under test."""

from __future__ import annotations

import ipaddress
import struct

from sretool.sockets.read.tcp_info import _EACH, TcpInfo


def attribute(kind: int, value: bytes) -> bytes:
    raw = struct.pack("=HH", 4 + len(value), kind) + value
    return raw + bytes(-len(raw) % 4)


def message(kind: int, payload: bytes, flags: int = 2) -> bytes:
    return struct.pack("=IHHII", 16 + len(payload), kind, flags, 1, 0) + payload


DONE = message(3, bytes(4))


def socket_message(
    local: str = "127.0.0.1",
    local_port: int = 80,
    remote: str | None = None,
    remote_port: int = 0,
    *,
    state: int = 10,
    queues: tuple[int, int] = (0, 128),
    inode: int = 1000,
    uid: int = 0,
    interface: int = 0,
    cookie: int = 1,
    retransmits: int = 0,
    timer: tuple[int, int] = (0, 0),
    attributes: bytes = b"",
) -> bytes:
    """One struct inet_diag_msg with its attributes."""
    source = ipaddress.ip_address(local)
    peer = ipaddress.ip_address(remote or ("0.0.0.0" if source.version == 4 else "::"))
    family = 2 if source.version == 4 else 10
    identity = (
        struct.pack(">HH", local_port, remote_port)
        + source.packed.ljust(16, b"\0")
        + peer.packed.ljust(16, b"\0")
        + struct.pack("=IQ", interface, cookie)
    )
    fixed = struct.pack("=BBBB", family, state, timer[0], retransmits)
    tail = struct.pack("=5I", timer[1], *queues, uid, inode)
    return message(20, fixed + identity + tail + attributes)


def tcp_info(size: int = 280, **fields: int) -> bytes:
    """INET_DIAG_INFO of a kernel whose struct tcp_info has `size` bytes."""
    raw, at = bytearray(size + 8), 0
    for name, code in zip(TcpInfo._fields, _EACH):
        struct.pack_into(f"={code}", raw, at, fields.pop(name, 0))
        at += struct.calcsize(f"={code}")
        if at >= size:
            break
    assert not fields
    return attribute(2, bytes(raw[:size]))


def memory(receive_buffer: int = 131072, drops: int = 0) -> bytes:
    """INET_DIAG_SKMEMINFO."""
    return attribute(7, struct.pack("=9I", 0, receive_buffer, 0, 16384, 0, 0, 0, 0, drops))


def route_message(
    dst: str = "default",
    *,
    family: int = 4,
    table: int = 254,
    protocol: int = 4,
    scope: int = 0,
    type: int = 1,
    flags: int = 0,
    tos: int = 0,
    attributes: bytes = b"",
) -> bytes:
    """One struct rtmsg with its attributes; RTA_DST is made from `dst`."""
    bits = 0
    if dst != "default":
        network = ipaddress.ip_network(dst)
        bits = network.prefixlen
        attributes = attribute(1, network.network_address.packed) + attributes
    header = struct.pack(
        "=BBBBBBBBI", 2 if family == 4 else 10, bits, 0, tos, min(table, 252 if table > 255 else table),
        protocol, scope, type, flags,
    )  # fmt: skip
    return message(24, header + attribute(15, struct.pack("=I", table)) + attributes)


def link_message(index: int, name: str, attributes: bytes = b"", flags: int = 0x10043) -> bytes:
    """One struct ifinfomsg with its name."""
    header = struct.pack("=BxHiII", 0, 1, index, flags, 0)
    return message(16, header + attribute(3, name.encode() + b"\0") + attributes)


LINKS = link_message(1, "lo") + link_message(2, "eth0") + link_message(3, "eth1") + DONE
