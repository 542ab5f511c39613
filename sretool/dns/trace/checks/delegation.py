"""What is wrong between a parent and the zone it delegates."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from sretool.dns.trace.checks.seen import ONCE, dig, last
from sretool.dns.trace.model import Trace
from sretool.report.answer import Evidence, Finding, Subject
from sretool.report.check import NotApplicable, Rule, Unknown, check


@check(
    id="dns.glue-missing",
    title="delegation lacks glue",
    reads="NS and additional section of the referral",
    window=ONCE,
    remedy="register the server's addresses at the parent (as host object at the registrar)",
    refs=("RFC 9471 2",),
)
def glue_missing(data: Trace, rule: Rule[Trace]) -> Iterable[Finding]:
    """A name server lies in the zone that it serves, and the parent gives no address for it: only glue
    could lead there. The zone lives from its other servers, if it has any.
    """
    for cut in data.cuts:
        if cut.wanted_by is not None or cut.referral is None:
            continue
        without = [ns.name for ns in cut.referral.ns if ns.in_zone and not ns.glue]
        if without:
            yield rule.finding(
                "warning",
                f"{cut.zone} delegates {cut.referral.zone} to {', '.join(without)} without giving an address",
                subject=Subject(kind="zone", id=cut.referral.zone),
                evidence=[
                    Evidence(what=name, value="no glue", source=f"referral by {cut.referral.address}")
                    for name in without
                ],
                next=[
                    dig(data, cut, server) for server in cut.servers if server.address == cut.referral.address
                ],
            )


@check(
    id="dns.ns-unresolvable",
    title="name server has no address",
    reads="lookups of server names without glue",
    window=ONCE,
    remedy="give the name an address, or take it out of the NS set",
    refs=("RFC 1912 2.4",),
)
def ns_unresolvable(data: Trace, rule: Rule[Trace]) -> Iterable[Finding]:
    """A server in the NS set whose name, looked up from the root, has no address."""
    if data.end_reason in ("no-network", "deadline", "budget", "interrupted"):
        raise Unknown(f"the trace ended early: {data.end_reason}")
    if len(data.ip_versions) == 1:
        raise Unknown(f"only IPv{data.ip_versions[0]} addresses were looked up")
    # without any address that is dns.no-answer, in a circle dns.ns-cycle, in the zone itself dns.glue-missing
    told = {name for cycle in data.cycles for name in cycle}
    stopped = last(data) if data.end_reason == "no-address" else None
    for cut in data.cuts:
        if cut.wanted_by is not None or cut.asked == "one" or cut is stopped:
            continue
        for name in cut.unresolved:
            if name in told or f".{name}".endswith(f".{cut.zone.lstrip('.')}"):
                continue
            told.add(name)
            yield rule.finding(
                "warning",
                f"{name}, a server of {cut.zone}, has no address",
                subject=Subject(kind="server", id=name),
                evidence=[
                    Evidence(what="addresses found", value=0, source=f"lookup of {name} from the root")
                ],
                next=[shlex.join(["sretool", "dns", "trace", name])],
            )


@check(
    id="dns.ns-cycle",
    title="server names depend on each other",
    reads="lookups of server names without glue",
    window=ONCE,
    remedy="give one of the zones a server in itself, with glue",
    refs=("RFC 1034 4.2.1", "RFC 9471"),
)
def ns_cycle(data: Trace, rule: Rule[Trace]) -> Iterable[Finding]:
    """The address of one server name can only be found through another, and that one's through the first."""
    for cycle in data.cycles:
        yield rule.finding(
            "warning",
            f"server names depend on each other: {' > '.join([*cycle, cycle[0]])}",
            subject=Subject(kind="server", id=cycle[0]),
            evidence=[Evidence(what=name, value="no glue", source="lookup") for name in cycle],
            next=[],
        )


@check(
    id="dns.ns-mismatch",
    title="parent and zone name different servers",
    reads="NS set in the referral and at the zone itself",
    window=ONCE,
    remedy="make the NS set at the parent and in the zone the same",
    refs=("RFC 1034 4.2.2",),
)
def ns_mismatch(data: Trace, rule: Rule[Trace]) -> Iterable[Finding]:
    """The delegation names other servers than the zone itself does; resolvers ask the one set or the
    other, by what they have in their cache.
    """
    parents = {cut.referral.zone: cut for cut in reversed(data.cuts) if cut.referral is not None}
    compared = 0
    for cut in data.cuts:
        if cut.child_ns is None or cut.zone not in parents:
            continue
        compared += 1
        referral = parents[cut.zone].referral
        assert referral is not None
        parent, child = {ns.name.lower() for ns in referral.ns}, {name.lower() for name in cut.child_ns}
        if parent == child:
            continue
        sets = (("only at the parent", parent - child), ("only in the zone", child - parent))
        yield rule.finding(
            "warning",
            f"{cut.zone}: "
            + "; ".join(f"{what} {', '.join(sorted(names))}" for what, names in sets if names),
            subject=Subject(kind="zone", id=cut.zone),
            evidence=[
                Evidence(what=what, value=", ".join(sorted(names)), source=f"NS {cut.zone}")
                for what, names in sets
                if names
            ],
            next=[],
        )
    if not compared:
        raise NotApplicable("no zone below the root gave its own NS set")
