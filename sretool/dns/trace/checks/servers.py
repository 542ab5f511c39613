"""What is wrong with single servers, or with the way to them."""

from __future__ import annotations

from collections.abc import Iterable

from sretool.dns.trace.checks.seen import ASKED, ONCE, Seen, asked, dig, ede, faulty, rows, subject, who
from sretool.dns.trace.model import Server, Trace
from sretool.report.answer import Evidence, Finding, Severity, Subject
from sretool.report.check import Rule, Threshold, check

_SILENT = ("timeout",)
_CLOSED = ("port-closed", "unreachable")
_NO_TCP = ("tcp-timeout", "tcp-refused", "tcp-closed")
_DEAD_AT_ONCE = 3


@check(
    id="dns.lame-server",
    title="server is not authoritative for the zone",
    reads=ASKED,
    window=ONCE,
    remedy="load the zone on this server, or take the server out of the NS set at parent and child",
    refs=("RFC 9499 7", "RFC 1912 2.8"),
)
def lame_server(data: Trace, rule: Rule[Trace]) -> Iterable[Finding]:
    """A server that the delegation names refuses, fails, answers without authority or points elsewhere. It
    was asked again from another port before it is called lame. Resolvers lose time on it.
    """
    for seen in faulty(data):
        server = seen.server
        if server.result != "lame" and server.error != "malformed":
            continue
        reason = (
            server.reason if server.result == "lame" else f"a reply that is no DNS message ({server.detail})"
        )
        yield rule.finding(
            "warning",
            f"{who(seen)} is lame for {seen.cut.zone}: {reason}{ede(server)}",
            subject=subject(seen),
            evidence=[
                Evidence(what="reply", value=(reason or "") + ede(server), source=asked(seen.cut)),
                Evidence(what="queries", value=server.tries, source="fresh port and id each"),
            ],
            next=[dig(data, seen.cut, server)],
        )


def _dead_families(data: Trace, enough: float) -> dict[int, list[Seen]]:
    """Address families in which nothing answered although the other one did."""
    found: dict[int, list[Seen]] = {4: [], 6: []}
    replied: set[int] = set()
    for seen in faulty(data):
        family = 6 if ":" in seen.server.address else 4
        if seen.server.rtt_ms is not None:
            replied.add(family)
        elif seen.server.error in (*_SILENT, *_CLOSED):
            found[family].append(seen)
    return {
        family: dead
        for family, dead in found.items()
        if family not in replied and replied and len({row.server.address for row in dead}) >= enough
    }


@check(
    id="dns.family-unreachable",
    title="no server answers over one IP version",
    reads=ASKED,
    window=ONCE,
    thresholds={
        "addresses": Threshold(
            _DEAD_AT_ONCE, "addresses", "as many dead at once have one cause, and it is near us"
        )
    },
    remedy="see the route and the firewall for this IP version on this host and its uplink",
    refs=("RFC 8305",),
)
def family_unreachable(data: Trace, rule: Rule[Trace]) -> Iterable[Finding]:
    """Packets leave this host, and no server of any zone answers over IPv6 (or IPv4) while they do over the
    other: one broken path near this host, not many dead servers.
    """
    for family, dead in _dead_families(data, rule["addresses"]).items():
        yield rule.finding(
            "warning",
            f"none of {len(dead)} servers answers over IPv{family}, and they do over IPv{10 - family}: "
            "the path from here, not the servers",
            subject=Subject(kind="host", id=f"IPv{family}"),
            evidence=[
                Evidence(
                    what="addresses without any reply",
                    value=len(dead),
                    threshold=rule["addresses"],
                    source=ASKED,
                )
            ],
            next=[f"sretool net trace --port 53 {dead[0].server.address}"],
        )


