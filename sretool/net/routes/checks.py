"""What is wrong with this host's routes."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.net.routes.model import Route
from sretool.net.routes.read.health import Down, Health, Legs, TooLarge
from sretool.report.answer import Evidence, Finding, Subject
from sretool.report.check import NotApplicable, Rule, Threshold, Unknown, check
from sretool.report.units import count_text

_FAMILIES = {"inet": "IPv4", "inet6": "IPv6"}


def _subject(routes: list[Route]) -> Subject:
    route = routes[0]
    return Subject(
        "route", f"{route.dst} table {route.table}" + (f" metric {route.metric}" if route.metric else "")
    )


def _look(routes: list[Route]) -> list[str]:
    family = "" if routes[0].family == "inet" else "-6 "
    return [f"sretool net routes {family}--table {routes[0].table} --dst {routes[0].dst}"]


def _prefixes(routes: list[Route]) -> str:
    """The first, and how many more."""
    first = routes[0].dst + (f" via {routes[0].gateway}" if routes[0].gateway else "")
    return first + (f" and {count_text(len(routes) - 1, 'more route')}" if len(routes) > 1 else "")


def _more(more: int) -> str:
    return f"; {count_text(more, 'more route')} have this fault" if more else ""


@check(
    id="route.none-default",
    title="no default route",
    reads="routes of all tables (RTM_GETROUTE)",
    window="now",
    remedy="add a default route, or find out what took it away: DHCP lease, router advertisement, network "
    "manager, routing daemon, VPN",
    refs=("man:ip-route(8)", "man:networkctl(1)"),
)
def none_default(model: Health, rule: Rule[Health]) -> Iterator[Finding]:
    """The host has addresses and no default route in any table: it reaches what is on its links and
    nothing else. A warning, for IPv4 when an interface but lo has an address, for IPv6 when one
    has an address of the Internet (2000::/3).

    A default route in a table of its own counts, as do the two halves (0.0.0.0/1) that VPN clients lay
    over it. A network that is meant to be closed has none: then this is as it should be.
    """
    if model.partly:
        raise NotApplicable(model.partly)
    for family in model.families:
        if family in model.addressed and not model.defaults.get(family):
            yield rule.finding(
                "warning",
                f"no default route for {_FAMILIES[family]}: only what the other routes name is reached",
                subject=Subject("host", family),
                evidence=[
                    Evidence("default routes", 0, "routes", 1, f"RTM_GETROUTE {family}, all tables"),
                ],
                next=[f"sretool net routes -{4 if family == 'inet' else 6}", "sretool net addrs"],
            )
    if not model.families:
        raise Unknown("routes could not be read")
    if not model.addressed:
        raise NotApplicable("no interface but lo has an address of the Internet")


@check(
    id="route.dead-leg",
    title="dead next hop of a multipath route",
    reads="next hops of multipath routes (RTA_MULTIPATH), links (RTM_GETLINK); `net route` also neighbours "
    "(RTM_GETNEIGH)",
    window="now",
    remedy="bring the link or the router of that next hop back, or take it out of the route: connections "
    "that are hashed to it wait, or all go over the others, which then carry more",
    refs=("man:ip-route(8)", "kernel:Documentation/networking/ip-sysctl.rst fib_multipath_use_neigh"),
)
def dead_leg(model: Health, rule: Rule[Health]) -> Iterator[Finding]:
    """A multipath route or nexthop group has a next hop that does not work: the kernel marks it dead or
    linkdown, or its link is down, or (`net route`) its router does not answer.

    The kernel sends nothing to a dead next hop, but goes on sending to one without carrier
    unless ignore_routes_with_linkdown is set, and to one that does not answer unless
    fib_multipath_use_neigh is: a part of all connections then fails, always the same ones. A
    warning; critical when no next hop works.
    """
    groups: dict[tuple[object, ...], list[Legs]] = {}
    for one in model.legs:
        groups.setdefault((one.total, *((hop.gateway, hop.dev) for hop, _ in one.dead)), []).append(one)
    for group in groups.values():
        yield _of_legs(group, rule, model.more.get("legs", 0))
    _links_known(model)


def _of_legs(group: list[Legs], rule: Rule[Health], more: int) -> Finding:
    one, routes = group[0], [legs.route for legs in group]
    dead, every = len(one.dead), len(one.dead) == one.total
    which = (
        f"none of the {one.total} next hops works"
        if every
        else f"{dead} of {one.total} next hops {'does' if dead == 1 else 'do'} not work"
    )
    names = ", ".join(f"{hop.gateway or 'on the link'} dev {hop.dev}" for hop, _ in one.dead)
    return rule.finding(
        "critical" if every else "warning",
        f"{_prefixes(routes)}: {which} ({names}){_more(more)}",
        subject=_subject(routes),
        evidence=[
            Evidence("next hops that work", one.total - dead, "next hops", one.total, "RTA_MULTIPATH"),
            *(Evidence(f"{hop.gateway or 'on the link'} dev {hop.dev}", why) for hop, why in one.dead),
            Evidence("routes", len(group), "routes", source="RTM_GETROUTE"),
        ],
        next=[*_look(routes), "sretool net nexthops --dead"],
    )


@check(
    id="route.link-down",
    title="route to a link without carrier",
    reads="flags of routes (rtm_flags RTNH_F_LINKDOWN, RTNH_F_DEAD), links (RTM_GETLINK)",
    window="now",
    remedy="bring the link back (cable, switch port, the other end of a virtual pair), or remove the "
    "route, so that a worse one is taken",
    refs=("man:ip-route(8)", "kernel:Documentation/networking/ip-sysctl.rst ignore_routes_with_linkdown"),
)
def link_down(model: Health, rule: Rule[Health]) -> Iterator[Finding]:
    """A route leads out of a link that has no carrier or is down. The kernel keeps the route and sends
    what matches into the void, while one with a higher metric would work. A warning; critical
    when it is a default route.

    Routes that the kernel made of an address (proto kernel) are left out: they are there as long as the
    address is, also on an unused port or an idle container bridge. `net route` judges them too,
    for it was asked about them.
    """
    groups: dict[str | None, list[Down]] = {}
    for one in model.down:
        groups.setdefault(one.route.dev, []).append(one)
    for group in groups.values():
        yield _of_down(group, rule, model.more.get("down", 0))
    _links_known(model)


def _of_down(group: list[Down], rule: Rule[Health], more: int) -> Finding:
    why, routes = group[0].why, [down.route for down in group]
    dev = routes[0].dev
    return rule.finding(
        "critical" if any(route.dst == "default" for route in routes) else "warning",
        f"{_prefixes(routes)} {'leads' if len(routes) == 1 else 'lead'} out of {dev}: {why}{_more(more)}",
        subject=Subject("interface", dev or ""),
        evidence=[
            Evidence(f"link {dev}", why, source="RTM_GETLINK ifi_flags, IFLA_CARRIER; rtm_flags"),
            Evidence("routes out of it", len(group), "routes", source="RTM_GETROUTE"),
        ],
        next=[f"sretool net addrs --dev {dev}", f"sretool net routes --dev {dev}"],
    )


@check(
    id="route.mtu-mismatch",
    title="route with a larger MTU than its link",
    reads="the mtu metric of routes (RTA_METRICS), path MTUs (`net route`), link MTUs (RTM_GETLINK)",
    window="now",
    remedy="give the route an mtu of at most the link's, or raise the link's on every host of that network",
    refs=("man:ip-route(8) mtu", "RFC 1191", "RFC 8201"),
)
def mtu_mismatch(model: Health, rule: Rule[Health]) -> Iterator[Finding]:
    """A route, or what was learnt about the path, allows packets that its link cannot carry. The kernel
    goes by the route: what is larger than the link is lost or cut into fragments, and TCP connections
    that begin well hang once they send much. A warning.
    """
    groups: dict[tuple[str, int], list[TooLarge]] = {}
    for one in model.too_large:
        groups.setdefault((one.dev, one.mtu_bytes), []).append(one)
    for group in groups.values():
        yield _of_mtu(group, rule, model.more.get("too_large", 0))
    _links_known(model)


def _of_mtu(group: list[TooLarge], rule: Rule[Health], more: int) -> Finding:
    one, routes = group[0], [large.route for large in group]
    return rule.finding(
        "warning",
        f"{_prefixes(routes)} {'takes' if len(routes) == 1 else 'take'} packets of {one.mtu_bytes} bytes, "
        f"the link {one.dev} carries {one.link_mtu_bytes}{_more(more)}",
        subject=Subject("interface", one.dev),
        evidence=[
            # plain numbers: an MTU is never written as 1.5K
            Evidence("mtu of the route", one.mtu_bytes, "", one.link_mtu_bytes, one.source),
            Evidence(f"mtu of {one.dev}", one.link_mtu_bytes, "", source="RTM_GETLINK IFLA_MTU"),
            Evidence("routes", len(group), "routes", source="RTM_GETROUTE"),
        ],
        next=[f"sretool net addrs --dev {one.dev}", *_look(routes)],
    )


@check(
    id="route.rp-filter-asymmetric",
    title="reverse path filter drops packets",
    reads="TcpExt IPReversePathFilter (/proc/net/netstat), net.ipv4.conf.*.rp_filter, routes; `net route` "
    "with --iif and --from-addr: the way back",
    window="the sample (net routes --sample); with --iif now",
    thresholds={
        "warning_per_s": Threshold(
            0, "1/s", "judgement: a filter that drops steadily drops somebody's packets"
        ),
    },
    remedy="make the way back the same (policy rules by source address), or set rp_filter=2 (loose) on the "
    "interface; see which packets: net.ipv4.conf.all.log_martians",
    refs=("RFC 3704", "kernel:Documentation/networking/ip-sysctl.rst rp_filter"),
)
def rp_filter_asymmetric(model: Health, rule: Rule[Health]) -> Iterator[Finding]:
    """In strict mode (rp_filter=1) the kernel drops an IPv4 packet when its answer would leave by another
    interface than it came in on: hosts with several uplinks, or behind asymmetric routing, lose what
    comes in on the other one, silently.

    `net routes --sample 1` finds that the kernel's count of such drops grew over the sample, and
    names the interfaces in strict mode that no default route leads out of. `net route DEST --iif
    IFACE --from-addr SENDER` judges one flow.
    """
    facts = model.filtered
    if facts.flow is not None:
        sender, iif, way_back = facts.flow
        if way_back.passes is None:
            raise Unknown(f"net.ipv4.conf.{iif}.rp_filter could not be read")
        if way_back.passes:
            return
        back = " and ".join(way_back.devs) or "nowhere"
        yield rule.finding(
            "warning",
            f"packets from {sender} that come in on {iif} are dropped: the way back leads out of {back}",
            subject=Subject("interface", iif),
            evidence=[
                Evidence(
                    f"rp_filter of {iif}", way_back.rp_filter, "", "strict", f"net.ipv4.conf.{iif}.rp_filter"
                ),
                Evidence(
                    f"way back to {sender}", f"{way_back.dst or 'no route'} dev {back}", source="RTM_GETROUTE"
                ),
            ],
            next=[f"sretool net route {sender}", "sretool net rules"],
        )
        return
    if model.partly:
        raise NotApplicable("no --iif and --from-addr: nothing comes in")
    if facts.window_s is None:
        raise Unknown("it takes two readings: net routes --sample 1")
    if facts.dropped is None:
        raise Unknown("TcpExt IPReversePathFilter could not be read twice")
    rate = facts.dropped / facts.window_s if facts.window_s > 0 else 0.0
    if rate <= rule["warning_per_s"]:
        return
    where = ", ".join(facts.strict) or "no interface in strict mode is left"
    yield rule.finding(
        "warning",
        f"the reverse path filter dropped {count_text(facts.dropped, 'packet')} in {facts.window_s:.3g} s "
        f"(strict, without a default route: {where})",
        subject=Subject("host", "rp_filter"),
        evidence=[
            Evidence(
                "dropped",
                round(rate, 2),
                "1/s",
                rule["warning_per_s"],
                "/proc/net/netstat IPReversePathFilter",
            ),
            Evidence("in strict mode, without a default route", where, source="net.ipv4.conf.*.rp_filter"),
        ],
        next=["sretool net rules", *(f"sretool net routes --dev {dev}" for dev in facts.strict[:3])],
    )


def _links_known(model: Health) -> None:
    if not model.families:
        raise Unknown("routes could not be read")
    if not model.links_read:
        raise Unknown("links could not be read")


CHECKS = (none_default, dead_leg, link_down, mtu_mismatch, rp_filter_asymmetric)
