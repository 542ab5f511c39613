"""A network without packets and a clock without waiting: `sretool.probe.live.LiveNetwork` over Paths."""

from __future__ import annotations

import errno
import heapq
import itertools
import os
from collections.abc import Mapping, Sequence
from typing import Any

from path_walk import Answer, Packet, Walk
from paths import Path

from sretool.probe.live import Flow, Method, Transport
from sretool.probe.network import Interface, Label, Probe, Reply, SendFailed

SEND_COST_S = 10e-6
USUAL_BYTES = {4: 60, 6: 80}
ECHO_REPLY = {4: (0, 0), 6: (129, 0)}
METHODS: dict[tuple[Transport, Flow], Method] = {
    ("udp", "per-probe"): "udp-recverr",
    ("udp", "fixed"): "udp-raw",
    ("icmp", "per-probe"): "icmp-datagram",
    ("icmp", "fixed"): "icmp-raw",
    ("tcp", "per-probe"): "tcp-connect",
    ("tcp", "fixed"): "tcp-raw",
}


class SimNetwork:
    """`fails` maps the number of a send, from 0, to the errno it fails with; `interrupt_at` raises
    KeyboardInterrupt once that much time has passed. `path` is target 0, the `others` 1, 2, …

    With a `flow` that is fixed, probes of one `Probe.flow` look alike to balancers; else no two do.
    Every quote is seen whole: labels, interfaces, and whether a NAT rewrote it.
    """

    cannot_see: Sequence[str] = ()

    def __init__(
        self,
        path: Path,
        *others: Path,
        fails: Mapping[int, int] | None = None,
        interrupt_at: float = float("inf"),
        flow: Flow = "per-probe",
        transport: Transport = "udp",
    ) -> None:
        self.path = path
        self.paths = [path, *others]
        self.flow = flow
        self.transport = transport
        self.method = METHODS[transport, flow]
        self.clock = self.started = 1000.0
        self.sent: list[Probe] = []
        self.fails = dict(fails or {})
        self.interrupt_at = self.started + interrupt_at
        self._walks = [Walk(path) for path in self.paths]
        self._queue: list[tuple[float, int, Reply]] = []
        self._order = itertools.count()
        self._sends = 0

    def add(self, target: Any) -> int:
        return next(number for number, path in enumerate(self.paths) if path.target == target.text)

    def source(self, target: int) -> str:
        return "10.99.0.254" if self.paths[target].family == 4 else "fd99:0:0:ff::fe"

    def close(self) -> None:
        pass

    def now(self) -> float:
        return self.clock

    def send(self, probe: Probe) -> float:
        number, self._sends = self._sends, self._sends + 1
        path = self.paths[probe.target]
        size_bytes = probe.size_bytes or USUAL_BYTES[path.family]
        failed = self.fails.get(number, errno.EMSGSIZE if size_bytes > path.link_mtu else 0)
        if failed:
            raise SendFailed(failed, path.target, os.strerror(failed))
        at = self.clock
        self.clock += SEND_COST_S
        self.sent.append(probe)
        flow = (self.transport, probe.flow) if self.flow == "fixed" else (self.transport, "probe", probe.id)
        packet = Packet(self.transport, probe.ttl, flow, size_bytes)
        for answer in self._walks[probe.target].answers(packet, at):
            reply = self._reply(probe, at + answer.after_s, answer)
            heapq.heappush(self._queue, (reply.at, next(self._order), reply))
        return at

    def _reply(self, probe: Probe, at: float, answer: Answer) -> Reply:
        node = answer.node
        type_, code = answer.icmp or (None, None)
        kind = answer.kind
        if kind == "echo-reply":
            kind, (type_, code) = "icmp", ECHO_REPLY[self.paths[probe.target].family]
        mine = answer.about is None and not node.stray and _told(node.quote)
        return Reply(
            at,
            probe.id if mine else None,
            node.address,
            kind,  # type: ignore[arg-type]
            type_,
            code,
            ttl=answer.reply_ttl,
            mtu=answer.mtu or None,
            labels=tuple(Label(*label) for label in node.labels) if answer.icmp else (),
            interfaces=tuple(_interface(**told) for told in node.interfaces) if answer.icmp else (),
            rewritten=bool(answer.rewritten) if answer.icmp and mine else None,
            target=probe.target if answer.icmp and answer.about != "host" else None,
        )

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


def _interface(
    role: str,
    index: int | None = None,
    address: str | None = None,
    name: str | None = None,
    mtu: int | None = None,
) -> Interface:
    return Interface(role, index, address, name, mtu)  # type: ignore[arg-type]


def _told(quote: str | int) -> bool:
    """Whether that much of a probe says which it was."""
    return quote >= 8 if isinstance(quote, int) else quote not in ("corrupt", "foreign")
