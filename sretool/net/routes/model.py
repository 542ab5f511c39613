"""What `net routes` and `net route` answer. Keys are those of `ip -j route` where they mean the same."""

from __future__ import annotations

from typing import Annotated, Optional, Union

from msgspec import Meta, Struct

from sretool.report.check import Verdict

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
    encap: Annotated[Optional[str], Meta(description="encapsulation: mpls, ip, seg6, bpf, …")] = None
    encap_to: Annotated[Optional[str], Meta(description="its parameters, in the words of ip route")] = None


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
    encap_to: Annotated[Optional[str], Meta(description="its parameters, in the words of ip route")] = None

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
    checks: Annotated[list[Verdict], Meta(description="what was judged, and what could not be")] = []


class Hop(Struct):
    """One next hop of the route that was chosen, and what is known against it."""

    gateway: Gateway
    dev: Device
    weight: Annotated[int, Meta(description="share of the flows")]
    share_ratio: Annotated[float, Meta(description="weight to the weights of all")]
    flags: Annotated[list[str], Meta(description="dead, linkdown, onlink, …")]
    neighbour: Annotated[
        Optional[str],
        Meta(
            description="state of the gateway, or on the link of the destination: reachable, failed, …; "
            "none: nothing is known of it yet; null: not asked for on this link, or not read"
        ),
    ]
    operstate: Annotated[Optional[str], Meta(description="of the link: up, down, lowerlayerdown, unknown, …")]
    carrier: Annotated[Optional[bool], Meta(description="whether the link has one")]
    link_mtu: Annotated[Optional[int], Meta(description="largest packet of the link, bytes")]
    trouble: Annotated[Optional[str], Meta(description="why nothing sent to it arrives; null: nothing known")]
    chosen: Annotated[
        Optional[bool],
        Meta(
            description="this flow takes it, as the kernel's lookup says; null: the hash decides, and "
            "what it takes in is not known"
        ),
    ]


class WayBack(Struct):
    """Where an answer to a packet that came in would go: the reverse path filter's question."""

    rp_filter: Annotated[
        Optional[str],
        Meta(
            description="off, strict, loose: of the interface it came in on (net.ipv4.conf); null: not read"
        ),
    ]
    dst: Annotated[
        Optional[str], Meta(description="prefix of the route to the sender; null when there is none")
    ]
    devs: Annotated[list[str], Meta(description="interfaces the way back leads out of")]
    passes: Annotated[Optional[bool], Meta(description="the filter lets the packet in; null: not known")]


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
        Meta(
            description="unicast, local, broadcast, …; or why not: blackhole, unreachable, prohibit, none; "
            "of what came in on --iif also not-forwarded (forwarding off), rp-filter (the way back differs)"
        ),
    ]
    gateway: Gateway
    dev: Device
    prefsrc: PrefSrc
    table: Annotated[Optional[str], Meta(description="the table that decided; null when none did")]
    rule_priority: Annotated[
        Optional[int], Meta(description="priority of the rule that led there; null when it is not known")
    ]
    mtu: Annotated[
        Optional[int],
        Meta(description="largest packet to it, bytes: path MTU, else the route's, else the link's"),
    ]
    route: Annotated[Optional[Route], Meta(description="the route that matched")]
    iif: Annotated[Optional[str], Meta(description="the interface asked for that it comes in on")] = None
    oif: Annotated[Optional[str], Meta(description="the interface asked for that the sender is bound to")] = (
        None
    )
    uid: Annotated[Optional[int], Meta(description="the sending user asked for")] = None
    proto: Annotated[
        Optional[str], Meta(description="the protocol asked for; tcp where ports were given without one")
    ] = None
    sport: Annotated[Optional[int], Meta(description="the source port asked for")] = None
    dport: Annotated[Optional[int], Meta(description="the destination port asked for")] = None
    rule_match: Annotated[Optional[str], Meta(description="what that rule asks of a packet, in words")] = None
    rule_does: Annotated[Optional[str], Meta(description="what that rule does, in words")] = None
    rule_checked: Annotated[
        Optional[bool],
        Meta(
            description="rules are computed: true, they lead to the kernel's own answer; false, they lead "
            "elsewhere and the rule is not known; null, there is no kernel to ask"
        ),
    ] = None
    why: Annotated[
        list[str], Meta(description="which rule, table, prefix and metric won over which others, in words")
    ] = []
    hops: Annotated[list[Hop], Meta(description="every next hop of the route that the hash may choose")] = []
    hash_policy: Annotated[
        Optional[str],
        Meta(
            description="what the choice among several is made by (fib_multipath_hash_policy); null with one"
        ),
    ] = None
    mtu_source: Annotated[
        Optional[str], Meta(description="path (learnt from a router on the way), route, or link")
    ] = None
    mtu_expires_s: Annotated[Optional[float], Meta(description="a path MTU is forgotten after so long")] = (
        None
    )
    route_mtu: Annotated[Optional[int], Meta(description="the mtu metric of the route, bytes")] = None
    way_back: Annotated[
        Optional[WayBack], Meta(description="of a packet that comes in on --iif: where its answer would go")
    ] = None
    checks: Annotated[list[Verdict], Meta(description="what was judged, and what could not be")] = []
