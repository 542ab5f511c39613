"""Every way to a host, as `net trace --ecmp` answers it."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from sretool.probe.origins import Origin

Balancing = Literal["none", "per-flow", "per-packet", "unknown", "silent"]
LegVerdict = Literal["clear", "loses", "unclear", "unknown"]


class LegSocket(Struct):
    """A socket of this host whose packets take a leg."""

    protocol: Annotated[str, Meta(description="tcp or udp")]
    local_address: Annotated[str, Meta(description="its own address")]
    local_port: Annotated[int, Meta(description="its own port, by which its packets are hashed")]
    state: Annotated[str, Meta(description="established, …")]
    pid: Annotated[int | None, Meta(description="process that holds it; null: not ours to see")]
    process: Annotated[str | None, Meta(description="its name")]


class Node(Struct):
    """One address that answers at a hop."""

    address: Annotated[str, Meta(description="who answered")]
    answer: Annotated[str, Meta(description="time-exceeded, or how flows end there")]
    flows: Annotated[list[int], Meta(description="numbers of the flows it answered")]
    share_ratio: Annotated[
        float | None, Meta(description="its part of the flows that were answered at this hop")
    ]
    rtt_min_ms: Annotated[float | None, Meta(description="quickest answer")]
    rtt_avg_ms: Annotated[float | None, Meta(description="mean of its answers")]
    rtt_max_ms: Annotated[float | None, Meta(description="slowest answer")]
    name: Annotated[
        str | UnsetType | None, Meta(description="its name by reverse DNS; null: none, or not in time")
    ] = UNSET
    origin: Annotated[Origin | UnsetType | None, Meta(description="its AS; null: not known")] = UNSET


class EcmpHop(Struct):
    """All ways at one TTL."""

    ttl: Annotated[int, Meta(description="IP TTL, or hop limit, the probes left with")]
    balancing: Annotated[
        Balancing,
        Meta(
            description="none: one host; per-flow: several, each flow always meets the same one; per-packet: "
            "one flow meets several; unknown: several, too few repeats were answered to tell; silent: nobody"
        ),
    ]
    nodes: Annotated[list[Node], Meta(description="who answered, by address")]
    unanswered_flows: Annotated[
        list[int],
        Meta(description="flows that were asked again and never answered here: a silent or limiting router"),
    ]
    repeats: Annotated[int, Meta(description="answers to a flow that had been answered here before")]
    repeats_differing: Annotated[int, Meta(description="those of them that came from another host")]


class Link(Struct):
    """Two hosts that flows were seen to pass one after the other; silent hops lie between where the TTLs
    are not neighbours.
    """

    from_ttl: Annotated[int, Meta(description="TTL of the nearer one")]
    from_address: Annotated[str | None, Meta(description="the nearer one; null: this host")]
    to_ttl: Annotated[int, Meta(description="TTL of the farther one")]
    to_address: Annotated[str, Meta(description="the farther one")]
    flows: Annotated[list[int], Meta(description="numbers of the flows that pass both")]
    assumed: Annotated[
        bool,
        Meta(
            description="these flows were asked at the farther one only; every way was found to lead through "
            "the nearer one, to the same confidence"
        ),
    ]


class Unfinished(Struct):
    """A host behind which there may be more ways than were seen."""

    ttl: Annotated[int, Meta(description="where it is")]
    address: Annotated[str | None, Meta(description="who it is; null: this host, or a hop by packet")]
    successors: Annotated[int, Meta(description="next hops seen behind it")]
    flows_known: Annotated[int, Meta(description="flows through it whose next hop is known")]
    flows_needed: Annotated[int, Meta(description="flows that would have to be, for 95 %")]
    why: Annotated[
        Literal["flows", "silence", "time", "own-route"],
        Meta(
            description="flows: --flows were not enough; silence: the next hop answers too seldom; time: the "
            "deadline, or our own patience; own-route: this host itself spreads its flows over several next "
            "hops, and raw packets take one of them: sretool net route"
        ),
    ]


class Leg(Struct):
    """One way through a balanced stretch: the flows that one router carries."""

    ttl: Annotated[int, Meta(description="hop at which the legs are told apart: the stretch's widest")]
    address: Annotated[
        str | None,
        Meta(description="its router; null: flows that nobody answered for there, on one way or several"),
    ]
    flows: Annotated[list[int], Meta(description="numbers of the flows known to take it")]
    share_ratio: Annotated[float | None, Meta(description="part of the flows known at this hop")]
    sent: Annotated[int, Meta(description="probes sent through it to whoever judges its loss")]
    received: Annotated[int, Meta(description="those of them that were answered")]
    loss_ratio: Annotated[float | None, Meta(description="lost, either way; null: not measured")]
    loss_low_ratio: Annotated[
        float | None, Meta(description="lower end of the loss's 95 % interval (Wilson)")
    ]
    loss_high_ratio: Annotated[float | None, Meta(description="upper end of that interval")]
    rtt_min_ms: Annotated[float | None, Meta(description="quickest answer through it, of the same probes")]
    rtt_avg_ms: Annotated[float | None, Meta(description="mean")]
    rtt_max_ms: Annotated[float | None, Meta(description="slowest")]
    verdict: Annotated[
        LegVerdict,
        Meta(
            description="clear: nothing was lost; loses: more than the better half of the legs, beyond "
            "chance; unclear: some was lost, not certainly more than elsewhere; unknown: not measured"
        ),
    ]
    sockets: Annotated[
        list[LegSocket] | UnsetType,
        Meta(description="sockets of this host to the target whose ports take it"),
    ] = UNSET


class Diamond(Struct):
    """A stretch of hops with several ways."""

    first_ttl: Annotated[int, Meta(description="its first hop with several hosts")]
    last_ttl: Annotated[int, Meta(description="its last one")]
    balancing: Annotated[Balancing, Meta(description="as of the hop where its legs are told apart")]
    legs: Annotated[list[Leg], Meta(description="empty where flows do not keep to one: per-packet")]


class Ecmp(Struct):
    """Every way that was found, and how sure it is that there are no more."""

    confidence_ratio: Annotated[
        float,
        Meta(
            description="chance, for each host by itself, that all its next hops were seen, if it spreads "
            "flows evenly over them (Veitch et al. 2009)"
        ),
    ]
    complete: Annotated[bool, Meta(description="every host was followed to that confidence")]
    unfinished: Annotated[list[Unfinished], Meta(description="hosts that were not")]
    flows: Annotated[int, Meta(description="flows used")]
    flows_most: Annotated[int, Meta(description="as many as were allowed, --flows")]
    probes_sent: Annotated[int, Meta(description="all probes, those that measure the legs' loss included")]
    discovery_ms: Annotated[float, Meta(description="first send to the end of the search for ways")]
    network_ms: Annotated[float, Meta(description="the same, and the time that measuring the legs took")]
    hops: Annotated[list[EcmpHop], Meta(description="by TTL, up to where the farthest flow ends")]
    links: Annotated[list[Link], Meta(description="which host follows which, by TTL")]
    diamonds: Annotated[list[Diamond], Meta(description="the balanced stretches, nearest first")]
    judged_at: Annotated[
        str | None, Meta(description="whose answers tell what the legs lose: the target, else a router")
    ]
    loss_unknown: Annotated[str, Meta(description="why no leg's loss could be told; else empty")]
    sockets_unknown: Annotated[
        str | UnsetType, Meta(description="why it is not known which sockets take which leg; else empty")
    ] = UNSET
    cannot_see: Annotated[list[str], Meta(description="what this way of looking is blind to")] = []
    own_next_hops: Annotated[
        int | None,
        Meta(
            description="next hops among which this host's own flows to the target are spread; of more than "
            "one, the ways behind one of them were looked for; null: not known"
        ),
    ] = None
