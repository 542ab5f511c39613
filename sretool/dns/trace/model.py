"""What `sretool dns trace` answers."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from sretool.report.check import Verdict

Result = Literal["answer", "nodata", "nxdomain", "cname", "cname-loop", "referral", "lame", "none"]
EndReason = Literal[
    "answer", "nodata", "nxdomain", "cname-loop", "cname-limit", "no-answer", "no-address", "no-network",
    "budget", "deadline", "interrupted",
]  # fmt: skip


class ExtendedError(Struct, frozen=True):
    """One extended DNS error (RFC 8914)."""

    code: Annotated[int, Meta(description="INFO-CODE")]
    name: Annotated[str, Meta(description="its registered name, or unknown-N")]
    text: Annotated[str, Meta(description="EXTRA-TEXT, as the server wrote it")]


class Server(Struct):
    """One server address at one cut, and what it said."""

    names: Annotated[list[str], Meta(description="the NS names that have this address")]
    address: Annotated[str, Meta(description="the address asked")]
    result: Annotated[
        Result, Meta(description="what its reply means to a resolver (RFC 1034 5.3.3); none: no usable reply")
    ]
    reason: Annotated[
        str | None,
        Meta(
            description="why it is lame: an rcode, not-authoritative, upward-referral, horizontal-referral, "
            "foreign-referral"
        ),
    ]
    said: Annotated[str, Meta(description="its reply in a few words")]
    agrees: Annotated[
        bool | None,
        Meta(description="it said the same as the reply the trace went by; null without a usable reply"),
    ]
    error: Annotated[
        str | None,
        Meta(
            description="why there is no reply: timeout, port-closed, unreachable (both from ICMP), "
            "no-route, no-socket, tcp-timeout, tcp-refused, tcp-closed, malformed, budget, deadline, "
            "not-waited-for, no-server-address"
        ),
    ]
    detail: Annotated[str | None, Meta(description="the system's or the decoder's own words for the error")]
    transport: Annotated[str | None, Meta(description="udp or tcp: how the reply came")]
    tries: Annotated[int, Meta(description="UDP queries sent, each from a fresh port with a fresh id")]
    tcp_tried: Annotated[bool, Meta(description="TCP was tried: truncated reply, or silence on UDP")]
    udp_silent: Annotated[bool, Meta(description="it answered over TCP and never over UDP")]
    rtt_ms: Annotated[
        float | None, Meta(description="query sent to reply received, by the kernel's receive time stamp")
    ]
    size_bytes: Annotated[int | None, Meta(description="length of the reply")]
    rcode: Annotated[str | None, Meta(description="the response code in lower case")]
    aa: Annotated[bool | None, Meta(description="the authoritative-answer bit")]
    truncated: Annotated[bool, Meta(description="the UDP reply had the TC bit")]
    edns: Annotated[bool | None, Meta(description="the reply carried an OPT record (RFC 6891)")]
    edns_refused: Annotated[bool, Meta(description="it answered only after EDNS was left out")]
    ede: Annotated[list[ExtendedError], Meta(description="extended DNS errors in the reply")]
    nsid: Annotated[str | None, Meta(description="the server instance's own name (RFC 5001)")]
    ignored_replies: Annotated[
        int, Meta(description="packets that were no reply to our question: wrong id, question or form")
    ]


class NameServer(Struct):
    """One name of an NS set."""

    name: Annotated[str, Meta(description="the server's name")]
    glue: Annotated[list[str], Meta(description="its addresses in the referral")]
    in_zone: Annotated[bool, Meta(description="it lies in the zone it serves, so that only glue leads to it")]


class Referral(Struct):
    """The delegation the trace went by."""

    zone: Annotated[str, Meta(description="the zone delegated")]
    ns: Annotated[list[NameServer], Meta(description="its NS set as this cut's zone has it")]
    address: Annotated[str, Meta(description="the server whose referral came first")]
    dropped_glue: Annotated[
        list[str], Meta(description="names in the additional section that this zone may not speak for")
    ]


class Cut(Struct):
    """One zone's servers and one question to them."""

    zone: Annotated[str, Meta(description="the zone whose servers were asked")]
    parent: Annotated[str | None, Meta(description="the zone that delegated it; null for the root")]
    query_name: Annotated[str, Meta(description="the name asked for")]
    query_type: Annotated[str, Meta(description="the type asked for")]
    wanted_by: Annotated[
        str | None,
        Meta(description="the server name whose address is looked up here; null on the way to the answer"),
    ]
    asked: Annotated[
        Literal["all", "one"],
        Meta(description="all: every server at once; one: until the first gave a valid reply"),
    ]
    servers: Annotated[list[Server], Meta(description="a row an address, by name and family")]
    unresolved: Annotated[list[str], Meta(description="NS names looked up that have no address")]
    skipped: Annotated[int, Meta(description="addresses and names left out because the NS set is too large")]
    referral: Annotated[Referral | None, Meta(description="where it leads on; null when it leads nowhere")]
    child_ns: Annotated[
        list[str] | None, Meta(description="the NS set as the zone itself has it; null when not known")
    ]


class Record(Struct):
    """One resource record."""

    name: Annotated[str, Meta(description="owner")]
    type: Annotated[str, Meta(description="type")]
    ttl_s: Annotated[int, Meta(description="time to live")]
    rdata: Annotated[str, Meta(description="value in presentation form")]


class Reply(Struct):
    """The authoritative answer."""

    rcode: Annotated[str, Meta(description="noerror or nxdomain")]
    zone: Annotated[str, Meta(description="the zone whose server gave it")]
    server: Annotated[str, Meta(description="the server's name")]
    address: Annotated[str, Meta(description="the server's address")]
    after_ms: Annotated[float | None, Meta(description="first query sent to this answer received")]
    records: Annotated[
        list[Record], Meta(description="aliases on the way, then the records; empty when negative")
    ]
    negative_ttl_s: Annotated[
        int | None,
        Meta(description="how long resolvers keep a negative answer: min(SOA TTL, MINIMUM), RFC 2308 5"),
    ]


class Trace(Struct):
    """The way from the root to an answer."""

    name: Annotated[str, Meta(description="the name traced, absolute, in presentation form")]
    type: Annotated[str, Meta(description="the type traced")]
    hints: Annotated[str, Meta(description="built-in, or the hints file")]
    port: Annotated[int, Meta(description="port of every server")]
    ip_versions: Annotated[list[int], Meta(description="4, 6 or both: which servers are asked and looked up")]
    end_reason: Annotated[
        EndReason,
        Meta(
            description="how the trace ended; no-answer: no server of the last cut gave a usable reply, "
            "no-address: it has no server that can be asked, no-network: nothing could leave this host"
        ),
    ]
    end_zone: Annotated[str | None, Meta(description="the zone where it ended")]
    answer: Annotated[Reply | None, Meta(description="null when there is none")]
    aliases: Annotated[list[str], Meta(description="names that CNAMEs led to, in order")]
    cuts: Annotated[list[Cut], Meta(description="every cut asked, in the order of asking")]
    cycles: Annotated[
        list[list[str]], Meta(description="server names whose addresses can only be found through each other")
    ]
    dnssec: Annotated[Literal["not-checked"], Meta(description="signatures are not checked")]
    queries: Annotated[int, Meta(description="queries sent, TCP included")]
    query_budget: Annotated[int, Meta(description="the most that would have been sent")]
    network_ms: Annotated[
        float | None, Meta(description="first query sent to last reply received or waited for")
    ]
    checks: Annotated[list[Verdict], Meta(description="what was judged, and what could not be")] = []
