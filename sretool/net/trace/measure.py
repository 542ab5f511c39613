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
from sretool.probe.resolve import Address, resolve
from sretool.probe.udp import UdpNetwork

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
        network, address = _open(addresses, ask, interface)
        try:
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
            stopped = _run(tracer, run)
        finally:
            network.close()
    run.errors.extend(tracer.failures)
    return build(tracer, Asked(ask.host, network.source, interface, ask.port), stopped)


def _open(addresses: list[Address], ask: Ask, interface: str | None) -> tuple[UdpNetwork, Address]:
    """The first address this host can send to, in the order the resolver prefers them."""
    failures = []
    for address in addresses:
        _one_host(address)
        try:
            return UdpNetwork(address, ask.port, interface), address
        except NoRoute as error:
            failures.append(error)
    raise failures[0]


def _one_host(address: Address) -> None:
    packed = address.packed
    if packed[0] == 0xFF if address.family == 6 else 224 <= packed[0] <= 239:
        raise UsageError(address.text, "is a multicast address", "a trace has one target")
    if packed == b"\xff\xff\xff\xff":
        raise UsageError(address.text, "is a broadcast address", "a trace has one target")
    if not any(packed):
        raise UsageError(address.text, "is no host's address", "name the host to trace to")


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
