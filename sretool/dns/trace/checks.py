"""What a trace says is wrong: with the delegation, with a server, with the name."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sretool.dns.trace.model import Cut, Server, Trace
from sretool.report.answer import Evidence, Finding, Severity, Subject
from sretool.report.check import NotApplicable, Rule, Threshold, Unknown, check

_ASKED = "DNS replies of the servers asked"
_ONCE = "one trace"
_SILENT = ("timeout",)
_CLOSED = ("port-closed", "unreachable")
_DEAD_AT_ONCE = 3
_NO_TCP = ("tcp-timeout", "tcp-refused", "tcp-closed")


class Seen(NamedTuple):
    """One server's row and the cut it is in."""

    cut: Cut
    server: Server


def _rows(data: Trace) -> Iterator[Seen]:
    """Every row once an address and zone, on the way to the answer first."""
    seen: set[tuple[str, str]] = set()
    for cut in sorted(data.cuts, key=lambda cut: cut.wanted_by is not None):
        for server in cut.servers:
            if (cut.zone, server.address) not in seen:
                seen.add((cut.zone, server.address))
                yield Seen(cut, server)


def _faulty(data: Trace) -> Iterator[Seen]:
    """Rows whose faults are findings of their own: not those of the cut where the trace ended without an
    answer, which are the evidence of that finding.
    """
    stopped = _last(data) if data.end_reason == "no-answer" else None
    return (seen for seen in _rows(data) if seen.cut is not stopped)


def _last(data: Trace) -> Cut:
    return next(cut for cut in reversed(data.cuts) if cut.wanted_by is None)


def _dig(data: Trace, cut: Cut, server: Server, *more: str) -> str:
    port = [] if data.port == 53 else ["-p", str(data.port)]
    return shlex.join(
        ["dig", "+norecurse", *more, *port, f"@{server.address}", cut.query_name, cut.query_type]
    )


def _subject(seen: Seen) -> Subject:
    return Subject(kind="server", id=seen.server.address, name=seen.server.names[0])


def _who(seen: Seen) -> str:
    return f"{seen.server.names[0]} ({seen.server.address})"


def _asked(cut: Cut, transport: str = "UDP") -> str:
    return f"{transport} query {cut.query_name} {cut.query_type}"


def _ede(server: Server) -> str:
    return "".join(f"; EDE {each.code} {each.name} {each.text}".rstrip() for each in server.ede)


@check(
    id="dns.no-answer",
    title="no server gives an answer",
    reads=_ASKED,
    window=_ONCE,
    remedy="mend the zone's servers, one is enough; where not even the root answers, see that port 53 may "
    "leave this network",
    refs=("RFC 1034 5.3.3",),
)
def no_answer(data: Trace, rule: Rule[Trace]) -> Iterable[Finding]:
    """The walk stopped at a zone none of whose servers gave a usable reply, or that has no server with an
    address. Resolvers answer SERVFAIL for everything below it.
    """
    if data.end_reason in ("no-network", "deadline", "budget", "interrupted"):
        raise Unknown(f"the trace ended early: {data.end_reason}")
    if data.end_reason not in ("no-answer", "no-address"):
        return
    cut = _last(data)
    if data.end_reason == "no-address":
        why = "no server with an address that can be asked"
    else:
        why = f"no usable answer from any of its servers ({len(cut.servers)} addresses asked)"
    evidence = [
        Evidence(
            what=_who(Seen(cut, server)),
            value=(server.error or server.reason or server.result) + _ede(server),
            source=_asked(cut),
        )
        for server in cut.servers
    ] + [
        Evidence(what=name, value="no address", source=f"referral by {cut.parent or 'hints'}, and lookup")
        for name in cut.unresolved
    ]
    yield rule.finding(
        "critical",
        f"{cut.query_name} {cut.query_type} cannot be resolved, for the zone {cut.zone} has {why}",
        subject=Subject(kind="zone", id=cut.zone),
        evidence=evidence,
        next=[_dig(data, cut, server) for server in cut.servers[:2]],
    )


