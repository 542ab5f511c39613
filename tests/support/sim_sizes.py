"""A simulated network for probes of exact sizes: `sretool.net.mtu.network.Network` over a Path, with a
virtual clock. UDP and echo requests share its routers, their rate limits and its clock.
"""

from __future__ import annotations

import errno
import heapq
import itertools
import os

from path_walk import Packet, Walk
from paths import Path

from sretool.net.mtu.network import Sized
from sretool.probe.network import Reply, SendFailed

ECHO_REPLY = {4: (0, 0), 6: (129, 0)}
SEND_COST_S = 15e-6


class SimSizes:
    """`back_mtu`: echo replies that are larger do not come back. `lose` are numbers of sends, from 0,
    that get lost.
    """

    def __init__(
        self, path: Path, *, back_mtu: int | None = None, lose: frozenset[int] = frozenset()
    ) -> None:
        self.path, self.back_mtu, self.lose = path, back_mtu, lose
        self.clock = self.started = 1000.0
        self.sent: list[Sized] = []
        self._walk = Walk(path)
        self._queue: list[tuple[float, int, Reply]] = []
        self._order = itertools.count()

    def now(self) -> float:
        return self.clock

    def send(self, probe: Sized) -> float:
        if probe.size_bytes > self.path.link_mtu:
            raise SendFailed(errno.EMSGSIZE, self.path.target, os.strerror(errno.EMSGSIZE))
        at, number = self.clock, len(self.sent)
        self.clock += SEND_COST_S
        self.sent.append(probe)
        if number in self.lose:
            return at
        flow = (probe.transport, probe.id if probe.transport == "udp" else 0)
        for answer in self._walk.answers(Packet(probe.transport, probe.ttl, flow, probe.size_bytes), at):
            kind, (type_, code) = answer.kind, answer.icmp or (None, None)
            if kind == "echo-reply":
                if self.back_mtu is not None and probe.size_bytes > self.back_mtu:
                    continue
                kind, (type_, code) = "icmp", ECHO_REPLY[self.path.family]
            reply = Reply(
                at + answer.after_s, probe.id, answer.node.address, kind, type_, code,  # type: ignore[arg-type]
                ttl=answer.reply_ttl, mtu=answer.mtu or None,
            )  # fmt: skip
            heapq.heappush(self._queue, (reply.at, next(self._order), reply))
        return at

    def receive(self, until: float) -> list[Reply]:
        first = self._queue[0][0] if self._queue else float("inf")
        self.clock = max(self.clock, min(first, until))
        replies = []
        while self._queue and self._queue[0][0] <= self.clock:
            replies.append(heapq.heappop(self._queue)[2])
        return replies
