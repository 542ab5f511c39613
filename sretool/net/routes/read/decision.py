"""Where packets to one destination go: as this host's kernel says, or computed from what was read."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Mapping

from sretool.errors import NoRoute, SourceError, SretoolError
from sretool.host import interfaces
from sretool.host.source import Source
from sretool.net.routes.model import Decision, Hop, NextHop, Route, WayBack
from sretool.net.routes.read import decode, get, names, rule_words
from sretool.net.routes.read.around import SILENT
from sretool.net.routes.read.lookup import REFUSING, Flow, Match, decide, leads_to
from sretool.net.routes.read.names import TableNames
from sretool.net.routes.read.sample import Ask, Sample, sample
from sretool.net.routes.read.wanted import Wanted

NOT_FORWARDED, RP_FILTER = "not-forwarded", "rp-filter"
REFUSALS = (*REFUSING, "none", NOT_FORWARDED, RP_FILTER)
_RP_FILTER = {0: "off", 1: "strict", 2: "loose"}
# fib_multipath_hash_policy, Documentation/networking/ip-sysctl.rst
HASH_POLICIES = {
    0: "addresses",
    1: "addresses, protocol and ports",
    2: "addresses, of tunnels those inside",
    3: "the fields of fib_multipath_hash_fields",
}
_BY_PORTS = (1, 3)
_DECIDING = Ask(rules=True, around=True, settings=True)


def family_of(flow: Flow) -> str:
    """Inet or inet6."""
    return "inet" if len(flow.destination) == 4 else "inet6"


def ask_for(flow: Flow) -> Ask:
    """What a decision needs."""
    return _DECIDING._replace(families=(family_of(flow),))


def build_decision(now: Sample, flow: Flow) -> Decision:
    """The way to one destination, computed.

    Raises:
        SretoolError: the rules or routes of its family could not be read.
    """
    flow = _with_vrf(now, flow)
    match = _lookup(now, flow)
    way_back = _way_back(now, flow)
    return _explained(
        now, flow, match, _decision(flow, "computed", _outcome(now, flow, match, way_back), match), way_back
    )


def ask_kernel(source: Source, flow: Flow) -> Decision:
    """The way to one destination, as this host's kernel says, without reasons and next hops. Where it
    refuses, rules and routes say which of them refused.

    Raises:
        UsageError: the flow names an interface that is not there.
        NoRoute: this host does not have the source address.
        SourceError: the kernel refused for another reason than that there is no way.
        ParseError: its answer is no route.
    """
    try:
        return _kernel(source, flow, interfaces.read(source), names.tables(source))[0]
    except SourceError as error:
        return _refused(sample(source, ask_for(flow)), flow, error)


def explain(source: Source, flow: Flow) -> tuple[Sample, Decision]:
    """As `ask_kernel`, with reasons and next hops, and the sample they are from, whose `errors` say what
    could not be read.

    Raises:
        SretoolError: as `ask_kernel`.
    """
    now = sample(source, ask_for(flow))
    try:
        decision, route = _kernel(source, flow, now.devices, now.tables)
    except SourceError as error:
        return now, _refused(now, flow, error)
    match: Match | None = None
    way_back = None
    flow = _with_vrf(now, flow)
    try:
        match = _lookup(now, flow)
        way_back = _way_back(now, flow)
    except SretoolError:  # noted where it was read
        pass
    if match is not None:
        decision.rule_checked = _agrees(match, route, decision.route)
        if decision.rule_checked:
            decision.route = match.route  # as the kernel's own, with a nexthop object's next hops
        else:
            at = "no rule" if match.rule is None else f"rule {match.rule.priority}"
            decision.why = [f"rules and routes as read lead elsewhere: to {match.outcome} by {at}"]
    _explained(now, flow, match if decision.rule_checked else None, decision, way_back)
    _choose(source, now, flow, decision, route)
    return now, decision


def _kernel(
    source: Source, flow: Flow, devices: Mapping[int, str], tables: TableNames
) -> tuple[Decision, Route]:
    """The kernel's answer, and as the route it gives."""
    answer = get.answer(source, flow, devices, tables, entry=False)
    route = answer.route
    try:
        entry: Route | None = get.ask(source, flow, devices, tables, entry=True)
    except SourceError:  # a kernel without RTM_F_FIB_MATCH
        entry = None
    decision = _decision(flow, "kernel", route.type, Match(route.type, None, entry))
    decision.gateway, decision.dev, decision.prefsrc = route.gateway, route.dev, route.prefsrc
    decision.table = route.table
    decision.mtu, decision.mtu_expires_s = _mtu(route), answer.expires_s
    if decision.mtu is not None:
        decision.mtu_source = "path" if answer.expires_s is not None else "route"
    return decision, route