@check(
    id="dns.intercepted",
    title="something answers in place of the root servers",
    reads=_ASKED,
    window=_ONCE,
    thresholds={
        "servers": Threshold(3, "servers", "root servers are authoritative for the root, all of them")
    },
    remedy="find what takes DNS off the way (router, VPN, firewall, cloud resolver), and let port 53 through",
    refs=("RFC 8906", "RFC 5452 2"),
)
def intercepted(data: Trace, rule: Rule[Trace]) -> Iterable[Finding]:
    """Every root server that answers does so without authority. They do not fail together: something on the
    way answers in their name, and no trace can look behind it.
    """
    if data.hints != "built-in":
        raise NotApplicable("these are not the public root servers")
    rows = [seen for seen in _rows(data) if seen.cut.zone == "." and seen.server.rcode is not None]
    if len(rows) < rule["servers"] or any(seen.server.result != "lame" for seen in rows):
        return
    yield rule.finding(
        "critical",
        f"{len(rows)} root server addresses answer without authority: something on the way speaks for them",
        subject=Subject(kind="host", id="port 53"),
        evidence=[
            Evidence(
                what=f"{_who(seen)} after {seen.server.rtt_ms} ms",
                value=seen.server.reason,
                source=_asked(seen.cut),
            )
            for seen in rows[:3]
        ],
        next=[_dig(data, rows[0].cut, rows[0].server)],
    )


@check(
    id="dns.lame-server",
    title="server is not authoritative for the zone",
    reads=_ASKED,
    window=_ONCE,
    remedy="load the zone on this server, or take the server out of the NS set at parent and child",
    refs=("RFC 9499 7", "RFC 1912 2.8"),
)
def lame_server(data: Trace, rule: Rule[Trace]) -> Iterable[Finding]:
    """A server that the delegation names refuses, fails, answers without authority or points elsewhere. It
    was asked again from another port before it is called lame. Resolvers lose time on it.
    """
    for seen in _faulty(data):
        server = seen.server
        if server.result != "lame" and server.error != "malformed":
            continue
        reason = (
            server.reason if server.result == "lame" else f"a reply that is no DNS message ({server.detail})"
        )
        yield rule.finding(
            "warning",
            f"{_who(seen)} is lame for {seen.cut.zone}: {reason}{_ede(server)}",
            subject=_subject(seen),
            evidence=[
                Evidence(what="reply", value=(reason or "") + _ede(server), source=_asked(seen.cut)),
                Evidence(what="queries", value=server.tries, source="fresh port and id each"),
            ],
            next=[_dig(data, seen.cut, server)],
        )


def _dead_families(data: Trace, enough: float) -> dict[int, list[Seen]]:
    """Address families in which nothing answered although the other one did."""
    found: dict[int, list[Seen]] = {4: [], 6: []}
    replied: set[int] = set()
    for seen in _faulty(data):
        family = 6 if ":" in seen.server.address else 4
        if seen.server.rtt_ms is not None:
            replied.add(family)
        elif seen.server.error in (*_SILENT, *_CLOSED):
            found[family].append(seen)
    return {
        family: rows
        for family, rows in found.items()
        if family not in replied and replied and len({row.server.address for row in rows}) >= enough
    }


