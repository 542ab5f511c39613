"""Routes read from the kernel: one sample, and the models derived from it."""

from __future__ import annotations

import errno
import ipaddress
from typing import NamedTuple

from sretool.errors import NoRoute, ParseError, SourceError, SretoolError
from sretool.host import interfaces, netlink
from sretool.host.identity import identity
from sretool.host.source import Clock, Source
from sretool.net.routes.model import Decision, Route, Routes
from sretool.net.routes.read import decode, get, names, rules
from sretool.net.routes.read.decode import EVERY, Wanted
from sretool.net.routes.read.lookup import REFUSING, Flow, Match, decide
from sretool.net.routes.read.names import TableNames
from sretool.net.routes.read.rules import Rule


class Ask(NamedTuple):
    """What to read."""

    families: tuple[str, ...] = ("inet", "inet6")
    rules: bool = False


EVERYTHING = Ask(rules=True)


class Sample(NamedTuple):
    """One reading. Frames stay raw: rows are made of those that are wanted."""

    clock: Clock
    frames: dict[str, list[bytes]]
    rules: dict[str, list[Rule]]
    devices: dict[int, str]
    tables: TableNames
    uid: int
    errors: list[SretoolError]


def sample(source: Source, ask: Ask) -> Sample:
    """Read what `ask` needs; what could not be read is in `errors`."""
    errors: list[SretoolError] = []
    clock = source.clock()
    tables = names.tables(source)
    frames: dict[str, list[bytes]] = {}
    found: dict[str, list[Rule]] = {}
    devices: dict[int, str] = {}
    try:
        devices = interfaces.read(source)
    except (SourceError, ParseError) as error:
        errors.append(error)
    for family in ask.families:
        try:
            request = decode.request(family)
            frames[family] = netlink.noted(source.netlink(request), request.key, errors)
            if ask.rules:
                request = rules.request(family)
                raw = netlink.noted(source.netlink(request), request.key, errors)
                found[family] = rules.decode(raw, family, tables)
        except (SourceError, ParseError) as error:
            errors.append(error)
    uid = identity(source).uid if ask.rules else 0
    return Sample(clock, frames, found, devices, tables, uid, errors)


def build(now: Sample, wanted: Wanted = EVERY) -> Routes:
    """The routes; a family whose frames are damaged costs itself, and is noted in `now.errors`."""
    rows: list[Route] = []
    for family, frames in now.frames.items():
        kept = len(rows)
        try:
            rows.extend(decode.decode(frames, family, now.devices, now.tables, wanted))
        except ParseError as error:
            del rows[kept:]
            now.errors.append(error)
    return Routes(rows, len(rows))


def build_decision(now: Sample, flow: Flow) -> Decision:
    """The way to one destination, computed.

    Raises:
        SretoolError: the rules or routes of its family could not be read.
    """
    family = "inet" if len(flow.destination) == 4 else "inet6"
    if family not in now.rules:
        raise now.errors[-1]
    wanted = Wanted(covering=flow.destination)
    routes = decode.decode(now.frames[family], family, now.devices, now.tables, wanted)
    match = decide(now.rules[family], routes, flow)
    return _decision(flow, "computed", match.outcome, match.route, match)


def ask_kernel(source: Source, flow: Flow) -> Decision:
    """The way to one destination, as this host's kernel says. Where it refuses, rules and routes
    say which of them refused.

    Raises:
        NoRoute: this host does not have the source address.
        SourceError: the kernel refused for another reason than that there is no way.
        ParseError: its answer is no route.
    """
    tables = names.tables(source)
    devices = interfaces.read(source)
    try:
        route = get.ask(source, flow, devices, tables, entry=False)
    except SourceError as error:
        if error.errno not in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL):
            raise
        family = "inet" if len(flow.destination) == 4 else "inet6"
        now = sample(source, Ask((family,), rules=True))
        computed = build_decision(now, flow)
        if computed.type not in (*REFUSING, "none"):  # refused for what rules and routes do not show
            if flow.source and error.errno in (errno.ENETUNREACH, errno.EINVAL):
                source_address = decode.address(flow.source)
                raise NoRoute("--from-addr", f"{source_address} is no address of this host") from None
            raise
        computed.method = "kernel"
        return computed
    try:
        entry: Route | None = get.ask(source, flow, devices, tables, entry=True)
    except SourceError:  # a kernel without RTM_F_FIB_MATCH
        entry = None
    decision = _decision(flow, "kernel", route.type, entry, None)
    decision.gateway, decision.dev, decision.prefsrc = route.gateway, route.dev, route.prefsrc
    decision.table = route.table
    decision.mtu = _mtu(route)
    return decision


def _decision(flow: Flow, method: str, outcome: str, route: Route | None, match: Match | None) -> Decision:
    rule = match.rule if match is not None else None
    refused = outcome in (*REFUSING, "none")
    return Decision(
        destination=decode.address(flow.destination),
        from_address=decode.address(flow.source) if flow.source else None,
        mark=flow.mark or None,
        method=method,
        type=outcome,
        gateway=None if route is None else route.gateway,
        # what is delivered here goes through lo, whatever device has the address
        dev=None if route is None or refused else "lo" if outcome == "local" else route.dev,
        prefsrc=None if route is None else route.prefsrc,
        table=route.table if route is not None else None,
        rule_priority=None if rule is None else rule.priority,
        mtu=None if route is None else _mtu(route),
        route=route,
    )


def _mtu(route: Route) -> int | None:
    value = route.metrics.get("mtu")
    return value if isinstance(value, int) else None


def flow_to(destination: str, from_address: str | None, mark: int | None, uid: int) -> Flow:
    """A flow from what the user typed.

    Raises:
        ValueError: not an address, or two of different families.
    """
    to = ipaddress.ip_address(destination)
    source = b"" if from_address is None else ipaddress.ip_address(from_address).packed
    if source and len(source) != len(to.packed):
        raise ValueError("of different address families")
    return Flow(to.packed, source, mark or 0, uid)


__all__ = [
    "EVERY",
    "EVERYTHING",
    "Ask",
    "Sample",
    "Wanted",
    "ask_kernel",
    "build",
    "build_decision",
    "sample",
]
