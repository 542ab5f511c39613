"""One target: a burst to every hop at once, and rounds after it.

Every probe is in flight at once, so a trace takes as long as its farthest hop and not the sum of all.
A tracer sends nothing itself: `drive.py` asks it what it wants and brings it what came.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from sretool.net.trace.round import Plan, Round, Shot, words
from sretool.net.trace.tally import HopTally, Who
from sretool.probe.network import Reply, SendFailed

# A Linux host answers a peer six times at once and then once a second (net.ipv4.icmp_ratelimit,
# XRLIM_BURST_FACTOR in net/ipv4/inetpeer.c): a target that was traced a moment ago is silent for that
# alone. While nothing says where the path ends, ask again at these parts of
# the timeout, each time one probe to the next hop and one as far as we go.
ASK_AGAIN = (0.45, 0.9)
LAST_WAIT = 1.15

RECENT = 10
"""A target that answered in one of so many rounds is there; at a loss of a half one of 1,000 misses all."""
BEYOND = 3
"""A round asks so many hops past the last that answered, while the target is silent."""
FORGET_S = 30.0
"""An answer that is later than this is a stray."""
MOST_TTL = 255
FLOWS = 64
"""By then a flow's last probe is forgotten, and it can be used again."""
RETURNED = 5
"""A host that has not answered at a hop for so many rounds, and answers again, is news again."""


class Want(NamedTuple):
    """A probe that should leave; not before `at`."""

    ttl: int
    at: float = 0.0
    flow: int = 0


class News(NamedTuple):
    """Another host than before answers at a hop. `at` is on the network's clock."""

    at: float
    round: int
    ttl: int
    was: list[str]
    now: list[str]


