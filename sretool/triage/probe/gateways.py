"""The default gateways of this host, asked ten times each."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from sretool.errors import (
    Denied,
    NetworkError,
    ParseError,
    SourceError,
    SretoolError,
    Unsupported,
    UsageError,
)
from sretool.host.source import Source
from sretool.net.neigh import read as neigh
from sretool.net.routes import read as routes
from sretool.net.routes.model import Routes
from sretool.probe.live import Leaving, LiveNetwork, open_network
from sretool.probe.resolve import Address
from sretool.triage.probe import echo
from sretool.triage.probe.model import Asked, Gateway, Gateways

COUNT = 10
SPREAD_S = 0.9
"""So many probes in so many seconds to each gateway."""
TIMEOUT_S = 0.5
MOST = 8
"""Gateways that are asked; a host has one or two."""
_UNUSABLE = {"dead", "linkdown"}


def named(source: Source) -> list[Gateway]:
    """The next hops of every default route that can be used, of both families and all tables.

    Raises:
        SourceError, ParseError: the routes cannot be read.
    """
    wanted = routes.Wanted(dst=(b"", 0), type="unicast")
    now = routes.sample(source, routes.Ask(wanted=wanted, around=True))
    found = dict.fromkeys(_hops(routes.build(now, wanted)))
    if not now.frames and now.errors:
        raise now.errors[0]
    return list(found)[:MOST]


def _hops(found: Routes) -> Iterator[Gateway]:
    for route in found.routes:
        legs = [(leg.gateway, leg.dev, leg.flags) for leg in route.nexthops]
        for gateway, dev, flags in legs or [(route.gateway, route.dev, route.flags)]:
            if gateway is not None and dev is not None and _UNUSABLE.isdisjoint(flags):
                yield Gateway(gateway, dev)


def ask(source: Source, spread_s: float = SPREAD_S) -> Gateways:
    """Ask every gateway; it takes at most TIMEOUT_S more than `spread_s`."""
    try:
        gateways = named(source)
    except (SourceError, ParseError) as error:
        return Gateways([], f"{error.what}: {error.message}")
    if not gateways:
        return Gateways([])
    try:
        network = _network()
    except SretoolError as error:
        return Gateways([Asked(one, None, 0, 0, [], str(error)) for one in gateways])
    try:
        return Gateways(_asked(network, gateways, spread_s))
    finally:
        network.close()


def _network() -> LiveNetwork:
    """Echo requests where we may send them; else UDP to a port that nobody listens on."""
    try:
        return open_network("icmp", "auto", Leaving(port=0))
    except (Denied, Unsupported):
        return open_network("udp", "sockets", Leaving())


def _asked(network: LiveNetwork, gateways: list[Gateway], spread_s: float) -> list[Asked]:
    targets: dict[Gateway, echo.Target] = {}
    failed: dict[Gateway, str] = {}
    for gateway in gateways:
        family = 6 if ":" in gateway.address else 4
        try:
            address = Address(family, gateway.address, 0)
            if address.link_local:
                address = address._replace(scope=socket.if_nametoindex(gateway.dev))
            targets[gateway] = echo.Target(network.add(address), gateway.address, family)
        except (NetworkError, UsageError, Denied) as error:
            failed[gateway] = error.message
        except OSError as error:
            failed[gateway] = f"{gateway.dev}: {error.strerror or error}"
    if targets:
        echo.ask(network, list(targets.values()), COUNT, spread_s, TIMEOUT_S)
    found = []
    for gateway in gateways:
        if (target := targets.get(gateway)) is None:
            found.append(Asked(gateway, network.method, 0, 0, [], failed[gateway]))
            continue
        why = str(target.failure.message) if target.failure is not None and not target.sent else ""
        settled = [round(rtt * 1000, 3) for rtt in target.settled_s()]
        found.append(Asked(gateway, network.method, target.sent, len(target.answers), settled, why))
    return found


def neighbours(source: Source) -> dict[Gateway, str]:
    """The state of every neighbour, by address and interface.

    Raises:
        SourceError, ParseError: they cannot be read.
    """
    now = neigh.sample(source, neigh.COUNTERS)
    if now.neighbours is None:
        raise now.errors[0]
    return {Gateway(row.dst, row.dev): row.state for row in now.neighbours}


def with_neighbours(found: Gateways, states: dict[Gateway, str] | None) -> Gateways:
    """What was asked, beside the neighbour entries (None: not read)."""
    known = states or {}
    return found._replace(asked=[one._replace(neighbour=known.get(one.gateway)) for one in found.asked])
