"""What `net nexthops` answers. Keys are those of `ip -j nexthop` where they mean the same."""

from __future__ import annotations

from typing import Annotated, Optional

from msgspec import Meta, Struct

Gateway = Annotated[Optional[str], Meta(description="the next router; null when there is none")]
Device = Annotated[Optional[str], Meta(description="outgoing interface; null when there is none")]
Neighbour = Annotated[
    Optional[str],
    Meta(
        description="state of the gateway in the neighbour table: reachable, stale, failed, …; none: nothing "
        "is known of it yet; null: no gateway that is asked for, or the table could not be read"
    ),
]
Trouble = Annotated[
    Optional[str],
    Meta(description="why nothing sent to it arrives; null: nothing is known against it"),
]


class Leg(Struct, frozen=True):
    """One member of a group."""

    id: Annotated[int, Meta(description="the nexthop object it is")]
    weight: Annotated[int, Meta(description="share of the flows against the other legs")]
    share_ratio: Annotated[float, Meta(description="weight to the weights of all legs")]
    gateway: Gateway
    dev: Device
    neighbour: Neighbour
    trouble: Trouble


class NexthopRow(Struct):
    """One nexthop object, from an RTM_GETNEXTHOP dump."""

    id: Annotated[int, Meta(description="what routes name it by (nhid)")]
    type: Annotated[
        str, Meta(description="nexthop, blackhole, fdb (of a bridge), or a group: mpath, resilient")
    ]
    family: Annotated[Optional[str], Meta(description="inet or inet6; null for a group")]
    gateway: Gateway
    dev: Device
    scope: Annotated[str, Meta(description="link, global, host, …")]
    protocol: Annotated[str, Meta(description="who installed it: static, zebra, bird, …")]
    flags: Annotated[list[str], Meta(description="dead, linkdown, onlink, offload, …")]
    fdb: Annotated[bool, Meta(description="for a bridge's forwarding table, not for routes")]
    encap: Annotated[Optional[str], Meta(description="encapsulation: mpls, ip, seg6, bpf, …")]
    encap_to: Annotated[Optional[str], Meta(description="its parameters, in the words of ip route")]
    neighbour: Neighbour
    legs: Annotated[list[Leg], Meta(description="members of a group")]
    legs_dead: Annotated[int, Meta(description="of these, so many have trouble")]
    buckets: Annotated[Optional[int], Meta(description="of a resilient group: entries of its hash table")]
    idle_timer_s: Annotated[
        Optional[float], Meta(description="a bucket without traffic for so long may move to another leg")
    ]
    unbalanced_timer_s: Annotated[
        Optional[float], Meta(description="out of balance for so long, buckets move anyway; 0 = never")
    ]
    unbalanced_time_s: Annotated[Optional[float], Meta(description="out of balance for so long now")]
    trouble: Trouble


class Nexthops(Struct):
    """Nexthop objects by id."""

    nexthops: Annotated[list[NexthopRow], Meta(description="one row an object, by id")]
    total: Annotated[int, Meta(description="objects that passed the filters, before --limit")]
