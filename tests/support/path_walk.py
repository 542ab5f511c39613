"""What happens to one packet on a path: who answers it, with what, and after how long. All that is
random comes from the path's seed.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Hashable, Iterator
from typing import NamedTuple

from paths import PACKET_TOO_BIG, PORT_UNREACHABLE, Element, Flood, Node, Path, Split

COPY_AFTER_S = 1e-4
SERVED = {"udp": ("datagram", "icmp"), "icmp": ("echo-reply", ""), "tcp": ("syn-ack", "rst")}


class Packet(NamedTuple):
    """A probe, as routers see it. `flow` is whatever a balancer hashes, `size_bytes` of all of it."""

    protocol: str
    ttl: int
    flow: Hashable
    size_bytes: int
    dont_fragment: bool = True


class Answer(NamedTuple):
    """`kind` is icmp, echo-reply, datagram, syn-ack or rst; `icmp` type and code of the first of these,
    `mtu` of a packet too big. `quoted_ttl` is what was left of the probe's, `rewritten` what the quote shows
    changed; `about` says of a foreign one whose packet it quotes.
    """

    after_s: float
    node: Node
    kind: str
    icmp: tuple[int, int] | None
    reply_ttl: int
    quoted_ttl: int = 1
    mtu: int = 0
    rewritten: frozenset[str] = frozenset()
    about: str | None = None


class _Arrival(NamedTuple):
    """A packet where its way ends: so many hops away, with what NATs did to it, and the time."""

    packet: Packet
    distance: int
    rewritten: frozenset[str]
    now: float


class Walk:
    """One path with what it remembers: arrivals, tokens, flows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._random = random.Random(path.seed)
        self._arrivals: Counter[str] = Counter()
        self._tokens: dict[str, tuple[float, float]] = {}
        self._flows: dict[Hashable, int] = {}
        self._packets = 0
        self._started = 0.0

    def answers(self, packet: Packet, now: float) -> list[Answer]:
        """Everything that a packet which leaves `now` causes."""
        if self._packets == 0:
            self._started = now
            found = list(self._flood(self.path.flood)) if self.path.flood else []
        else:
            found = []
        hops = self._hops(now)
        self._packets += 1
        self._flows.setdefault(packet.flow, len(self._flows))
        return found + self._walk(hops, packet, now)

    def _hops(self, now: float) -> list[Element]:
        hops = self.path.hops
        for change in self.path.changes:
            if change.after_packets is not None and self._packets >= change.after_packets:
                hops = change.hops
            if change.after_s is not None and now - self._started >= change.after_s:
                hops = change.hops
        return hops

    def _walk(self, hops: list[Element], packet: Packet, now: float) -> list[Answer]:
        path = self.path
        arrival = _Arrival(packet, 0, frozenset(), now)
        for node in self._steps(hops, packet.flow, 0):
            arrival = arrival._replace(distance=arrival.distance + 1)
            if node is None:
                if arrival.distance == packet.ttl:
                    return []
                continue
            stopped = self._stopped(node, arrival)
            if stopped is not None:
                return stopped
            if node.nat:
                arrival = arrival._replace(rewritten=arrival.rewritten | frozenset(node.nat))
        arrival = arrival._replace(distance=arrival.distance + 1)
        if path.loop:
            node = path.loop[(packet.ttl - arrival.distance) % len(path.loop)]
            return self._error(node, node.icmp, arrival)
        return [] if path.end is None else self._target(path.end, arrival)

    def _stopped(self, node: Node, arrival: _Arrival) -> list[Answer] | None:
        """What a router answers that does not pass the packet on; None when it does."""
        packet, family = arrival.packet, self.path.family
        if node.drop and self._random.random() < node.drop:
            return []
        if arrival.distance == packet.ttl:
            return self._error(node, node.icmp, arrival)
        if node.refuse is not None:
            return self._error(node, node.refuse, arrival)
        if node.blackhole:
            return []
        if node.mtu is None or packet.size_bytes <= node.mtu or not (packet.dont_fragment or family == 6):
            return None
        if node.ptb is False:
            return []
        advertised = node.mtu if node.ptb is True else node.ptb
        return self._error(node, PACKET_TOO_BIG[family], arrival, advertised)

    def _steps(self, hops: list[Element], flow: Hashable, place: int) -> Iterator[Node | None]:
        """The nodes of this flow's way, None for a hop where nobody is."""
        for number, element in enumerate(hops):
            if isinstance(element, Split):
                leg = self._leg(element, flow, place * 100 + number)
                yield from self._steps(element.legs[leg], flow, (place * 100 + number + 1) * 10 + leg)
            elif element:
                yield element[self._flows[flow] % len(element)]
            else:
                yield None

    def _leg(self, split: Split, flow: Hashable, place: int) -> int:
        weights = split.weights or [1] * len(split.legs)
        if split.by == "turns":
            return self._flows[flow] % len(split.legs)
        if split.by == "packet":
            number = self._random.randrange(sum(weights))
        else:
            # each balancer hashes with a seed of its own, or the second one would divide nothing; a CRC
            # would not do: over two seeds it differs by the same bits whatever the flow
            hashed = repr((self.path.seed, place, self.path.target if split.by == "destination" else flow))
            digest = hashlib.blake2s(hashed.encode(), digest_size=4).digest()
            number = int.from_bytes(digest, "big") % sum(weights)
        for leg, weight in enumerate(weights):
            if number < weight:
                return leg
            number -= weight
        raise AssertionError("no leg")

    def _error(
        self, node: Node, icmp: tuple[int, int] | None, arrival: _Arrival, mtu: int = 0
    ) -> list[Answer]:
        """An ICMP error, unless the node is silent or has said enough."""
        nth = self._arrive(node)
        if icmp is None or nth in node.lose or not self._token(node, arrival.now):
            return []
        return self._copies(node, nth, "icmp", icmp, arrival, mtu)

    def _target(self, node: Node, arrival: _Arrival) -> list[Answer]:
        if node.drop and self._random.random() < node.drop:
            return []
        service, packet = node.serves(), arrival.packet
        what = {"udp": service.udp, "icmp": service.icmp, "tcp": service.tcp}[packet.protocol]
        if service.most_bytes is not None and packet.size_bytes > service.most_bytes:
            return []
        if isinstance(what, tuple):
            return self._error(node, what, arrival)
        if what == "closed" and packet.protocol == "udp":
            return self._error(node, PORT_UNREACHABLE[self.path.family], arrival)
        nth = self._arrive(node)
        if what == "silent" or nth in node.lose:
            return []
        return self._copies(node, nth, SERVED[packet.protocol][what == "closed"], None, arrival)

    def _arrive(self, node: Node) -> int:
        nth = self._arrivals[node.address]
        self._arrivals[node.address] += 1
        return nth

    def _token(self, node: Node, now: float) -> bool:
        if node.burst is None:
            return True
        tokens, then = self._tokens.get(node.address, (float(node.burst), now))
        tokens = min(node.burst, tokens + (now - then) * node.per_s)
        enough = tokens >= 1
        self._tokens[node.address] = (tokens - enough, now)
        return enough

    def _copies(
        self, node: Node, nth: int, kind: str, icmp: tuple[int, int] | None, arrival: _Arrival, mtu: int = 0
    ) -> list[Answer]:
        if node.answer_loss and self._random.random() < node.answer_loss:
            return []
        after_s = node.rtts_ms[nth % len(node.rtts_ms)] / 1000
        if node.jitter_ms:
            after_s += self._random.uniform(0, node.jitter_ms) / 1000
        ttl = max(1, 65 - arrival.distance) if node.reply_ttl is None else node.reply_ttl
        left = max(1, arrival.packet.ttl - arrival.distance + 1)
        return [
            Answer(after_s + copy * COPY_AFTER_S, node, kind, icmp, ttl, left, mtu, arrival.rewritten)
            for copy in range(node.copies)
        ]

    def _flood(self, flood: Flood) -> Iterator[Answer]:
        node = Node(flood.address, [0.0], flood.icmp)
        for number in range(round(flood.per_s * flood.seconds)):
            yield Answer(number / flood.per_s, node, "icmp", flood.icmp, 60, about=flood.of)
