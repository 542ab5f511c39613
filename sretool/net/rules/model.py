"""What `net rules` answers. Keys are those of `ip -j rule` where they mean the same."""

from __future__ import annotations

from typing import Annotated, Optional

from msgspec import Meta, Struct


class RuleRow(Struct):
    """One policy rule, from an RTM_GETRULE dump. A selector that is null, or 0, asks for nothing."""

    family: Annotated[str, Meta(description="inet or inet6")]
    priority: Annotated[int, Meta(description="rules are tried by it, lowest first")]
    match: Annotated[str, Meta(description="which packets it is about, in words; all for every one")]
    action: Annotated[
        str, Meta(description="lookup, goto, nop, or a refusal: blackhole, unreachable, prohibit")
    ]
    does: Annotated[str, Meta(description="what it does with them, in words")]
    table: Annotated[
        Optional[str],
        Meta(description="the table it looks in: main, local, a name from rt_tables, or a number; null for "
             "l3mdev rules, which look in that of the packet's VRF, and where nothing is looked up"),
    ]  # fmt: skip
    goto: Annotated[Optional[int], Meta(description="priority of the rule it goes on at")]
    invert: Annotated[bool, Meta(description="`not`: about the packets that do not match")]
    src: Annotated[str, Meta(description="prefix of the source address; all for any")]
    dst: Annotated[str, Meta(description="prefix of the destination address; all for any")]
    iif: Annotated[Optional[str], Meta(description="came in on this interface; lo for what is made here")]
    oif: Annotated[Optional[str], Meta(description="the sender is bound to this interface")]
    fwmark: Annotated[Optional[int], Meta(description="firewall mark, compared in the bits of fwmask")]
    fwmask: Annotated[Optional[int], Meta(description="bits of the mark that count")]
    uid_start: Annotated[Optional[int], Meta(description="first uid of the sending user's range")]
    uid_end: Annotated[Optional[int], Meta(description="last uid of that range")]
    ipproto: Annotated[Optional[str], Meta(description="tcp, udp, icmp, …, or a number")]
    sport_start: Annotated[Optional[int], Meta(description="first source port")]
    sport_end: Annotated[Optional[int], Meta(description="last source port")]
    sport_mask: Annotated[Optional[int], Meta(description="bits of the source port that count, if not all")]
    dport_start: Annotated[Optional[int], Meta(description="first destination port")]
    dport_end: Annotated[Optional[int], Meta(description="last destination port")]
    dport_mask: Annotated[Optional[int], Meta(description="bits of the destination port that count")]
    tos: Annotated[Optional[int], Meta(description="type of service")]
    dscp: Annotated[Optional[int], Meta(description="DSCP, compared in the bits of dscp_mask")]
    dscp_mask: Annotated[Optional[int], Meta(description="bits of the DSCP that count")]
    flowlabel: Annotated[Optional[int], Meta(description="IPv6 flow label, in the bits of its mask")]
    flowlabel_mask: Annotated[Optional[int], Meta(description="bits of the flow label that count")]
    tun_id: Annotated[Optional[int], Meta(description="came out of a tunnel with this id")]
    l3mdev: Annotated[bool, Meta(description="about packets of a VRF, and looks in its table")]
    suppress_prefixlength: Annotated[
        Optional[int], Meta(description="a route with a prefix of so many bits or fewer does not count")
    ]
    suppress_ifgroup: Annotated[
        Optional[int], Meta(description="a route out of an interface of this group does not count")
    ]
    realm_from: Annotated[Optional[int], Meta(description="source realm it gives to the packet")]
    realm_to: Annotated[Optional[int], Meta(description="destination realm it gives to the packet")]
    protocol: Annotated[str, Meta(description="who installed it: kernel, boot, static, bird, …")]
    flags: Annotated[
        list[str],
        Meta(description="permanent; unresolved: the rule it goes on at is not there; iif_detached, "
             "oif_detached: its interface is not there, so it matches nothing"),
    ]  # fmt: skip


class Rules(Struct):
    """Rules in the order they are tried: inet, then inet6."""

    rules: Annotated[
        list[RuleRow], Meta(description="one row a rule, in the order they are tried: inet, then inet6")
    ]
    total: Annotated[int, Meta(description="rules that passed the filters, before --limit")]
