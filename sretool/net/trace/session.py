"""The traces of one command on this host's network, over all rounds of a watch."""

from __future__ import annotations

import contextlib
import importlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from sretool.command.options import Options
from sretool.command.progress import Progress
from sretool.command.run import Run
from sretool.errors import DeadlineReached, Denied, NetworkError, NoRoute, SretoolError, UsageError
from sretool.net.trace.build import Asked, build
from sretool.net.trace.drive import Drive, Listener
from sretool.net.trace.engine import Tracer
from sretool.net.trace.model import EndReason, Host, Path
from sretool.net.trace.round import Plan, Shot
from sretool.probe.live import Leaving, LiveNetwork, Transport, open_network
from sretool.probe.network import Reply
from sretool.probe.resolve import Address, resolve

if TYPE_CHECKING:
    from sretool.net.trace.ecmp.model import Node
    from sretool.net.trace.ecmp.search import Search
    from sretool.probe.names import Names

RESOLVE_TIMEOUT_S = 5.0
"""As long as one try of the stub resolver (resolv.conf(5), timeout)."""
SPREAD = 0.7
"""A round's probes leave in this part of its time; the rest is for answers."""


class Ask(NamedTuple):
    """The command line."""

    hosts: Sequence[str]
    protocol: Transport
    method: Literal["auto", "raw", "sockets"]
    leaving: Leaving
    queries: int
    first_ttl: int
    max_ttl: int
    timeout_s: float
    per_s: float
    parallel: int
    flows: int | None = None  # as many at most, to find every way; None: one way will do


@dataclass
class _Target:
    """One host, and the addresses not yet tried."""

    host: str
    candidates: list[Address]
    tracer: Tracer
    address: Address
    failures_told: int = field(default=0)
    search: Search | None = None


