"""What `net trace` answers."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from sretool.net.trace.ecmp.model import Ecmp
from sretool.probe.live import Flow, Method, Transport
from sretool.probe.network import Interface, Label
from sretool.probe.origins import Origin
from sretool.report.check import Verdict

EndReason = Literal[
    "reached",
    "silent",
    "unreachable",
    "prohibited",
    "loop",
    "ttl-exhausted",
    "local-failure",
    "interrupted",
    "deadline",
]
LossVerdict = Literal["none", "forward", "rate-limited", "silent", "unknown"]
PortState = Literal["open", "closed", "filtered", "unknown"]


# the same figures of a hop and of each host at it, over every answer of theirs
RttMin = Annotated[float | None, Meta(description="quickest answer")]
RttAvg = Annotated[float | None, Meta(description="mean of all answers")]
RttMax = Annotated[float | None, Meta(description="slowest answer")]
RttLast = Annotated[float | None, Meta(description="newest answer")]
RttStdev = Annotated[float | None, Meta(description="sample standard deviation (n - 1)")]
RttP50 = Annotated[float | None, Meta(description="median of all answers")]
RttP95 = Annotated[float | None, Meta(description="95th percentile, linear between answers")]
RttP99 = Annotated[float | None, Meta(description="99th percentile, linear between answers")]
Jitter = Annotated[float | None, Meta(description="smoothed difference of neighbours, RFC 3550 6.4.1")]


class Host(Struct):
    """One address that answered at a hop, with one kind of answer."""

    address: Annotated[
        str | None, Meta(description="who answered: source of the ICMP error, or of the datagram")
    ]
    answer: Annotated[
        str,
        Meta(
            description="time-exceeded on the way; how it ended else: the ICMP code in words, echo-reply, "
            "datagram, syn-ack or rst"
        ),
    ]
    icmp_type: Annotated[int | None, Meta(description="ICMP type; null for what is no ICMP")]
    icmp_code: Annotated[int | None, Meta(description="ICMP code; null for what is no ICMP")]
    replies: Annotated[int, Meta(description="probes it answered first")]
    rtts_ms: Annotated[
        list[float],
        Meta(description="round-trip time of each, in order of sending; of a watch the newest"),
    ]
    rtt_min_ms: RttMin
    rtt_avg_ms: RttAvg
    rtt_max_ms: RttMax
    rtt_last_ms: RttLast
    rtt_stdev_ms: RttStdev
    rtt_p50_ms: RttP50
    rtt_p95_ms: RttP95
    rtt_p99_ms: RttP99
    jitter_ms: Jitter
    reply_ttl: Annotated[int | None, Meta(description="TTL its newest answer came with; null: not seen")] = (
        None
    )
    return_hops: Annotated[
        int | None,
        Meta(description="a guess: hops its answers took, if they left with a TTL of 64, 128 or 255"),
    ] = None
    labels: Annotated[list[Label], Meta(description="MPLS label stack the probe came with, RFC 4950")] = []
    interfaces: Annotated[list[Interface], Meta(description="interfaces it names, RFC 5837")] = []
    nat: Annotated[
        bool | None,
        Meta(description="the probe it quotes was rewritten on its way; null: this method cannot see it"),
    ] = None
    name: Annotated[
        str | UnsetType | None, Meta(description="its name by reverse DNS; null: none, or not in time")
    ] = UNSET
    origin: Annotated[Origin | UnsetType | None, Meta(description="its AS; null: not known")] = UNSET


class Hop(Struct):
    """All probes of one TTL. Where each probe is its own flow, a load balancer shows several hosts."""

    ttl: Annotated[int, Meta(description="IP TTL, or hop limit, the probes left with")]
    hosts: Annotated[list[Host], Meta(description="who answered, the quickest first; empty: nobody")]
    sent: Annotated[int, Meta(description="probes that left this host")]
    received: Annotated[int, Meta(description="probes that were answered")]
    duplicates: Annotated[int, Meta(description="answers beyond the first of a probe")]
    in_flight: Annotated[int, Meta(description="probes still waited for; they count for no loss")]
    rtt_min_ms: RttMin
    rtt_avg_ms: RttAvg
    rtt_max_ms: RttMax
    rtt_last_ms: RttLast
    rtt_stdev_ms: RttStdev
    rtt_p50_ms: RttP50
    rtt_p95_ms: RttP95
    rtt_p99_ms: RttP99
    jitter_ms: Jitter
    loss_ratio: Annotated[
        float | None,
        Meta(
            description="unanswered probes; on the way mostly a router's ICMP rate limit or policy. "
            "null when nothing was sent or waiting was cut short"
        ),
    ]
    loss_low_ratio: Annotated[
        float | None,
        Meta(description="lower end of the loss's 95 % interval (Wilson)"),
    ]
    loss_high_ratio: Annotated[float | None, Meta(description="upper end of that interval")]
    loss_verdict: Annotated[
        LossVerdict,
        Meta(
            description="forward: probes are lost at this hop or before it, and later hops lose as much; "
            "rate-limited: later hops answer what this one does not, so it limits its answers; silent: "
            "it never answers; unknown: too few probes to tell"
        ),
    ]


class Change(Struct, frozen=True):
    """Another host than before answered at a hop, on the same flow."""

    at: Annotated[str, Meta(description="when it was first seen, RFC 3339 UTC")]
    ttl: Annotated[int, Meta(description="at which hop")]
    was: Annotated[list[str], Meta(description="addresses that answered before")]
    now: Annotated[list[str], Meta(description="addresses that answer now; empty: nobody")]
    round: Annotated[int, Meta(description="in which round, counted from 1")] = 1


class Stray(Struct):
    """A reply that answers no probe of ours for sure; it counts for no hop."""

    address: Annotated[str | None, Meta(description="who sent it")]
    answer: Annotated[str, Meta(description="the ICMP code in words, or datagram")]


class Path(Struct):
    """A path to one host."""

    target: Annotated[str, Meta(description="HOST as given")]
    address: Annotated[str, Meta(description="the address that was traced")]
    source_address: Annotated[str, Meta(description="our own address on the probes, from getsockname(2)")]
    interface: Annotated[str | None, Meta(description="interface asked for with -i")]
    protocol: Annotated[Transport, Meta(description="what the probes are")]
    port: Annotated[int | None, Meta(description="destination port of every probe; null for icmp")]
    method: Annotated[
        Method,
        Meta(
            description="how replies are seen. udp-recverr, icmp-datagram, tcp-connect: by the sockets' own "
            "error queues, no right needed; udp-raw, icmp-raw, tcp-raw: raw sockets (CAP_NET_RAW)"
        ),
    ]
    cannot_see: Annotated[list[str], Meta(description="what this method is blind to")]
    flow: Annotated[
        Flow,
        Meta(
            description="fixed: all probes look alike to a load balancer and take one way; per-probe: each "
            "has its own source port, so it may take its own way"
        ),
    ]
    queries: Annotated[int, Meta(description="probes a hop in the first burst")]
    rounds: Annotated[int, Meta(description="times every hop was asked; 1 without -w or --report")]
    first_ttl: Annotated[int, Meta(description="TTL of the first hop asked")]
    max_ttl: Annotated[int, Meta(description="TTL of the last hop asked")]
    reached: Annotated[bool, Meta(description="the target answered")]
    end_reason: Annotated[
        EndReason,
        Meta(
            description="why the path ends where it does; local-failure: no probe left this host; "
            "interrupted, deadline: not known"
        ),
    ]
    end_ttl: Annotated[
        int | None,
        Meta(description="TTL of the target, of who refused, or of the last hop that answered"),
    ]
    end_address: Annotated[str | None, Meta(description="who that is")]
    end_answer: Annotated[str | None, Meta(description="what it answered")]
    end_ttl_exact: Annotated[
        bool | None,
        Meta(description="false: only a later probe reached the target, it may be nearer; null: not reached"),
    ]
    port_state: Annotated[
        PortState | None,
        Meta(
            description="of the target's port: open (it answers), closed (it says so), filtered (silence, or "
            "an ICMP error says so), unknown; null for icmp"
        ),
    ]
    loop: Annotated[list[str], Meta(description="routers that pass the packets round in a circle")]
    target_answered: Annotated[
        list[bool],
        Meta(
            description="every probe of the burst that went far enough to reach the target, in order of "
            "sending: was it answered"
        ),
    ]
    network_ms: Annotated[float, Meta(description="first send to the last moment a reply was waited for")]
    hops: Annotated[list[Hop], Meta(description="by TTL, from the first to the end of the path")]
    total: Annotated[int, Meta(description="number of hops")]
    changes: Annotated[list[Change], Meta(description="what changed of a fixed flow's path during a watch")]
    strays: Annotated[list[Stray], Meta(description="replies that match no probe; at most the first 100")]
    stray_replies: Annotated[int, Meta(description="number of all replies that match no probe")]
    source_port: Annotated[
        int | None,
        Meta(description="source port of the one flow; null where each probe has its own, and of icmp"),
    ] = None
    end_round: Annotated[
        int,
        Meta(description="the newest round that told so; of a watch that loses probes not always the last"),
    ] = 1
    checks: Annotated[list[Verdict], Meta(description="what was judged, and what could not be")] = []
    ecmp: Annotated[
        Ecmp | UnsetType,
        Meta(description="every way to it, with --ecmp; `hops` are then of the first six flows"),
    ] = UNSET


class Trace(Path):
    """A path to a host; with several HOSTs, the first one's, and the others' beside it."""

    others: Annotated[
        list[Path] | UnsetType, Meta(description="paths to the further HOSTs, in the order given")
    ] = UNSET
