"""One target: a burst to every hop at once, the rules of how long to wait for what, and rounds after it.

Every probe is in flight at once, so a trace takes as long as its farthest hop and not the sum of all.
Who stays silent must not cost its timeout: once the end of the path has answered, a hop that was
going to answer has had its chance after twice that time. Only a silent target costs the timeout.

A tracer sends nothing itself: `drive.py` asks it what it wants and brings it what came.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from sretool.net.trace.tally import HopTally, Who
from sretool.probe import icmp
from sretool.probe.network import Reply, SendFailed

# After the end answered: traceroute -w waits 3 times the same hop's time; for the rest twice the
# slowest answer so far, and not less than 100 ms, which a busy router's control plane may take.
SAME_HOP, SLOWEST, LEAST_WAIT_S = 3.0, 2.0, 0.1

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


class Plan(NamedTuple):
    """What to send. `target` is the address as replies will name it, `family` 4 or 6, `number` what
    the network calls it; `source` is our own address. `in_waves`: every probe that gets to the target
    costs its service a connection, so the first wave has one probe a hop. The probes of a hop are of
    `flows` flows, in turns.
    """

    target: str
    family: int
    first_ttl: int = 1
    max_ttl: int = 30
    queries: int = 3
    timeout_s: float = 1.0
    number: int = 0
    source: str = ""
    in_waves: bool = False
    flows: int = 1


@dataclass
class Shot:
    """One probe that left, and what came back for it. `again`: it was not part of the burst."""

    id: int
    ttl: int
    sent_at: float
    again: bool
    round: int
    replies: list[Reply] = field(default_factory=list)
    flow: int = 0

    @property
    def rtt_s(self) -> float | None:
        """To the first reply."""
        return self.replies[0].at - self.sent_at if self.replies else None


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


def words(family: int, reply: Reply) -> str:
    """`time-exceeded`, `port-unreachable`, …, or what an answer of the target's own is called."""
    if reply.kind != "icmp" or reply.icmp_type is None or reply.icmp_code is None:
        return reply.kind
    return icmp.words(family, reply.icmp_type, reply.icmp_code)


class Round:
    """What the probes of one round say of where the path ends."""

    def __init__(self, plan: Plan, number: int) -> None:
        self.plan = plan
        self.number = number
        self.shots: list[Shot] = []
        self.unanswered: dict[int, Shot] = {}
        self.arrival: Shot | None = None
        self.exhausted = False
        self.slowest_s = 0.0
        self.by_hop_s: dict[int, float] = {}
        self.last_reply_at = float("-inf")
        self._passed = 0
        self._refusals: list[tuple[Shot, Reply]] = []

    def sent(self, shot: Shot) -> None:
        """A probe of this round left."""
        self.shots.append(shot)
        self.unanswered[shot.id] = shot

    def forget(self, first: int) -> list[Shot]:
        """The unanswered probes from a TTL on, which nothing can be learnt from any more."""
        gone = [shot for shot in self.unanswered.values() if shot.ttl >= first]
        for shot in gone:
            del self.unanswered[shot.id]
            self.shots.remove(shot)
        return gone

    def take(self, shot: Shot, reply: Reply) -> None:
        """A reply to one of its probes, which `shot` has already."""
        said = words(self.plan.family, reply)
        if (rtt := shot.rtt_s) is not None and shot.id in self.unanswered:
            del self.unanswered[shot.id]
            self.slowest_s = max(self.slowest_s, rtt)
            self.by_hop_s[shot.ttl] = max(self.by_hop_s.get(shot.ttl, 0.0), rtt)
            self.last_reply_at = max(self.last_reply_at, reply.at)
        if self.arrived(reply):
            if self.arrival is None or (shot.ttl, shot.again) < (self.arrival.ttl, self.arrival.again):
                self.arrival = shot
        elif said == icmp.TIME_EXCEEDED:
            self._passed = max(self._passed, shot.ttl)
            self.exhausted |= shot.ttl == self.plan.max_ttl
        elif self._refuses(reply):
            self._refusals.append((shot, reply))

    def arrived(self, reply: Reply) -> bool:
        """Whether it proves that its probe got to the target."""
        said = words(self.plan.family, reply)
        if reply.kind != "icmp" or said in icmp.FROM_THE_END:
            return True
        return reply.address == self.plan.target and self._refuses(reply)

    def _refuses(self, reply: Reply) -> bool:
        return reply.kind == "icmp" and reply.icmp_type == icmp.UNREACHABLE_TYPE[self.plan.family]

    def refusal(self) -> tuple[Shot, Reply] | None:
        """The nearest probe that somebody on the way would not pass on. Not when others got
        farther: then only one of several ways is closed.
        """
        nearest = min(self._refusals, key=lambda refusal: refusal[0].ttl, default=None)
        return nearest if nearest is not None and nearest[0].ttl >= self._passed else None

    def end_known(self) -> bool:
        """Whether something says where the path ends, or that it goes on past the last TTL."""
        return self.arrival is not None or self.exhausted or self.refusal() is not None

    def farthest(self) -> int:
        """The last TTL that was answered; the one before the first when none was."""
        return max((shot.ttl for shot in self.shots if shot.replies), default=self.plan.first_ttl - 1)

    def waited_for(self) -> list[Shot]:
        """Unanswered probes whose answer would change something."""
        last = self.plan.max_ttl if self.arrival is None else self.arrival.ttl
        return [shot for shot in self.unanswered.values() if shot.ttl <= last]

    def worth_waiting(self, end: float) -> float:
        """Until when a reply may still come that changes the answer, at most `end`; the past when
        none can.
        """
        waiting = self.waited_for()
        if not waiting:
            return float("-inf")
        if not self.end_known():
            return end
        least = max(SLOWEST * self.slowest_s, LEAST_WAIT_S)
        timeout_s = self.plan.timeout_s
        return min(
            end,
            max(
                shot.sent_at + min(timeout_s, max(least, SAME_HOP * self.by_hop_s.get(shot.ttl, 0.0)))
                for shot in waiting
            ),
        )


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