def _refused(now: Sample, flow: Flow, error: SourceError) -> Decision:
    """What the kernel refused, by rules, routes and settings."""
    if error.errno not in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL, errno.EXDEV):
        raise error
    computed = build_decision(now, flow)
    if computed.type not in REFUSALS:  # refused for what rules, routes and settings do not show
        if flow.source and not flow.iif and error.errno in (errno.ENETUNREACH, errno.EINVAL):
            source_address = decode.address(flow.source)
            raise NoRoute("--from-addr", f"{source_address} is no address of this host") from None
        raise error
    computed.method = "kernel"
    return computed


def _with_vrf(now: Sample, flow: Flow) -> Flow:
    link = now.link(flow.iif or flow.oif)
    if link is None or link.vrf_table is None:
        return flow
    return flow._replace(vrf_table=now.tables[link.vrf_table])


def _lookup(now: Sample, flow: Flow) -> Match:
    family = family_of(flow)
    if family not in now.rules or family not in now.frames:
        raise now.errors[-1]
    if not flow.protocol and family == "inet":
        # what the kernel takes where nothing is said (net/ipv4/route.c inet_rtm_getroute)
        flow = flow._replace(protocol=socket.IPPROTO_UDP)
    wanted = Wanted(covering=flow.destination)
    routes = decode.decode(now.frames[family], family, now.devices, now.tables, wanted, now.legs())
    groups = {link.name: link.group for link in (now.links or {}).values() if link.group}
    return decide(now.rules[family], routes, flow, groups)


def _agrees(match: Match, route: Route, entry: Route | None) -> bool:
    """Whether rules and routes lead where the kernel goes."""
    found = match.route
    if found is None or (match.outcome, found.table) != (route.type, route.table):
        return False
    return entry is None or (found.dst, found.metric) == (entry.dst, entry.metric)


def _outcome(now: Sample, flow: Flow, match: Match, way_back: WayBack | None) -> str:
    """What becomes of a packet of that flow (net/ipv4/route.c ip_route_input_slow)."""
    if flow.iif is None or match.outcome != "unicast":
        return (
            RP_FILTER if way_back and way_back.passes is False and match.outcome == "local" else match.outcome
        )
    settings = now.settings
    if settings is not None:
        v4 = family_of(flow) == "inet"
        if (settings.forwarding.get(flow.iif) if v4 else settings.forwarding6) is False:
            return NOT_FORWARDED
    return RP_FILTER if way_back is not None and way_back.passes is False else match.outcome


def _way_back(now: Sample, flow: Flow) -> WayBack | None:
    """Of a packet that comes in: what fib_validate_source finds (net/ipv4/fib_frontend.c)."""
    if flow.iif is None or not flow.source or family_of(flow) == "inet6":
        return None  # IPv6 has no such filter but in netfilter
    number = now.settings.rp_filter.get(flow.iif) if now.settings is not None else None
    found = _lookup(
        now, Flow(flow.source, flow.destination, 0, 0, protocol=flow.protocol, vrf_table=flow.vrf_table)
    ).route
    devs: list[str] = []
    passes: bool | None = True
    if found is not None and found.type == "unicast":
        devs = sorted({dev for dev in (found.dev, *(leg.dev for leg in found.nexthops)) if dev})
    if number == 1:
        passes = flow.iif in devs
    elif number == 2:
        passes = bool(devs)
    elif number is None:
        passes = None
    mode = None if number is None else _RP_FILTER.get(number, f"unknown-{number}")
    return WayBack(mode, None if found is None else found.dst, devs, passes)