class Session:
    """`begin` is the first burst, `go_on` one more round; `paths` what is known at any moment.

    Raises:
        UsageError: it cannot be asked so.
        Denied: the method needs a right that this process has not.
        NetworkError: no host has an address, or there is no route to any.
    """

    def __init__(self, ask: Ask, run: Run, listener: Listener | None = None) -> None:
        if ask.first_ttl > ask.max_ttl:
            raise UsageError("--first-ttl", f"{ask.first_ttl} is past --max-ttl {ask.max_ttl}", "swap them")
        self._ask, self._run = ask, run
        self._names = _names(run.options)
        deadline_s = run.options.deadline or float("inf")
        stop_at = time.monotonic() + deadline_s
        found = _resolve(ask.hosts, run.options.family, min(RESOLVE_TIMEOUT_S, deadline_s))
        self.network: LiveNetwork = open_network(ask.protocol, ask.method, ask.leaving)
        self._first_flows = 1
        if ask.flows is not None:
            from sretool.net.trace.ecmp.stopping import flows_for

            self._needs_one_flow()
            self._first_flows = flows_for(1)  # so many tell that a hop has no second host
        self.targets: list[_Target] = []
        problems: list[SretoolError] = []
        for host, addresses in found:
            try:
                if isinstance(addresses, SretoolError):
                    raise addresses
                self.targets.append(self._target(host, addresses))
            except NetworkError as error:
                problems.append(error)
        if not self.targets:
            self.network.close()
            raise problems[0]
        run.errors += problems
        self.drive = Drive(
            self.network,
            [target.tracer for target in self.targets],
            per_s=ask.per_s * len(self.targets),
            burst=ask.parallel * len(self.targets),
            stop_at=stop_at,
            listener=self._told(listener),
        )

    def _needs_one_flow(self) -> None:
        if self.network.flow != "fixed" or self.network.method == "icmp-datagram":
            self.network.close()
            if self._ask.method == "sockets":
                raise UsageError("--method", "--ecmp chooses the flow of each probe: raw", "leave it out")
            raise Denied("--ecmp", "needs CAP_NET_RAW to choose which flow each probe is of", "run with sudo")

    def _told(self, listener: Listener | None) -> Listener | None:
        """Who is told of each answer: `listener`, and whoever looks up names."""
        names = self._names
        if names is None:
            return listener

        def both(tracer: Tracer, shot: Shot, reply: Reply) -> None:
            if reply.address is not None:
                names.ask(reply.address)
            if listener is not None:
                listener(tracer, shot, reply)

        return both

    def _target(self, host: str, addresses: Sequence[Address]) -> _Target:
        """The first address this host can send to, in the order the resolver prefers them."""
        failures = []
        for place, address in enumerate(addresses):
            try:
                number = self.network.add(address)
            except NoRoute as error:
                failures.append(error)
                continue
            self._run.errors += failures
            ask = self._ask
            plan = Plan(
                address.text,
                address.family,
                ask.first_ttl,
                ask.max_ttl,
                ask.queries if ask.flows is None else self._first_flows,
                ask.timeout_s,
                number,
                self.network.source(number),
                in_waves=self.network.method == "tcp-connect",
                flows=self._first_flows,
            )
            return _Target(host, list(addresses[place + 1 :]), Tracer(plan), address)
        raise failures[0]

    def begin(self) -> None:
        """The first burst to every host; then, where a host was not reached over one family of addresses,
        to one of the other, which says whether it is the host or the way.
        """
        self._drive(lambda: self.drive.run(self._meanwhile))
        others = [] if self._run.options.family or self.cut_short else list(self._other_families())
        if others:
            self.targets += others
            self.drive.tracers = [target.tracer for target in others]
            self._drive(self.drive.run)
        self.drive.tracers = [target.tracer for target in self.targets]
        if self._ask.flows is not None:
            self._search(self._ask.flows)

    def _search(self, flows: int) -> None:
        """Every way to each host, one host after the other; the first burst is the first round."""
        from sretool.net.trace.ecmp.own import next_hops
        from sretool.net.trace.ecmp.search import Search

        for target in self.targets:
            if not target.tracer.hops:
                continue
            target.search = Search.after(
                self.network,
                target.tracer,
                flows=flows,
                first_id=self.drive.next_id(),
                stop_at=self.drive.stop_at,
                echo=self._ask.protocol == "icmp",
                per_s=self._ask.per_s,
                burst=self._ask.parallel,
            )
            if self._ask.leaving.netns is None:  # those of another namespace are not ours to see
                ours = self.network.source(target.tracer.plan.number)
                target.search.own_next_hops = next_hops(
                    self._run.source, target.address, ours, self._ask.leaving
                )
            if self.cut_short:
                target.search.look()
                continue
            self._drive(target.search.run)
            if not (self._run.interrupted or target.search.overdue):
                self._ride(target, target.search)
            self.drive.overdue |= target.search.overdue
            self._run.errors += [*target.search.discovery.volley.failures, *target.search.errors]

    def _ride(self, target: _Target, search: Search) -> None:
        """Which of our own connections take which way."""
        from sretool.probe.raw import RawNetwork

        network, leaving = self.network, self._ask.leaving
        if self._ask.protocol != "tcp" or leaving.netns is not None or not isinstance(network, RawNetwork):
            return
        ours = network.source(target.tracer.plan.number)
        self._drive(lambda: search.ride(self._run.source, network, target.address, leaving.port, ours))

    def _other_families(self) -> Iterator[_Target]:
        for target in self.targets:
            other = [address for address in target.candidates if address.family != target.address.family]
            if other and not self._path(target).reached:
                with contextlib.suppress(NoRoute):
                    yield self._target(target.host, other)

    def go_on(self, period_s: float) -> None:
        """One more round of all hosts, which takes that long."""
        until = time.monotonic() + period_s
        self.drive.begin_round(SPREAD * period_s)
        self._drive(lambda: self.drive.run(until=until))
        if not self.cut_short:  # all is answered; late answers and strays still count
            self._drive(lambda: self.drive.listen(until))

    def settle(self) -> None:
        """Wait for what the last round still waits for."""
        self._drive(self.drive.run)

    @property
    def cut_short(self) -> bool:
        """Interrupted, or the deadline came."""
        return self._run.interrupted or self.drive.overdue

    def _drive(self, step: Callable[[], None]) -> None:
        try:
            step()
        except KeyboardInterrupt:
            self._run.interrupted = True
        for target in self.targets:
            new = target.tracer.failures[target.failures_told :]
            target.failures_told += len(new)
            self._run.errors += new

    def paths(self) -> list[Path]:
        """What is known of every host by now."""
        paths = [self._path(target) for target in self.targets]
        if self._names is not None:
            self._name(paths, self._names)
        return paths

    def _name(self, paths: list[Path], names: Names) -> None:
        """Give every host what is known of it by now, or a moment later where this is the end."""
        from sretool.probe.names import GRACE_S

        hosts: list[Host | Node] = [host for path in paths for hop in path.hops for host in hop.hosts]
        for path in paths:
            hosts += [node for hop in path.ecmp.hops for node in hop.nodes] if path.ecmp else []
        for host in hosts:
            names.ask(host.address)
        left_s = self.drive.stop_at - time.monotonic()
        going_on = self.cut_short or (paths[0].rounds > 1 and not self._run.over)
        try:
            known = names.collect(0.0 if going_on else max(0.0, min(GRACE_S, left_s)))
        except KeyboardInterrupt:
            self._run.interrupted = True
            known = names.collect(0.0)
        self._run.errors += known.errors
        for host in hosts:
            if names.want_names:
                host.name = known.names.get(host.address or "")
            if names.want_origins:
                host.origin = known.origins.get(host.address or "")

    def close(self) -> None:
        """Close every socket."""
        self.network.close()
        if self._names is not None:
            self._names.close()

    def _path(self, target: _Target) -> Path:
        ask, network = self._ask, self.network
        asked = Asked(
            target.host,
            network.source(target.tracer.plan.number),
            ask.leaving.interface,
            ask.protocol,
            ask.leaving.port,
            network.method,
            network.flow,
            tuple(network.cannot_see),
            network.source_port(target.tracer.plan.number),
        )
        stopped: EndReason | None = None
        if self.cut_short:
            stopped = "interrupted" if self._run.interrupted else "deadline"
        path = build(
            target.tracer, asked, time.monotonic(), stopped, wall_offset_s=time.time() - time.monotonic()
        )
        if target.search is not None:
            path.ecmp = target.search.answer()
        return path

    def nothing_left(self) -> SretoolError | None:
        """The reason when not one probe left this host."""
        if any(target.tracer.hops for target in self.targets):
            return None
        return next((target.tracer.failures[0] for target in self.targets if target.tracer.failures), None)

    def note_deadline(self) -> None:
        """Say that the deadline came before the trace ended."""
        seconds = self._run.options.deadline
        self._run.errors.append(
            DeadlineReached("--deadline", f"{seconds:g} s were over before the trace ended")
        )

    def _meanwhile(self) -> None:
        """Load what the answer will be written with, while there is nothing else to do."""
        importlib.import_module("sretool.net.trace.view")
        self._run.source.clock()


