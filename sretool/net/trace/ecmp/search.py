"""The whole of `--ecmp`: find the ways, measure the legs, and say what is known whenever it is cut short."""

from __future__ import annotations

from collections.abc import Sequence

from sretool.errors import SretoolError
from sretool.host.source import Source
from sretool.net.trace.ecmp import legs, sockets
from sretool.net.trace.ecmp.build import build
from sretool.net.trace.ecmp.engine import FIRST_FLOWS, Discovery, Plan
from sretool.net.trace.ecmp.model import Ecmp
from sretool.net.trace.ecmp.volley import BURST, PER_SECOND, Shot
from sretool.net.trace.engine import Tracer
from sretool.probe.network import Network
from sretool.probe.resolve import Address


class Search:
    """`run` may be interrupted at any point; `answer` is what is known so far."""

    def __init__(self, network: Network, plan: Plan, *, first_id: int = 0) -> None:
        self.discovery = Discovery(network, plan, first_id=first_id)
        self.diamonds: list[legs.Diamond] = []
        self.loss_unknown = "it was cut short"
        self.discovery_ms = 0.0
        self.own_next_hops: int | None = None
        self.errors: list[SretoolError] = []
        self._rides: sockets.Rides | None = None
        self._first: Sequence[Shot] = ()
        self._first_s = 0.0

    @classmethod
    def after(
        cls,
        network: Network,
        tracer: Tracer,
        *,
        flows: int,
        first_id: int,
        stop_at: float,
        echo: bool,
        per_s: float = PER_SECOND,
        burst: int = BURST,
    ) -> Search:
        """A search whose first round is what a tracer has sent (six flows a hop) and waited for."""
        plan = tracer.plan
        search = cls(
            network,
            Plan(
                plan.target,
                plan.family,
                plan.number,
                plan.first_ttl,
                plan.max_ttl,
                flows,
                plan.timeout_s,
                stop_at,
                echo,
                per_s,
                burst,
            ),
            first_id=first_id,
        )
        # where a service's answers do not say which probe they answer, the tracer tried a flow a hop
        arrival = tracer.round.arrival
        search._first = [
            Shot(shot.id, shot.flow, shot.ttl, shot.sent_at, shot.replies[0] if shot.replies else None)
            for shot in tracer.round.shots
            if shot.flow < FIRST_FLOWS or (arrival is not None and shot.ttl == arrival.ttl)
        ]
        if tracer.started_at is not None and tracer.ended_at is not None:
            search._first_s = tracer.ended_at - tracer.started_at
        return search

    @property
    def overdue(self) -> bool:
        """Whether the deadline cut it short."""
        return self.discovery.volley.over

    def run(self) -> None:
        """Search.

        Raises:
            SendFailed: not one probe left this host.
        """
        self.discovery.network_s = self._first_s
        try:
            self.discovery.run(self._first)
        finally:
            self.discovery_ms = self.discovery.network_s * 1000
            self.diamonds = legs.diamonds(self.discovery)
        if not self.overdue:
            self.loss_unknown = legs.probe(self.discovery, self.diamonds)

    def look(self) -> None:
        """Know what the first round showed, and ask no more."""
        self.discovery.network_s = self._first_s
        self.discovery.adopt(self._first)
        self.discovery_ms = self._first_s * 1000
        self.diamonds = legs.diamonds(self.discovery)

    def ride(self, source: Source, network: sockets.Borrows, target: Address, port: int, ours: str) -> None:
        """Find out which established TCP connections to the same port take which leg."""
        if not any(len(diamond.legs) > 1 for diamond in self.diamonds):
            return
        if self.own_next_hops != 1:
            # a raw packet with a connection's ports need not take its next hop
            self._rides = sockets.Rides({}, {}, "this host itself may spread them over several next hops")
            return
        rows, self.errors = sockets.connections(source, target, port, ours)
        started = network.now()
        try:
            self._rides = sockets.ride(self.discovery, self.diamonds, network, rows)
        finally:
            self.discovery.network_s += network.now() - started

    def answer(self) -> Ecmp:
        """The model of what is known."""
        ecmp = build(self.discovery, self.diamonds, self.loss_unknown, self.discovery_ms, self.own_next_hops)
        if self._rides is not None:
            ecmp.sockets_unknown = self._rides.unknown
            by_leg = {(vertex.ttl, vertex.address): rows for vertex, rows in self._rides.by_leg.items()}
            for leg in (leg for diamond in ecmp.diamonds for leg in diamond.legs):
                silent = self._rides.unanswered.get(leg.ttl, [])
                leg.sockets = silent if leg.address is None else by_leg.get((leg.ttl, leg.address), [])
        return ecmp
