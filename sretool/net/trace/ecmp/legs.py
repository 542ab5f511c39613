"""The legs of each balanced stretch, and what gets through them.

A leg's own router may limit its answers or give none: what a leg loses is judged by the target (or by
the last router that all legs lead to), with probes of flows that are known to take it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from sretool.net.trace.ecmp.engine import Discovery
from sretool.net.trace.ecmp.graph import Vertex
from sretool.net.trace.ecmp.volley import Shot, arrived
from sretool.probe.pace import Pace

# FreeBSD and macOS answer no more than 200 and 250 echo requests, or segments to a closed port, a second
# (net.inet.icmp.icmplim): faster than that would look like loss.
PER_SECOND, AT_ONCE = 180.0, 20

FIRST, MOST, LEAST, ALTOGETHER = 20, 100, 30, 600
"""Probes a leg: the first ones tell whether the target answers at all; then up to `MOST`, fewer where
there are many legs. With 100 none lost is at most 3.7 % (Wilson)."""

MOST_LEGS = 64
"""Of more of them not one is measured: it would take longer than anybody waits."""

LIMITED = 0.5
"""Whoever answers less of even the best leg limits its answers."""


@dataclass
class Leg:
    """Flows that one router of a balanced hop carries; `vertex` None: those nobody answered for there."""

    vertex: Vertex | None
    flows: list[int]
    sent: int = 0
    received: int = 0
    rtts_s: list[float] = field(default_factory=list)


@dataclass
class Diamond:
    """Hops `first` to `last` with several ways, told apart at `ttl`, the widest of them. `kind` is by
    what they are balanced; `unknown`: too few repeats were answered to tell.
    """

    first: int
    last: int
    ttl: int
    kind: str
    legs: list[Leg]


@dataclass
class Observer:
    """Who tells what got through: asked with this TTL."""

    address: str
    ttl: int
    is_target: bool


def diamonds(discovery: Discovery) -> list[Diamond]:
    """Each stretch of hops with several hosts, and hops from which on some flows are not heard of."""
    graph = discovery.graph
    found = []
    ttls = graph.ttls()
    for many, run in itertools.groupby(ttls, key=lambda ttl: len(graph.told(ttl)) > 1):
        stretch = list(run)
        if many:
            widest = max(stretch, key=lambda ttl: len(graph.told(ttl)))
            found.append(_diamond(discovery, stretch, widest))
            continue
        for ttl in stretch:
            gone = set(_gone(discovery, ttl)) if graph.nodes(ttl) and ttl != graph.farthest() else set()
            known = any(gone <= set(leg.flows) for diamond in found for leg in diamond.legs)
            if len(gone) > 1 and not known:
                found.append(_diamond(discovery, [ttl], ttl))
                break
    return found


def _diamond(discovery: Discovery, stretch: list[int], ttl: int) -> Diamond:
    legs = [Leg(vertex, flows) for vertex, flows in discovery.graph.told(ttl).items()]
    silent = discovery.silent(ttl)
    if silent:
        legs.append(Leg(None, silent))
    return Diamond(stretch[0], stretch[-1], ttl, discovery.kind(ttl), legs)


def _gone(discovery: Discovery, ttl: int) -> list[int]:
    """Flows that nobody answered for there, nor farther on."""
    beyond = [farther for farther in discovery.graph.seen if farther > ttl]
    return [
        flow
        for flow in discovery.silent(ttl)
        if all(flow not in discovery.graph.seen[farther] for farther in beyond)
    ]


def observer(discovery: Discovery, after: int) -> Observer | None:
    """The target; of a silent one the farthest router that every way leads to, beyond TTL `after`."""
    graph = discovery.graph
    farthest = graph.farthest()
    ends = [] if farthest is None else [vertex for vertex in graph.nodes(farthest) if vertex.ends]
    if farthest is not None and ends:
        # two more: a flow that was not asked so far may have a longer way
        return Observer(ends[0].address, min(255, farthest + 2), True)
    for ttl in reversed(graph.ttls()):
        nodes = list(graph.nodes(ttl))
        if ttl > after and len(nodes) == 1:
            return Observer(nodes[0].address, ttl, False)
    return None


def probe(discovery: Discovery, found: list[Diamond]) -> str:
    """Send each leg its probes and count; what is wrong when nothing could be told, else nothing."""
    tied = [diamond for diamond in found if diamond.kind != "per-packet" and len(diamond.legs) > 1]
    if not tied:
        return ""
    seen_by = observer(discovery, max(diamond.last for diamond in tied))
    if seen_by is None:
        return "neither the target answers nor a router that all legs lead to"
    legs = [leg for diamond in tied for leg in diamond.legs if leg.flows]
    if len(legs) > MOST_LEGS:
        return f"{len(legs)} legs are too many to measure"
    volley = discovery.volley
    pace = Pace(PER_SECOND, AT_ONCE)
    started = volley.network.now()
    counted: dict[int, list[Shot]] = {}
    whole = False
    try:
        for most in (FIRST, max(LEAST, min(MOST, ALTOGETHER // len(legs)))):
            shots = []
            for flow in _turns(legs, most, counted):
                leave_at = pace.next(volley.network.now())
                while volley.network.now() < min(leave_at, volley.stop_at):
                    volley.receive(min(leave_at, volley.stop_at))
                shot = None if volley.over else volley.send(flow, seen_by.ttl)
                if shot is not None:
                    shots.append(shot)
                    counted.setdefault(flow, []).append(shot)
            volley.wait(
                lambda shots=shots: [shot for shot in shots if shot.reply is None],  # type: ignore[misc]
                discovery.plan.timeout_s,
                sure=lambda: True,
            )
            _count(discovery, legs, counted, seen_by, whole=not volley.over)
            best = max((leg.received / leg.sent for leg in legs if leg.sent), default=0.0)
            if best < LIMITED:
                whole = not volley.over
                if volley.untold:
                    return "the service's answers do not say which probe they answer: --protocol tcp does"
                return f"{seen_by.address} limits its answers, or every leg loses: --protocol tcp may tell"
            if volley.over:
                return "the deadline came first"
        whole = True
    finally:
        _count(discovery, legs, counted, seen_by, whole=whole)
        discovery.network_s += volley.network.now() - started
    return ""


def _turns(legs: list[Leg], most: int, counted: dict[int, list[Shot]]) -> list[int]:
    """Flows to send, one of each leg in turns, until every leg has `most` probes. Behind one balancer may
    be another: a probe counts for the leg it takes there too.
    """
    have = {id(leg): sum(len(counted.get(flow, [])) for flow in leg.flows) for leg in legs}
    cycles = {id(leg): itertools.cycle(leg.flows) for leg in legs}
    turns: list[int] = []
    while True:
        lacking = [leg for leg in legs if have[id(leg)] < most]
        if not lacking:
            return turns
        for leg in lacking:
            if have[id(leg)] < most:
                flow = next(cycles[id(leg)])
                turns.append(flow)
                for other in legs:
                    have[id(other)] += flow in other.flows


def _count(
    discovery: Discovery, legs: list[Leg], counted: dict[int, list[Shot]], seen_by: Observer, *, whole: bool
) -> None:
    plan = discovery.plan
    for leg in legs:
        shots = [shot for flow in leg.flows for shot in counted.get(flow, [])]
        through = [
            shot
            for shot in shots
            if shot.reply is not None
            and (
                arrived(plan.family, plan.target, shot.reply)
                if seen_by.is_target
                else shot.reply.address == seen_by.address
            )
        ]
        # what is still on its way when it is cut short counts for no loss
        open_ = [] if whole else [shot for shot in shots if shot.reply is None]
        leg.sent, leg.received = len(shots) - len(open_), len(through)
        leg.rtts_s = [shot.rtt_s or 0.0 for shot in through]
