"""How the trace ended: with no answer, a negative one, or aliases that lead nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sretool.dns.trace.checks.seen import ASKED, ONCE, Seen, asked, dig, ede, last, rows, who
from sretool.dns.trace.model import Trace
from sretool.report.answer import Evidence, Finding, Subject
from sretool.report.check import NotApplicable, Rule, Threshold, Unknown, check


@check(
    id="dns.intercepted",
    title="something answers in place of the root servers",
    reads=ASKED,
    window=ONCE,
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
    roots = [seen for seen in rows(data) if seen.cut.zone == "." and seen.server.rcode is not None]
    if len(roots) < rule["servers"] or any(seen.server.result != "lame" for seen in roots):
        return
    yield rule.finding(
        "critical",
        f"{len(roots)} root server addresses answer without authority: something on the way speaks for them",
        subject=Subject(kind="host", id="port 53"),
        evidence=[
            Evidence(
                what=f"{who(seen)} after {seen.server.rtt_ms} ms",
                value=seen.server.reason,
                source=asked(seen.cut),
            )
            for seen in roots[:3]
        ],
        next=[dig(data, roots[0].cut, roots[0].server)],
    )


@check(
    id="dns.no-answer",
    title="no server gives an answer",
    reads=ASKED,
    window=ONCE,
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
    cut = last(data)
    if data.end_reason == "no-address":
        why = "no server with an address that can be asked"
    else:
        why = f"no usable answer from any of its servers ({len(cut.servers)} addresses asked)"
    evidence = [
        Evidence(
            what=who(Seen(cut, server)),
            value=(server.error or server.reason or server.result) + ede(server),
            source=asked(cut),
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
        next=[dig(data, cut, server) for server in cut.servers[:2]],
    )


def _negative(data: Trace, rule: Rule[Trace], what: str) -> Iterator[Finding]:
    if data.answer is None:
        raise Unknown(f"there is no answer: {data.end_reason}")
    cut = last(data)
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
        next=[dig(data, cut, server)],
    )


@check(
    id="dns.nxdomain",
    title="name does not exist",
    reads=ASKED,
    window=ONCE,
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
    reads=ASKED,
    window=ONCE,
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
    window=ONCE,
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
    window=ONCE,
    thresholds={
        "aliases": Threshold(11, "CNAMEs", "BIND's max-query-restarts; other resolvers stop at 8 to 16")
    },
    remedy="point the first alias at the last name",
    refs=("RFC 1034 5.2.2",),
)
def cname_too_long(data: Trace, rule: Rule[Trace]) -> Iterable[Finding]:
    """More CNAMEs in a row than resolvers follow."""
    if data.end_reason == "cname-limit" and len(data.aliases) > rule["aliases"]:
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