@check(
    id="dns.server-timeout",
    title="server does not answer",
    reads=ASKED,
    window="three tries from fresh ports, and TCP",
    thresholds={
        "tries": Threshold(3, "queries", "fewer may be packet loss: RFC 1123 6.1.3.3 asks for retries")
    },
    remedy="see whether the server runs and whether a firewall drops port 53; else take it out of the NS set",
    refs=("RFC 1912 2.8", "RFC 9520"),
)
def server_timeout(data: Trace, rule: Rule[Trace]) -> Iterable[Finding]:
    """A server is silent to three UDP queries and to TCP (or answers over TCP only). Resolvers wait for it
    again and again, which users see as slow first lookups.
    """
    folded = {seen.server.address for dead in _dead_families(data, _DEAD_AT_ONCE).values() for seen in dead}
    for seen in faulty(data):
        server = seen.server
        if server.address in folded:
            continue
        if server.udp_silent:
            said, remedy = "answers over TCP and not over UDP", "let UDP port 53 through"
        elif server.error in _SILENT and server.tries >= rule["tries"]:
            said, remedy = "does not answer", ""
        elif server.error in _CLOSED:
            said, remedy = f"cannot be reached: {server.error} (ICMP)", ""
        else:
            continue
        yield rule.finding(
            "warning",
            f"{who(seen)} of {seen.cut.zone} {said}",
            subject=subject(seen),
            evidence=[
                Evidence(
                    what="UDP queries without a reply",
                    value=server.tries,
                    threshold=rule["tries"] if server.error in _SILENT else None,
                    source="fresh port and id each" + (", then TCP" if server.tcp_tried else ""),
                )
            ],
            next=[dig(data, seen.cut, server), dig(data, seen.cut, server, "+tcp")],
            remedy=remedy,
        )


@check(
    id="dns.tcp-failed",
    title="truncated reply, and no TCP",
    reads=ASKED,
    window=ONCE,
    remedy="let TCP port 53 through to the server, and have it listen there",
    refs=("RFC 7766 5", "RFC 9210"),
)
def tcp_failed(data: Trace, rule: Rule[Trace]) -> Iterable[Finding]:
    """A server says that its answer is too large for UDP, and does not give it over TCP."""
    for seen in faulty(data):
        if not seen.server.truncated or seen.server.error not in _NO_TCP:
            continue
        yield rule.finding(
            "warning",
            f"{who(seen)} of {seen.cut.zone} truncates its reply and gives none over TCP",
            subject=subject(seen),
            evidence=[
                Evidence(what="reply over UDP", value="TC", source=asked(seen.cut)),
                Evidence(what="over TCP", value=seen.server.error, source=asked(seen.cut, "TCP")),
            ],
            next=[dig(data, seen.cut, seen.server, "+tcp")],
        )


@check(
    id="dns.edns-refused",
    title="server refuses EDNS",
    reads=ASKED,
    window=ONCE,
    remedy="update the server, or the middlebox before it: EDNS is required of every server",
    refs=("RFC 6891 7", "RFC 8906"),
)
def edns_refused(data: Trace, rule: Rule[Trace]) -> Iterable[Finding]:
    """A server answers only after EDNS is left out: resolvers ask it twice, and it cannot serve DNSSEC."""
    for seen in rows(data):
        if seen.server.edns_refused:
            yield rule.finding(
                "info",
                f"{who(seen)} of {seen.cut.zone} answers only without EDNS",
                subject=subject(seen),
                evidence=[
                    Evidence(what="with EDNS", value="formerr or notimp", source=asked(seen.cut)),
                    Evidence(what="without", value=seen.server.rcode, source=asked(seen.cut)),
                ],
                next=[dig(data, seen.cut, seen.server), dig(data, seen.cut, seen.server, "+noedns")],
            )


@check(
    id="dns.servers-disagree",
    title="servers of one zone say different things",
    reads=ASKED,
    window=ONCE,
    remedy="see whether all servers have the same serial; the ones behind do not get zone transfers",
    refs=("RFC 1996", "RFC 1034 4.3.5"),
)
def servers_disagree(data: Trace, rule: Rule[Trace]) -> Iterable[Finding]:
    """Authoritative servers of one zone give different answers. Only the values differing may be meant (load
    is balanced so); one saying that the name exists and another not is not.
    """
    for cut in data.cuts:
        usable = [server for server in cut.servers if server.agrees is not None]
        said: dict[str, list[Server]] = {}
        for server in usable:
            said.setdefault(server.said, []).append(server)
        if all(server.agrees for server in usable):
            continue
        kinds = {server.result for server in usable}
        severity: Severity = "info" if kinds == {"answer"} else "warning"
        yield rule.finding(
            severity,
            f"servers of {cut.zone} disagree about {cut.query_name} {cut.query_type}: "
            + "; ".join(f"{len(alike)} say {text}" for text, alike in said.items()),
            subject=Subject(kind="zone", id=cut.zone),
            evidence=[
                Evidence(what=who(Seen(cut, server)), value=server.said, source=asked(cut))
                for alike in said.values()
                for server in alike[:2]
            ],
            next=[dig(data, cut, alike[0]) for alike in said.values()][:3],
        )
