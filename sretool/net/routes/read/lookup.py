"""Which route a locally made packet takes, computed from rules and routes as the kernel would:
rules by priority, then the longest prefix, then the lowest metric (net/core/fib_rules.c
fib_rules_lookup, net/ipv4/fib_trie.c fib_table_lookup, net/ipv6/ip6_fib.c).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sretool.net.routes.model import Route
from sretool.net.routes.read import rules as fib_rules
from sretool.net.routes.read.rules import NONE, Masked, Ports, Rule

REFUSING = ("blackhole", "unreachable", "prohibit")


class Flow(NamedTuple):
    """What is sent. `source` is empty when the kernel is to choose it; `iif` is the interface a packet
    comes in on that is to be forwarded, `oif` the one that a socket is bound to. `vrf_table` is the
    table of the VRF that either of them belongs to. `protocol` is IPPROTO_*, 0 where it does not matter.
    """

    destination: bytes
    source: bytes = b""
    mark: int = 0
    uid: int = 0
    iif: str | None = None
    oif: str | None = None
    protocol: int = 0
    sport: int = 0
    dport: int = 0
    vrf_table: str | None = None


class Passed(NamedTuple):
    """A rule that matched and led to nothing, and why."""

    rule: Rule
    why: str


class Match(NamedTuple):
    """`outcome` is the route's type, or why there is none: a refusing type, or `none`. `beside` are all
    routes of the deciding table that hold the destination, best first.
    """

    outcome: str
    rule: Rule | None
    route: Route | None
    beside: tuple[Route, ...] = ()
    passed: tuple[Passed, ...] = ()


def decide(
    rules: Sequence[Rule], routes: Iterable[Route], flow: Flow, groups: Mapping[str, int] | None = None
) -> Match:
    """`routes` are those whose destination holds the flow's (`decode` with `covering`), `groups` the
    group of each interface (that of most is 0).
    """
    passed: list[Passed] = []
    tables: dict[str, list[Route]] = {}
    for route in routes:
        tables.setdefault(route.table, []).append(route)
    for candidates in tables.values():
        # sort is stable: equals stay in the kernel's order
        candidates.sort(key=lambda route: (-route.prefix_length, -bool(route.src), route.metric))
    at = 0
    while at < len(rules):
        rule = rules[at]
        at += 1
        if not matches(rule, flow) or rule.action == fib_rules.FR_ACT_NOP:
            continue
        if rule.action == fib_rules.FR_ACT_GOTO:
            # only ever forward; a target that is not there is a rule that does nothing
            at = next((i for i in range(at, len(rules)) if rules[i].priority == rule.goto), at)
            continue
        if rule.action in fib_rules.ERRORS:
            return Match(fib_rules.ERRORS[rule.action], rule, None, (), tuple(passed))
        if rule.action != fib_rules.FR_ACT_TO_TBL:
            continue
        table = leads_to(rule, flow)
        candidates = tables.get(table, [])
        found = _first(candidates, flow)
        if found is None:
            passed.append(Passed(rule, f"{table} has no route to it"))
        elif found.type == "throw":
            passed.append(Passed(rule, f"{table} says throw for {found.dst}: go on with the next rule"))
        elif _suppressed(rule, found, groups or {}):
            passed.append(Passed(rule, f"it does not take {found.dst} of {table}"))
        else:
            return Match(found.type, rule, found, tuple(candidates), tuple(passed))
    return Match("none", None, None, (), tuple(passed))


def _suppressed(rule: Rule, route: Route, groups: Mapping[str, int]) -> bool:
    """fib4_rule_suppress, fib6_rule_suppress."""
    bits = rule.suppress_prefix_length
    if bits is not None and route.prefix_length <= bits:
        return True
    dev = route.dev or (route.nexthops[0].dev if route.nexthops else None)
    return rule.suppress_group is not None and dev is not None and groups.get(dev, 0) == rule.suppress_group


def leads_to(rule: Rule, flow: Flow) -> str:
    """The table that a rule looks in: of an l3mdev rule that of the packet's own VRF."""
    return flow.vrf_table or "" if rule.l3mdev else rule.table


def _first(candidates: Iterable[Route], flow: Flow) -> Route | None:
    for route in candidates:
        if route.tos or _dead(route) or not _leaves(route, flow.oif):
            continue
        if route.src is not None and not (flow.source and _within(flow.source, route.src)):
            continue
        return route
    return None


def _leaves(route: Route, oif: str | None) -> bool:
    """Through the interface that the socket is bound to (fib_lookup_good_nhc)."""
    return oif is None or oif == route.dev or any(leg.dev == oif for leg in route.nexthops)


def _dead(route: Route) -> bool:
    """No leg of it can send. A route whose link has no carrier still counts, unless the sysctl
    ignore_routes_with_linkdown is set, which is not the default.
    """
    if route.nexthops:
        return all("dead" in leg.flags for leg in route.nexthops)
    return "dead" in route.flags


def matches(rule: Rule, flow: Flow) -> bool:
    """fib_rule_match and what fib4_rule_match and fib6_rule_match add; a packet made here comes in
    from `lo`.
    """
    matched = (
        rule.iif in (None, flow.iif or "lo")
        and rule.oif in (None, flow.oif)
        and not (rule.mark ^ flow.mark) & rule.mask
        and (not rule.l3mdev or flow.vrf_table is not None)
        # a forwarded packet has no user: INVALID_UID, which only the range of all holds
        and (rule.uids is None or rule.uids[0] <= (NONE if flow.iif else flow.uid) <= rule.uids[1])
        and _in(flow.destination, rule.dst, rule.dst_len)
        # a source yet to be chosen is 0.0.0.0, or for IPv6 matches no prefix
        and (not rule.src_len or _in(flow.source or b"\0" * 4, rule.src, rule.src_len))
        and rule.ip_proto in (0, flow.protocol)
        and _port(rule.sport, flow.sport)
        and _port(rule.dport, flow.dport)
        # the flows asked about have no type of service, flow label or tunnel
        and not (rule.tos or rule.tun_id or _bits(rule.dscp) or _bits(rule.flowlabel))
    )
    return matched != rule.invert


def _port(ports: Ports | None, port: int) -> bool:
    if ports is None:
        return True
    if ports.mask is not None:
        return not (ports.first ^ port) & ports.mask
    return ports.first <= port <= ports.last


def _bits(asked: Masked | None) -> int:
    return 0 if asked is None else asked.value & asked.mask


def _in(address: bytes, prefix: bytes, length: int) -> bool:
    if not length:
        return True
    shift = len(prefix) * 8 - length
    if len(address) != len(prefix) or shift < 0:
        return False
    return int.from_bytes(address, "big") >> shift == int.from_bytes(prefix, "big") >> shift


def _within(address: bytes, prefix: str) -> bool:
    import ipaddress

    network = ipaddress.ip_network(prefix, strict=False)
    return _in(address, network.network_address.packed, network.prefixlen)