def _names(options: Options) -> Names | None:
    values = (options.asn_zone, options.asn_file, options.resolver)
    if not (options.resolve or options.asn) and values == (None, None, None):
        return None  # without loading what would look them up
    from sretool.probe.names import wanted

    return wanted(options)


def opened(ask: Ask, run: Run, listener: Listener | None = None) -> Session:
    """A session whose first burst is over.

    Raises:
        SendFailed: not one probe left this host.
    """
    names = ask.hosts[0] if len(ask.hosts) == 1 else f"{len(ask.hosts)} hosts"
    with Progress(run.options, f"tracing {names}"):
        session = Session(ask, run, listener)
        session.begin()
    if (error := session.nothing_left()) is not None:
        run.errors.clear()
        session.close()
        raise error
    return session


def _resolve(
    hosts: Sequence[str], family: int | None, timeout_s: float
) -> list[tuple[str, list[Address] | SretoolError]]:
    """The addresses of every host, or why there are none; all names at once."""
    found: dict[str, list[Address] | SretoolError] = {}

    def one(host: str) -> None:
        try:
            found[host] = resolve(host, family, timeout_s)
        except SretoolError as error:
            found[host] = error

    unique = list(dict.fromkeys(hosts))
    workers = [threading.Thread(target=one, args=(host,)) for host in unique[1:]]
    for worker in workers:
        worker.start()
    one(unique[0])
    for worker in workers:
        worker.join()
    for error in found.values():
        if isinstance(error, UsageError):
            raise error
    return [(host, found[host]) for host in unique]
