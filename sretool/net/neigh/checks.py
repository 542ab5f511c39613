"""What is wrong with this host's neighbours."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.net.neigh.model import Gateway, Neighbours, NeighbourTable
from sretool.report.answer import Evidence, Finding, Severity, Subject
from sretool.report.check import Rule, Threshold, Unknown, check
from sretool.report.units import count_text, duration_text


@check(
    id="neigh.gateway-failed",
    title="gateway does not answer",
    reads="neighbours that are failed or incomplete (RTM_GETNEIGH), and the next hops of all routes "
    "(RTM_GETROUTE)",
    window="now",
    thresholds={
        "current_s": Threshold(
            60, "s", "gc_staletime (man:arp(7)): who has not been asked for longer is not in use"
        ),
    },
    remedy="see whether the gateway is up and in the same layer 2 network (VLAN, bond, switch port, cloud "
    "route table), and whether the address is right: it does not answer ARP or neighbour discovery",
    refs=("man:arp(7)", "man:ip-neighbour(8)", "RFC 4861"),
)
def gateway_failed(model: Neighbours, rule: Rule[Neighbours]) -> Iterator[Finding]:
    """The next hop of a route does not answer: ARP or neighbour discovery asked for its hardware
    address and nobody said it. What the route would carry is lost, and whoever sends gets
    EHOSTUNREACH after about three seconds.

    Failed is what the kernel gave up on; incomplete counts when it was so at both readings, or for
    longer than one question waits. Routes that are dead or whose link is down are left out.
    Critical: a default route of table main has it as its next hop, and the kernel tried within
    the time of the threshold. A gateway that nobody sends to is not asked, and has no entry.
    """
    for gateway in model.gateways or ():
        yield _of_gateway(gateway, rule)
    if model.gateways is None:
        raise Unknown("neighbours or routes could not be read")


def _of_gateway(gateway: Gateway, rule: Rule[Neighbours]) -> Finding:
    age = gateway.updated_s
    current = age is None or age <= rule["current_s"]
    severity: Severity = "critical" if gateway.default and current else "warning"
    what = "the default route" if gateway.default else f"the route to {gateway.route}"
    more = f" and {count_text(gateway.routes - 1, 'more route')}" if gateway.routes > 1 else ""
    state = f"{gateway.state} for {duration_text(age)}" if age is not None else gateway.state
    return rule.finding(
        severity,
        f"{gateway.dst} on {gateway.dev}, gateway of {what}{more}, does not answer: {state}"
        + ("" if current else ", and not tried since"),
        subject=Subject("neighbour", f"{gateway.dst} dev {gateway.dev}"),
        evidence=[
            Evidence("state", gateway.state, source="RTM_GETNEIGH ndm_state"),
            Evidence(
                "in this state since",
                None if age is None else round(age, 1),
                "s",
                source="NDA_CACHEINFO ndm_updated",
            ),
            Evidence("routes over it", gateway.routes, "routes", source="RTM_GETROUTE RTA_GATEWAY"),
        ],
        next=[f"sretool net routes --dev {gateway.dev}", f"sretool net links --dev {gateway.dev}"],
    )


@check(
    id="neigh.table-full",
    title="neighbour table overflow",
    reads="ndts_table_fulls, entries and gc_thresh3 of the ARP and neighbour discovery tables "
    "(RTM_GETNEIGHTBL), which all network namespaces share",
    window="the sample for overflows, now for the number of entries",
    thresholds={
        "fulls": Threshold(0, "neighbours", "net/core/neighbour.c neigh_alloc: each is a packet lost"),
        "ratio": Threshold(0.8, "ratio", "judgement: a fifth left, before the kernel refuses"),
    },
    remedy="raise net.ipv4.neigh.default.gc_thresh1, 2 and 3 (net.ipv6 for ndisc_cache) in the first "
    "network namespace, or make the layer 2 network smaller; a scan of a large subnet also fills it",
    refs=("man:arp(7)", "kernel:Documentation/networking/ip-sysctl.rst"),
)
def table_full(model: Neighbours, rule: Rule[Neighbours]) -> Iterator[Finding]:
    """The kernel keeps at most gc_thresh3 neighbours of a family, of all network namespaces (all
    containers) together. A new one that finds no room is refused: packets to it are lost, and the
    log says "neighbor table overflow".

    Critical: that happened during the sample. Warning: entries are near gc_thresh3. Permanent and
    externally learned entries do not count; of other namespaces they are not known, so there the
    figure is an upper bound.
    """
    if not model.tables:
        raise Unknown("the neighbour tables could not be read")
    for table in model.tables:
        yield from _of_table(table, rule)
    if any(table.table_fulls is None for table in model.tables):
        raise Unknown("overflows take two readings, and there was one")


def _of_table(table: NeighbourTable, rule: Rule[Neighbours]) -> Iterator[Finding]:
    limit, entries, fulls = table.gc_thresh3, table.entries, table.table_fulls
    counted = None if entries is None else entries - (table.exempt_here or 0)
    ratio = counted / limit if limit and counted is not None else None
    overflows = fulls is not None and fulls > rule["fulls"]
    if not overflows and (ratio is None or ratio < rule["ratio"]):
        return
    what = "ARP" if table.family == "inet" else "IPv6 neighbour"
    size = f"{counted} entries of at most {limit}"
    if overflows:
        summary = f"the {what} table is full ({size}): {fulls} times there was no room for a neighbour"
    else:
        summary = f"the {what} table is nearly full: {size}, in all network namespaces"
    yield rule.finding(
        "critical" if overflows else "warning",
        summary,
        subject=Subject("host", table.name),
        evidence=[
            Evidence(
                "refused for want of room, over the sample",
                fulls,
                "neighbours",
                rule["fulls"],
                "NDTA_STATS ndts_table_fulls",
            ),
            Evidence(
                "entries to gc_thresh3",
                None if ratio is None else round(ratio, 3),
                "ratio",
                rule["ratio"],
                "NDTA_CONFIG ndtc_entries, NDTA_THRESH3",
            ),
            Evidence("of these in this namespace", table.entries_here, "entries", source="RTM_GETNEIGH"),
            Evidence(
                "refused since boot",
                table.table_fulls_total,
                "neighbours",
                source="NDTA_STATS ndts_table_fulls",
            ),
        ],
        next=["sretool net neigh --sort updated_s --limit 20"],
    )


CHECKS = (gateway_failed, table_full)
