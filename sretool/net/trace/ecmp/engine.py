"""Every way to a host: rounds of probes, each as wide as the stopping rule asks for.

The first round sends six flows to every hop at once, so a path with one way costs one round-trip time.
Then, in rounds, each vertex gets the flows it lacks (see graph.py) until none lacks any, the flows are
used up, or time is.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sretool.net.trace.ecmp.graph import LAST_TRY, Graph, Vertex, wish
from sretool.net.trace.ecmp.stopping import flows_for
from sretool.net.trace.ecmp.volley import BURST, PER_SECOND, Shot, Volley, arrived, refuses
from sretool.net.trace.round import words
from sretool.probe.network import Network

FIRST_FLOWS = flows_for(1)
"""What a hop with one way needs; a Linux router answers as many at once (XRLIM_BURST_FACTOR)."""

MOST_FLOWS = 256
"""16 ways need some 220 flows: each way must see six, and which one a flow takes is luck."""

REPEATS = 6
"""The same flow again at a hop with several hosts: two that take turns, or draw lots, show the same
one so often in 1.6 %. One other host may be a route that changed just then; two are turns."""
MOST_REPEATS = 12
ENOUGH_REPEATS = 5  # 3.1 %

TRIES, SLOW_TRIES = 3, 6
SLOW_MOST = 8
PATIENCE_S = 12.0
"""After the first round; slow routers are asked no longer."""


class Plan(NamedTuple):
    """What to discover. `target` is the address as replies will name it, `number` what the network
    calls it; `stop_at` is on the network's clock; `echo`: the probes have no ports;
    `burst` probes leave at once, and `per_s` a second after them.
    """

    target: str
    family: int
    number: int = 0
    first_ttl: int = 1
    max_ttl: int = 30
    flows: int = MOST_FLOWS
    timeout_s: float = 1.0
    stop_at: float = float("inf")
    echo: bool = False
    per_s: float = PER_SECOND
    burst: int = BURST


@dataclass
class Limit:
    """How fast a hop is asked. Routers limit their ICMP errors, Linux to six at once and then one a
    second, many others to 50 a second: when most of what is asked stays silent, we slow down to those.
    """

    level: int = 0
    asked: int = 0
    answered: int = 0
    new_asked: int = 0
    new_answered: int = 0
    left: int = SLOW_MOST
    next_at: float = 0.0

    INTERVALS_S = (0.0, 0.02, 1.05)

    def room(self, now: float) -> int:
        """How many probes may go now."""
        if self.level == 0:
            return 1000
        if self.level == 1:
            return max(0, min(10, 1 + int((now - self.next_at) / self.INTERVALS_S[1])))
        return int(now >= self.next_at and self.left > 0)

    def take(self, now: float) -> None:
        """One goes now."""
        self.next_at = max(self.next_at, now - 10 * self.INTERVALS_S[1]) + self.INTERVALS_S[self.level]
        if self.level == 2:
            self.next_at = now + self.INTERVALS_S[2]
            self.left -= 1

    def judge(self, shots: Sequence[Shot], first_tries: Sequence[Shot], now: float) -> None:
        """Slow down, if it must be."""
        if self.level == 0:
            self.asked += len(shots)
            self.answered += sum(shot.reply is not None for shot in shots)
            slower = self.asked >= 3 and self.answered < 0.4 * self.asked
        else:
            # Flows on a leg whose router is silent are so however often they are asked: they must not
            # make us wait a second for each of the others.
            self.new_asked += len(first_tries)
            self.new_answered += sum(shot.reply is not None for shot in first_tries)
            slower = self.level == 1 and self.new_asked >= 8 and self.new_answered < 0.15 * self.new_asked
        if slower:
            self.level += 1
            self.next_at = now + self.INTERVALS_S[self.level]


@dataclass
class Repeats:
    """One hop asked again with flows that were answered there: by the same host, or by another."""

    asked: int = 0
    same: int = 0
    different: int = 0

    def lacking(self) -> int:
        """How many more are wanted."""
        wanted = REPEATS if self.different == 0 else MOST_REPEATS
        if self.different > 1 or self.asked >= 2 * MOST_REPEATS:
            return 0
        return max(0, wanted - self.same - self.different)


class Discovery:
    """One discovery. `run` may be interrupted at any point: what is known so far stays here.
    `finished`: it came to its own end; `overdue`: `stop_at` came first.
    """

    def __init__(self, network: Network, plan: Plan, *, first_id: int = 0) -> None:
        self.plan = plan
        self.volley = Volley(
            network,
            target=plan.number,
            first_id=first_id,
            stop_at=plan.stop_at,
            per_s=plan.per_s,
            burst=plan.burst,
        )
        self.graph = Graph(plan.first_ttl, plan.max_ttl)
        self.rtts_s: dict[Vertex, list[float]] = {}
        self.said: dict[Vertex, str] = {}
        self.repeats: dict[int, Repeats] = {}
        self.finished = False
        self.gave_up = False  # slow routers had all the patience there is
        self.network_s = 0.0
        self._tries: Counter[tuple[int, int]] = Counter()
        self._limits: dict[int, Limit] = {}

    @property
    def overdue(self) -> bool:
        """Whether the deadline cut it short."""
        return not self.finished and self.volley.over

    def run(self, first: Sequence[Shot] = ()) -> None:
        """Ask, wait, and return when nothing is left to ask. `first` are the probes of a first round
        that another engine has sent and waited for.

        Raises:
            SendFailed: not one probe left this host.
        """
        network = self.volley.network
        started = network.now()
        try:
            if first:
                self.adopt(first)
            else:
                self._burst()
            self._settle()
            until = network.now() + PATIENCE_S
            while not self.volley.over and network.now() < until:
                batch, later = self._batch()
                if batch:
                    self._ask(batch)
                elif later is None:
                    self.finished = True
                    return
                else:
                    self.volley.receive(min(later, until, self.plan.stop_at))
                self._learn()
                self._settle()
            self.gave_up = not self.volley.over
        finally:
            self._learn()
            self.network_s += network.now() - started

    def silent(self, ttl: int) -> list[int]:
        """Flows that were asked there as often as it makes sense, and nobody answered."""
        return [
            flow
            for flow in range(self.graph.flows)
            if self.graph.lost(ttl, flow) and not self._askable(flow, ttl)
        ]

    def kind(self, ttl: int) -> str:
        """By what a hop with several hosts is balanced: per-flow, per-packet, or unknown."""
        repeats = self.repeats.get(ttl, Repeats())
        if ttl in self.graph.mixed:
            return "per-packet"
        return "per-flow" if repeats.same >= ENOUGH_REPEATS and not repeats.different else "unknown"

    def limited(self, ttl: int) -> bool:
        """Whether so much stayed silent there that we slowed down."""
        return self._limit(ttl).level > 0

    # the first round

    def _burst(self) -> None:
        # All flows of one TTL together, near hops first: of a target that answers only the first six,
        # those are its own row.
        sent: list[Shot] = []
        for ttl in range(self.plan.first_ttl, self.plan.max_ttl + 1):
            for flow in range(min(FIRST_FLOWS, self.plan.flows)):
                shot = self._send(flow, ttl) if self.graph.end(flow) is None else None
                if shot is not None:
                    sent.append(shot)
            self.volley.receive(self.volley.network.now())
            self._learn()
            if self.volley.over:
                break
        if not sent:
            raise self.volley.failures[0]
        self._wait(sent, sure=lambda: bool(self.graph.farthest()))

    def adopt(self, first: Sequence[Shot]) -> None:
        """Know what the probes of another engine's first round have shown."""
        for shot in first:
            self.volley.adopt(shot)
            self._note(shot.flow, shot.ttl)
            if shot.reply is not None:
                self._answer(shot)
                self.volley.heard(shot)

    # the later rounds

    def _batch(self) -> tuple[list[tuple[int, int]], float | None]:
        """What to ask now, as (flow, TTL), and when more may be asked, if there is more."""
        wanted = wish(self.graph, self._askable, self.plan.flows)
        asks = [*self._again(), *wanted.old, *wanted.new]
        now = self.volley.network.now()
        room = {ttl: self._limit(ttl).room(now) for _flow, ttl in asks}
        batch, waiting = [], []
        for flow, ttl in asks:
            if room[ttl]:
                room[ttl] -= 1
                batch.append((flow, ttl))
            else:
                waiting.append(ttl)
        later = min((self._limit(ttl).next_at for ttl in waiting if self._limit(ttl).left), default=None)
        return batch, later

    def _again(self) -> list[tuple[int, int]]:
        """The same flows again where several hosts answer: is it by flow, or by packet?"""
        asks = []
        for ttl in self.graph.ttls():
            nodes = self.graph.nodes(ttl)
            if len(nodes) < 2:
                continue
            # in turns over the hosts: each may limit its answers
            turns = [
                flow for row in itertools.zip_longest(*nodes.values()) for flow in row if flow is not None
            ]
            lacking = self.repeats.setdefault(ttl, Repeats()).lacking()
            asks += [(flow, ttl) for flow in itertools.islice(itertools.cycle(turns), lacking)]
        return asks

    def _ask(self, batch: list[tuple[int, int]]) -> None:
        shots = []
        for flow, ttl in sorted(batch, key=lambda ask: ask[1]):
            if flow in self.graph.seen.get(ttl, {}):
                self.repeats[ttl].asked += 1
            self._limit(ttl).take(self.volley.network.now())
            shot = self._send(flow, ttl)
            if shot is not None:
                shots.append(shot)
            if self.volley.over:
                break
        self._wait(shots, sure=lambda: True)
        for ttl in {shot.ttl for shot in shots}:
            if self.graph.seen.get(ttl):
                here = [shot for shot in shots if shot.ttl == ttl]
                first = [shot for shot in here if self._tries[shot.flow, ttl] == 1]
                self._limit(ttl).judge(here, first, self.volley.network.now())

    def _settle(self) -> None:
        """A hop that nobody hears from is left out of the ways."""
        for ttl in self.graph.ttls():
            tried = sum(self._tries[flow, ttl] >= 2 for flow in range(self.graph.flows))
            if not self.graph.seen.get(ttl) and tried >= min(LAST_TRY, self.graph.flows):
                self.graph.dark.add(ttl)

    def _askable(self, flow: int, ttl: int) -> bool:
        limit = self._limit(ttl)
        if limit.level == 2 and not limit.left:
            return False
        if self.volley.untold and ttl >= (self.graph.farthest() or ttl):
            return False
        most = SLOW_TRIES if limit.level == 2 else TRIES if self.graph.seen.get(ttl) else 2
        return self._tries[flow, ttl] < most

    def _limit(self, ttl: int) -> Limit:
        return self._limits.setdefault(ttl, Limit())

    # probes and answers

    def _send(self, flow: int, ttl: int) -> Shot | None:
        self._note(flow, ttl)
        return self.volley.send(flow, ttl)

    def _note(self, flow: int, ttl: int) -> None:
        self._tries[flow, ttl] += 1
        self.graph.asked.add((flow, ttl))
        self.graph.flows = max(self.graph.flows, flow + 1)

    def _wait(self, shots: list[Shot], *, sure: object) -> None:
        def waiting() -> list[Shot]:
            self._learn()
            return [shot for shot in shots if shot.reply is None and self._matters(shot)]

        assert callable(sure)
        self.volley.wait(waiting, self.plan.timeout_s, sure=sure)

    def _matters(self, shot: Shot) -> bool:
        end = self.graph.end(shot.flow)
        return end is None or shot.ttl <= end

    def _learn(self) -> None:
        fresh, self.volley.fresh = self.volley.fresh, []
        for shot in fresh:
            self._answer(shot)

    def _answer(self, shot: Shot) -> None:
        reply = shot.reply
        assert reply is not None
        if reply.address is None:
            return
        family = self.plan.family
        ends = refuses(family, reply) or arrived(family, self.plan.target, reply)
        vertex = Vertex(shot.ttl, reply.address, ends)
        before = self.graph.seen.get(shot.ttl, {}).get(shot.flow)
        stands = self.graph.see(shot.flow, vertex)
        self.said.setdefault(vertex, words(family, reply))
        self.rtts_s.setdefault(vertex, []).append(shot.rtt_s or 0.0)
        if before is None:
            return
        repeats = self.repeats.setdefault(shot.ttl, Repeats())
        if stands == vertex:
            repeats.same += 1
        else:
            repeats.different += 1
        self.graph.extra.setdefault(shot.ttl, []).append(vertex)
        if repeats.different > 1:
            self.graph.mixed.add(shot.ttl)