@check(
    id="dns.family-unreachable",
    title="no server answers over one IP version",
    reads=_ASKED,
    window=_ONCE,
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
    for family, rows in _dead_families(data, rule["addresses"]).items():
        yield rule.finding(
            "warning",
            f"none of {len(rows)} servers answers over IPv{family}, and they do over IPv{10 - family}: "
            "the path from here, not the servers",
            subject=Subject(kind="host", id=f"IPv{family}"),
            evidence=[
                Evidence(
                    what="addresses without any reply",
                    value=len(rows),
                    threshold=rule["addresses"],
                    source=_ASKED,
                )
            ],
            next=[f"sretool net trace -{family} --udp {rows[0].server.address}"],
        )


@check(
    id="dns.server-timeout",
    title="server does not answer",
    reads=_ASKED,
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
    folded = {seen.server.address for rows in _dead_families(data, _DEAD_AT_ONCE).values() for seen in rows}
    for seen in _faulty(data):
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
            f"{_who(seen)} of {seen.cut.zone} {said}",
            subject=_subject(seen),
            evidence=[
                Evidence(
                    what="UDP queries without a reply",
                    value=server.tries,
                    threshold=rule["tries"] if server.error in _SILENT else None,
                    source="fresh port and id each" + (", then TCP" if server.tcp_tried else ""),
                )
            ],
            next=[_dig(data, seen.cut, server), _dig(data, seen.cut, server, "+tcp")],
            remedy=remedy,
        )


@check(
    id="dns.tcp-failed",
    title="truncated reply, and no TCP",
    reads=_ASKED,
    window=_ONCE,
    remedy="let TCP port 53 through to the server, and have it listen there",
    refs=("RFC 7766 5", "RFC 9210"),
)
def tcp_failed(data: Trace, rule: Rule[Trace]) -> Iterable[Finding]:
    """A server says that its answer is too large for UDP, and does not give it over TCP."""
    for seen in _faulty(data):
        if not seen.server.truncated or seen.server.error not in _NO_TCP:
            continue
        yield rule.finding(
            "warning",
            f"{_who(seen)} of {seen.cut.zone} truncates its reply and gives none over TCP",
            subject=_subject(seen),
            evidence=[
                Evidence(what="reply over UDP", value="TC", source=_asked(seen.cut)),
                Evidence(what="over TCP", value=seen.server.error, source=_asked(seen.cut, "TCP")),
            ],
            next=[_dig(data, seen.cut, seen.server, "+tcp")],
        )


@check(
    id="dns.edns-refused",
    title="server refuses EDNS",
    reads=_ASKED,
    window=_ONCE,
    remedy="update the server, or the middlebox before it: EDNS is required of every server",
    refs=("RFC 6891 7", "RFC 8906"),
)
def edns_refused(data: Trace, rule: Rule[Trace]) -> Iterable[Finding]:
    """A server answers only after EDNS is left out: resolvers ask it twice, and it cannot serve DNSSEC."""
    for seen in _rows(data):
        if seen.server.edns_refused:
            yield rule.finding(
                "info",
                f"{_who(seen)} of {seen.cut.zone} answers only without EDNS",
                subject=_subject(seen),
                evidence=[
                    Evidence(what="with EDNS", value="formerr or notimp", source=_asked(seen.cut)),
                    Evidence(what="without", value=seen.server.rcode, source=_asked(seen.cut)),
                ],
                next=[_dig(data, seen.cut, seen.server), _dig(data, seen.cut, seen.server, "+noedns")],
            )


def _negative(data: Trace, rule: Rule[Trace], what: str) -> Iterator[Finding]:
    if data.answer is None:
        raise Unknown(f"there is no answer: {data.end_reason}")
    cut = _last(data)
    ttl = data.answer.negative_ttl_s
    kept = f"; resolvers keep that for {ttl} s" if ttl is not None else ""
    server = next(row for row in cut.servers if row.address == data.answer.address)
    yield rule.finding(
        "warning",
        f"{cut.query_name} {what} in {cut.zone}, says {data.answer.server}{kept}",
        subject=Subject(kind="name", id=cut.query_name),
        evidence=[
            Evidence(
                what=f"authoritative answer for {cut.query_type}",
                value=data.answer.rcode,
                source=f"{data.answer.server} ({data.answer.address})",
            )
        ],
        next=[_dig(data, cut, server)],
    )


@check(
    id="dns.nxdomain",
    title="name does not exist",
    reads=_ASKED,
    window=_ONCE,
    remedy="check the spelling; if it should exist, add it to the zone and wait out the negative TTL",
    refs=("RFC 2308", "RFC 8020"),
)
def nxdomain(data: Trace, rule: Rule[Trace]) -> Iterable[Finding]:
    """The zone's own server says that the name does not exist (NXDOMAIN): nor does anything below it."""
    if data.end_reason == "nxdomain":
        yield from _negative(data, rule, "does not exist")


@check(
    id="dns.nodata",
    title="name has no record of this type",
    reads=_ASKED,
    window=_ONCE,
    remedy="ask for another type, or add the record and wait out the negative TTL",
    refs=("RFC 2308 2.2",),
)
def nodata(data: Trace, rule: Rule[Trace]) -> Iterable[Finding]:
    """The name exists and has no record of the type asked for."""
    if data.end_reason == "nodata":
        yield from _negative(data, rule, f"has no {data.type} record")


@check(
    id="dns.cname-loop",
    title="aliases lead in a circle",
    reads="CNAME records in the answers",
    window=_ONCE,
    remedy="point one of the aliases at a name with an address",
    refs=("RFC 1034 3.6.2",),
)
def cname_loop(data: Trace, rule: Rule[Trace]) -> Iterable[Finding]:
    """A CNAME leads back to a name already passed: no resolver can answer."""
    if data.end_reason != "cname-loop":
        return
    yield rule.finding(
        "critical",
        f"aliases lead in a circle: {' > '.join([data.name, *data.aliases])}",
        subject=Subject(kind="name", id=data.name),
        evidence=[Evidence(what="alias", value=name, source="CNAME") for name in data.aliases],
        next=[],
    )


@check(
    id="dns.cname-too-long",
    title="too many aliases in a row",
    reads="CNAME records in the answers",
    window=_ONCE,
    thresholds={
        "aliases": Threshold(11, "CNAMEs", "BIND's max-query-restarts; other resolvers stop at 8 to 16")
    },
    remedy="point the first alias at the last name",
    refs=("RFC 1034 5.2.2",),
)
def cname_too_long(data: Trace, rule: Rule[Trace]) -> Iterable[Finding]:
    """More CNAMEs in a row than resolvers follow."""
    if data.end_reason == "cname-limit":
        yield rule.finding(
            "critical",
            f"{data.name} has more than {rule['aliases']:g} aliases in a row; resolvers give up",
            subject=Subject(kind="name", id=data.name),
            evidence=[
                Evidence(
                    what="aliases followed",
                    value=len(data.aliases),
                    threshold=rule["aliases"],
                    source="CNAME",
                )
            ],
            next=[],
        )


@check(
    id="dns.glue-missing",
    title="delegation lacks glue",
    reads="NS and additional section of the referral",
    window=_ONCE,
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
                    _dig(data, cut, server)
                    for server in cut.servers
                    if server.address == cut.referral.address
                ],
            )


@check(
    id="dns.ns-unresolvable",
    title="name server has no address",
    reads="lookups of server names without glue",
    window=_ONCE,
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
    stopped = _last(data) if data.end_reason == "no-address" else None
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
    window=_ONCE,
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
    window=_ONCE,
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


@check(
    id="dns.servers-disagree",
    title="servers of one zone say different things",
    reads=_ASKED,
    window=_ONCE,
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
            + "; ".join(f"{len(rows)} say {text}" for text, rows in said.items()),
            subject=Subject(kind="zone", id=cut.zone),
            evidence=[
                Evidence(what=_who(Seen(cut, server)), value=server.said, source=_asked(cut))
                for rows in said.values()
                for server in rows[:2]
            ],
            next=[_dig(data, cut, rows[0]) for rows in said.values()][:3],
        )


CHECKS = (
    intercepted,
    no_answer,
    cname_loop,
    cname_too_long,
    nxdomain,
    nodata,
    lame_server,
    server_timeout,
    family_unreachable,
    tcp_failed,
    glue_missing,
    ns_unresolvable,
    ns_cycle,
    ns_mismatch,
    servers_disagree,
    edns_refused,
)
