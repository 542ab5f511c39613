"""Probes out, answers in: the sending half that discovery and the probing of legs share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sretool.net.trace.round import words
from sretool.probe import icmp
from sretool.probe.network import Network, Probe, Reply, SendFailed
from sretool.probe.pace import Pace

# six flows to 30 hops leave at once; what is more goes at 1,000 a second
BURST, PER_SECOND = 200, 1000.0
SLOWEST, LEAST_WAIT_S, LAST_WAIT = 2.0, 0.1, 1.15


@dataclass
class Shot:
    """One probe that left, and the first answer to it."""

    id: int
    flow: int
    ttl: int
    sent_at: float
    reply: Reply | None = None

    @property
    def rtt_s(self) -> float | None:
        """From sending to the answer."""
        return None if self.reply is None else self.reply.at - self.sent_at


class Volley:
    """Every probe sent, and how long an answer is waited for: twice as long as the slowest one from there
    took, or from nearer hops, and not less than 100 ms, which a busy router may take.
    """

    def __init__(
        self,
        network: Network,
        *,
        target: int = 0,
        first_id: int = 0,
        stop_at: float = float("inf"),
        per_s: float = PER_SECOND,
        burst: int = BURST,
    ) -> None:
        self.network = network
        self.target = target
        self.stop_at = stop_at
        self.shots: list[Shot] = []
        self.fresh: list[Shot] = []  # answered since they were last taken
        self.strays: list[Reply] = []
        self.untold = False  # the target answers, and nothing says which probe
        self.failures: list[SendFailed] = []
        self.slowest_s: dict[int, float] = {}
        self.next_id = first_id
        self._by_id: dict[int, Shot] = {}
        self._pace = Pace(per_s, burst)

    @property
    def over(self) -> bool:
        """Whether the deadline has passed."""
        return self.network.now() >= self.stop_at

    def send(self, flow: int, ttl: int) -> Shot | None:
        """One probe, as soon as the pace allows; None when this host could not send it."""
        leave_at = min(self._pace.next(self.network.now()), self.stop_at)
        while self.network.now() < leave_at:
            self.receive(leave_at)
        probe = Probe(self.next_id, ttl, flow, self.target)
        self.next_id += 1
        try:
            sent_at = self.network.send(probe)
        except SendFailed as error:
            self.failures.append(error)
            return None
        shot = Shot(probe.id, flow, ttl, sent_at)
        self.adopt(shot)
        return shot

    def adopt(self, shot: Shot) -> None:
        """A probe whose answer is ours."""
        self.shots.append(shot)
        self._by_id[shot.id] = shot
        self.next_id = max(self.next_id, shot.id + 1)

    def heard(self, shot: Shot) -> None:
        """How long an answer from there may take."""
        self.slowest_s[shot.ttl] = max(self.slowest_s.get(shot.ttl, 0.0), shot.rtt_s or 0.0)

    def receive(self, until: float) -> None:
        """What came, at the latest at `until`."""
        for reply in self.network.receive(until):
            shot = None if reply.probe is None else self._by_id.get(reply.probe)
            if shot is None:
                self.strays.append(reply)
                # a service's datagram quotes nothing: of one flow it cannot be told which probe got there
                self.untold |= reply.kind == "datagram" and reply.target == self.target
            elif shot.reply is None:
                shot.reply = reply
                self.heard(shot)
                self.fresh.append(shot)

    def wait(self, open_: Callable[[], list[Shot]], timeout_s: float, *, sure: Callable[[], bool]) -> None:
        """Until none is open, or no answer is to be expected any more. While it is not `sure` how far
        away an answer may come from, that is the whole timeout.
        """
        while True:
            self.receive(self.network.now())
            waiting = open_()
            if not waiting:
                return
            most_s = LAST_WAIT * timeout_s
            known = sure()
            until = max(
                shot.sent_at + (min(most_s, self._patience_s(shot.ttl)) if known else most_s)
                for shot in waiting
            )
            until = min(until, self.stop_at)
            if self.network.now() >= until:
                return
            self.receive(until)

    def _patience_s(self, ttl: int) -> float:
        """Twice the slowest answer of hops not farther than the next one, if there was any."""
        here = max((rtt_s for near, rtt_s in self.slowest_s.items() if near <= ttl + 1), default=0.0)
        slowest = here or max(self.slowest_s.values(), default=float("inf"))
        return max(SLOWEST * slowest, LEAST_WAIT_S)


def refuses(family: int, reply: Reply) -> bool:
    """Whether who answers does not pass the probe on."""
    return reply.kind == "icmp" and reply.icmp_type == icmp.UNREACHABLE_TYPE[family]


def arrived(family: int, target: str, reply: Reply) -> bool:
    """Whether it proves that the probe got to the target."""
    if reply.kind != "icmp" or words(family, reply) in icmp.FROM_THE_END:
        return True
    return reply.address == target and refuses(family, reply)
