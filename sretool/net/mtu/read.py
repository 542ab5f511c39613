"""From a host and options to an Mtu: the one call for the command, and for whoever wants to know
whether there is a black hole on the way to a target.

    found = measure(Live(), Ask("db-1.example"), errors)
    if found.black_hole is not None: …
"""

from __future__ import annotations

import time
from typing import NamedTuple

from sretool.errors import DeadlineReached, NoRoute, SretoolError, UsageError
from sretool.host.source import Source
from sretool.net.mtu import sizes
from sretool.net.mtu.build import Asked, build
from sretool.net.mtu.engine import Sizer
from sretool.net.mtu.live import LiveSizes
from sretool.net.mtu.model import EndReason, Method, Mtu, Protocol
from sretool.net.mtu.probing import Plan
from sretool.probe.live import Leaving
from sretool.probe.resolve import Address, resolve

RESOLVE_TIMEOUT_S = 5.0
"""As long as one try of the stub resolver (resolv.conf(5), timeout)."""


class Ask(NamedTuple):
    """What to measure. `least` and `most` bound the sizes asked; None: what surely fits, and what our own
    link takes. `leaving` says how packets leave, and to which port.
    """

    host: str
    family: int | None = None
    leaving: Leaving = Leaving()
    protocol: Protocol = "auto"
    least: int | None = None
    most: int | None = None
    max_ttl: int = 30
    timeout_s: float = 1.0
    deadline_s: float = float("inf")


def measure(source: Source, ask: Ask, errors: list[SretoolError]) -> Mtu:
    """Resolve, send, wait. What was cut short, or could not be read beside, is in `errors`. Interrupted
    (^C), it gives what is known: `end_reason` says so.

    Raises:
        UsageError: it cannot be asked so.
        NetworkError: no address, or no probe left this host.
    """
    stop_at = time.monotonic() + ask.deadline_s
    addresses = resolve(ask.host, ask.family, min(RESOLVE_TIMEOUT_S, ask.deadline_s))
    network, address = _open(addresses, ask)
    try:
        plan = _plan(ask, network, address, stop_at)
        sizer = Sizer(network, plan)
        stopped = _run(sizer, ask, errors)
    finally:
        network.close()
    errors.extend(sizer.failures)
    found = build(sizer, _asked(ask, network, plan), stopped)
    if sizer.end == "silent" and stopped is None and not found.reached:
        errors.append(_silent(found))
    _beliefs(source, address, ask.leaving, found, errors)
    return found


def _beliefs(
    source: Source, address: Address, leaving: Leaving, found: Mtu, errors: list[SretoolError]
) -> None:
    """What this host thinks of the path MTU."""
    # its modules take 100 ms to load: not while an answer may come that decides what to ask next
    from sretool.net.mtu import around

    seen = around.read(source, address, leaving)
    errors.extend(seen.errors)
    found.link, found.route_mtu_bytes = seen.link, seen.route_mtu
    found.tcp_mtu_probing = seen.tcp_mtu_probing
    kernel = found.kernel_mtu_bytes
    if kernel is not None and kernel not in (found.link_mtu_bytes, seen.route_mtu):
        found.cached_mtu_bytes = kernel
        found.cached_expires_s = seen.expires_s if seen.mtu == kernel else None
    holes = [found.black_hole, *found.further_black_holes]
    passes = min((hole.passes_bytes for hole in holes if hole is not None), default=None)
    found.connections = around.judged(source, seen, passes, leaving)


def _open(addresses: list[Address], ask: Ask) -> tuple[LiveSizes, Address]:
    """The first address this host can send to, in the order the resolver prefers them."""
    failures: list[NoRoute] = []
    for address in addresses:
        _possible(ask, address)
        try:
            return LiveSizes(address, ask.leaving, echo=ask.protocol != "udp"), address
        except NoRoute as error:
            failures.append(error)
    raise failures[0]


def _possible(ask: Ask, address: Address) -> None:
    least = sizes.LEAST[address.family]
    for flag, value in (("--min", ask.least), ("--max", ask.most)):
        if value is not None and value < least:
            raise UsageError(
                f"{flag} {value}",
                f"every IPv{address.family} link carries {least} bytes",
                f"give {least} or more",
            )
    if ask.least is not None and ask.most is not None and ask.least >= ask.most:
        raise UsageError("--min", f"{ask.least} is not below --max {ask.most}", "swap them")


def _plan(ask: Ask, network: LiveSizes, address: Address, stop_at: float) -> Plan:
    link = network.link_mtu or network.kernel_mtu or 1500
    most = min(link, sizes.MOST[address.family])
    if ask.most is not None and ask.most > most:
        message = f"{ask.most} is more than our own link takes ({most})"
        raise UsageError("--max", message, f"give {most} or less")
    if ask.least is not None and ask.least >= most:
        raise UsageError("--min", f"{ask.least} is not below our own link's MTU {most}", "give less")
    if ask.protocol == "icmp" and network.echo is None:
        raise NoRoute(
            "--protocol icmp",
            "this user may not send echo requests",
            "run with sudo, or widen net.ipv4.ping_group_range",
        )
    return Plan(
        address.text,
        address.family,
        big=most if ask.most is None else ask.most,
        small=ask.least or sizes.SMALL,
        max_ttl=ask.max_ttl,
        timeout_s=ask.timeout_s,
        udp=ask.protocol != "icmp",
        echo=network.echo is not None,
        stop_at=stop_at,
    )


def _run(sizer: Sizer, ask: Ask, errors: list[SretoolError]) -> EndReason | None:
    try:
        sizer.run()
    except KeyboardInterrupt:
        return "interrupted"
    if not sizer.overdue:
        return None
    errors.append(DeadlineReached("--deadline", f"{ask.deadline_s:g} s were over before it was known"))
    return "deadline"


def _asked(ask: Ask, network: LiveSizes, plan: Plan) -> Asked:
    methods: list[Method] = []
    cannot_see = []
    if plan.udp:
        methods.append("udp-recverr")
        cannot_see.append("that flows of other ports take another way")
    if network.echo is not None:
        methods.append(network.echo)
    else:
        cannot_see.append("large packets lost on the way back: that takes echo requests")
    return Asked(
        ask.host,
        network.source,
        ask.leaving.interface,
        methods,
        cannot_see,
        ask.leaving.port if plan.udp else None,
        network.link_mtu,
        network.kernel_mtu,
    )


def _silent(found: Mtu) -> SretoolError:
    asked = "UDP and echo requests" if len(found.methods) > 1 else "UDP" if found.port else "echo requests"
    error = NoRoute(
        found.address,
        f"the target answers neither small nor large packets ({asked}): its path MTU is not known",
        "" if len(found.methods) > 1 else "with sudo it is asked by echo requests too",
    )
    error.code = "no-answer"
    return error
