"""The three kinds of raw probes: what stays the same for all of a flow, and what tells one from another.

Load balancers hash addresses, protocol and ports, of ICMP type, code and checksum (Augustin et al. 2006,
Paris traceroute). So those are a flow's, and a probe is known by what nobody hashes and every router
quotes, the first eight bytes after the IP header (RFC 792) or that header itself:

    UDP over IPv4    the identification of the IP header; the checksum is the flow's
    UDP over IPv6    the checksum
    ICMP             the sequence number; identifier and checksum are the flow's
    TCP              the sequence number

The payload is chosen so that the checksum comes out as wanted, and says once more which probe it is.
"""

from __future__ import annotations

import os
import struct
from typing import NamedTuple, Protocol

from sretool.probe import packet
from sretool.probe.live import Method
from sretool.probe.quote import Quote

PAYLOAD_BYTES = 32  # 60 bytes a packet over IPv4, as traceroute's
LEAST_BYTES = 2  # room for what makes the checksum come out
MARK_BYTES = 12  # that, and what says whose and which it is
_KEYS = 0xFFFE  # checksums 0 and 0xFFFF are the same (RFC 768), and identification 0 the kernel fills in


class Path(NamedTuple):
    """Between whom: packed addresses."""

    source: bytes
    target: bytes

    @property
    def family(self) -> int:
        """4 or 6."""
        return 4 if len(self.target) == 4 else 6


class Kind(Protocol):
    """One protocol. A `port` is our source port, or our ICMP identifier; a `key` tells a probe, and is
    used again only after at least 32,768 others.

    `changeable` are the bytes of the transport header that a NAT may rewrite, `checksum` those of its
    checksum, `addressing` those that must be ours where the key alone is little proof; `header` is its
    length. `payload_bytes` is the usual one.
    """

    method: Method
    header: int
    payload_bytes: int
    changeable: slice
    checksum: slice
    addressing: slice
    sure: bool

    def protocol(self, family: int) -> int:
        """Its number in the IP header."""

    def key(self, number: int) -> int:
        """Of the probe of this number, counted from 0."""

    def build(self, path: Path, port: int, flow: int, key: int, payload_bytes: int) -> bytes:
        """What follows the IP header."""

    def quoted_key(self, quote: Quote) -> int:
        """The key in a quote of at least eight bytes."""

    def marked_key(self, transport: bytes) -> int | None:
        """The key in the payload, None when it is not there or not ours."""


class _Marked:
    """The payload: two bytes for the checksum, six that are this process's, the key, zeros."""

    header = 8

    def __init__(self, port: int) -> None:
        self.dport = port
        self._token = os.urandom(6)
        self._base = int.from_bytes(os.urandom(2), "big")

    def key(self, number: int) -> int:
        return number % _KEYS + 1

    def payload(self, key: int, size: int) -> bytes:
        return (b"\0\0" + self._token + struct.pack("!I", key)).ljust(size, b"\0")[:size]

    def marked_key(self, transport: bytes) -> int | None:
        payload = transport[self.header : self.header + MARK_BYTES]
        if len(payload) < MARK_BYTES or payload[2:8] != self._token:
            return None
        return int.from_bytes(payload[8:], "big")

    def wanted(self, flow: int) -> int:
        """The checksum of a flow."""
        return 1 + (self._base + flow * 257) % _KEYS


class Udp(_Marked):
    """Datagrams."""

    method: Method = "udp-raw"
    payload_bytes = PAYLOAD_BYTES
    changeable, checksum, addressing = slice(0, 4), slice(6, 8), slice(0, 4)
    sure = False

    def protocol(self, family: int) -> int:
        return packet.UDP

    def build(self, path: Path, port: int, flow: int, key: int, payload_bytes: int) -> bytes:
        wanted = self.wanted(flow) if path.family == 4 else key
        payload = self.payload(key, max(payload_bytes, LEAST_BYTES))
        return packet.udp(*path, port, self.dport, payload, wanted)

    def quoted_key(self, quote: Quote) -> int:
        return int.from_bytes(quote.transport[6:8], "big") if quote.id is None else quote.id


class Icmp(_Marked):
    """Echo requests. All identifiers begin with one byte, `identifiers`, for the filter's sake."""

    method: Method = "icmp-raw"
    payload_bytes = PAYLOAD_BYTES
    changeable, checksum, addressing = slice(4, 6), slice(2, 4), slice(4, 6)
    sure = False

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.identifiers = self._base >> 8

    def protocol(self, family: int) -> int:
        return packet.ICMP[family]

    def identifier(self, flow: int) -> int:
        """Of a flow; 256 flows on the same comes again, with another checksum."""
        return self.identifiers << 8 | flow & 0xFF

    def build(self, path: Path, port: int, flow: int, key: int, payload_bytes: int) -> bytes:
        payload = self.payload(key, max(payload_bytes, LEAST_BYTES))
        return packet.echo(*path, port, key, payload, self.wanted(flow))

    def quoted_key(self, quote: Quote) -> int:
        return int.from_bytes(quote.transport[6:8], "big")


class Tcp(_Marked):
    """SYNs. Their sequence numbers are far apart: an answer to one is in no other's window."""

    method: Method = "tcp-raw"
    header = packet.TCP_BYTES
    payload_bytes = 0
    changeable, checksum, addressing = slice(0, 4), slice(16, 18), slice(0, 4)
    sure = True  # 32 random bits

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._first = int.from_bytes(os.urandom(4), "big")

    def protocol(self, family: int) -> int:
        return packet.TCP

    def key(self, number: int) -> int:
        # an odd multiplier makes this a permutation of all 2^32 (Knuth, TAOCP 6.4)
        return (self._first + number * 2654435761) & 0xFFFFFFFF

    def build(self, path: Path, port: int, flow: int, key: int, payload_bytes: int) -> bytes:
        return packet.syn(*path, port, self.dport, key, self.payload(key, payload_bytes))

    def quoted_key(self, quote: Quote) -> int:
        return int.from_bytes(quote.transport[4:8], "big")
