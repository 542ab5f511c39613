"""From what the user typed to a Trace, on the live network."""

from __future__ import annotations

import importlib
import time
from typing import NamedTuple

from sretool.command.progress import Progress
from sretool.command.run import Run
from sretool.errors import DeadlineReached, NoRoute, UsageError
from sretool.net.trace.build import Asked, build
from sretool.net.trace.engine import Plan, Tracer
from sretool.net.trace.model import EndReason, Trace
from sretool.probe.live import Leaving, LiveNetwork, open_network
from sretool.probe.resolve import Address, resolve

RESOLVE_TIMEOUT_S = 5.0
"""As long as one try of the stub resolver (resolv.conf(5), timeout)."""


class Ask(NamedTuple):
    """The command line."""

    host: str
    port: int
    queries: int
    first_ttl: int
    max_ttl: int
    timeout_s: float


def measure(ask: Ask, run: Run) -> Trace:
    """Resolve, send, wait. What cut it short is noted in `run`.

    Raises:
        UsageError: it cannot be asked so.
        NetworkError: no address, or no probe left this host.
    """
    if ask.first_ttl > ask.max_ttl:
        raise UsageError("--first-ttl", f"{ask.first_ttl} is past --max-ttl {ask.max_ttl}", "swap them")
    interface = run.options.interface
    deadline_s = run.options.deadline or float("inf")
    stop_at = time.monotonic() + deadline_s
    with Progress(run.options, f"tracing {ask.host}"):
        addresses = resolve(ask.host, run.options.family, min(RESOLVE_TIMEOUT_S, deadline_s))
        network = open_network("udp", "sockets", Leaving(ask.port, interface=interface))
        try:
            address = _open(addresses, network)
            plan = Plan(
                address.text,
                address.family,
                ask.first_ttl,
                ask.max_ttl,
                ask.queries,
                ask.timeout_s,
                stop_at,
            )
            tracer = Tracer(network, plan)
            source = network.source(0)
            stopped = _run(tracer, run)
        finally:
            network.close()
    run.errors.extend(tracer.failures)
    return build(tracer, Asked(ask.host, source, interface, ask.port), stopped)


def _open(addresses: list[Address], network: LiveNetwork) -> Address:
    """The first address this host can send to, in the order the resolver prefers them."""
    failures = []
    for address in addresses:
        try:
            network.add(address)
        except NoRoute as error:
            failures.append(error)
        else:
            return address
    raise failures[0]


def _run(tracer: Tracer, run: Run) -> EndReason | None:
    try:
        tracer.run(lambda: _meanwhile(run))
    except KeyboardInterrupt:
        run.interrupted = True
        return "interrupted"
    if not tracer.overdue:
        return None
    run.errors.append(
        DeadlineReached("--deadline", f"{run.options.deadline:g} s were over before the trace ended")
    )
    return "deadline"


def _meanwhile(run: Run) -> None:
    """Load what the answer will be written with, while there is nothing else to do."""
    importlib.import_module("sretool.net.trace.view")
    run.source.clock()
