"""Paths with several ways for the simulated network, and what is true of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from paths import PORT_UNREACHABLE, Element, Node, Path, Split, router, target
from sim_network import SimNetwork

from sretool.net.trace.ecmp.engine import Plan
from sretool.net.trace.ecmp.model import Ecmp
from sretool.net.trace.ecmp.search import Search
from sretool.probe.live import Transport

STEP_MS = 10.0


def diamond(
    width: int,
    *,
    before: int = 3,
    after: int = 3,
    seed: int = 1,
    by: str = "flow",
    family: int = 4,
    **more: Any,
) -> Path:
    """`before` hops, `width` legs of one router each (10.99.LEG.before+1), and `after` hops, the last of
    them the target. `more` is of every router, and of the target.
    """
    here = before + 1

    def one(ttl: int, leg: int = 0) -> list[Node]:
        return [router(ttl, ttl * STEP_MS, family=family, leg=leg, **more)]

    legs: list[list[Element]] = [[one(here, leg + 1)] for leg in range(width)]
    hops: list[Element] = [one(ttl) for ttl in range(1, here)]
    hops.append(Split(legs, by=by))
    hops += [one(ttl) for ttl in range(here + 1, here + after)]
    end = Node(target(family), [(here + after) * STEP_MS], PORT_UNREACHABLE[family], **more)
    return Path(target(family), hops, end, seed=seed)


def leg(path: Path, number: int, place: int = 3) -> Node:
    """The first router of a leg, from 0, of the Split at `hops[place]`."""
    split = path.hops[place]
    assert isinstance(split, Split)
    first = split.legs[number][0]
    assert isinstance(first, list)
    return first[0]


def searched(
    path: Path,
    *,
    transport: Transport = "icmp",
    network: SimNetwork | None = None,
    measured: bool = True,
    **plan: Any,
) -> tuple[Ecmp, SimNetwork]:
    """Every way, as the search finds it; echo requests, which no simulated target limits. `measured`: what
    the legs lose too.
    """
    network = network or SimNetwork(path, flow="fixed", transport=transport)
    search = Search(network, Plan(path.target, path.family, **plan))
    if measured:
        search.run()
    else:
        search.discovery.run()
    return search.answer(), network


def found(ecmp: Ecmp) -> dict[int, set[str]]:
    """The addresses at each TTL that answers."""
    return {hop.ttl: {node.address for node in hop.nodes} for hop in ecmp.hops if hop.nodes}


def every_way(path: Path) -> set[tuple[str | None, ...]]:
    """All ways there are, each as its addresses by TTL, the target last."""

    def ways(hops: list[Element]) -> Iterator[tuple[str | None, ...]]:
        choices = []
        for element in hops:
            if isinstance(element, Split):
                choices.append([way for inner in element.legs for way in ways(inner)])
            else:
                choices.append([(node.address if node.icmp else None,) for node in element] or [(None,)])
        for choice in itertools.product(*choices):
            yield tuple(address for part in choice for address in part)

    return {(*way, path.target) for way in ways(path.hops)}


def nodes_of(path: Path) -> set[tuple[int, str]]:
    """Every (TTL, address) that some flow can meet."""
    return {
        (ttl, address)
        for way in every_way(path)
        for ttl, address in enumerate(way, start=1)
        if address is not None
    }