def _decision(flow: Flow, method: str, outcome: str, match: Match) -> Decision:
    route = match.route
    refused = outcome in REFUSALS
    return Decision(
        destination=decode.address(flow.destination),
        from_address=decode.address(flow.source) if flow.source else None,
        mark=flow.mark or None,
        method=method,
        type=outcome,
        gateway=None if route is None else route.gateway,
        # what is delivered here goes through lo, whatever device has the address
        dev=None if route is None or refused else "lo" if outcome == "local" else route.dev,
        prefsrc=None if route is None else route.prefsrc,
        table=route.table if route is not None else None,
        rule_priority=None,
        mtu=None if route is None else _mtu(route),
        route=route,
        iif=flow.iif,
        oif=flow.oif,
        proto=rule_words.ip_protocol(flow.protocol) if flow.protocol else None,
        sport=flow.sport or None,
        dport=flow.dport or None,
    )


def _explained(
    now: Sample, flow: Flow, match: Match | None, decision: Decision, way_back: WayBack | None
) -> Decision:
    """With the rule and the reasons, the next hops and what is known of them."""
    decision.way_back = way_back
    if match is not None:
        decision.why = _why(match, flow)
        if match.rule is not None:
            decision.rule_priority = match.rule.priority
            decision.rule_match, decision.rule_does = (
                rule_words.match(match.rule),
                rule_words.does(match.rule),
            )
    route = decision.route
    if route is None or decision.type not in ("unicast", NOT_FORWARDED, RP_FILTER):
        return decision
    decision.hops = _hops(now, flow, route)
    if len(decision.hops) > 1:
        policy = now.settings.hash_policy.get(family_of(flow)) if now.settings is not None else None
        decision.hash_policy = "unknown" if policy is None else HASH_POLICIES.get(policy, f"unknown-{policy}")
    else:
        for hop in decision.hops:
            hop.chosen = True
    decision.route_mtu = _mtu(route)
    links = [hop.link_mtu for hop in decision.hops if hop.link_mtu is not None and hop.dev == decision.dev]
    if decision.mtu is not None:
        decision.mtu_source = decision.mtu_source or "route"
    elif links:
        decision.mtu, decision.mtu_source = links[0], "link"
    return decision


def _hops(now: Sample, flow: Flow, route: Route) -> list[Hop]:
    legs = route.nexthops
    if not legs and route.dev is not None:
        legs = [NextHop(route.gateway, route.dev, 1, route.flags)]
    total = sum(leg.weight for leg in legs)
    return [_hop(now, flow, leg, total) for leg in legs]


def _hop(now: Sample, flow: Flow, leg: NextHop, total: int) -> Hop:
    link = now.link(leg.dev)
    neighbour = None
    if link is not None and link.asks and now.neighbours is not None:
        target = flow.destination if leg.gateway is None else ipaddress.ip_address(leg.gateway).packed
        neighbour = now.neighbours.get((link.name, target), "none")
    trouble = None if link is None else link.trouble
    if trouble is None and {"dead", "linkdown"} & {*leg.flags}:
        trouble = f"the kernel marks it {'dead' if 'dead' in leg.flags else 'linkdown'}"
    if trouble is None and neighbour in SILENT:
        trouble = f"{leg.gateway or decode.address(flow.destination)} does not answer ({neighbour})"
    return Hop(
        gateway=leg.gateway,
        dev=leg.dev,
        weight=leg.weight,
        share_ratio=round(leg.weight / total, 4),
        flags=leg.flags,
        neighbour=neighbour,
        operstate=None if link is None else link.operstate,
        carrier=None if link is None else link.carrier,
        link_mtu=None if link is None else link.mtu,
        trouble=trouble,
        chosen=None,
    )


