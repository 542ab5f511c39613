"""Which probe of ours an ICMP error quotes. A quote that fits in part is never assigned."""

from __future__ import annotations

from msgspec import Struct

from sretool.probe.kinds import MARK_BYTES, Kind, Path
from sretool.probe.quote import Quote

REMEMBERED = 32768  # half of the 16-bit keys: a late answer never meets its key's next owner

TOO_LATE_S = 30.0  # an answer older than that is none


class Sent(Struct, frozen=True):
    """A probe that left: `id` and `target` are the engine's, `at` the monotonic time."""

    id: int
    target: int
    port: int
    path: Path
    transport: bytes
    at: float


class Match(Struct, frozen=True):
    """`sent` is None when it is a packet of ours, as it seems, but not certain which."""

    sent: Sent | None
    rewritten: bool | None = None


class Memory:
    """The newest probes, by their keys."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._by_key: dict[int, Sent] = {}
        self._ports: set[int] = set()
        self._data = {0}
        self._last: dict[tuple[int, int], Sent] = {}
        self._alone: dict[tuple[int, int], bool] = {}

    def keep(self, key: int, sent: Sent) -> None:
        """It has left."""
        self._by_key[key] = sent
        self._ports.add(sent.port)
        flow = (sent.port, sent.target)
        last = self._last.get(flow)
        self._last[flow] = sent
        self._alone[flow] = last is None or sent.at - last.at > TOO_LATE_S
        self._data.add(max(0, len(sent.transport) - self._kind.header))
        if len(self._by_key) > REMEMBERED:
            del self._by_key[next(iter(self._by_key))]

    def get(self, key: int) -> Sent | None:
        """The probe of a key."""
        return self._by_key.get(key)

    def only(self, port: int, target: int) -> Sent | None:
        """The probe from a port to a target, where there was no other that an answer may be for."""
        return self._last[port, target] if self._alone.get((port, target)) else None

    def acknowledged(self, number: int) -> Sent | None:
        """The SYN that a segment with this acknowledgment number answers: with its data taken, as a RST
        does (RFC 9293 3.10.7.1), or not, as a SYN-ACK without TCP Fast Open.
        """
        for size in self._data:
            if (sent := self._by_key.get(number - 1 - size & 0xFFFFFFFF)) is not None:
                return sent
        return None

    def match(self, quote: Quote) -> Match | None:
        """What a quote to one of the targets is; None: a packet that was never ours."""
        kind, transport = self._kind, quote.transport
        if quote.protocol != kind.protocol(4 if quote.id is not None else 6):
            return None
        if len(transport) < 8:
            return Match(None)
        sent = self._by_key.get(kind.quoted_key(quote))
        if sent is not None and sent.path.target == quote.destination:
            ours = transport[kind.addressing] == sent.transport[kind.addressing]
            proof = kind.sure or self._proof(quote, sent)
            if proof and (ours or kind.sure) and self._same(transport, sent):
                return Match(sent, self._rewritten(quote, sent))
        marked = kind.marked_key(transport)
        sent = None if marked is None else self._by_key.get(marked)
        if sent is not None and sent.path.target == quote.destination and self._same(transport, sent):
            return Match(sent, True)
        before = int.from_bytes(transport[4:8], "big") - 1 & 0xFFFFFFFF
        if kind.method == "tcp-raw" and before in self._by_key:
            return None  # the RST behind a SYN
        return Match(None) if self._maybe_ours(transport) else None

    def _proof(self, quote: Quote, sent: Sent) -> bool:
        """Whether what is quoted is enough to know it by. The payload is; where that is cut off, an ICMP
        identifier may be another process's too, and over IPv6 a checksum may be a NAT's.
        """
        kind, transport = self._kind, quote.transport
        if len(transport) >= kind.header + MARK_BYTES:
            return True
        if kind.method == "icmp-raw":
            return transport[kind.checksum] in (sent.transport[kind.checksum], b"\0\0")
        return quote.id is not None or quote.source == sent.path.source

    def _same(self, transport: bytes, sent: Sent) -> bool:
        """Whether they are the same but for what a NAT may rewrite."""
        size = min(len(transport), len(sent.transport))
        quoted, left = bytearray(transport[:size]), bytearray(sent.transport[:size])
        for part in (self._kind.changeable, self._kind.checksum):
            quoted[part] = left[part]
        return quoted == left

    def _rewritten(self, quote: Quote, sent: Sent) -> bool:
        kind, transport = self._kind, quote.transport
        said, left = transport[kind.checksum], sent.transport[kind.checksum]
        # some routers blank the checksum of what they quote
        changed = len(said) == 2 and said not in (left, b"\0\0")
        ports = transport[kind.changeable] != sent.transport[kind.changeable]
        return changed or ports or quote.source != sent.path.source

    def _maybe_ours(self, transport: bytes) -> bool:
        if self._kind.method == "icmp-raw":
            return int.from_bytes(transport[4:6], "big") in self._ports
        return int.from_bytes(transport[:2], "big") in self._ports