class Tracer:
    """The trace of one target, at any moment: what is known so far stays here when it is cut short.
    `finished`: everything worth waiting for was waited for; `ended_at`: when that was.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.hops: dict[int, HopTally] = {}
        self.strays: deque[Reply] = deque(maxlen=100)
        self.stray_replies = 0
        self.failures: list[SendFailed] = []
        self.news: list[News] = []
        self.finished = False
        self.started_at: float | None = None
        self.ended_at: float | None = None
        self.round = Round(plan, 1)
        self._rounds = {1: self.round}
        self._shots: dict[int, Shot] = {}
        self._seen: dict[int, dict[str, int]] = {}
        hops = range(plan.first_ttl, plan.max_ttl + 1)
        # All probes of one TTL together, near hops first: of a target that answers only the first
        # six, those are the ones of its own row.
        wave = 1 if plan.in_waves else plan.queries
        self._queue = deque(Want(ttl, flow=nth % plan.flows) for ttl in hops for nth in range(wave))
        self._rest = plan.queries - wave
        self._again: list[float] = []
        self._asking_again = False
        self._end: float | None = None
        self._untold = False  # the target answered, and nothing says which probe

    def wants(self, now: float) -> Want | None:
        """A probe that should leave now; None when it waits."""
        if self._queue and self.round.number == 1 and not self._asking_again and self.round.arrival:
            self._queue.clear()
        if self._queue:
            return None if self._queue[0].at > now else self._queue.popleft()
        if self._end is None:
            self._end = now + LAST_WAIT * self.plan.timeout_s
            if self.round.number == 1:
                self._again = [now + part * self.plan.timeout_s for part in ASK_AGAIN]
        if self._again and now >= self._again[0] and not self.round.end_known():
            self._again.pop(0)
            self._asking_again = True
            nearest = min(self.round.farthest() + 1, self.plan.max_ttl)
            self._queue.extend(map(Want, dict.fromkeys((nearest, self.plan.max_ttl))))
            return self.wants(now)
        return None

    def due(self, now: float) -> float:
        """When it next has something to do if nothing comes; the past when it has ended."""
        if self.finished:
            return float("-inf")
        if self._queue:
            return max(now, self._queue[0].at)
        assert self._end is not None
        until = self.round.worth_waiting(self._end)
        if now >= until:
            if self._rest:
                self._second_wave(now)
                return now
            self._finish(now, until)
            return float("-inf")
        if self._again and not self.round.end_known():
            return min(until, self._again[0])
        return until

    def _second_wave(self, now: float) -> None:
        end = self.round.arrival.ttl if self.round.arrival else min(self.round.farthest(), self.plan.max_ttl)
        self._queue.extend(
            Want(ttl) for ttl in range(self.plan.first_ttl, end + 1) for _ in range(self._rest)
        )
        self._rest = 0
        self._asking_again = True  # this wave is sent whole
        self._end = None if self._queue else now

    def _finish(self, now: float, until: float) -> None:
        self.finished = True
        if not self.round.waited_for():  # it ended with the last reply, not with our next look
            until = self.round.last_reply_at
        self.ended_at = min(now, until) if until > float("-inf") else now

    def told(self, now: float) -> Round:
        """The newest round that knows where the path ends, of the newest ten: on a path that loses, one
        probe that is lost does not make the target silent. Else the newest that was waited for.
        """
        rounds = [self._rounds[number] for number in sorted(self._rounds, reverse=True)]
        for round_ in rounds:
            if round_.end_known():
                return round_
        for round_ in rounds:
            if (round_ is self.round and self.finished) or self._is_over(round_, now):
                return round_
        return rounds[-1]

    def _is_over(self, round_: Round, now: float) -> bool:
        shots = round_.shots
        return bool(shots) and round_ is not self.round and now - shots[-1].sent_at > self.plan.timeout_s

    def sent(self, id: int, want: Want, at: float) -> Shot:
        """A probe it wanted has left."""
        if self.started_at is None:
            self.started_at = at
        again = self._asking_again and not self.plan.in_waves
        shot = Shot(id, want.ttl, at, again, self.round.number, flow=want.flow)
        self._shots[id] = shot
        self.round.sent(shot)
        self._hop(want.ttl).sent += 1
        return shot

    def failed(self, error: SendFailed) -> None:
        """A probe it wanted could not be sent."""
        self.failures.append(error)

    def take(self, reply: Reply) -> Shot | None:
        """A reply to a probe of this tracer, or a stray; the probe whose first answer it is."""
        shot = None if reply.probe is None else self._shots.get(reply.probe)
        if shot is None:
            if reply.kind == "datagram" and reply.target == self.plan.number:
                self._ask_by_flows()
            else:
                self.stray_replies += 1
                self.strays.append(reply)
            return None
        shot.replies.append(reply)
        hop = self._hop(shot.ttl)
        if (round_ := self._rounds.get(shot.round)) is not None:
            round_.take(shot, reply)
        if len(shot.replies) > 1:
            hop.duplicates += 1
            return None
        who = Who(reply.address, words(self.plan.family, reply))
        hop.add(shot.id, who, reply, max(0.0, reply.at - shot.sent_at))
        if reply.address is not None:
            self._notice(shot, reply.address, reply.at)
        return shot

    def _ask_by_flows(self) -> None:
        """The target's service answers, and its datagram quotes nothing: of one flow it cannot be told
        which probe got there. Ask the hops that may be it once more, each as a flow of its own.
        """
        if self._untold or self.round.arrival is not None or self.round.number > 1:
            return
        self._untold = self._asking_again = True
        first = max(self.round.farthest() + 1, self.plan.first_ttl)
        for shot in self.round.forget(first):
            self._hop(shot.ttl).sent -= 1
            del self._shots[shot.id]
        self._queue = deque(Want(ttl, flow=ttl) for ttl in range(first, self.plan.max_ttl + 1))

    def begin_round(self, now: float, spread_s: float) -> list[int]:
        """Ask every hop once more, spread over that many seconds: routers limit how often they answer.
        The ids of probes whose answers would come too late from now on.
        """
        told = self.told(now)
        oldest = self.round.number - RECENT
        self._rounds = {number: round_ for number, round_ in self._rounds.items() if number > oldest}
        last = told.arrival.ttl if told.arrival else told.farthest() + BEYOND
        hops = range(self.plan.first_ttl, min(max(last, self.plan.first_ttl), self.plan.max_ttl) + 1)
        self.round = Round(self.plan, self.round.number + 1)
        self._rounds[self.round.number] = self.round
        self._queue = deque(Want(ttl, now + spread_s * n / len(hops)) for n, ttl in enumerate(hops))
        if self._untold:  # a service that answers one probe of a flow of its own can be told
            flow = MOST_TTL + 1 + self.round.number % FLOWS
            self._queue[-1] = self._queue[-1]._replace(flow=flow)
        self.finished = False
        self._end, self._again, self._asking_again = None, [], False
        late = [shot.id for shot in self._shots.values() if now - shot.sent_at > FORGET_S]
        for number in late:
            del self._shots[number]
        return late

    def in_flight(self, ttl: int, now: float) -> int:
        """Probes to a hop that are still waited for."""
        if self.finished:
            return 0
        timeout_s = self.plan.timeout_s
        return sum(
            not shot.replies and shot.ttl == ttl and now - shot.sent_at < timeout_s
            for round_ in self._rounds.values()
            for shot in round_.unanswered.values()
        )

    def given_up(self, now: float) -> list[Shot]:
        """Probes that were not answered in time; a later answer counts all the same."""
        timeout_s = self.plan.timeout_s
        return [
            shot
            for shot in self._shots.values()
            if not shot.replies and (self.finished or now - shot.sent_at >= timeout_s)
        ]

    def _hop(self, ttl: int) -> HopTally:
        hop = self.hops.get(ttl)
        if hop is None:
            hop = self.hops[ttl] = HopTally()
        return hop

    def _notice(self, shot: Shot, address: str, at: float) -> None:
        """Note when another host answers than in the rounds before."""
        seen = self._seen.setdefault(shot.ttl, {})
        newest = max(seen.values(), default=0)
        was = sorted(old for old, when in seen.items() if when == newest)
        # who comes back from silence was there all the time
        new = shot.round - seen.get(address, -RETURNED) >= RETURNED and address not in was
        if 0 < newest < shot.round and new:
            self.news.append(News(at, shot.round, shot.ttl, was, [address]))
        seen[address] = shot.round
