"""What `net mtu` answers. Sizes are of whole IP packets, header included, as MTUs are."""

from __future__ import annotations

from typing import Annotated, Literal, Optional

from msgspec import Meta, Struct

from sretool.report.check import Verdict

EndReason = Literal["measured", "silent", "unreachable", "prohibited", "unsettled", "interrupted", "deadline"]
Protocol = Literal["auto", "udp", "icmp"]
Method = Literal["udp-recverr", "icmp-datagram", "icmp-raw"]
Direction = Literal["forward", "unknown"]

Exact = Annotated[bool, Meta(description="fails_bytes is passes_bytes and one, asked several times")]
Passes = Annotated[int, Meta(description="largest packet that is known to get through")]
Fails = Annotated[int, Meta(description="smallest packet that is known not to")]


class Hop(Struct):
    """One hop, and what is known to get to it."""

    ttl: Annotated[int, Meta(description="IP TTL, or hop limit, that ends there")]
    address: Annotated[Optional[str], Meta(description="who answered first; null: nobody")]
    addresses: Annotated[list[str], Meta(description="all that answered; UDP probes may go several ways")]
    rtt_ms: Annotated[Optional[float], Meta(description="quickest answer; null: none")]
    mtu_bytes: Annotated[
        Optional[int], Meta(description="largest packet that got to it, or past it; null: not known")
    ]
    advertised_mtu_bytes: Annotated[
        Optional[int],
        Meta(description="smallest next-hop MTU it advertised; 0: it left that out; null: it said nothing"),
    ]


class Advice(Struct, frozen=True):
    """What a router said of a packet that was too big: ICMP fragmentation needed, ICMPv6 packet too big."""

    address: Annotated[Optional[str], Meta(description="who said so")]
    ttl: Annotated[Optional[int], Meta(description="the hop it is; 0: this host")]
    mtu_bytes: Annotated[int, Meta(description="the next-hop MTU it advertises; 0: none, as before RFC 1191")]
    asked_bytes: Annotated[int, Meta(description="the smallest packet it said that of")]
    passes_bytes: Annotated[
        Optional[int],
        Meta(description="largest packet that got past it; null: none is known"),
    ]


class Place(Struct, frozen=True):
    """A hop by number and address."""

    ttl: Annotated[Optional[int], Meta(description="its TTL; 0: this host; null: not known")]
    address: Annotated[Optional[str], Meta(description="its address; null: it was silent")]


class BlackHole(Struct, frozen=True):
    """Where larger packets are lost without a word that helps."""

    after: Annotated[Place, Meta(description="the last hop that gets larger packets")]
    before: Annotated[
        Optional[Place], Meta(description="the first hop behind that answers, and gets no larger")
    ]
    passes_bytes: Passes
    fails_bytes: Fails
    exact: Exact
    direction: Annotated[
        Direction,
        Meta(description="forward: on the way there; unknown: it may be on the way back, only echoes tell"),
    ]
    advertised_mtu_bytes: Annotated[
        Optional[int],
        Meta(description="a router says that packets are too big, but this MTU helps nobody; null: silence"),
    ]


class Uneven(Struct, frozen=True):
    """Large packets of some flows get there and those of others do not: one of several ways eats them."""

    hops: Annotated[list[int], Meta(description="TTLs whose probes were lost, some of them")]
    size_bytes: Annotated[int, Meta(description="size of the large packets")]
    large_sent: Annotated[int, Meta(description="large packets sent to these hops, each a flow of its own")]
    large_lost: Annotated[int, Meta(description="those that were not answered")]
    small_sent: Annotated[int, Meta(description="small packets sent to them; all were answered")]


class WayBack(Struct, frozen=True):
    """Packets that get there, whose equally large echo replies do not come back."""

    passes_bytes: Passes
    fails_bytes: Fails
    exact: Exact


class Connection(Struct, frozen=True):
    """A live TCP connection to the target."""

    local_address: Annotated[str, Meta(description="our address")]
    local_port: Annotated[int, Meta(description="our port")]
    remote_port: Annotated[int, Meta(description="the target's port")]
    state: Annotated[str, Meta(description="TCP state")]
    pmtu_bytes: Annotated[Optional[int], Meta(description="path MTU the kernel uses for it (tcpi_pmtu)")]
    mss_bytes: Annotated[Optional[int], Meta(description="payload of a full segment (tcpi_snd_mss)")]
    packet_bytes: Annotated[
        Optional[int], Meta(description="size of a full segment as a packet: MSS, TCP and IP headers")
    ]
    retransmits: Annotated[int, Meta(description="unanswered retransmissions in a row now")]
    hangs: Annotated[
        Optional[bool],
        Meta(description="its full segments are larger than what gets through a black hole; null: not known"),
    ]
    pid: Annotated[
        Optional[int], Meta(description="the process that holds it; looked up of those that hang")
    ] = None
    process: Annotated[Optional[str], Meta(description="its name")] = None
    unit: Annotated[Optional[str], Meta(description="its systemd unit")] = None


