"""What `net routes` and `net route` answer. Keys are those of `ip -j route` where they mean the same."""

from __future__ import annotations

from typing import Annotated, Optional, Union

from msgspec import Meta, Struct

Gateway = Annotated[
    Optional[str], Meta(description="the next router; null when the destination is on the link (or local)")
]
Device = Annotated[Optional[str], Meta(description="outgoing interface; null when there is none, or several")]
Table = Annotated[str, Meta(description="main, local, a name from /etc/iproute2/rt_tables, or a number")]
Type = Annotated[str, Meta(description="unicast, local, broadcast, blackhole, unreachable, prohibit, …")]
PrefSrc = Annotated[Optional[str], Meta(description="preferred source address")]


class NextHop(Struct, frozen=True):
    """One leg of a multipath route."""

    gateway: Gateway
    dev: Device
    weight: Annotated[int, Meta(description="share of the flows (rtnh_hops + 1)")]
    flags: Annotated[list[str], Meta(description="dead, linkdown, onlink, …")]


class Route(Struct, gc=False):
    """One route, from an RTM_GETROUTE dump."""

    family: Annotated[str, Meta(description="inet or inet6")]
    type: Type
    dst: Annotated[str, Meta(description="prefix, address, or default")]
    gateway: Gateway
    dev: Device
    table: Table
    protocol: Annotated[str, Meta(description="who installed it: kernel, boot, static, dhcp, ra, bird, …")]
    scope: Annotated[str, Meta(description="global, link, host, …; inet6 routes are always global")]
    prefsrc: PrefSrc
    metric: Annotated[int, Meta(description="RTA_PRIORITY, lower wins; 0 when the kernel gives none")]
    flags: Annotated[list[str], Meta(description="dead, linkdown, onlink, offload, …")]
    nexthops: Annotated[list[NextHop], Meta(description="legs of a multipath route")]
    metrics: Annotated[
        dict[str, Union[int, float, str]], Meta(description="mtu, advmss, initcwnd, … where set")
    ]
    src: Annotated[
        Optional[str], Meta(description="only for packets from this prefix (inet6 source routing)")
    ]
    tos: Annotated[int, Meta(description="only for packets of this type of service; 0 = any")]
    nhid: Annotated[Optional[int], Meta(description="the nexthop object it uses")]
    encap: Annotated[Optional[str], Meta(description="encapsulation: mpls, ip, seg6, …")]
    pref: Annotated[Optional[str], Meta(description="inet6 router preference: low, medium, high")]

    @property
    def prefix_length(self) -> int:
        """Bits of `dst`."""
        if self.dst == "default":
            return 0
        _, slash, bits = self.dst.partition("/")
        return int(bits) if slash else 32 if self.family == "inet" else 128


class Routes(Struct):
    """Routes in the kernel's order: inet, then inet6."""

    routes: Annotated[
        list[Route], Meta(description="one row a route, in the kernel's order: inet, then inet6")
    ]
    total: Annotated[int, Meta(description="routes that passed the filters, before --limit")]


class Decision(Struct):
    """Where packets to one destination go."""

    destination: Annotated[str, Meta(description="the address asked for")]
    from_address: Annotated[Optional[str], Meta(description="the source address asked for")]
    mark: Annotated[Optional[int], Meta(description="the firewall mark asked for")]
    method: Annotated[
        str,
        Meta(
            description="kernel: this host's kernel decided; computed: from recorded rules and routes, by "
            "rule priority, longest prefix, metric"
        ),
    ]
    type: Annotated[
        str,
        Meta(description="unicast, local, broadcast, …; or why not: blackhole, unreachable, prohibit, none"),
    ]
    gateway: Gateway
    dev: Device
    prefsrc: PrefSrc
    table: Annotated[Optional[str], Meta(description="the table that decided; null when none did")]
    rule_priority: Annotated[
        Optional[int], Meta(description="priority of the rule that led there; null where the kernel decided")
    ]
    mtu: Annotated[Optional[int], Meta(description="path MTU the kernel uses, where it knows one (RTAX_MTU)")]
    route: Annotated[Optional[Route], Meta(description="the route that matched")]
