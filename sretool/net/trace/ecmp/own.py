"""The first balancer may be this host itself, and it is the one that raw packets cannot show: the kernel
looks up their route without their ports (raw_sendmsg, net/ipv4/raw.c; rawv6_sendmsg), so all take one way.
"""

from __future__ import annotations

import os

from sretool.errors import SretoolError
from sretool.host.source import Source
from sretool.net.routes.read.decision import ask_kernel
from sretool.net.routes.read.lookup import Flow
from sretool.probe.live import Leaving
from sretool.probe.resolve import Address

POLICY = "/proc/sys/net/ipv4/fib_multipath_hash_policy"


def next_hops(source: Source, target: Address, ours: str, leaving: Leaving) -> int | None:
    """Among how many next hops this host's own flows to the target are spread; None: not known."""
    packed = Address(target.family, ours.partition("%")[0], 0).packed
    flow = Flow(target.packed, packed, leaving.mark or 0, os.geteuid())
    try:
        route = ask_kernel(source, flow._replace(oif=leaving.interface)).route
        # IPv4 by addresses alone: all flows to one target go one way, ours too. (IPv6 then hashes the flow
        # label, and each connection has one: rt6_multipath_hash, net/ipv6/route.c.)
        if target.family == 4 and int(source.read(POLICY)) == 0:
            return 1
    except (SretoolError, ValueError):
        return None
    return None if route is None else max(1, len(route.nexthops))
