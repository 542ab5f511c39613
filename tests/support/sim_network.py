"""A network without packets and a clock without waiting: `sretool.probe.network.Network` over a Path."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Mapping

from paths import Node, Path

from sretool.probe.network import Probe, Reply, SendFailed

SEND_COST_S = 10e-6


class SimNetwork:
    """`fails` maps the number of a send, from 0, to the errno it fails with; `interrupt_at` raises
    KeyboardInterrupt once that much time has passed.
    """

    def __init__(
        self, path: Path, *, fails: Mapping[int, int] | None = None, interrupt_at: float = float("inf")
    ) -> None:
        self.path = path
        self.clock = self.started = 1000.0
        self.sent: list[Probe] = []
        self.fails = dict(fails or {})
        self.interrupt_at = self.started + interrupt_at
        self._arrivals: Counter[str] = Counter()
        self._queue: list[tuple[float, int, Reply]] = []
        self._order = itertools.count()
        self._sends = 0

    def now(self) -> float:
        return self.clock

    def send(self, probe: Probe) -> float:
        number, self._sends = self._sends, self._sends + 1
        if number in self.fails:
            raise SendFailed(self.fails[number], self.path.target, "simulated")
        at = self.clock
        self.clock += SEND_COST_S
        self.sent.append(probe)
        nodes = self.path.nodes(probe.ttl)
        if nodes:
            self._arrive(nodes[probe.id % len(nodes)], probe, at)
        return at

    def _arrive(self, node: Node, probe: Probe, at: float) -> None:
        nth = self._arrivals[node.address]
        self._arrivals[node.address] += 1
        if not node.answers(nth):
            return
        due = at + node.rtt_s(nth)
        kind, type_, code = ("datagram", None, None) if node.datagram else ("icmp", *(node.icmp or (0, 0)))
        for copy in range(node.copies):
            reply = Reply(
                due + copy * 1e-4, None if node.stray else probe.id, node.address, kind, type_, code
            )
            heapq.heappush(self._queue, (reply.at, next(self._order), reply))

    def receive(self, until: float) -> list[Reply]:
        first = self._queue[0][0] if self._queue else float("inf")
        # as with real sockets: what is there is given at once, else the clock runs to the first event
        self.clock = max(self.clock, min(first, until))
        if self.clock >= self.interrupt_at:
            raise KeyboardInterrupt
        replies = []
        while self._queue and self._queue[0][0] <= self.clock:
            replies.append(heapq.heappop(self._queue)[2])
        return replies