def _choose(source: Source, now: Sample, flow: Flow, decision: Decision, route: Route) -> None:
    """Which of several hops the kernel's hash takes for this flow. Only the kernel can say: the hash has
    a secret of each boot (net/ipv4/route.c fib_multipath_hash).
    """
    if len(decision.hops) < 2:
        return
    policy = now.settings.hash_policy.get(family_of(flow)) if now.settings is not None else None
    by_ports = policy is None or policy in _BY_PORTS
    tcp = flow.protocol == socket.IPPROTO_TCP and flow.iif is None
    # connect(2) of TCP takes its source address by a first lookup without its port: which, nobody knows
    # (measured on Linux 6.18: 7 of 12 connections went where a lookup with ports alone does not lead)
    if by_ports and (not (flow.sport and flow.dport) or (tcp and not flow.source)):
        decision.gateway = decision.dev = None
        decision.prefsrc = decision.prefsrc if flow.source else None
        return
    if by_ports and tcp and decision.route is not None and decision.route.nhid is not None:
        decision.why.append("of nexthop groups, TCP sockets of this host do not always take the chosen one")
    if not flow.source and route.prefsrc is not None:
        # connect(2) looks twice, the second time with the source that the first gave it
        # (include/net/route.h ip_route_connect): the hash of that is what packets are sent by
        again = flow._replace(source=ipaddress.ip_address(route.prefsrc).packed)
        route = get.ask(source, again, now.devices, now.tables, entry=False)
        decision.gateway, decision.dev = route.gateway, route.dev
    for hop in decision.hops:
        hop.chosen = (hop.gateway, hop.dev) == (route.gateway, route.dev)


def _why(match: Match, flow: Flow) -> list[str]:
    """Which rule, prefix and metric won, over which others."""
    lines = [
        f"rule {passed.rule.priority} ({rule_words.match(passed.rule)}) was passed: {passed.why}"
        for passed in match.passed
        if leads_to(passed.rule, flow) != "local"  # the first rule of every host
    ]
    rule, route = match.rule, match.route
    if rule is None:
        return [*lines, "no other rule leads anywhere"]
    if route is None:
        return [*lines, f"rule {rule.priority} ({rule_words.match(rule)}) {rule_words.does(rule)}"]
    table = leads_to(rule, flow)
    prefixes = list(dict.fromkeys(one.dst for one in match.beside if not one.tos))
    if len(prefixes) > 1:
        others = ", ".join(prefix for prefix in prefixes if prefix != route.dst)
        word = "longest" if prefixes[0] == route.dst else "longest usable"
        lines.append(
            f"{route.dst} is the {word} of {len(prefixes)} prefixes of {table} that hold it ({others})"
        )
    else:
        lines.append(f"{route.dst} is the only prefix of {table} that holds it")
    alike = [one.metric for one in match.beside if one.dst == route.dst and not one.tos and one is not route]
    worse = [str(metric) for metric in alike if metric > route.metric]
    equal = sum(metric == route.metric for metric in alike)
    better = [str(metric) for metric in alike if metric < route.metric]
    if worse:
        lines.append(f"of the routes to {route.dst} the metric {route.metric} wins over {', '.join(worse)}")
    if equal:
        lines.append(
            f"of {equal + 1} routes to {route.dst} with metric {route.metric} the kernel took one: "
            "neither prefix nor metric decides"
        )
    if better:
        lines.append(f"those with metric {', '.join(better)} cannot be used for it")
    return lines


def _mtu(route: Route) -> int | None:
    value = route.metrics.get("mtu")
    return value if isinstance(value, int) else None
