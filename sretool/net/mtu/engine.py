"""How large a packet gets to a host, and between which hops a larger one is lost.

The largest size our link takes goes to every hop at once. Who answers it, has got it. A router that
says it is too big says what fits, and that size is asked next, from there on. Where nobody says a word
and a small packet gets farther, packets are eaten: sizes are then asked of the first hop behind, the
largest first. A Linux host answers one peer six times at once and then once a second
(net.ipv4.icmp_ratelimit, XRLIM_BURST_FACTOR in net/ipv4/inetpeer.c): sent in this order, its first answer
is for the largest size that passes, whatever it leaves unanswered after it. What is too big never gets
there and costs none of its answers. So a size counts as eaten only when a smaller one, sent after it
on the same way, was answered; and three times, before it is told.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

from sretool.net.mtu.network import Network, Transport
from sretool.net.mtu.probing import LAG, LEAST_LAG_S, Plan, Probing, Shot
from sretool.net.mtu.search import AHEAD, SURE, Search
from sretool.probe import icmp

ASK_AGAIN = (0.45, 0.85, 1.05)  # the last: a second after somebody else used the last answer up
LAST_WAIT = 1.19
MOST_NARROWINGS = 12
WAYS_HOPS, CHANCE = 6, 0.03

Outcome = Literal["passes", "advertised", "eaten", "refused", "silent"]
EndReason = Literal["measured", "silent", "unreachable", "prohibited", "unsettled"]


class Narrowing(NamedTuple):
    """Behind hop `after` (0: this host) packets of `passes` bytes fit, and those of `fails` do not.

    `advertised` is what a router says of it; None: packets are eaten without a word. `before` is the first
    hop behind it that answers. `exact`: `fails` is `passes` and one. `forward`: surely on the way
    to the target; else it may be on the way back.
    """

    after: int
    before: int | None
    passes: int
    fails: int
    advertised: int | None
    exact: bool
    forward: bool = True


class Uneven(NamedTuple):
    """On the way to these hops, `lost` of `large` packets of `size` bytes were lost, and no `small` one."""

    hops: list[int]
    size: int
    large: int
    lost: int
    small: int


class Back(NamedTuple):
    """On the way back from the target: the largest echo reply that arrives, and one that does not."""

    passes: int
    fails: int
    exact: bool


class Sizer(Probing):
    """One measurement. `run` may be interrupted at any point: what is known so far stays here."""

    def __init__(self, network: Network, plan: Plan) -> None:
        super().__init__(network, plan)
        self.narrowings: list[Narrowing] = []
        self.back: Back | None = None
        self.uneven: Uneven | None = None
        self.path_mtu: int | None = None
        self.end: EndReason | None = None
        self.network_s = 0.0

    def run(self) -> None:
        """Ask until it is known, or cannot be.

        Raises:
            SendFailed: not one probe left this host.
        """
        self.started = self.network.now()
        try:
            self._measure()
            if not self.shots:
                raise self.failures[0]
            if self.path_mtu is not None and not self.overdue:
                self._measure_back(self.path_mtu)
        finally:
            self.network_s = self.network.now() - self.started

    def _measure(self) -> None:
        size, after = self.plan.big, 0
        for _ in range(MOST_NARROWINGS):
            outcome = self._ladder(size, after)
            if outcome == "passes":
                self._ask_ways(size)
                said = self._said(size, after)
                if said is None or not self.usable(said, size):
                    self.path_mtu, self.end = size, "measured"
                    return
                outcome = "advertised"
            if self.overdue or not self.shots:
                return
            if outcome in ("refused", "silent"):
                self.end = "silent" if outcome == "silent" else self._refusal()
                return
            said = self._said(size, after)
            if said is not None and self.usable(said, size):
                after, mtu = self.place(said), self.mtu(said)
                self.narrowings.append(Narrowing(after, None, mtu, size, mtu, mtu + 1 == size))
                size = mtu
                continue
            after = self.place(said) if said is not None else self.passed(size)
            found = self._search(size, after, said)
            if found is None and self.arrivals(size):
                self.path_mtu, self.end = size, "measured"
                return
            if found is None:
                self.end = "unsettled"
                return
            self.narrowings.append(found)
            size, after = found.passes, found.after
        self.end = "unsettled"

    def _said(self, size: int, after: int) -> Shot | None:
        """The probe of that size that somebody not before `after` said was too big; one that helps, first."""
        found = [shot for shot in self.shots if shot.size_bytes == size and self.refused(shot)]
        found = [shot for shot in found if self.place(shot) >= after]
        return max(found, key=lambda shot: (self.usable(shot, size), -shot.id), default=None)

    def _refusal(self) -> EndReason:
        said = {self.words(shot.reply) for shot in self.shots if shot.reply is not None}
        return "prohibited" if said & icmp.PROHIBITED else "unreachable"

    # One size to every hop

    def _ladder(self, size: int, after: int) -> Outcome:
        plan, way = self.plan, self.way
        fars: list[tuple[int, int, Transport]] = [(plan.max_ttl, size, each) for each in self.ways]
        end = plan.max_ttl if self.distance is None else min(plan.max_ttl, self.distance + 1)
        hops = [(ttl, size, way) for ttl in range(after + 1, end)]
        smalls = [(plan.max_ttl, plan.small, each) for each in self.ways] if size > plan.small else []
        if self.arrivals():
            smalls = smalls[-1:]
        batch = self.send([*fars, *hops, *smalls])
        if not batch:
            return "silent"
        last = self.network.now()

        def decided() -> bool:
            return bool(self._arrived_at(size)) or self._said(size, after) is not None or self.unreachable()

        def small() -> list[Shot]:
            return [shot for shot in batch if shot.size_bytes < size and self.arrived(shot)]

        self.wait(decided, lambda: min(self.lag(small()), last + self.quiet_s))
        if not decided() and not small() and not self.overdue:
            self._look_ahead(size, last, decided)
        outcome = self._outcome(size, after)
        if outcome == "advertised":
            self.wait(lambda: self._placed(size), lambda: self.lag(filter(self.refused, batch)))
        if outcome == "passes":
            self._complete(batch)
        return outcome

    def _placed(self, size: int) -> bool:
        """Whether who said that it is too big has also answered as a hop."""
        hops = {shot.reply.address for shot in self.shots if self.expired(shot) and shot.reply}
        return any(
            shot.reply is not None and shot.reply.address in hops
            for shot in self.shots
            if shot.size_bytes == size and self.refused(shot)
        )

    def _arrived_at(self, size: int) -> list[Shot]:
        """What proves that it arrives. A larger one may have gone another way."""
        return [shot for shot in self.arrivals(size) if shot.size_bytes == size]

    def _outcome(self, size: int, after: int) -> Outcome:
        said = self._said(size, after)
        # of several ways the narrowest counts
        if self._arrived_at(size) and (said is None or not self.usable(said, size)):
            return "passes"
        if said is not None:
            return "advertised"
        if self.unreachable():
            return "refused"
        return "eaten" if self._behind(self.passed(size), size) else "silent"

    def _behind(self, hop: int, size: int) -> list[Shot]:
        """Smaller probes that got farther than that hop."""
        return [
            shot
            for shot in self.shots
            if shot.size_bytes < size and (self.arrived(shot) or (self.expired(shot) and shot.ttl > hop))
        ]

    def _look_ahead(self, size: int, since: float, decided: Callable[[], bool]) -> None:
        """The target says nothing, or not yet: ask small of the hops behind the last that answered, and
        the target again (its rate limit may have been used up by whoever asked before us).
        """
        plan = self.plan
        hop = self.passed(size)
        ahead = range(hop + 1, min(hop + 1 + 2 * AHEAD, plan.max_ttl))
        self.send((ttl, plan.small, self.way) for ttl in ahead)
        times = [since + part * plan.timeout_s for part in ASK_AGAIN]
        end = since + LAST_WAIT * plan.timeout_s

        def until() -> float:
            behind = self._behind(self.passed(size), size)
            return min(self.lag(behind), times[0] if times else end, end)

        while not decided() and not self.overdue:
            self.wait(decided, until)
            if self._behind(self.passed(size), size) or self.network.now() >= end:
                return
            if times and self.network.now() >= times[0]:
                times.pop(0)
                far: list[tuple[int, int, Transport]] = [
                    (plan.max_ttl, bytes_, way) for bytes_ in (size, plan.small) for way in self.ways
                ]
                self.send(far)

    def _complete(self, batch: list[Shot]) -> None:
        """The target has answered: hops nearer have had nearly all the time they need."""

        def waiting() -> list[Shot]:
            distance = self.distance or self.plan.max_ttl
            return [shot for shot in batch if shot.reply is None and shot.ttl < distance]

        now = self.network.now()
        arrivals = [shot for shot in batch if self.arrived(shot)]
        end = self.lag(arrivals) if arrivals else now + self.quiet_s
        self.wait(lambda: not waiting(), lambda: end)

    # Whether all ways take it

    def _ask_ways(self, size: int) -> None:
        """A hop answered not, and others behind it did: it is silent, or its packet was lost on another of
        several ways (every UDP probe is a flow of its own). Some more, large and small in turns, tell.
        """
        plan = self.plan
        routers = {shot.ttl for shot in self.shots if self.expired(shot)}
        answered = {shot.ttl for shot in self.shots if self.expired(shot) and shot.size_bytes >= size}
        mute = [ttl for ttl in range(1, max(routers, default=0)) if ttl not in answered]
        if self.way != "udp" or self.overdue or not mute or size <= plan.small:
            return
        asked = [ttl for ttl in range(mute[0], max(routers) + 1) if ttl in routers or ttl in mute]
        asked = asked[:WAYS_HOPS]
        batch = self.send(
            (ttl, each, "udp") for _ in range(SURE) for each in (size, plan.small) for ttl in asked
        )
        last = self.network.now()
        farther = max(shot.rtt_s for shot in self.shots if self.expired(shot) and shot.ttl <= asked[-1] + 1)
        end = last + min(self.quiet_s, (1 + LAG) * farther + LEAST_LAG_S)
        self.wait(lambda: all(shot.reply is not None for shot in batch), lambda: end)
        if self._compare(size, asked, batch) is not None:
            # before anybody is blamed: late is not lost
            late = self.network.now() + self.quiet_s
            self.wait(lambda: False, lambda: late)
            self.uneven = self._compare(size, asked, batch)

    def _compare(self, size: int, hops: list[int], batch: list[Shot]) -> Uneven | None:
        """Of hops that answered a large one lately (another may be sparing itself), what was lost; None when
        small ones were lost too, or chance explains it.
        """
        kept: list[Shot] = []
        for ttl in hops:
            mine = [shot for shot in batch if shot.ttl == ttl]
            large = [shot for shot in mine if shot.size_bytes == size]
            if all(map(self.expired, large)):
                mine = [
                    shot for shot in mine if self.expired(shot)
                ]  # seven answers are one more than it gives
            elif not any(map(self.expired, large)):
                continue
            kept += mine
        large = [shot for shot in kept if shot.size_bytes == size]
        lost = sum(not self.expired(shot) for shot in large)
        small = len(kept) - len(large)
        if lost < SURE or any(not self.expired(shot) for shot in kept if shot.size_bytes < size):
            return None
        # all that were lost were large: the probability of that, were size no matter (Fisher's exact test)
        if math.comb(len(large), lost) / math.comb(len(kept), lost) > CHANCE:
            return None
        return Uneven(sorted({shot.ttl for shot in kept}), size, len(large), lost, small)

    # The exact size behind a hop

    def _search(self, size: int, after: int, said: Shot | None) -> Narrowing | None:
        while True:
            search = Search(self, size, after)
            low, high, sure = search.run()
            if low is None:
                return None
            if low < size:
                break
            if self.arrivals(size):
                return None
            after = self.passed(size)  # a hop that had no answer left when the ladder was sent
        before, ways = search.nearest()
        told = {
            self.mtu(shot)
            for shot in self.shots
            if shot.size_bytes > low and self.refused(shot) and self.place(shot) == after
        }
        return Narrowing(
            after,
            before,
            low,
            high,
            low if low in told else None if said is None else self.mtu(said),
            sure and high == low + 1,
            # a time-exceeded, and an ICMP error about UDP, are small whatever they quote (RFC 1812
            # 4.3.2.3, RFC 4443 2.4): only an echo reply is as large as its request
            forward=said is not None or ways != {"icmp"} or not search.at_target,
        )

    def _measure_back(self, size: int) -> None:
        """Whether echo replies come back as large as packets get there."""
        plan = self.plan
        if not (plan.echo and plan.udp) or size <= plan.small:
            return
        echoes = [shot for shot in self.shots if shot.transport == "icmp" and shot.ttl == plan.max_ttl]
        arrivals = [shot for shot in self.arrivals(size) if shot.transport == "udp"]
        if not arrivals:  # only what was shown to get there by other means tells about the way back
            return
        self.wait(lambda: all(shot.reply is not None for shot in echoes), lambda: self.lag(arrivals))
        echoes = [shot for shot in echoes if self.arrived(shot)]
        if not echoes or any(shot.size_bytes >= size for shot in echoes):
            return
        search = Search(self, size + 1, (self.distance or plan.max_ttl) - 1, only=(plan.max_ttl, "icmp"))
        low, high, sure = search.run()
        if low is not None and low < size:
            self.back = Back(low, high, sure and high == low + 1)


TOO_BIG = frozenset({"fragmentation-needed", "packet-too-big"})
