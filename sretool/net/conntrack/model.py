"""What `net conntrack` answers."""

from __future__ import annotations

from typing import Annotated, Optional

from msgspec import Meta, Struct

from sretool.report.check import Verdict

Entries = Annotated[int, Meta(description="entries of the table")]
Unreplied = Annotated[
    int, Meta(description="those of them whose other side never answered (IPS_SEEN_REPLY is not set)")
]
Share = Annotated[float, Meta(description="entries to all that passed the filters")]
Protocol = Annotated[str, Meta(description="tcp, udp, icmp, …; unknown-N for others")]


class State(Struct):
    """How many entries are of a protocol and in a state."""

    protocol: Protocol
    state: Annotated[
        str,
        Meta(
            description="of tcp, sctp and dccp the protocol's own, as established; of others unreplied, "
            "replied, assured (traffic in both directions for a while)"
        ),
    ]
    entries: Entries
    entries_ratio: Share


class Peer(Struct):
    """Who began connections."""

    source: Annotated[str, Meta(description="source address of the first packet, before NAT")]
    entries: Entries
    entries_ratio: Share
    unreplied: Unreplied


class Destination(Struct):
    """What connections were made to."""

    protocol: Protocol
    destination: Annotated[str, Meta(description="destination of the first packet, before NAT")]
    port: Annotated[Optional[int], Meta(description="its port; null for protocols without")]
    entries: Entries
    entries_ratio: Share
    unreplied: Unreplied


class Counts(Struct, frozen=True):
    """Counters of /proc/net/stat/nf_conntrack; null where this kernel has no such column."""

    insert_failed: Annotated[
        Optional[int],
        Meta(description="entries that could not be added: the same one was there already, mostly NAT"),
    ]
    drop: Annotated[
        Optional[int],
        Meta(description="packets dropped: the table was full, or insert_failed, which counts here too"),
    ]
    early_drop: Annotated[
        Optional[int], Meta(description="entries without an answer thrown out to make room in a full table")
    ]
    invalid: Annotated[Optional[int], Meta(description="packets that belong to no connection")]
    found: Annotated[
        Optional[int], Meta(description="entries that were there already when one was to be added")
    ]
    clashres: Annotated[Optional[int], Meta(description="of these, those that were settled")]
    search_restart: Annotated[
        Optional[int], Meta(description="look-ups begun again because the table was resized under them")
    ]
    icmp_error: Annotated[Optional[int], Meta(description="ICMP errors that belong to no connection")]


class Cpu(Struct):
    """One CPU's counters over the sample."""

    cpu: Annotated[int, Meta(description="line of /proc/net/stat/nf_conntrack: number of the possible CPU")]
    counts: Annotated[Counts, Meta(description="what was counted on it")]


class Conntrack(Struct):
    """How full the table of tracked connections is, and of what."""

    tracking: Annotated[
        bool, Meta(description="false: this kernel has no conntrack, or did not load it: nothing is tracked")
    ]
    count: Annotated[Optional[int], Meta(description="entries of this namespace, nf_conntrack_count")]
    max: Annotated[
        Optional[int],
        Meta(
            description="nf_conntrack_max; one number of the host, held against each namespace; 0 = no limit"
        ),
    ]
    fill_ratio: Annotated[Optional[float], Meta(description="count to max")]
    buckets: Annotated[Optional[int], Meta(description="size of the hash table, nf_conntrack_buckets")]
    window_s: Annotated[Optional[float], Meta(description="seconds between the two readings")]
    total_counts: Annotated[Optional[Counts], Meta(description="counters since boot, all CPUs")]
    counts: Annotated[
        Optional[Counts], Meta(description="the same over the sample; null with one reading or unread")
    ]
    cpus: Annotated[list[Cpu], Meta(description="the same by CPU; only CPUs that counted anything")]
    matched: Annotated[
        Optional[int],
        Meta(description="entries listed that passed the filters; null when the table was not read"),
    ]
    listed: Annotated[Optional[int], Meta(description="entries listed, before filters")]
    states: Annotated[list[State], Meta(description="by protocol and state, most entries first")]
    sources: Annotated[list[Peer], Meta(description="by source address, most entries first")]
    total: Annotated[int, Meta(description="source addresses, before --limit")]
    destinations: Annotated[
        list[Destination], Meta(description="by protocol, destination and port, most entries first")
    ]
    destinations_total: Annotated[int, Meta(description="destinations, before --limit")]
    snat: Annotated[Optional[int], Meta(description="entries whose source is translated")]
    dnat: Annotated[Optional[int], Meta(description="entries whose destination is translated")]
    offloaded: Annotated[
        Optional[int], Meta(description="entries in a flow table, whose packets skip the rules")
    ]
    checks: Annotated[list[Verdict], Meta(description="what was judged, and what could not be")] = []
