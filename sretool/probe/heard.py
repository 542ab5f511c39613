"""What the sockets of a raw network hear, as replies to the probes it sent."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from sretool.errors import ParseError
from sretool.probe import errqueue, packet, quote
from sretool.probe.errqueue import Ancillary
from sretool.probe.kinds import Kind, Path
from sretool.probe.network import Reply
from sretool.probe.resolve import Address
from sretool.probe.sent import Memory


class Target(Struct, frozen=True):
    """Whom probes go to, and the address they leave from."""

    address: Address
    path: Path
    source: str


class Heard:
    """Reads one message of a socket a call: the reply, or None for what is no answer to a probe.

    Every method raises ParseError for what is malformed, BlockingIOError when there is nothing to read.
    """

    def __init__(self, kind: Kind, port: int, memory: Memory) -> None:
        self._kind = kind
        self._port = port
        self._memory = memory
        self._started_at = time.monotonic()
        self.targets: list[Target] = []
        self.by_address: dict[bytes, list[int]] = {}

    def add(self, target: Target) -> int:
        """Its number."""
        self.targets.append(target)
        self.by_address.setdefault(target.address.packed, []).append(len(self.targets) - 1)
        return len(self.targets) - 1

    def error(self, family: int, opened: socket.socket) -> Reply | None:
        """What the ICMP socket has next."""
        data, ancillary, flags, name = opened.recvmsg(2048, 256)
        ttl = errqueue.received_ttl(ancillary)
        if family == 4:
            ttl, data = quote.without_header(data)
        whole = not flags & socket.MSG_TRUNC
        if len(data) >= 8 and data[0] == packet.ECHO_REPLY[family]:
            whom = errqueue.sender(name, opened)
            return self._echo_reply(family, data, ancillary, ttl, whom, whole=whole)
        said = quote.error(family, data, whole=whole)
        numbers = self.by_address.get(said.quote.destination)
        match = self._memory.match(said.quote) if numbers else None
        if not numbers or match is None:
            return None
        sent = match.sent
        target = sent.target if sent else numbers[0] if len(numbers) == 1 else None
        return Reply(
            errqueue.arrival(ancillary, sent.at if sent else self._started_at),
            sent.id if sent else None,
            errqueue.sender(name, opened),
            "icmp",
            said.type,
            said.code,
            ttl,
            said.mtu,
            *said.extensions,
            match.rewritten,
            said.quote.tos,
            target,
        )

    def _echo_reply(
        self,
        family: int,
        data: bytes,
        ancillary: Ancillary,
        ttl: int | None,
        whom: str,
        *,
        whole: bool,
    ) -> Reply | None:
        if self._kind.method != "icmp-raw" or (family == 4 and whole and packet.checksum(data)):
            return None
        identifier, sequence = struct.unpack_from("!HH", data, 4)
        sent = self._memory.get(sequence)
        # a whole echo: the payload, too (RFC 1122 3.2.2.6)
        if sent is None or sent.port != identifier or sent.path.family != family:
            return None
        mine = sent.transport[4:]
        ours = data[4:] == mine[: len(data) - 4] if not whole else data[4:] == mine
        return Reply(
            errqueue.arrival(ancillary, sent.at),
            sent.id if ours else None,
            whom,
            "icmp",
            data[0],
            data[1],
            ttl,
            target=sent.target,
        )

    def segment(self, family: int, opened: socket.socket) -> Reply | None:
        """What the TCP socket has next."""
        segment, ancillary, _flags, name = opened.recvmsg(256, 256)
        ttl = errqueue.received_ttl(ancillary)
        if family == 4:
            ttl, segment = quote.without_header(segment)
        if len(segment) < packet.TCP_BYTES - 4:
            raise ParseError("tcp", "shorter than a header")
        _sport, dport, _sequence, acknowledged, _offset, flags = struct.unpack_from("!HHIIBB", segment)
        flags &= packet.SYN | packet.RST | packet.ACK
        if flags != packet.SYN | packet.ACK and not flags & packet.RST:
            return None
        target = self._named(name)
        # a RST that acknowledges nothing answers no SYN of ours for sure
        sent = self._memory.acknowledged(acknowledged) if flags & packet.ACK else None
        if sent is not None and (sent.port != dport or target is None or sent.target != target):
            sent = None
        if sent is None and target is None:
            return None
        return Reply(
            errqueue.arrival(ancillary, sent.at if sent else self._started_at),
            sent.id if sent else None,
            errqueue.sender(name, opened),
            "rst" if flags & packet.RST else "syn-ack",
            ttl=ttl,
            target=target,
        )

    def datagram(self, opened: socket.socket) -> Reply | None:
        """What the UDP socket of a flow has next."""
        data, ancillary, _flags, name = opened.recvmsg(2048, 256)
        target = self._named(name)
        if target is None or name[1] != self._port:
            return None
        # only a service that carries the payload back says which probe of several it answers
        key = self._kind.marked_key(bytes(8) + data)
        sent = self._memory.only(opened.getsockname()[1], target) if key is None else self._memory.get(key)
        if sent is not None and sent.target != target:
            sent = None
        return Reply(
            errqueue.arrival(ancillary, sent.at if sent else self._started_at),
            sent.id if sent else None,
            errqueue.sender(name, opened),
            "datagram",
            ttl=errqueue.received_ttl(ancillary),
            target=target,
        )

    def _named(self, name: Sequence[Any]) -> int | None:
        """The target whose address a packet came from."""
        family = 4 if "." in str(name[0]) else 6
        scope = name[3] if family == 6 else 0
        numbers = self.by_address.get(Address(family, str(name[0]), 0).packed, ())
        for number in numbers:
            if self.targets[number].address.scope in (0, scope):
                return number
        return None
