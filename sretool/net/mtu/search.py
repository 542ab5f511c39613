"""The exact size that gets behind a hop, asked of who answers there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from sretool.net.mtu import sizes
from sretool.net.mtu.network import Transport
from sretool.net.mtu.probing import Probing, Shot

SURE, MOMENTS = 3, 2
"""So often must the size above the answer have been eaten, at so many different moments: a shaper on
the way may lose several packets of one burst.
"""
ANSWERS, REFILL_S = 6, 1.0  # net.ipv4.icmp_ratelimit
MOST_SCANS, MOST_PAUSES = 24, 5
AHEAD = 3


class Search:
    """The largest size that gets behind a hop, asked of who answers there.

    `only` is the one to ask, else the nearest are found. That an echo reply does not come may be for the
    way back: where there are others to ask, they have the last word.
    """

    def __init__(
        self, probing: Probing, size: int, after: int, only: tuple[int, Transport] | None = None
    ) -> None:
        self._probing = probing
        self._size, self._after, self._only = size, after, only
        self._fails: Counter[int] = Counter()
        self._moments: Counter[int] = Counter()
        self._guessed: Counter[int] = Counter()
        self._pauses = 0
        self._tired: dict[tuple[int, Transport], float] = {}
        self._witnesses: list[tuple[int, Transport]] = [only] if only else []
        if only is None:
            self._fails[size] = 0
        else:
            self._fails[size] = self._moments[size] = SURE  # it is not asked

    def run(self) -> tuple[int | None, int, bool]:
        """(largest that passes, smallest that does not, whether the latter is sure)."""
        probing = self._probing
        if self._only is None:
            self._find()
        for _ in range(MOST_SCANS):
            low = self._low()
            if low is None or low >= self._size or probing.overdue:
                break
            high = self._high(low)
            last = high == low + 1
            witness = self._rested(last=last)
            # a second moment is not worth a second of waiting
            moments = MOMENTS if witness is not None and high < self._size else 1
            if last and self._fails[high] >= SURE and self._moments[high] >= moments:
                return low, high, True
            wanted = [high] * SURE if last else sizes.wanted(low, high)
            if (witness is None or not self._scan(witness, [*wanted, low])) and not self._rest(last):
                break
        low = self._low()
        return low, self._size if low is None or low >= self._size else self._high(low), False

    def nearest(self) -> tuple[int | None, set[Transport]]:
        """The nearest hop that answered behind, and by which transports."""
        behind = self._passing()
        return min((shot.ttl for shot in behind), default=None), {shot.transport for shot in behind}

    @property
    def at_target(self) -> bool:
        """Only the target answered behind."""
        return all(self._probing.arrived(shot) for shot in self._passing())

    def _passing(self) -> list[Shot]:
        probing = self._probing
        return [
            shot
            for shot in probing.shots
            if (self._only is None and probing.expired(shot) and shot.ttl > self._after)
            or (probing.arrived(shot) and (self._only is None or shot.transport == "icmp"))
        ]

    def _low(self) -> int | None:
        return max((shot.size_bytes for shot in self._passing()), default=None)

    def _high(self, low: int) -> int:
        return min(size for size in (*self._fails, *self._guessed) if size > low)

    def _find(self) -> None:
        """The first hop behind is asked some sizes at once, those after it a small one each."""
        probing, plan = self._probing, self._probing.plan
        first, end = self._after + 1, min(probing.distance or plan.max_ttl, plan.max_ttl)
        known = self._routers()
        if first < plan.max_ttl:
            # not past a target: what it answers there, it does not answer where it matters
            ahead = (
                () if first in known or probing.arrivals() else range(first + 1, min(first + 1 + AHEAD, end))
            )
            self._ask(first, [*sizes.coarse(plan.small, self._size), plan.small], ahead)
        hop = first + 1
        while hop < end and not any(shot.ttl < plan.max_ttl for shot in self._passing()):
            self._ask(hop, [plan.small], range(hop + 1, min(hop + AHEAD, end)))
            hop += AHEAD
        near = min((shot.ttl for shot in self._passing()), default=plan.max_ttl)
        # who has answered before, and has now said too much
        if mute := [ttl for ttl in range(first, near) if ttl in known]:
            self._pause()
            self._ask(mute[0], [plan.small], mute[1:])
        self._choose()

    def _choose(self) -> None:
        """Routers; the target only where there are none: its answers tell whether a size arrives."""
        if self._only is None:
            probing, way = self._probing, self._probing.way
            self._witnesses = [(ttl, way) for ttl in self._routers()]
            if not self._witnesses:
                ways = dict.fromkeys(shot.transport for shot in probing.arrivals())
                self._witnesses = [(probing.plan.max_ttl, each) for each in ways]

    def _ask(self, first: int, wanted: list[int], ahead: Iterable[int]) -> None:
        """The size that did not pass, then these, of one hop; a small one of each of the others."""
        probing, way = self._probing, self._probing.way
        batch = probing.send(
            [
                *((first, size, way) for size in [self._size] * SURE + wanted),
                *((ttl, probing.plan.small, way) for ttl in ahead),
            ]
        )
        self._settle(batch)
        self._judge([shot for shot in batch if shot.ttl == first])

    def _routers(self) -> list[int]:
        """The hops behind that answer, before the target."""
        return sorted({shot.ttl for shot in self._passing() if self._probing.expired(shot)})

    def _settle(self, batch: list[Shot]) -> None:
        probing = self._probing
        last = probing.network.now()
        probing.wait(
            lambda: all(shot.reply is not None for shot in batch),
            lambda: min(
                probing.lag(shot for shot in batch if not probing.refused(shot)), last + probing.quiet_s
            ),
        )

    def _scan(self, witness: tuple[int, Transport], wanted: list[int]) -> bool:
        """Ask these sizes, largest first, of one who answers behind; whether it answered at all."""
        ttl, way = witness
        probing = self._probing
        routers = self._routers()
        if routers and len(self._witnesses) == 1:
            # one has six answers, and there may be more of them
            end = min(probing.distance or probing.plan.max_ttl, routers[-1] + 1 + AHEAD)
            probing.send((ttl, probing.plan.small, way) for ttl in range(routers[-1] + 1, end))
        batch = probing.send((ttl, size, way) for size in wanted)
        self._settle(batch)
        self._judge(batch)
        self._choose()
        if any(shot.reply is not None and not self._probing.refused(shot) for shot in batch):
            return True
        self._tired[witness] = self._probing.network.now() + REFILL_S
        return False

    def _judge(self, batch: list[Shot]) -> None:
        """A size is eaten when one sent after it, and smaller, was answered: then there was an answer to
        be had. That somebody says it is too big is as good.
        """
        probing = self._probing
        answered = False
        ways = {way for _, way in self._witnesses}
        failed = set()
        for shot in reversed(batch):
            if probing.refused(shot):
                self._fails[shot.size_bytes] += SURE
                self._moments[shot.size_bytes] += MOMENTS
            elif shot.reply is not None:
                answered = True
            elif answered and shot.transport == "icmp" and "udp" in ways:
                self._guessed[shot.size_bytes] += 1
            elif answered:
                self._fails[shot.size_bytes] += 1
                failed.add(shot.size_bytes)
        self._moments.update(failed)

    def _rested(self, *, last: bool) -> tuple[int, Transport] | None:
        """Who has answers left: for the last word the nearest, and no echo if there is another way, else
        who has answered least.
        """
        now = self._probing.network.now()
        ready = [one for one in self._witnesses if self._tired.get(one, 0.0) <= now]
        left = {one: self._left(one) for one in ready}
        ready = [one for one in ready if left[one] >= 1]
        if last:
            ways = {way for _, way in self._witnesses}
            ready = [(ttl, way) for ttl, way in ready if way == "udp" or ways == {"icmp"}]
            return min(ready, default=None)
        return min(ready, key=lambda one: (-left[one], one), default=None)

    def _left(self, witness: tuple[int, Transport]) -> float:
        """How many answers it has left, as Linux counts them: six, and one more a second."""
        probing = self._probing
        ttl, way = witness
        target = ttl == probing.plan.max_ttl
        if target and way == "icmp":
            return ANSWERS  # echo replies are not limited so
        given = sorted(
            shot.reply.at
            for shot in probing.shots
            if (shot.transport == "udp" and probing.arrived(shot) if target else shot.ttl == ttl)
            and shot.reply is not None
            and shot.reply.kind != "datagram"  # a service is not limited so
            and not probing.refused(shot)
        )
        left, then = float(ANSWERS), probing.started
        for at in given:
            left, then = max(0.0, min(ANSWERS, left + (at - then) / REFILL_S) - 1), at
        return min(ANSWERS, left + (probing.network.now() - then) / REFILL_S)

    def _rest(self, last: bool) -> bool:
        """Wait until one of them may answer again; whether there is one."""
        if self._rested(last=last) is None:
            self._pauses += 1
            if self._pauses > MOST_PAUSES:
                return False
            self._pause(lambda: self._found(last))
        return bool(self._witnesses) and not self._probing.overdue

    def _found(self, last: bool) -> bool:
        self._choose()
        return self._rested(last=last) is not None

    def _pause(self, enough: Callable[[], bool] = lambda: False) -> None:
        """Until whoever said too much may answer again, or another has been found."""
        probing = self._probing
        until = probing.network.now() + REFILL_S
        probing.wait(enough, lambda: until)
        if probing.network.now() >= until:
            self._tired.clear()
