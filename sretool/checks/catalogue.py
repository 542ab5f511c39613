"""The reference is made of the rules themselves, so it cannot disagree with them."""

from __future__ import annotations

from sretool.checks.model import Check, CheckThreshold
from sretool.triage.domains import groups, probe_rules


def catalogue() -> list[Check]:
    """Every check of every domain: first those of triage, in the order it runs them, then those of
    commands that judge one subject.
    """
    from sretool.dns.trace.checks import CHECKS as DNS_TRACE
    from sretool.net.addrs.checks import CHECKS as NET_ADDRS
    from sretool.net.conntrack.checks import CHECKS as NET_CONNTRACK
    from sretool.net.firewall.checks import CHECKS as NET_FIREWALL
    from sretool.net.links.checks import CHECKS as NET_LINKS
    from sretool.net.mtu.checks import CHECKS as NET_MTU
    from sretool.net.neigh.checks import CHECKS as NET_NEIGH
    from sretool.net.qdisc.checks import CHECKS as NET_QDISC
    from sretool.net.routes.checks import CHECKS as NET_ROUTES
    from sretool.net.softnet.checks import CHECKS as NET_SOFTNET
    from sretool.net.trace.checks import CHECKS as NET_TRACE
    from sretool.net.trace.diff.checks import CHECKS as TRACE_DIFF
    from sretool.procs.why.checks import CHECKS as PROCS_WHY
    from sretool.snapshot.diff.checks import CHECKS as SNAPSHOT_DIFF
    from sretool.sockets.listen.checks import COMMAND as SOCKETS_LISTEN
    from sretool.sockets.show.checks import CHECKS as SOCKETS_SHOW
    from sretool.sockets.summary.checks import CHECKS as SOCKETS_SUMMARY

    return [
        Check(
            id=rule.id,
            domain=name,
            title=rule.title,
            reads=rule.reads,
            window=rule.window,
            about=rule.about,
            thresholds=[CheckThreshold(name, *threshold) for name, threshold in rule.thresholds.items()],
            remedy=rule.remedy,
            refs=list(rule.refs),
        )
        for name, rules in (
            *groups(),
            ("triage --probe", probe_rules()),
            ("procs why", PROCS_WHY),
            ("sockets show", SOCKETS_SHOW),
            ("net addrs", NET_ADDRS),
            ("net links", NET_LINKS),
            ("net neigh", NET_NEIGH),
            ("sockets listen", SOCKETS_LISTEN),
            ("net conntrack", NET_CONNTRACK),
            ("sockets summary", SOCKETS_SUMMARY),
            ("net routes", NET_ROUTES),
            ("net qdisc", NET_QDISC),
            ("net firewall", NET_FIREWALL),
            ("net softnet", NET_SOFTNET),
            ("net trace", NET_TRACE),
            ("net mtu", NET_MTU),
            ("dns trace", DNS_TRACE),
            ("snapshot diff", (*TRACE_DIFF, *SNAPSHOT_DIFF)),
        )
        for rule in rules
    ]
