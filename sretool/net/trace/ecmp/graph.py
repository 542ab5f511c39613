"""What is known of a path with several ways, and what is still to be asked. Pure.

A flow is placed at a hop when a router answered its probe there. Where every way to a hop leads
through one router that is done with (see stopping.py), a flow is placed without being asked: it costs no
probe, and no answer of a router that limits them.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import NamedTuple

from sretool.net.trace.ecmp.stopping import flows_for


class Vertex(NamedTuple):
    """An address at a TTL. `ends`: flows that come here end here (the target, or who refuses them).
    The address is "" for this host, ANY for all routers of a hop that is balanced by packet.
    """

    ttl: int
    address: str
    ends: bool = False


ANY = "*"

LAST_TRY = FEW = 2
"""A hop that answers nobody is asked by this many flows again, and then left out."""


class Branch(NamedTuple):
    """Where the flows through one vertex go: those in `riders` are placed at it, of `known` of them the
    next hop that answers (at `ttl`) is known; nobody answered the `unheard` there.
    """

    vertex: Vertex
    ttl: int
    riders: list[int]
    known: int
    unheard: list[int]
    successors: dict[Vertex, list[int]]

    @property
    def needed(self) -> int:
        """Flows that must be known before it is done with."""
        return flows_for(max(1, len(self.successors)))

    @property
    def done(self) -> bool:
        """No further next hop, by the stopping rule."""
        return bool(self.successors) and self.known >= self.needed

    @property
    def certain(self) -> bool:
        """Whether a flow through it is known to go on to the one next hop without being asked: not where
        some were not answered, who may have met a silent router beside the one that is seen.
        """
        return self.done and len(self.successors) == 1 and not self.unheard


class Graph:
    """`seen[ttl][flow]` is who answered, of what was `asked`. `dark` are hops that answer nobody, `mixed`
    those where one flow meets several routers (`extra`: what its repeats showed).
    """

    def __init__(self, first_ttl: int, max_ttl: int) -> None:
        self.first_ttl = first_ttl
        self.max_ttl = max_ttl
        self.flows = 0
        self.asked: set[tuple[int, int]] = set()
        self.seen: dict[int, dict[int, Vertex]] = {}
        self.dark: set[int] = set()
        self.mixed: set[int] = set()
        self.extra: dict[int, list[Vertex]] = {}
        self._ends: dict[int, int] = {}

    def see(self, flow: int, vertex: Vertex) -> Vertex:
        """Note an answer; the one that stands (the first, if there was one)."""
        self.dark.discard(vertex.ttl)
        stands = self.seen.setdefault(vertex.ttl, {}).setdefault(flow, vertex)
        if stands.ends:
            self._ends[flow] = min(stands.ttl, self._ends.get(flow, stands.ttl))
        return stands

    def end(self, flow: int) -> int | None:
        """The nearest TTL at which this flow's probes got to the end, if they did."""
        return self._ends.get(flow)

    def farthest(self) -> int | None:
        """The nearest ends of all flows, the farthest of them; None when none ended."""
        return max(self._ends.values(), default=None)

    def at(self, ttl: int, flow: int) -> Vertex | None:
        """Who answered this flow there, if it got so far and no farther than its end."""
        end = self.end(flow)
        return None if end is not None and ttl > end else self.seen.get(ttl, {}).get(flow)

    def told(self, ttl: int) -> dict[Vertex, list[int]]:
        """As `nodes`, without ends of flows that may have ended nearer: the end answers at every TTL
        behind it, and where another flow ended, these were not asked.
        """
        ends = set(self._ends.values())

        def may_end_nearer(flow: int) -> bool:
            return any(near < ttl and (flow, near) not in self.asked for near in ends)

        found = {}
        for vertex, flows in self.nodes(ttl).items():
            kept = [flow for flow in flows if not (vertex.ends and may_end_nearer(flow))]
            if kept or not flows:
                found[vertex] = kept
        return found

    def lost(self, ttl: int, flow: int) -> bool:
        """Whether it was asked there, should have been answered, and was not."""
        end = self.end(flow)
        return (flow, ttl) in self.asked and (end is None or ttl < end) and flow not in self.seen.get(ttl, {})

    def nodes(self, ttl: int) -> dict[Vertex, list[int]]:
        """Who answered at a hop, and which flows."""
        found: dict[Vertex, list[int]] = {}
        for flow in sorted(self.seen.get(ttl, {})):
            vertex = self.at(ttl, flow)
            if vertex is not None:
                found.setdefault(vertex, []).append(flow)
        for vertex in self.extra.get(ttl, []):
            found.setdefault(vertex, [])
        return found

    def ttls(self) -> list[int]:
        """The hops there are, without the dark ones: to the last that answered, and one more while
        some flow was seen to go on from there.
        """
        reached = [ttl for ttl in self.seen if any(self.at(ttl, flow) for flow in self.seen[ttl])]
        last = max(reached, default=self.first_ttl - 1)
        if last and last < self.max_ttl and any(not vertex.ends for vertex in self.nodes(last)):
            last += 1
        return [ttl for ttl in range(self.first_ttl, last + 1) if ttl not in self.dark]

    def branches(self) -> list[Branch]:
        """Every vertex that flows go on from, this host first, by TTL."""
        found: list[Branch] = []
        place = {flow: Vertex(self.first_ttl - 1, "") for flow in range(self.flows)}
        for ttl in self.ttls():
            riders: dict[Vertex, list[int]] = {}
            for flow, vertex in place.items():
                if not vertex.ends:
                    riders.setdefault(vertex, []).append(flow)
            place = {}
            for vertex, flows in sorted(riders.items()):
                branch = self._branch(vertex, ttl, flows)
                found.append(branch)
                if branch.certain or (branch.done and ttl in self.mixed):
                    place.update(dict.fromkeys(flows, self._place(next(iter(branch.successors)))))
            for flow in self.seen.get(ttl, {}):
                answered = self.at(ttl, flow)
                if answered is not None:
                    place[flow] = self._place(answered)
                else:
                    place.pop(flow, None)
        return found

    def _branch(self, vertex: Vertex, ttl: int, flows: list[int]) -> Branch:
        successors: dict[Vertex, list[int]] = {}
        for flow in flows:
            answered = self.at(ttl, flow)
            if answered is not None:
                successors.setdefault(answered, []).append(flow)
        known = sum(map(len, successors.values()))
        if ttl in self.mixed:
            # each answer is a draw of its own here, that of a repeat as good as a new flow's
            for answered in self.extra.get(ttl, []):
                successors.setdefault(answered, [])
                known += 1
        unheard = [flow for flow in flows if self.lost(ttl, flow)]
        return Branch(vertex, ttl, flows, known, unheard, successors)

    def _place(self, vertex: Vertex) -> Vertex:
        mixed = vertex.ttl in self.mixed and not vertex.ends
        return Vertex(vertex.ttl, ANY) if mixed else vertex


