"""Which of this host's own connections take which leg.

A balancer hashes addresses and ports, so a probe with a connection's very ports goes its way. It is a SYN
whose TTL runs out at the balanced hop, before the target:

- The target never sees it. Were it to, on a way shorter than any that was found, it would answer with
  an ACK, which changes nothing (RFC 5961 4.2).
- Our own kernel matches the error that comes back to the connection, and drops it: the sequence number it
  quotes, a random one, is not in flight (tcp_v4_err, net/ipv4/tcp_ipv4.c; tcp_v6_err: OutOfWindowIcmps).
- Connection tracking on the way, or here, ignores a SYN inside an established connection
  (tcp_conntracks, net/netfilter/nf_conntrack_proto_tcp.c: sES, SYN: sIG).

Of UDP nothing can be told so: an error that quotes a datagram has no such number, and an application that
asks for errors (IP_RECVERR, as QUIC does) would be told of ours. Nor of ports over a NAT: it would give the
SYN another one.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from sretool.errors import SretoolError
from sretool.host.source import Source
from sretool.net.trace.ecmp.engine import Discovery
from sretool.net.trace.ecmp.graph import Vertex
from sretool.net.trace.ecmp.legs import Diamond
from sretool.net.trace.ecmp.model import LegSocket
from sretool.probe.network import Network
from sretool.probe.resolve import Address
from sretool.sockets.filter.tree import Host, Port, all_of
from sretool.sockets.read import Ask, sample
from sretool.sockets.read.holders import attributor
from sretool.sockets.states import ESTABLISHED

MOST = 64
TRIES = 3
BORROWED = 1 << 20
"""Flow numbers from here on are these connections'."""


class Borrows(Network, Protocol):
    """A network that can send from the port of a connection that this host has."""

    def borrow(self, target: int, flow: int, port: int) -> None:
        """Give a flow that port."""


class Rides(NamedTuple):
    """The connections by the router of their leg, and by the TTL where nobody answered for them; `unknown`
    is why some, or all, are in no leg.
    """

    by_leg: dict[Vertex, list[LegSocket]]
    unanswered: dict[int, list[LegSocket]]
    unknown: str


def connections(
    source: Source, target: Address, port: int, ours: str
) -> tuple[list[LegSocket], list[SretoolError]]:
    """Established TCP connections from that address of ours to that port, by local port. Of other users'
    processes only root sees which they are.
    """
    packed = Address(target.family, ours.partition("%")[0], 0).packed
    bits = 8 * len(packed)
    tree = all_of(
        [Host("remote", target.packed, bits), Host("local", packed, bits), Port("remote", "=", port)]
    )
    now = sample(source, Ask(tcp_states=1 << ESTABLISHED, udp_states=0, users=False, filter=tree))
    whose = attributor(now)
    found = []
    for record in now.records:
        owner = whose(record)
        local = socket.ntohs(record[0][6])
        found.append(LegSocket("tcp", ours, local, "established", owner.pid, owner.process))
    return sorted(found, key=lambda row: row.local_port), now.errors


def ride(discovery: Discovery, diamonds: list[Diamond], network: Borrows, rows: list[LegSocket]) -> Rides:
    """Send each connection's way as far as every balanced hop that lies before the target."""
    plan, graph = discovery.plan, discovery.graph
    ends = [end for flow in range(graph.flows) if (end := graph.end(flow)) is not None]
    # whoever answered farther out is no target of any flow: the hops before it are on the way
    limit = min(ends) if ends else max(graph.seen, default=0)
    by_flow = [diamond.ttl for diamond in diamonds if diamond.kind != "per-packet"]
    ttls = [ttl for ttl in by_flow if ttl < limit]
    if len(ttls) < len(by_flow):
        return Rides({}, {}, "a balanced hop may be as far as the target, which must not see such probes")
    tried = rows[:MOST]
    by_leg: dict[Vertex, list[LegSocket]] = {}
    unanswered: dict[int, list[LegSocket]] = {}
    for row in tried:
        network.borrow(plan.number, BORROWED + row.local_port, row.local_port)
    for ttl in ttls:
        asked = tried
        for _ in range(TRIES):
            asked = list(_asked(discovery, ttl, asked, by_leg))
            if not asked or discovery.volley.over:
                break
        unanswered[ttl] = asked
    unknown = [f"only {MOST} of {len(rows)} connections were tried"] if len(rows) > MOST else []
    silent = max(map(len, unanswered.values()), default=0)
    unknown += [f"the balanced hop answered for {len(tried) - silent} of {len(tried)}"] if silent else []
    return Rides(by_leg, unanswered, "; ".join(unknown))


def _asked(
    discovery: Discovery, ttl: int, rows: list[LegSocket], by_leg: dict[Vertex, list[LegSocket]]
) -> Iterator[LegSocket]:
    """Ask one hop once for every connection, and put those that are answered into `by_leg`; the others."""
    volley, nodes = discovery.volley, discovery.graph.nodes(ttl)
    shots = [(row, volley.send(BORROWED + row.local_port, ttl)) for row in rows]
    volley.wait(
        lambda: [shot for _row, shot in shots if shot is not None and shot.reply is None],
        discovery.plan.timeout_s,
        sure=lambda: True,
    )
    volley.fresh.clear()
    for row, shot in shots:
        address = shot.reply.address if shot is not None and shot.reply is not None else None
        vertex = next((vertex for vertex in nodes if vertex.address == address), None)
        if vertex is None:
            yield row
        else:
            by_leg.setdefault(vertex, []).append(row)
