"""What the kernel puts beside a packet in recvmsg(2): who sent an ICMP error, and when it came.

linux/errqueue.h: struct sock_extended_err, followed by the sockaddr of the offender. The kernel has
already matched the error to the socket by the addresses and ports it quotes (net/ipv4/udp.c
__udp4_lib_err, net/ipv6/udp.c __udp6_lib_err), which is what makes it work without any right.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from msgspec import Struct

from sretool.errors import ParseError
from sretool.probe.extensions import OLD_PLACE, Extensions, split
from sretool.probe.network import Reply

# include/uapi/linux/in.h, in6.h, asm-generic/socket.h: Python names only some of them
IP_RECVERR, IPV6_RECVERR = 11, 25
IP_RECVTTL = 12
IP_RECVERR_RFC4884, IPV6_RECVERR_RFC4884 = 26, 31  # Linux 5.9
_SIOCGIFNAME = 0x8910  # linux/sockios.h
_INVALID = 1  # SO_EE_RFC4884_FLAG_INVALID
SO_TIMESTAMPNS = 35
ORIGIN_LOCAL, ORIGIN_ICMP, ORIGIN_ICMP6 = 1, 2, 3

Ancillary = Sequence[tuple[int, int, bytes]]
_EXTENDED = struct.Struct("=IBBBxIHBx")
_TIMESPEC = struct.Struct("=qq")


class Extended(NamedTuple):
    """One entry of the error queue. `offender` is None when the kernel did not say; `info` is the
    MTU of a packet-too-big or fragmentation-needed; `extended_at` is where in the data RFC 4884's
    structure begins, 0 when the error announces none (or the kernel cannot tell).
    """

    errno: int
    origin: int
    type: int
    code: int
    offender: str | None
    info: int = 0
    extended_at: int = 0

    @property
    def mtu(self) -> int | None:
        """The MTU a router advertises (RFC 1191, 8201), None in any other message."""
        too_big = (ORIGIN_ICMP, 3, 4), (ORIGIN_ICMP6, 2, 0)
        # a router older than RFC 1191 leaves the field 0
        return self.info or None if (self.origin, self.type, self.code) in too_big else None


def extended(ancillary: Ancillary, opened: socket.socket | None = None) -> Extended | None:
    """The extended error among the control messages of a socket, None when there is none.

    Raises:
        ParseError: shorter than the kernel documents.
    """
    for level, kind, data in ancillary:
        if (level, kind) in ((socket.IPPROTO_IP, IP_RECVERR), (socket.IPPROTO_IPV6, IPV6_RECVERR)):
            if len(data) < _EXTENDED.size:
                raise ParseError("error queue", f"sock_extended_err has {len(data)} bytes")
            number, origin, type_, code, info, at, flags = _EXTENDED.unpack_from(data)
            at = 0 if flags & _INVALID else at
            return Extended(number, origin, type_, code, _offender(data[_EXTENDED.size :], opened), info, at)
    return None


class Entry(Struct, frozen=True):
    """An ICMP error of the error queue. `data` is the quote from where the kernel begins it (after the
    headers of UDP, at those of TCP and ICMP), `destination` to whom the quoted packet went.
    """

    data: bytes
    destination: str
    error: Extended
    extensions: Extensions
    ancillary: Ancillary


def read(opened: socket.socket, before: int) -> Entry | None:
    """The next entry; None for one that is no ICMP error. `before` is how many bytes of the quoted packet
    the kernel keeps back.

    Raises:
        OSError: there is none (BlockingIOError).
        ParseError: shorter than the kernel documents.
    """
    data, ancillary, _flags, name = opened.recvmsg(2048, 512, socket.MSG_ERRQUEUE)
    found = extended(ancillary, opened)
    if found is None or found.origin not in (ORIGIN_ICMP, ORIGIN_ICMP6):
        return None
    headers = (20 if opened.family == socket.AF_INET else 40) + 8
    data, extensions = split(data, found.extended_at, OLD_PLACE - before, least=headers - before)
    return Entry(data, str(name[0]) if name else "", found, extensions, ancillary)


def reply(entry: Entry, sent_at: float, probe: int | None, target: int) -> Reply:
    """What an entry says about a probe (None: not known which) that left then."""
    error = entry.error
    return Reply(
        arrival(entry.ancillary, sent_at),
        probe,
        error.offender,
        "icmp",
        error.type,
        error.code,
        received_ttl(entry.ancillary),
        error.mtu,
        *entry.extensions,
        target=target,
    )


def _offender(raw: bytes, opened: socket.socket | None) -> str | None:
    if len(raw) < 2:
        return None
    (family,) = struct.unpack_from("=H", raw)
    if family == socket.AF_INET and len(raw) >= 8:
        return socket.inet_ntop(socket.AF_INET, raw[4:8])
    if family == socket.AF_INET6 and len(raw) >= 28:
        address = socket.inet_ntop(socket.AF_INET6, raw[8:24])
        (scope,) = struct.unpack_from("=I", raw, 24)
        return address + zone(scope, opened) if scope else address
    return None


def zone(scope: int, opened: socket.socket | None = None) -> str:
    """`%eth0` for an interface index, `%7` when it is gone. Of a socket: in the namespace it belongs to,
    where the index is another interface's than in ours (netdevice(7) SIOCGIFNAME).
    """
    try:
        if opened is None:
            return "%" + socket.if_indextoname(scope)
        found = fcntl.ioctl(opened, _SIOCGIFNAME, struct.pack("=16xi20x", scope))
        return "%" + os.fsdecode(found[:16].partition(b"\0")[0])
    except OSError:
        return f"%{scope}"


def sender(name: Sequence[Any], opened: socket.socket) -> str:
    """The address in what recvmsg(2) of a socket names, with its zone."""
    scope = name[3] if len(name) == 4 else 0
    return str(name[0]) + (zone(scope, opened) if scope else "")


def received_ns(ancillary: Ancillary) -> int | None:
    """Wall clock time of arrival, None when the kernel took none."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS) and len(data) == _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack(data)
            return int(seconds * 1_000_000_000 + nanoseconds)
    return None


def arrival(ancillary: Ancillary, sent_at: float) -> float:
    """When it arrived, on the monotonic clock. The kernel stamps with the wall clock, so only the age
    of the stamp is used; an age that cannot be (the clock was set since) is not.
    """
    stamp = received_ns(ancillary)
    wall_ns, now = _clocks()
    if stamp is not None:
        age = (wall_ns - stamp) / 1e9
        if 0 <= age <= now - sent_at:
            return now - age
    return now


def _clocks() -> tuple[int, float]:
    """Wall clock and monotonic time of one moment. A process may be stopped for milliseconds between
    two readings; the monotonic one is the second, so that then too no reply came before its time.
    """
    for _ in range(3):
        before, wall_ns, now = time.monotonic(), time.time_ns(), time.monotonic()
        if now - before < 1e-4:
            break
    return wall_ns, now


def received_ttl(ancillary: Ancillary) -> int | None:
    """The TTL or hop limit it arrived with, None when the kernel was not asked."""
    for level, kind, data in ancillary:
        wanted = (socket.IPPROTO_IP, socket.IP_TTL), (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT)
        if (level, kind) in wanted and len(data) == 4:
            return int.from_bytes(data, sys.byteorder)
    return None
