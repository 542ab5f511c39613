"""What `net firewall` answers."""

from __future__ import annotations

from typing import Annotated, Optional

from msgspec import Meta, Struct

from sretool.report.check import Verdict

Backend = Annotated[
    str, Meta(description="nftables (also what iptables-nft made), or iptables for tables of legacy iptables")
]
Family = Annotated[str, Meta(description="ip, ip6, inet, bridge, arp or netdev")]


class Rule(Struct):
    """A rule, or the policy of a chain, that drops or rejects."""

    backend: Backend
    family: Family
    table: Annotated[str, Meta(description="table it is in")]
    chain: Annotated[str, Meta(description="chain it is in")]
    handle: Annotated[
        Optional[int], Meta(description="nftables' number of the rule; null for a policy and for iptables")
    ]
    hook: Annotated[
        Optional[str],
        Meta(description="input, forward, output, …; null in a chain that only other rules jump to"),
    ]
    verdict: Annotated[
        str, Meta(description="drop, reject, or map: a verdict map that drops or rejects some of its keys")
    ]
    rule: Annotated[str, Meta(description="the rule as nft or iptables-save writes it; `policy drop`")]
    packets: Annotated[
        Optional[int],
        Meta(
            description="packets it dropped since its counter began; null when it has none, or one "
            "that counts others too"
        ),
    ]
    bytes: Annotated[Optional[int], Meta(description="their bytes")]
    dropped: Annotated[
        Optional[int], Meta(description="packets over the sample; null with one reading or no counter")
    ]
    dropped_per_s: Annotated[Optional[float], Meta(description="the same a second")]

    @property
    def place(self) -> str:
        """`inet t input`, as nft takes it."""
        return f"{self.family} {self.table} {self.chain}"


class Chain(Struct):
    """A chain that the kernel calls: one with a hook."""

    backend: Backend
    family: Family
    table: Annotated[str, Meta(description="table it is in")]
    chain: Annotated[str, Meta(description="its name")]
    type: Annotated[Optional[str], Meta(description="filter, nat or route; null for iptables")]
    hook: Annotated[str, Meta(description="where packets meet it: prerouting, input, forward, output, …")]
    priority: Annotated[
        Optional[int], Meta(description="its place among the chains of that hook, lowest first")
    ]
    device: Annotated[Optional[str], Meta(description="the device of an ingress or egress chain")]
    policy: Annotated[Optional[str], Meta(description="what becomes of a packet at its end: accept or drop")]
    rules: Annotated[int, Meta(description="rules in it; those it jumps to are in their own chains")]
    dropping: Annotated[int, Meta(description="rules in it that drop or reject")]


class Firewall(Struct):
    """What drops packets here, by rule."""

    window_s: Annotated[Optional[float], Meta(description="seconds between the two readings")]
    nftables: Annotated[
        Optional[bool],
        Meta(
            description="whether nftables (or iptables-nft) has rules here; null when it could not be asked"
        ),
    ]
    iptables: Annotated[
        Optional[bool],
        Meta(description="whether legacy iptables has tables here; null when it could not be asked"),
    ]
    rules: Annotated[
        list[Rule], Meta(description="rules and policies that drop: those that did most in the sample first")
    ]
    total: Annotated[int, Meta(description="rules and policies that drop, before --limit")]
    uncounted: Annotated[
        int, Meta(description="those of them without a counter of their own: what they drop cannot be seen")
    ]
    chains: Annotated[list[Chain], Meta(description="chains with a hook, by family, hook and priority")]
    checks: Annotated[list[Verdict], Meta(description="what was judged, and what could not be")] = []
