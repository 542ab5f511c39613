"""The loop that runs tracers over a network: many targets at once, one pace for all of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from sretool.net.trace.engine import Tracer, Want
from sretool.net.trace.round import Shot
from sretool.probe.network import Network, Probe, Reply, SendFailed
from sretool.probe.pace import Pace

# By then near hops have answered, and the kernel, asked for time stamps, takes them.
SETTLED_S = 0.02
# A default trace (30 hops, 3 probes) leaves at once; what is more goes at 1,000 a second.
BURST, PER_SECOND = 100, 1000.0
Listener = Callable[[Tracer, Shot, Reply], None]
"""Told of the first answer to each probe."""


class Drive:
    """Runs tracers. `stop_at` is when to stop whatever is known by then (`overdue`), on the network's
    clock. A run may be interrupted at any point: the tracers keep what they know.
    """

    def __init__(
        self,
        network: Network,
        tracers: Sequence[Tracer],
        *,
        per_s: float = PER_SECOND,
        burst: int = BURST,
        stop_at: float = float("inf"),
        listener: Listener | None = None,
    ) -> None:
        self.network = network
        self.tracers = tracers
        self.stop_at = stop_at
        self.overdue = False
        self._pace = Pace(per_s, burst)
        self._ids = itertools.count()
        self._owner: dict[int, Tracer] = {}
        self._by_number = {tracer.plan.number: tracer for tracer in tracers}
        self._listener = listener

    def run(self, meanwhile: Callable[[], None] | None = None, until: float = float("inf")) -> None:
        """Send, wait, and return when nothing is worth waiting for, or at `until`. `meanwhile` is work
        to do once while packets fly, if they fly long enough; the network stamps what arrives in that
        time.
        """
        started = self.network.now()
        while True:
            # what came while this process did not run (a busy host, `meanwhile`) came in time
            now = self.network.now()
            self._take(self.network.receive(now))
            self.overdue = now >= self.stop_at
            if self.overdue or now >= until:
                return
            if self._send(now, min(until, self.stop_at)):
                continue
            now = self.network.now()
            ends = [end for tracer in self.tracers if (end := tracer.due(now)) > float("-inf")]
            if not ends:
                return
            event = min(*ends, self.stop_at, until)
            if event <= now:
                continue  # a tracer thought of something more to send
            if meanwhile is not None:
                if now >= started + SETTLED_S:
                    meanwhile()
                    meanwhile = None
                    continue
                event = min(event, started + SETTLED_S)
            self._take(self.network.receive(event))

    def _send(self, now: float, end: float) -> bool:
        """A few probes of every tracer that wants some, so that the answer of a near target ends its
        burst; whether any left.
        """
        sent = False
        for tracer in self.tracers:
            for _ in range(tracer.plan.queries):
                want = tracer.wants(now)
                if want is None:
                    break
                leave_at = min(self._pace.next(self.network.now()), end)
                while self.network.now() < leave_at:
                    self._take(self.network.receive(leave_at))
                self._send_one(tracer, want)
                sent = True
        return sent

    def begin_round(self, spread_s: float) -> None:
        """Ask every hop of every target once more, spread over that many seconds."""
        now = self.network.now()
        for tracer in self.tracers:
            for late in tracer.begin_round(now, spread_s):
                self._owner.pop(late, None)

    def next_id(self) -> int:
        """A probe id that none of its own will have, if it sends no more."""
        return next(self._ids)

    def listen(self, until: float) -> None:
        """Take what comes until then; nothing is sent."""
        while self.network.now() < min(until, self.stop_at):
            self._take(self.network.receive(min(until, self.stop_at)))
        self.overdue = self.network.now() >= self.stop_at

    def _send_one(self, tracer: Tracer, want: Want) -> None:
        probe = Probe(next(self._ids), want.ttl, want.flow, tracer.plan.number)
        try:
            at = self.network.send(probe)
        except SendFailed as error:
            tracer.failed(error)
            return
        self._owner[probe.id] = tracer
        tracer.sent(probe.id, want, at)

    def _take(self, replies: Sequence[Reply]) -> None:
        for reply in replies:
            tracer = None if reply.probe is None else self._owner.get(reply.probe)
            if tracer is None:
                number = reply.target if reply.target is not None else self.tracers[0].plan.number
                tracer = self._by_number.get(number, self.tracers[0])
            shot = tracer.take(reply)
            if shot is not None and self._listener is not None:
                self._listener(tracer, shot, reply)
