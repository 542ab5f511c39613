"""What `net addrs` answers. Keys are those of `ip -j addr` where they mean the same."""

from __future__ import annotations

from typing import Annotated, Optional

from msgspec import Meta, Struct

from sretool.report.check import Verdict


class AddressInfo(Struct, frozen=True):
    """One address of an interface, from an RTM_GETADDR dump."""

    family: Annotated[str, Meta(description="inet or inet6")]
    local: Annotated[str, Meta(description="the address")]
    prefixlen: Annotated[int, Meta(description="bits of its network")]
    peer: Annotated[Optional[str], Meta(description="the other end of a point-to-point link")]
    broadcast: Annotated[Optional[str], Meta(description="broadcast address, where it has one")]
    scope: Annotated[str, Meta(description="global, link, host, …")]
    label: Annotated[Optional[str], Meta(description="its label, mostly the interface's name; inet only")]
    flags: Annotated[
        list[str], Meta(description="tentative, dadfailed, deprecated, temporary, permanent, nodad, …")
    ]
    valid_s: Annotated[Optional[int], Meta(description="valid this long; null = for ever")]
    preferred_s: Annotated[Optional[int], Meta(description="preferred this long; null = for ever")]


class Link(Struct):
    """One interface, from an RTM_GETLINK dump."""

    ifindex: Annotated[int, Meta(description="the kernel's number of the interface (ifinfomsg ifi_index)")]
    ifname: Annotated[str, Meta(description="its name (IFLA_IFNAME)")]
    kind: Annotated[Optional[str], Meta(description="bridge, veth, vlan, bond, …; null for a device")]
    operstate: Annotated[str, Meta(description="up, down, lowerlayerdown, dormant, unknown, …")]
    flags: Annotated[list[str], Meta(description="IFF_* in lower case: up, lower_up, loopback, …")]
    mtu: Annotated[Optional[int], Meta(description="largest packet, bytes")]
    address: Annotated[Optional[str], Meta(description="hardware address")]
    link: Annotated[
        Optional[str], Meta(description="the interface below it; `if7` when in another namespace")
    ]
    master: Annotated[Optional[str], Meta(description="the bridge, bond or VRF it belongs to")]
    qdisc: Annotated[Optional[str], Meta(description="queueing discipline")]
    txqlen: Annotated[Optional[int], Meta(description="transmit queue, packets")]
    alias: Annotated[Optional[str], Meta(description="ifalias, where set")]
    addresses: Annotated[
        Optional[list[AddressInfo]], Meta(description="its addresses, inet first; null when not read")
    ]


class Links(Struct):
    """Interfaces by index."""

    links: Annotated[list[Link], Meta(description="one row an interface, by index")]
    total: Annotated[int, Meta(description="interfaces that passed the filters, before --limit")]
    checks: Annotated[list[Verdict], Meta(description="what was judged, and what could not be")] = []