class Mtu(Struct):
    """The path MTU to a host, and what else thinks to know it."""

    target: Annotated[str, Meta(description="HOST as given")]
    address: Annotated[str, Meta(description="the address that was asked")]
    source_address: Annotated[str, Meta(description="our own address on the probes")]
    interface: Annotated[Optional[str], Meta(description="interface asked for with -i")]
    methods: Annotated[
        list[Method],
        Meta(
            description="how it was asked. udp-recverr: UDP, no right needed; icmp-datagram, icmp-raw: echo "
            "requests (net.ipv4.ping_group_range, CAP_NET_RAW)"
        ),
    ]
    cannot_see: Annotated[list[str], Meta(description="what these methods are blind to")]
    port: Annotated[Optional[int], Meta(description="destination port of UDP probes; null without")]
    path_mtu_bytes: Annotated[
        Optional[int],
        Meta(description="largest packet that gets to the target in one piece; null: not known"),
    ]
    widest_way_bytes: Annotated[
        Optional[int],
        Meta(description="larger packets that got there too, by another way of a load balancer; null: none"),
    ]
    reached: Annotated[bool, Meta(description="the target answered a probe of whatever size")]
    end_reason: Annotated[
        EndReason,
        Meta(
            description="measured; silent: the target answered nothing; unreachable, prohibited: a router "
            "says so; unsettled: answers contradict each other or too many are missing; interrupted; deadline"
        ),
    ]
    end_address: Annotated[Optional[str], Meta(description="who said unreachable or prohibited")]
    target_ttl: Annotated[Optional[int], Meta(description="the hop the target is; null: it did not answer")]
    target_ttl_exact: Annotated[
        Optional[bool], Meta(description="false: it answered too little to count its hops; it may be farther")
    ]
    asked_bytes: Annotated[int, Meta(description="largest packet asked: our link's MTU, or --max")]
    link: Annotated[Optional[str], Meta(description="interface packets leave by; null: several, or not read")]
    link_mtu_bytes: Annotated[
        Optional[int], Meta(description="what that link takes, by the kernel's own refusal (EMSGSIZE)")
    ]
    route_mtu_bytes: Annotated[
        Optional[int], Meta(description="mtu metric of the route; null: it has none, or it was not read")
    ]
    kernel_mtu_bytes: Annotated[
        Optional[int], Meta(description="what the kernel sent there at most before this was asked (IP_MTU)")
    ]
    cached_mtu_bytes: Annotated[
        Optional[int], Meta(description="path MTU the kernel had learnt before; null: none")
    ]
    cached_expires_s: Annotated[Optional[float], Meta(description="it is forgotten after so long")]
    tcp_mtu_probing: Annotated[
        Optional[int],
        Meta(
            description="net.ipv4.tcp_mtu_probing: 0 off, 1 TCP finds a smaller size itself after it hung "
            "for a while, 2 always; null: not read"
        ),
    ]
    black_hole: Annotated[
        Optional[BlackHole],
        Meta(description="the nearest place where larger packets vanish; null: none found"),
    ]
    further_black_holes: Annotated[list[BlackHole], Meta(description="those behind it, of smaller packets")]
    uneven: Annotated[
        Optional[Uneven], Meta(description="one of several ways eats large packets; null: not seen")
    ]
    way_back: Annotated[
        Optional[WayBack],
        Meta(description="echo replies that do not come back; null: they do, or it was not asked"),
    ]
    advertised: Annotated[list[Advice], Meta(description="MTUs that routers advertised, by router")]
    connections: Annotated[
        list[Connection], Meta(description="live TCP connections of this network namespace to the target")
    ]
    hops: Annotated[list[Hop], Meta(description="by TTL, to the target or the last that answered")]
    total: Annotated[int, Meta(description="number of hops")]
    probes_sent: Annotated[int, Meta(description="packets sent")]
    stray_replies: Annotated[int, Meta(description="replies that match no probe; they count for nothing")]
    network_ms: Annotated[float, Meta(description="first send to the last moment a reply was waited for")]
    checks: Annotated[list[Verdict], Meta(description="what was judged, and what could not be")] = []
