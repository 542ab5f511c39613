"""Everything `sretool sockets summary` reads: sockets, their owners, counters and limits."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from sretool.errors import NotRecorded, ParseError, SourceError, SretoolError, Unsupported
from sretool.host import interfaces
from sretool.host.source import Clock, Source
from sretool.net.routes import read as net_routes
from sretool.net.routes.read import get, names
from sretool.net.routes.read.lookup import Flow
from sretool.sockets import read as sockets
from sretool.sockets import states
from sretool.sockets.read import diag
from sretool.sockets.read.diag import plain
from sretool.sockets.summary import kernel
from sretool.sockets.summary.count import CLOSE_WAIT
from sretool.sockets.summary.health import by_cookie
from sretool.sockets.summary.kernel import Kernel

FAMILIES = {
    "UNIX": "unix",
    "UNIX-STREAM": "unix",
    "PACKET": "packet",
    "RAW": "raw",
    "RAWv6": "raw",
    "UDP-Lite": "udplite",
    "UDPLITEv6": "udplite",
    "MPTCP": "mptcp",
    "MPTCPv6": "mptcp",
    "AF_VSOCK": "vsock",
    "NETLINK": "netlink",
}
"""What /proc/net/protocols calls those that are neither TCP nor UDP."""


ROUTED_LIVE, ROUTED_RECORDED = 2000, 200
"""Pairs of addresses whose route is looked up, of those with most sockets. The kernel answers in 0.1 ms;
for a recording all routes are gone through for each."""


class Ask(NamedTuple):
    """What to read of the sockets, None: nothing, a recording has them by `sockets list`. `routes`: the
    routes of their packets too. `slim`: only for another reading to be compared with.
    """

    sockets: sockets.Ask | None
    routes: bool = False
    slim: bool = False


EVERYTHING = Ask(None)
COUNTERS = EVERYTHING


def whole(families: tuple[str, ...], *, info: bool = False, routes: bool = False) -> Ask:
    """Every socket and its owner; with `info` tcp_info too."""
    ask = sockets.Ask(families=families, info=info, memory=True, users=False, counters=True)
    return Ask(ask, routes)


def compared(families: tuple[str, ...], *, info: bool = False) -> Ask:
    """What an earlier reading is for: counters, and the queues and drops of UDP sockets; with `info` also
    tcp_info.
    """
    states = diag.ALL_STATES & ~(1 << diag.LISTEN | 1 << diag.TIME_WAIT) if info else 0
    bare = whole(families, info=info).sockets
    assert bare is not None
    return Ask(bare._replace(tcp_states=states, owners=False), slim=info)


class Sample(NamedTuple):
    """One reading. `waiting` are the sockets in close-wait again, with tcp_info; `routes` by local and
    remote address, packed, IPv4 as such. `numbers` are all that a reading which is only compared keeps of
    TCP: see `health.by_cookie`. `others` are the sockets that are neither TCP nor UDP, as far as they could
    be listed.
    """

    clock: Clock
    families: tuple[str, ...]
    sockets: sockets.Sample | None
    waiting: list[diag.Table]
    kernel: Kernel
    errors: list[SretoolError]
    routes: dict[tuple[bytes, bytes], str] = {}
    numbers: dict[int, bytes] | None = None
    others: sockets.Sample | None = None


def sample(source: Source, ask: Ask) -> Sample:
    """Read what `ask` needs; what could not be read is in `errors`."""
    clock = source.clock()
    errors: list[SretoolError] = []
    limits = kernel.read(source, errors)
    if ask.sockets is None:
        return Sample(clock, (), None, [], limits, errors)
    found = sockets.sample(source, ask.sockets)
    errors += found.errors
    if ask.slim:
        numbers = by_cookie(found.tables)
        kept = [table for table in found.tables if table.protocol != "tcp"]
        found = found._replace(tables=kept)
        return Sample(clock, ask.sockets.families, found, [], limits, errors, {}, numbers)
    routes = _routes(source, found.tables, errors) if ask.routes else {}
    waiting: list[diag.Table] = []
    tcp = [table for table in found.tables if table.protocol == "tcp"]
    if ask.sockets.info:
        waiting = [_in_close_wait(table) for table in tcp]
    elif any(CLOSE_WAIT in {values[3] for values, _, _ in table.records} for table in tcp):
        # tcp_info of all would be 30 MB of 100,000; what fails here failed there
        again = sockets.Ask(
            tcp_states=1 << CLOSE_WAIT,
            udp_states=0,
            families=ask.sockets.families,
            info=True,
            owners=False,
            users=False,
        )
        waiting = sockets.sample(source, again).tables
    return Sample(
        clock,
        ask.sockets.families,
        found,
        waiting,
        limits,
        errors,
        routes,
        None,
        _others(source, ask, limits, errors),
    )


def _others(source: Source, ask: Ask, limits: Kernel, errors: list[SretoolError]) -> sockets.Sample | None:
    """The families of which there are any: no other's module has to be loaded. For one that cannot be
    listed the kernel's own count stands.
    """
    kinds = {kind for line in limits.protocols if line.sockets and (kind := FAMILIES.get(line.name))}
    if not kinds or ask.sockets is None:
        return None
    every = dict.fromkeys(sorted(kinds), states.ALL_STATES)
    found = sockets.sample(
        source, sockets.Ask(0, 0, ask.sockets.families, owners=False, users=False, others=every)
    )
    errors += [error for error in found.errors if not isinstance(error, (Unsupported, NotRecorded))]
    return found


def _in_close_wait(table: diag.Table) -> diag.Table:
    return table._replace(records=[record for record in table.records if record[0][3] == CLOSE_WAIT])


def _routes(
    source: Source, tables: list[diag.Table], errors: list[SretoolError]
) -> dict[tuple[bytes, bytes], str]:
    """Where the packets of these sockets go, as far as the addresses decide: marks, and rules that ask
    for ports, are not looked at.
    """
    pairs: Counter[tuple[bytes, bytes]] = Counter()
    for table in tables:
        pairs.update((values[8], values[9]) for values, _, _ in table.records if values[7])
    flows: Counter[Flow] = Counter()
    for (local, remote), number in pairs.items():
        flows[Flow(plain(remote), plain(local))] += number
    try:
        if source.live:
            return _asked(source, [flow for flow, _ in flows.most_common(ROUTED_LIVE)])
        return _computed(source, [flow for flow, _ in flows.most_common(ROUTED_RECORDED)])
    except (SourceError, ParseError) as error:
        errors.append(error)
        return {}


def _asked(source: Source, flows: list[Flow]) -> dict[tuple[bytes, bytes], str]:
    devices, tables = interfaces.read(source), names.tables(source)
    found = {}
    for flow in flows:
        try:
            route = get.ask(source, flow, devices, tables, entry=False)
        except (SourceError, ParseError) as error:
            found[flow.source, flow.destination] = f"none: {error.message}"
            continue
        found[flow.source, flow.destination] = _way(route.type, route.gateway, route.dev)
    return found


def _computed(source: Source, flows: list[Flow]) -> dict[tuple[bytes, bytes], str]:
    known = net_routes.sample(source, net_routes.Ask(rules=True)) if flows else None
    found = {}
    for flow in flows:
        assert known is not None
        one = net_routes.build_decision(known, flow)
        found[flow.source, flow.destination] = _way(one.type, one.gateway, one.dev)
    return found


def _way(type_: str, gateway: str | None, dev: str | None) -> str:
    if type_ != "unicast":
        return "this host" if type_ == "local" else type_
    return f"via {gateway} dev {dev}" if gateway is not None else f"on the link of {dev}"
