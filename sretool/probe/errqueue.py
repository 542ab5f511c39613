"""What the kernel puts beside a packet in recvmsg(2): who sent an ICMP error, and when it came.

linux/errqueue.h: struct sock_extended_err, followed by the sockaddr of the offender. The kernel has
already matched the error to the socket by the addresses and ports it quotes (net/ipv4/udp.c
__udp4_lib_err, net/ipv6/udp.c __udp6_lib_err), which is what makes it work without any right.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from typing import NamedTuple

from sretool.errors import ParseError

# include/uapi/linux/in.h, in6.h, asm-generic/socket.h: Python names only some of them
IP_RECVERR, IPV6_RECVERR = 11, 25
SO_TIMESTAMPNS = 35
ORIGIN_LOCAL, ORIGIN_ICMP, ORIGIN_ICMP6 = 1, 2, 3

Ancillary = Sequence[tuple[int, int, bytes]]
_EXTENDED = struct.Struct("=IBBBxII")
_TIMESPEC = struct.Struct("=qq")


class Extended(NamedTuple):
    """One entry of the error queue. `offender` is None when the kernel did not say."""

    errno: int
    origin: int
    type: int
    code: int
    offender: str | None


def extended(ancillary: Ancillary) -> Extended | None:
    """The extended error among the control messages, None when there is none.

    Raises:
        ParseError: shorter than the kernel documents.
    """
    for level, kind, data in ancillary:
        if (level, kind) in ((socket.IPPROTO_IP, IP_RECVERR), (socket.IPPROTO_IPV6, IPV6_RECVERR)):
            if len(data) < _EXTENDED.size:
                raise ParseError("error queue", f"sock_extended_err has {len(data)} bytes")
            number, origin, type_, code, _info, _data = _EXTENDED.unpack_from(data)
            return Extended(number, origin, type_, code, _offender(data[_EXTENDED.size :]))
    return None


def _offender(raw: bytes) -> str | None:
    if len(raw) < 2:
        return None
    (family,) = struct.unpack_from("=H", raw)
    if family == socket.AF_INET and len(raw) >= 8:
        return socket.inet_ntop(socket.AF_INET, raw[4:8])
    if family == socket.AF_INET6 and len(raw) >= 28:
        address = socket.inet_ntop(socket.AF_INET6, raw[8:24])
        (scope,) = struct.unpack_from("=I", raw, 24)
        return address + zone(scope) if scope else address
    return None


def zone(scope: int) -> str:
    """`%eth0` for an interface index, `%7` when it is gone."""
    try:
        return "%" + socket.if_indextoname(scope)
    except OSError:
        return f"%{scope}"


def received_ns(ancillary: Ancillary) -> int | None:
    """Wall clock time of arrival, None when the kernel took none."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS) and len(data) == _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack(data)
            return int(seconds * 1_000_000_000 + nanoseconds)
    return None
