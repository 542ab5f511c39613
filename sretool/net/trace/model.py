"""What `net trace` answers."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from sretool.report.check import Verdict

EndReason = Literal[
    "reached", "silent", "unreachable", "prohibited", "loop", "ttl-exhausted", "interrupted", "deadline"
]


class Host(Struct):
    """One address that answered at a hop, with one kind of answer."""

    address: Annotated[
        str | None, Meta(description="who answered: source of the ICMP error, or of the datagram")
    ]
    answer: Annotated[
        str,
        Meta(description="time-exceeded on the way; how it ended else: the ICMP code in words, or datagram"),
    ]
    icmp_type: Annotated[int | None, Meta(description="ICMP type; null for a datagram")]
    icmp_code: Annotated[int | None, Meta(description="ICMP code; null for a datagram")]
    replies: Annotated[int, Meta(description="probes it answered first")]
    rtts_ms: Annotated[list[float], Meta(description="round-trip time of each, in order of sending")]


class Hop(Struct):
    """All probes of one TTL. Each probe is its own flow, so a load balancer shows several hosts."""

    ttl: Annotated[int, Meta(description="IP TTL, or hop limit, the probes left with")]
    hosts: Annotated[list[Host], Meta(description="who answered, the quickest first; empty: nobody")]
    sent: Annotated[int, Meta(description="probes that left this host")]
    received: Annotated[int, Meta(description="probes that were answered")]
    duplicates: Annotated[int, Meta(description="answers beyond the first of a probe")]
    loss_ratio: Annotated[
        float | None,
        Meta(
            description="unanswered probes; on the way mostly a router's ICMP rate limit or policy. "
            "null when nothing was sent or waiting was cut short"
        ),
    ]
    rtt_min_ms: Annotated[float | None, Meta(description="quickest answer")]
    rtt_avg_ms: Annotated[float | None, Meta(description="mean of all answers")]
    rtt_max_ms: Annotated[float | None, Meta(description="slowest answer")]


class Stray(Struct):
    """A reply that answers no probe of ours for sure; it counts for no hop."""

    address: Annotated[str | None, Meta(description="who sent it")]
    answer: Annotated[str, Meta(description="the ICMP code in words, or datagram")]


class Trace(Struct):
    """A path to a host."""

    target: Annotated[str, Meta(description="HOST as given")]
    address: Annotated[str, Meta(description="the address that was traced")]
    source_address: Annotated[str, Meta(description="our own address on the probes, from getsockname(2)")]
    interface: Annotated[str | None, Meta(description="interface asked for with -i")]
    protocol: Annotated[Literal["udp"], Meta(description="what the probes are")]
    port: Annotated[int, Meta(description="destination port of every probe")]
    method: Annotated[
        Literal["udp-recverr"],
        Meta(description="how replies are seen: the sockets' own error queues, no right needed"),
    ]
    flow: Annotated[
        Literal["per-probe"],
        Meta(description="every probe has its own source port, so it may take its own way"),
    ]
    queries: Annotated[int, Meta(description="probes a hop")]
    first_ttl: Annotated[int, Meta(description="TTL of the first hop asked")]
    max_ttl: Annotated[int, Meta(description="TTL of the last hop asked")]
    reached: Annotated[bool, Meta(description="the target answered")]
    end_reason: Annotated[
        EndReason, Meta(description="why the path ends where it does; interrupted, deadline: not known")
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
    strays: Annotated[list[Stray], Meta(description="replies that match no probe")]
    checks: Annotated[list[Verdict], Meta(description="what was judged, and what could not be")] = []
