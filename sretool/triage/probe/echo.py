"""A few probes to each of a few neighbours, paced: who answers, and after how long. Through
`probe.network`, so a simulated network can stand in.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from sretool.probe.network import Network, Probe, Reply, SendFailed

TTL = 64
_ECHO_REPLIES = {(4, 0), (6, 129)}
_OF_THE_HOST = {(4, 3): {2, 3, 9, 10, 13}, (6, 1): {1, 4}}
"""Unreachables that the asked host sends for itself: port, protocol, and what its firewall rejects."""


@dataclass
class Target:
    """Who is asked: the number the network gave it, its address without a zone, its family; and what
    came of it. `answers` are (when the probe left, when its answer came).
    """

    number: int
    address: str
    family: int
    sent: int = 0
    answers: list[tuple[float, float]] = field(default_factory=list)
    failure: SendFailed | None = None

    def rtts_s(self) -> list[float]:
        """Of every answer, its round-trip time."""
        return [at - sent_at for sent_at, at in self.answers]

    def settled_s(self) -> list[float]:
        """Of those to probes that left after the first answer had come: the ones before it may have waited
        for ARP or neighbour discovery, whose second question leaves a second after the first.
        """
        first = min((at for _, at in self.answers), default=0.0)
        return [at - sent_at for sent_at, at in self.answers if sent_at >= first]


def ask(network: Network, targets: Sequence[Target], count: int, spread_s: float, timeout_s: float) -> None:
    """Send `count` probes to each target, evenly over `spread_s`, and wait for the answers: at most
    `timeout_s` after the last one left.
    """
    begun = network.now()
    ids = itertools.count()
    flying: dict[int, tuple[Target, float]] = {}
    total = count * len(targets)
    for number in range(total):
        leave_at = begun + spread_s * number / max(1, total)
        while network.now() < leave_at:
            _take(network.receive(leave_at), flying)
        target = targets[number % len(targets)]
        probe = Probe(next(ids), TTL, target=target.number)
        try:
            at = network.send(probe)
        except SendFailed as error:
            target.failure = error
            continue
        target.sent += 1
        flying[probe.id] = target, at
    end = network.now() + timeout_s
    while flying and network.now() < end:
        _take(network.receive(end), flying)


def _take(replies: Sequence[Reply], flying: dict[int, tuple[Target, float]]) -> None:
    for reply in replies:
        if reply.probe is None or reply.probe not in flying:
            continue
        target, at = flying[reply.probe]
        if _from_it(reply, target):
            del flying[reply.probe]
            target.answers.append((at, max(at, reply.at)))


def _from_it(reply: Reply, target: Target) -> bool:
    """Whether the target itself answered: our own kernel says host-unreachable in its place."""
    if reply.kind != "icmp":
        return True
    if reply.icmp_type is None or (target.family, reply.icmp_type) in _ECHO_REPLIES:
        return True
    ours = (reply.address or "").partition("%")[0] == target.address
    return ours and reply.icmp_code in _OF_THE_HOST.get((target.family, reply.icmp_type), ())
