"""What one round of probes says of where the path ends, and how long its answers are worth waiting for.

Who stays silent must not cost its timeout: once the end of the path has answered, a hop that was
going to answer has had its chance after twice that time. Only a silent target costs the timeout.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from sretool.probe import icmp
from sretool.probe.network import Reply

# After the end answered: traceroute -w waits 3 times the same hop's time; for the rest twice the
# slowest answer so far, and not less than 100 ms, which a busy router's control plane may take.
SAME_HOP, SLOWEST, LEAST_WAIT_S = 3.0, 2.0, 0.1


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
