"""Probes sent, what came back, and what that proves. All that is known of a path stands on these shots."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from sretool.net.mtu import sizes
from sretool.net.mtu.network import Network, Sized, Transport
from sretool.probe import icmp
from sretool.probe.network import Reply, SendFailed
from sretool.probe.pace import Pace

BURST, PER_SECOND = 64, 2000.0  # large packets: a shaper on the way holds few of them
# How long an answer may lag behind one to a later probe: a part of its round-trip time, at least 20 ms.
LAG, LEAST_LAG_S = 0.25, 0.02
QUIET, LEAST_QUIET_S = 2.0, 0.1
"""Nobody else is going to answer after twice the slowest answer so far, or 100 ms."""
TOO_BIG = frozenset({"fragmentation-needed", "packet-too-big"})


class Plan(NamedTuple):
    """What to ask. `small` is what surely fits, `big` the largest size our own link takes; `echo`: the
    network can send echo requests too; `udp`: and datagrams.
    """

    target: str
    family: int
    big: int
    small: int = sizes.SMALL
    max_ttl: int = 30
    timeout_s: float = 1.0
    udp: bool = True
    echo: bool = True
    stop_at: float = float("inf")


@dataclass
class Shot:
    """One probe that left, and the first thing that came back for it."""

    id: int
    ttl: int
    size_bytes: int
    transport: Transport
    sent_at: float
    reply: Reply | None = None

    @property
    def rtt_s(self) -> float:
        """To the reply; 0 without one."""
        return self.reply.at - self.sent_at if self.reply is not None else 0.0


class Probing:
    """One measurement's probes, and how to wait for their answers."""

    def __init__(self, network: Network, plan: Plan) -> None:
        self.network = network
        self.plan = plan
        self.shots: list[Shot] = []
        self.strays: list[Reply] = []
        self.failures: list[SendFailed] = []
        self.overdue = False
        self.started = 0.0
        self._by_id: dict[int, Shot] = {}
        self._pace = Pace(PER_SECOND, BURST)
        self._places: dict[str | None, int] | None = None

    # What is known

    def words(self, reply: Reply) -> str:
        """`time-exceeded`, `port-unreachable`, …, or `datagram` for an answer of the service."""
        if reply.icmp_type is None or reply.icmp_code is None:
            return reply.kind
        return icmp.words(self.plan.family, reply.icmp_type, reply.icmp_code)

    def arrived(self, shot: Shot) -> bool:
        """Whether its reply proves that it got to the target."""
        if shot.reply is None:
            return False
        said = self.words(shot.reply)
        if said in ("datagram", "echo-reply") or said in icmp.FROM_THE_END:
            return True
        return shot.reply.address == self.plan.target and self.denied(shot)

    def denied(self, shot: Shot) -> bool:
        """Whether somebody says that it will not pass it on, for another reason than its size."""
        if shot.reply is None or shot.reply.icmp_type != icmp.UNREACHABLE_TYPE[self.plan.family]:
            return False
        return shot.reply.kind == "icmp" and not self.refused(shot)

    def refused(self, shot: Shot) -> bool:
        """Whether somebody says that it was too big."""
        return shot.reply is not None and self.words(shot.reply) in TOO_BIG

    def expired(self, shot: Shot) -> bool:
        """Whether it got to the hop of its TTL, and no farther."""
        return shot.reply is not None and self.words(shot.reply) == icmp.TIME_EXCEEDED

    def arrivals(self, size: int = 0) -> list[Shot]:
        """The probes of at least that size that got to the target."""
        return [shot for shot in self.shots if shot.size_bytes >= size and self.arrived(shot)]

    @property
    def distance(self) -> int | None:
        """The hop the target is, as far as it is known; None before it answered."""
        return min((shot.ttl for shot in self.arrivals()), default=None)

    def passed(self, size: int) -> int:
        """The farthest hop that a packet of at least that size is known to have got to; 0: none."""
        far = [shot.ttl for shot in self.shots if shot.size_bytes >= size and self.expired(shot)]
        if self.arrivals(size):
            far.append(self.distance or self.plan.max_ttl)
        return max(far, default=0)

    def largest_to(self, ttl: int) -> int | None:
        """The largest packet that is known to have got to a hop, or past it."""
        found = [
            shot.size_bytes
            for shot in self.shots
            if (shot.ttl >= ttl and (self.expired(shot) or self.arrived(shot)))
            or (self.refused(shot) and self.place(shot) >= ttl)
        ]
        return max(found, default=None)

    def routers(self, ttl: int) -> list[str]:
        """Addresses that answered at a hop on the way."""
        found = [
            shot.reply.address for shot in self.shots if shot.ttl == ttl and self.expired(shot) and shot.reply
        ]
        return [address for address in dict.fromkeys(found) if address is not None]

    def place(self, shot: Shot) -> int:
        """The hop of the router that said a probe was too big: by its address, else the last hop
        before the nearest TTL it said so at (a TTL is looked at before the size).
        """
        assert shot.reply is not None
        if self._places is None:
            self._places = {}
            for test, before in ((self.expired, 0), (self.refused, 1)):
                for one in sorted(filter(test, self.shots), key=lambda one: one.ttl):
                    assert one.reply is not None
                    self._places.setdefault(one.reply.address, one.ttl - before)
        return self._places[shot.reply.address]

    def mtu(self, shot: Shot) -> int:
        return (shot.reply.mtu or 0) if shot.reply is not None else 0

    def usable(self, shot: Shot, size: int) -> bool:
        return sizes.USUAL_LEAST[self.plan.family] <= self.mtu(shot) < size

    def unreachable(self) -> bool:
        """Somebody on the way says that the target is not to be reached, and nobody got there."""
        refusals = [shot for shot in self.shots if self.denied(shot) and not self.arrived(shot)]
        return bool(refusals) and not self.arrivals()

    # Sending and waiting

    def send(self, wanted: Iterable[tuple[int, int, Transport]]) -> list[Shot]:
        sent = []
        for ttl, size, transport in wanted:
            leave_at = self._pace.next(self.network.now())
            while self.network.now() < leave_at:
                self._take(self.network.receive(leave_at))
            probe = Sized(len(self._by_id) + len(self.failures), ttl, size, transport)
            try:
                at = self.network.send(probe)
            except SendFailed as error:
                self.failures.append(error)
                continue
            shot = Shot(probe.id, ttl, size, transport, at)
            self.shots.append(shot)
            self._by_id[shot.id] = shot
            sent.append(shot)
            if len(sent) % 8 == 0:
                self._take(self.network.receive(self.network.now()))
            if self.network.now() >= self.plan.stop_at:
                break
        return sent

    def _take(self, replies: list[Reply]) -> None:
        for reply in replies:
            shot = None if reply.probe is None else self._by_id.get(reply.probe)
            if shot is None:
                self.strays.append(reply)
            elif shot.reply is None:
                shot.reply = reply
                self._places = None

    def wait(self, enough: Callable[[], bool], end: Callable[[], float]) -> None:
        """Until it is enough, or the time that `end` says; what is known decides both anew."""
        while not enough():
            now = self.network.now()
            until = min(end(), self.plan.stop_at)
            self.overdue = now >= self.plan.stop_at
            if now >= until:
                # what came while this process did not run came in time
                self._take(self.network.receive(now))
                return
            self._take(self.network.receive(until))

    @property
    def slowest(self) -> float:
        return max((shot.rtt_s for shot in self.shots if shot.reply is not None), default=0.0)

    @property
    def quiet_s(self) -> float:
        return min(self.plan.timeout_s, max(QUIET * self.slowest, LEAST_QUIET_S))

    def lag(self, shots: Iterable[Shot]) -> float:
        """The time from which on nothing sent before the first answered of `shots` is still to come."""
        answered = [shot for shot in shots if shot.reply is not None]
        if not answered:
            return float("inf")
        first = min(answered, key=lambda shot: shot.reply.at if shot.reply is not None else 0.0)
        assert first.reply is not None
        return first.reply.at + max(LAG * first.rtt_s, LEAST_LAG_S)

    @property
    def way(self) -> Transport:
        """UDP, where the target answers that, or nothing."""
        if not self.plan.udp:
            return "icmp"
        ways = {shot.transport for shot in self.arrivals()}
        return "icmp" if ways == {"icmp"} else "udp"

    @property
    def ways(self) -> list[Transport]:
        ways: list[Transport] = []
        if self.plan.udp:
            ways.append("udp")
        if self.plan.echo:
            ways.append("icmp")
        return ways
