"""From what a discovery knows to an Ecmp. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

from sretool.net.trace.ecmp import legs as found_legs
from sretool.net.trace.ecmp.engine import Discovery
from sretool.net.trace.ecmp.graph import ANY, Branch, Graph, hidden, hopeless
from sretool.net.trace.ecmp.model import (
    Balancing,
    Diamond,
    Ecmp,
    EcmpHop,
    Leg,
    LegVerdict,
    Link,
    Node,
    Unfinished,
)
from sretool.net.trace.ecmp.stopping import CONFIDENCE
from sretool.probe.stats import Z_95, wilson

CANNOT_SEE = [
    "balancing per destination: another address may take another way",
    "the ways back: what a leg loses may be lost on its answers' way",
    "ways with a small share of the flows, as sure as the others",
]
OF_ECHO = "ways of TCP and UDP: many routers, Linux among them, send all echo requests one way"

UNHEARD = 0.2
"""With more flows than that unheard of at a hop, what its hosts answered is no measure of their shares."""


def build(
    discovery: Discovery,
    diamonds: list[found_legs.Diamond],
    loss_unknown: str,
    discovery_ms: float,
    own_next_hops: int | None = None,
) -> Ecmp:
    """The answer so far."""
    graph = discovery.graph
    branches = graph.branches()
    unfinished = [_unfinished(discovery, branch) for branch in branches if not branch.done]
    if branches and own_next_hops is not None and own_next_hops > 1:
        here = branches[0]
        unfinished.insert(
            0, Unfinished(here.vertex.ttl, None, len(here.successors), here.known, here.needed, "own-route")
        )
    farthest = max((ttl for ttl in graph.seen if graph.told(ttl)), default=0)
    shown = [_diamond(discovery, diamond, loss_unknown) for diamond in diamonds]
    shown = [diamond for diamond in shown if len(diamond.legs) > 1 or diamond.balancing == "per-packet"]
    seen_by = found_legs.observer(discovery, max((diamond.last for diamond in diamonds), default=0))
    return Ecmp(
        confidence_ratio=CONFIDENCE,
        complete=not unfinished and bool(branches),
        unfinished=unfinished,
        own_next_hops=own_next_hops,
        flows=graph.flows,
        flows_most=discovery.plan.flows,
        probes_sent=len(discovery.volley.shots),
        discovery_ms=round(discovery_ms, 3),
        network_ms=_ms(discovery.network_s),
        hops=[_hop(discovery, ttl) for ttl in range(discovery.plan.first_ttl, farthest + 1)],
        links=list(_links(graph, branches)),
        diamonds=shown,
        judged_at=seen_by.address if seen_by is not None and shown else None,
        loss_unknown=loss_unknown,
        cannot_see=[*([OF_ECHO] if discovery.plan.echo else []), *CANNOT_SEE],
    )


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _rtts(seconds: list[float]) -> tuple[float | None, float | None, float | None]:
    if not seconds:
        return None, None, None
    return _ms(min(seconds)), _ms(sum(seconds) / len(seconds)), _ms(max(seconds))


def _hop(discovery: Discovery, ttl: int) -> EcmpHop:
    nodes = discovery.graph.told(ttl)
    answered = sum(map(len, nodes.values()))
    unheard = discovery.silent(ttl)
    known = answered if len(unheard) <= UNHEARD * answered else 0
    repeats = discovery.repeats.get(ttl)
    kind: Balancing = "silent" if not nodes else "none" if len(nodes) == 1 else _kind(discovery.kind(ttl))
    return EcmpHop(
        ttl=ttl,
        balancing=kind,
        nodes=[
            Node(
                vertex.address,
                discovery.said.get(vertex, ""),
                flows,
                # by packet, a flow's one answer is no share of its packets
                round(len(flows) / answered, 4) if known and kind != "per-packet" else None,
                *_rtts(discovery.rtts_s.get(vertex, [])),
            )
            for vertex, flows in sorted(nodes.items())
        ],
        unanswered_flows=unheard,
        repeats=0 if repeats is None else repeats.same + repeats.different,
        repeats_differing=0 if repeats is None else repeats.different,
    )


def _kind(word: str) -> Balancing:
    assert word in get_args(Balancing)
    return word  # type: ignore[return-value]


def _links(graph: Graph, branches: list[Branch]) -> Iterator[Link]:
    for branch in branches:
        near = branch.vertex
        if near.address == ANY:
            continue
        for far, flows in sorted(branch.successors.items()):
            seen = [flow for flow in flows if not near.address or graph.at(near.ttl, flow) == near]
            if flows:
                yield Link(near.ttl, near.address or None, far.ttl, far.address, seen or flows, not seen)


def _unfinished(discovery: Discovery, branch: Branch) -> Unfinished:
    silent = set(discovery.silent(branch.ttl))
    quiet = len(silent & set(branch.riders))
    why: Literal["flows", "silence", "time"] = "time"
    if not (discovery.finished or discovery.gave_up):
        why = "time"
    elif discovery.limited(branch.ttl) or hopeless(branch, quiet) or hidden(discovery.graph, branch):
        why = "silence"
    elif discovery.graph.flows >= discovery.plan.flows:
        why = "flows"
    known = branch.vertex.address not in ("", ANY)
    return Unfinished(
        branch.vertex.ttl,
        branch.vertex.address if known else None,
        len(branch.successors),
        branch.known,
        branch.needed,
        why,
    )


def _diamond(discovery: Discovery, diamond: found_legs.Diamond, loss_unknown: str) -> Diamond:
    kind = _kind(diamond.kind)
    legs: list[Leg] = []
    if kind != "per-packet":
        members = [leg for leg in diamond.legs if leg.flows]
        verdicts = [_verdict(leg, members) if not loss_unknown else "unknown" for leg in members]
        # routers that limit their answers make flows nobody answers for; that is no way of its own
        kept = [
            (leg, verdict)
            for leg, verdict in zip(members, verdicts)
            if leg.vertex is not None or verdict == "loses"
        ]
        flows = sum(len(leg.flows) for leg, _verdict in kept)
        unheard = sum(len(leg.flows) for leg in members) - flows
        whole = flows if unheard <= UNHEARD * flows else 0
        legs = [_leg(diamond.ttl, leg, whole, verdict) for leg, verdict in kept]
        if kind == "unknown" and "loses" in verdicts:
            kind = "per-flow"  # some flows lose and others do not: by packet, all would alike
    return Diamond(diamond.first, diamond.last, kind, legs)


def _leg(ttl: int, leg: found_legs.Leg, all_flows: int, verdict: LegVerdict) -> Leg:
    lost = leg.sent - leg.received
    known = leg.sent and verdict != "unknown"
    low, high = wilson(lost, leg.sent)
    return Leg(
        ttl,
        None if leg.vertex is None else leg.vertex.address,
        leg.flows,
        round(len(leg.flows) / all_flows, 4) if all_flows else None,
        leg.sent,
        leg.received,
        round(lost / leg.sent, 4) if known else None,
        round(low, 4) if known else None,
        round(high, 4) if known else None,
        *_rtts(leg.rtts_s),
        verdict,
    )


def _verdict(leg: found_legs.Leg, legs: list[found_legs.Leg]) -> LegVerdict:
    if not leg.sent:
        return "unknown"
    lost = leg.sent - leg.received
    if not lost:
        return "clear"
    # Of many legs one looks worse than the rest by chance alone: the interval that decides is so much
    # wider (Bonferroni), and it is held against all of the better half together.
    z = _z(len(legs))
    others = sorted(
        (other for other in legs if other is not leg and other.sent),
        key=lambda other: 1 - other.received / other.sent,
    )
    better = others[: max(1, len(legs) // 2)]
    sent, received = sum(other.sent for other in better), sum(other.received for other in better)
    apart = bool(better) and wilson(lost, leg.sent, z)[0] > wilson(sent - received, sent, z)[1]
    return "loses" if apart else "unclear"


def _z(legs: int) -> float:
    if legs < 2:
        return Z_95
    from statistics import NormalDist  # 5 ms, and nobody needs it where there is one way

    return NormalDist().inv_cdf(1 - 0.025 / legs)
