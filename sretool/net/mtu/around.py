"""What else on this host has an opinion of the path MTU: route, link, live connections."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field

from msgspec.structs import replace

from sretool.errors import ParseError, SretoolError
from sretool.host.inside import inside
from sretool.host.source import Source
from sretool.net.mtu.model import Connection
from sretool.net.routes.read import Flow, ask_kernel
from sretool.probe.live import Leaving
from sretool.probe.resolve import Address
from sretool.sockets import states
from sretool.sockets.filter.tree import Host
from sretool.sockets.read import Ask, Sample, attributed, diag, sample, tcp_info
from sretool.sockets.read.diag import Record
from sretool.sockets.read.holders import attributor
from sretool.sockets.read.rows import state_name

PROBING = "/proc/sys/net/ipv4/tcp_mtu_probing"
IP_HEADER = {4: 20, 6: 40}
TCP_HEADER, TIMESTAMP_OPTION = 20, 12  # RFC 9293 3.1; RFC 7323 appendix A, padded


@dataclass
class Around:
    """As far as it could be read; what could not is in `errors`."""

    link: str | None = None
    route_mtu: int | None = None
    mtu: int | None = None
    expires_s: float | None = None
    tcp_mtu_probing: int | None = None
    connections: list[Connection] = field(default_factory=list)
    errors: list[SretoolError] = field(default_factory=list)
    sample: Sample | None = None


def read(source: Source, target: Address, leaving: Leaving) -> Around:
    """Of the namespace that the probes leave from."""
    found = Around()
    try:
        with inside(leaving.netns):
            _route(source, target, leaving, found)
            _connections(source, target, found)
            found.tcp_mtu_probing = int(source.read(PROBING))
    except SretoolError as error:
        found.errors.append(error)
    except (OSError, ValueError):
        pass  # it is null then
    return found


def _route(source: Source, target: Address, leaving: Leaving, found: Around) -> None:
    sender = b""
    if leaving.source is not None:
        family = socket.AF_INET if target.family == 4 else socket.AF_INET6
        sender = socket.inet_pton(family, leaving.source.partition("%")[0])
    device = leaving.interface
    if device is None and target.scope:
        device = socket.if_indextoname(target.scope)
    flow = Flow(target.packed, sender, leaving.mark or 0, os.geteuid(), oif=device)
    try:
        decision = ask_kernel(source, flow)
    except SretoolError as error:
        found.errors.append(error)
        return
    found.link, found.mtu, found.expires_s = decision.dev, decision.mtu, decision.mtu_expires_s
    metric = decision.route.metrics.get("mtu") if decision.route is not None else None
    found.route_mtu = metric if isinstance(metric, int) else None


def _connections(source: Source, target: Address, found: Around) -> None:
    # what only listens or is over sends nothing any more
    over = 1 << states.LISTEN | 1 << states.TIME_WAIT | 1 << states.CLOSED
    peer = Host("remote", target.packed, len(target.packed) * 8)
    ask = Ask(
        tcp_states=states.ALL_STATES & ~over, udp_states=0, info=True, owners=False, users=False, filter=peer
    )
    found.sample = sample(source, ask)
    found.errors.extend(found.sample.errors)
    for record in found.sample.records:
        if diag.plain(record[0][9]) == target.packed:
            found.connections.append(_connection(record, target, found))
    found.connections.sort(key=lambda row: (row.local_port, row.remote_port))


def _connection(record: Record, target: Address, found: Around) -> Connection:
    values = record[0]
    local = diag.plain(values[8])
    try:
        info = tcp_info.decode(diag.attributes(record, "inet-diag").get(diag.INET_DIAG_INFO))
    except ParseError as error:
        found.errors.append(error)
        info = tcp_info.NONE
    mss = info.snd_mss_bytes
    options = TIMESTAMP_OPTION if (info.options or 0) & tcp_info.TIMESTAMPS else 0
    return Connection(
        local_address=socket.inet_ntop(socket.AF_INET if len(local) == 4 else socket.AF_INET6, local),
        local_port=socket.ntohs(values[6]),
        remote_port=socket.ntohs(values[7]),
        state=state_name("tcp", values[3]),
        pmtu_bytes=info.pmtu_bytes,
        mss_bytes=mss,
        packet_bytes=None if mss is None else mss + options + TCP_HEADER + IP_HEADER[target.family],
        retransmits=values[5],
        hangs=None,
    )


def judged(source: Source, found: Around, passes: int | None, leaving: Leaving) -> list[Connection]:
    """The connections, and which of them hang: their full segments are larger than what `passes` the
    black hole (None: there is none). Who holds those is looked up.
    """
    rows = []
    for row in found.connections:
        large = None if row.packet_bytes is None else passes is not None and row.packet_bytes > passes
        rows.append(replace(row, hangs=large))
    if not any(row.hangs for row in rows) or found.sample is None or leaving.netns is not None:
        return rows  # processes of another namespace hold sockets that this /proc may not show
    now = attributed(source, found.sample, Ask(udp_states=0, users=False))
    whose = attributor(now)
    owners = {(record[0][6], record[0][7]): whose(record) for record in now.records}
    named = []
    for row in rows:
        owner = owners.get((socket.htons(row.local_port), socket.htons(row.remote_port)))
        if row.hangs and owner is not None:
            row = replace(row, pid=owner.pid, process=owner.process, unit=owner.unit)
        named.append(row)
    return named
