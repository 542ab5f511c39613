"""One burst to every hop, and the rules of how long to wait for what.

Every probe is in flight at once, so a trace takes as long as its farthest hop and not the sum of all.
Who stays silent must not cost its timeout: once the end of the path has answered, a hop that was
going to answer has had its chance after twice that time. Only a silent target costs the timeout.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from sretool.probe import icmp
from sretool.probe.network import Network, Probe, Reply, SendFailed
from sretool.probe.pace import Pace

# After the end answered: traceroute -w waits 3 times the same hop's time; for the rest twice the
# slowest answer so far, and not less than 100 ms, which a busy router's control plane may take.
SAME_HOP, SLOWEST, LEAST_WAIT_S = 3.0, 2.0, 0.1

# A Linux host answers a peer six times at once and then once a second (net.ipv4.icmp_ratelimit,
# XRLIM_BURST_FACTOR in net/ipv4/inetpeer.c): a target that was traced a moment ago is silent for that
# alone. While nothing says where the path ends, ask again at these parts of
# the timeout, each time one probe to the next hop and one as far as we go.
ASK_AGAIN = (0.45, 0.9)
LAST_WAIT = 1.15

# By then near hops have answered, and the kernel, asked for time stamps, takes them.
SETTLED_S = 0.02

# A default trace (30 hops, 3 probes) leaves at once; what is more goes at 1,000 a second.
BURST, PER_SECOND = 100, 1000.0


class Plan(NamedTuple):
    """What to send. `target` is the address as replies will name it, `family` 4 or 6; `stop_at` is
    when to stop whatever is known by then, on the network's clock.
    """

    target: str
    family: int
    first_ttl: int = 1
    max_ttl: int = 30
    queries: int = 3
    timeout_s: float = 1.0
    stop_at: float = float("inf")


@dataclass
class Shot:
    """One probe that left, and what came back for it. `again`: it was not part of the burst."""

    id: int
    ttl: int
    sent_at: float
    again: bool
    replies: list[Reply] = field(default_factory=list)

    @property
    def rtt_s(self) -> float | None:
        """To the first reply."""
        return self.replies[0].at - self.sent_at if self.replies else None


class Tracer:
    """One trace. `run` may be interrupted at any point: what is known so far stays here.
    `finished`: everything worth waiting for was waited for; `overdue`: `stop_at` came first.
    """

    def __init__(self, network: Network, plan: Plan) -> None:
        self.network = network
        self.plan = plan
        self.shots: list[Shot] = []
        self.strays: list[Reply] = []
        self.failures: list[SendFailed] = []
        self.finished = False
        self.overdue = False
        self.network_s = 0.0
        self._by_id: dict[int, Shot] = {}
        self._pace = Pace(PER_SECOND, BURST)
        self._next_id = 0

    def run(self, meanwhile: Callable[[], None] | None = None) -> None:
        """Send, wait, and return when nothing is worth waiting for. `meanwhile` is work to do once
        while packets fly, if they fly long enough; the network stamps what arrives in that time.

        Raises:
            SendFailed: not one probe left this host.
        """
        started = self.network.now()
        try:
            self._burst()
            if not self.shots:
                raise self.failures[0]
            self._wait(meanwhile)
            self.finished = not self.overdue
        finally:
            self.network_s = self._ended() - started

    def _ended(self) -> float:
        """When waiting ended: with the last reply, if nothing was left to wait for."""
        if self.finished and self._worth_waiting(float("inf")) == float("-inf"):
            arrival = self.arrival()
            last = self.plan.max_ttl if arrival is None else arrival.ttl
            return max(shot.replies[0].at for shot in self.shots if shot.replies and shot.ttl <= last)
        return self.network.now()

    def words(self, reply: Reply) -> str:
        """`time-exceeded`, `port-unreachable`, …, or `datagram` for an answer of the service."""
        if reply.icmp_type is None or reply.icmp_code is None:
            return "datagram"
        return icmp.words(self.plan.family, reply.icmp_type, reply.icmp_code)

    def arrived(self, reply: Reply) -> bool:
        """Whether it proves that its probe got to the target."""
        said = self.words(reply)
        if said == "datagram" or said in icmp.FROM_THE_END:
            return True
        return reply.address == self.plan.target and said in icmp.UNREACHABLE

    def arrival(self) -> Shot | None:
        """The nearest probe that got to the target (a first one of the burst, if any did)."""
        return min(
            (shot for shot in self.shots if any(map(self.arrived, shot.replies))),
            key=lambda shot: (shot.ttl, shot.again),
            default=None,
        )

    def refusal(self) -> tuple[Shot, Reply] | None:
        """The nearest probe that somebody on the way would not pass on. Not when others got
        farther: then only one of several ways is closed.
        """
        passed = max((shot.ttl for shot in self.shots if self._says(shot, icmp.TIME_EXCEEDED)), default=0)
        for shot in sorted(self.shots, key=lambda shot: shot.ttl):
            for reply in shot.replies:
                if self.words(reply) in icmp.UNREACHABLE and not self.arrived(reply):
                    return (shot, reply) if shot.ttl >= passed else None
        return None

    def exhausted(self) -> bool:
        """Whether a hop answered at the last TTL: the path goes on beyond it."""
        return any(
            shot.ttl == self.plan.max_ttl and self._says(shot, icmp.TIME_EXCEEDED) for shot in self.shots
        )

    def _says(self, shot: Shot, word: str) -> bool:
        return any(self.words(reply) == word for reply in shot.replies)

    def _burst(self) -> None:
        # All probes of one TTL together, near hops first: of a target that answers only the first
        # six, those are the ones of its own row.
        for ttl in range(self.plan.first_ttl, self.plan.max_ttl + 1):
            for _ in range(self.plan.queries):
                self._send(ttl, again=False)
            self._take(self.network.receive(self.network.now()))
            if self.arrival() is not None or self._over():
                return

    def _over(self) -> bool:
        self.overdue = self.network.now() >= self.plan.stop_at
        return self.overdue

    def _send(self, ttl: int, *, again: bool) -> None:
        leave_at = self._pace.next(self.network.now())
        while self.network.now() < leave_at:
            self._take(self.network.receive(leave_at))
        probe = Probe(self._next_id, ttl)
        self._next_id += 1
        try:
            sent_at = self.network.send(probe)
        except SendFailed as error:
            self.failures.append(error)
            return
        shot = Shot(probe.id, ttl, sent_at, again)
        self.shots.append(shot)
        self._by_id[shot.id] = shot

    def _take(self, replies: list[Reply]) -> None:
        for reply in replies:
            shot = None if reply.probe is None else self._by_id.get(reply.probe)
            if shot is None:
                self.strays.append(reply)
            else:
                shot.replies.append(reply)

    def _wait(self, meanwhile: Callable[[], None] | None) -> None:
        burst_end = self.network.now()
        end = burst_end + LAST_WAIT * self.plan.timeout_s
        again = [burst_end + part * self.plan.timeout_s for part in ASK_AGAIN]
        while True:
            # what came while this process did not run (a busy host, `meanwhile`) came in time
            now = self.network.now()
            self._take(self.network.receive(now))
            until = self._worth_waiting(end)
            if now >= until or self._over():
                return
            events = [until, self.plan.stop_at]
            if meanwhile is not None:
                if now >= burst_end + SETTLED_S:
                    meanwhile()
                    meanwhile = None
                    continue
                events.append(burst_end + SETTLED_S)
            if again and not self._end_known():
                if now >= again[0]:
                    again.pop(0)
                    self._ask_again()
                    continue
                events.append(again[0])
            self._take(self.network.receive(min(events)))

    def _end_known(self) -> bool:
        return self.arrival() is not None or self.refusal() is not None or self.exhausted()

    def _ask_again(self) -> None:
        answered = max((shot.ttl for shot in self.shots if shot.replies), default=self.plan.first_ttl - 1)
        for ttl in dict.fromkeys((min(answered + 1, self.plan.max_ttl), self.plan.max_ttl)):
            self._send(ttl, again=True)

    def _worth_waiting(self, end: float) -> float:
        """Until when a reply may still come that changes the answer; the past when none can."""
        arrival = self.arrival()
        waiting = [shot for shot in self.shots if not shot.replies]
        if arrival is not None:
            waiting = [shot for shot in waiting if shot.ttl <= arrival.ttl]
        if not waiting:
            return float("-inf")
        if not self._end_known():
            return end
        slowest = max(shot.rtt_s for shot in self.shots if shot.rtt_s is not None)
        by_hop: dict[int, float] = {}
        for shot in self.shots:
            if shot.rtt_s is not None:
                by_hop[shot.ttl] = max(by_hop.get(shot.ttl, 0.0), shot.rtt_s)
        least = max(SLOWEST * slowest, LEAST_WAIT_S)
        return min(
            end,
            max(
                shot.sent_at + min(self.plan.timeout_s, max(least, SAME_HOP * by_hop.get(shot.ttl, 0.0)))
                for shot in waiting
            ),
        )