class Wish(NamedTuple):
    """What would bring every branch to its end: `old` flows to ask at a TTL, and `new` flows to begin."""

    old: list[tuple[int, int]]
    new: list[tuple[int, int]]


def share(branch: Branch, branches: list[Branch]) -> float:
    """What part of new flows will go through it: between what was seen, which may be chance, and even
    spreading.
    """
    beside = [len(other.riders) for other in branches if other.ttl == branch.ttl]
    return (len(branch.riders) / sum(beside) + 1 / len(beside)) / 2


def hopeless(branch: Branch, silent: int) -> bool:
    """Whether so many of its flows go on being silent that new ones will be so too."""
    return silent >= 2 * branch.known + 3


def hidden(graph: Graph, branch: Branch) -> bool:
    """Whether so many flows stay silent where the vertex stands that it hardly answers: new flows that
    go through it would not be seen to.
    """
    if branch.vertex.ttl < graph.first_ttl:
        return False
    lost = sum(1 for flow in range(graph.flows) if graph.lost(branch.vertex.ttl, flow))
    return lost >= 3 * len(branch.riders) + 6


def wish(graph: Graph, askable: Callable[[int, int], bool], most_flows: int) -> Wish:
    """Flows known to go through an unfinished vertex first (they cannot miss it), then those that may,
    new ones for the rest: so many that its share of them is enough. `askable(flow, ttl)`: not yet asked in
    vain too often.
    """
    branches = graph.branches()
    old: dict[tuple[int, int], None] = {}
    more, last = 0, 0
    for branch in branches:
        lacking = branch.needed - branch.known
        if lacking <= 0:
            if len(branch.unheard) <= FEW:  # lost on the way, most often: then they are heard now
                old.update(((flow, branch.ttl), None) for flow in branch.unheard if askable(flow, branch.ttl))
            continue
        there = [flow for flow in branch.riders if graph.at(branch.ttl, flow) is None]
        open_ = [flow for flow in there if askable(flow, branch.ttl)]
        if not graph.seen.get(branch.ttl):
            # nobody has answered there yet, most often nobody ever does: two flows tell, and no new ones
            old.update(((flow, branch.ttl), None) for flow in open_ if flow in there[:LAST_TRY])
            continue
        old.update(((flow, branch.ttl), None) for flow in open_[:lacking])
        if len(open_) >= lacking or not askable(graph.flows, branch.ttl):
            continue
        if hopeless(branch, len(there) - len(open_)) or hidden(graph, branch):
            continue
        part = share(branch, branches)
        new = ceil((lacking - len(open_)) / part)
        unplaced = [
            flow
            for flow in range(graph.flows)
            if graph.lost(branch.vertex.ttl, flow) and askable(flow, branch.vertex.ttl)
        ]
        old.update(((flow, branch.vertex.ttl), None) for flow in unplaced[:new])
        if new > len(unplaced):
            more = max(more, new - len(unplaced))
            last = max(last, branch.ttl)
    more = min(more, most_flows - graph.flows)
    # where it is not known without asking which way a flow goes
    unsure = {branch.ttl for branch in branches if not branch.certain}
    ttls = sorted(ttl for ttl in unsure if ttl <= last)
    return Wish(list(old), [(graph.flows + number, ttl) for ttl in ttls for number in range(more)])
