"""The route that a socket's packets take."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Mapping

from sretool.errors import NoRoute, ParseError, SourceError, SretoolError, UsageError
from sretool.host.source import Source
from sretool.net.routes import read as routes
from sretool.net.routes.model import Decision
from sretool.net.routes.read import Flow
from sretool.sockets import read as sockets
from sretool.sockets.read import diag
from sretool.sockets.read.diag import plain
from sretool.sockets.show.read import attributes

_UNSPECIFIED = (bytes(4), bytes(16))


def flows(now: sockets.Sample, limit: int) -> list[tuple[int, Flow | None]]:
    """(cookie, what is to be routed) of the first `limit` sockets; None of those without a peer, and
    of those whose peer is on the link of an interface that is not known: a route to it says nothing.
    """
    found: list[tuple[int, Flow | None]] = []
    for protocol, _, records in now.tables:
        for record in records:
            if len(found) == limit:
                return found
            values = record[0]
            peerless = values[9] in _UNSPECIFIED
            found.append((values[11], None if peerless else _flow(protocol, record, now.interfaces)))
    return found


def _flow(protocol: str, record: diag.Record, interfaces: Mapping[int, str]) -> Flow | None:
    values = record[0]
    local, remote = plain(values[8]), plain(values[9])
    bound = interfaces.get(values[10])
    if bound is None and (values[10] or ipaddress.ip_address(remote).is_link_local):
        return None
    return Flow(
        remote,
        b"" if local in _UNSPECIFIED else local,
        attributes.decode(record).options.mark or 0,
        values[15],
        oif=bound,
        protocol=diag.PROTOCOLS[protocol],
        sport=socket.ntohs(values[6]),
        dport=socket.ntohs(values[7]),
    )


def ask(
    source: Source, wanted: Iterable[tuple[int, Flow | None]], errors: list[SretoolError]
) -> dict[int, Decision | None]:
    """The routes by cookie. The kernel is asked on a live host; for a recording they are computed."""
    known: dict[Flow, Decision | None] = {}
    found: dict[int, Decision | None] = {}
    recorded: dict[str, routes.Sample] = {}
    for cookie, flow in wanted:
        if flow is None:
            found[cookie] = None
            continue
        if flow not in known:
            try:
                known[flow] = _one(source, flow, recorded)
            except (SourceError, NoRoute, ParseError, UsageError) as error:
                errors.append(error)
                known[flow] = None
        found[cookie] = known[flow]
    return found


def _one(source: Source, flow: Flow, recorded: dict[str, routes.Sample]) -> Decision:
    if source.live:
        return routes.ask_kernel(source, flow)
    family = "inet" if len(flow.destination) == 4 else "inet6"
    if family not in recorded:
        recorded[family] = routes.sample(source, routes.ask_for(flow))
    return routes.build_decision(recorded[family], flow)
