"""From what the engine saw to what is answered."""

from __future__ import annotations

import dns.name
import dns.rdatatype

from sretool.dns import message
from sretool.dns.trace import state
from sretool.dns.trace.engine import Engine
from sretool.dns.trace.model import (
    Cut,
    EndReason,
    ExtendedError,
    NameServer,
    Record,
    Referral,
    Reply,
    Server,
    Trace,
)
from sretool.dns.trace.reply import Verdict
from sretool.dns.trace.state import End

NOTHING_LEFT = ("no-route", "no-socket")


def build(done: Engine, hints: str, port: int, interrupted: bool) -> Trace:
    """The answer of one trace, whole or cut short."""
    reason = _reason(done, interrupted)
    first, until = done.purse.first_at, done.waited_until
    cuts = [_cut(cut, done, interrupted) for cut in done.cuts if cut.rows or cut.wanted_by is None]
    end_cut = done.end.cut if done.end else next((c for c in done.cuts[::-1] if c.wanted_by is None), None)
    return Trace(
        name=str(done.plan.name),
        type=dns.rdatatype.to_text(done.plan.type),
        hints=hints,
        port=port,
        ip_versions=list(done.plan.families),
        end_reason=reason,
        end_zone=str(end_cut.zone.name) if end_cut else None,
        answer=_reply(done, reason),
        aliases=[str(name) for name in done.end.aliases] if done.end else [],
        cuts=cuts,
        cycles=[[str(name) for name in cycle] for cycle in done.cycles],
        dnssec="not-checked",
        queries=done.purse.spent,
        query_budget=done.purse.budget,
        network_ms=None if first is None or until is None else round((until - first) * 1000, 3),
    )


def _reason(done: Engine, interrupted: bool) -> EndReason:
    if done.end is None:
        return "interrupted" if interrupted else "deadline"
    return _end_reason(done.end)


def _end_reason(end: End) -> EndReason:
    if end.reason != "no-answer":
        return end.reason  # type: ignore[return-value]
    errors = {row.asked.error for row in end.cut.rows.values()}
    if errors <= {*NOTHING_LEFT, "no-server-address"}:
        return "no-network" if errors & set(NOTHING_LEFT) else "no-address"
    return "budget" if "budget" in errors else "no-answer"


def _unresolved(cut: state.Cut, done: Engine) -> list[str]:
    """Server names that were looked up to the end, and have no address."""
    found = []
    for ns, addresses in sorted(cut.zone.ns.items()):
        ends = [done.lookups.get((ns, rdtype)) for rdtype in done.plan.address_types]
        known = all(end is not None and _end_reason(end) not in ("no-network", "budget") for end in ends)
        if not addresses and known:
            found.append(str(ns))
    return found


def _reply(done: Engine, reason: str) -> Reply | None:
    if done.end is None or done.end.verdict is None or reason not in ("answer", "nodata", "nxdomain"):
        return None
    cut, verdict = done.end.cut, done.end.verdict
    winner = cut.winner
    assert winner is not None
    assert winner.message is not None
    first, at = done.purse.first_at, winner.asked.at
    ttl = None
    if reason != "answer" and verdict.soa is not None:
        ttl = min(verdict.soa.ttl, verdict.soa[0].minimum)
    return Reply(
        rcode=message.rcode_name(winner.message.rcode),
        zone=str(cut.zone.name),
        server=str(winner.names[0]),
        address=winner.address,
        after_ms=None if first is None or at is None else round((at - first) * 1000, 3),
        records=[
            Record(str(rrset.name), dns.rdatatype.to_text(rrset.rdtype), rrset.ttl, rdata.to_text())
            for rrset in done.end.records
            for rdata in sorted(rrset, key=lambda rdata: rdata.to_text())
        ],
        negative_ttl_s=ttl,
    )


def _cut(cut: state.Cut, done: Engine, interrupted: bool) -> Cut:
    verdict = cut.winner.verdict if cut.winner else None
    rows = [row for row in cut.rows.values() if cut.every or row.asked.tries or row.asked.error]
    rows.sort(key=lambda row: (row.names[0].to_text().lower(), ":" in row.address, row.address))
    servers = [_server(row, verdict, cut, interrupted) for row in rows]
    referral = None
    if (
        verdict is not None
        and verdict.kind == "referral"
        and verdict.zone is not None
        and cut.winner is not None
    ):
        referral = Referral(
            zone=str(verdict.zone),
            ns=[
                NameServer(str(ns), sorted(glue), ns.is_subdomain(verdict.zone))
                for ns, glue in sorted(verdict.ns.items())
            ],
            address=cut.winner.address,
            dropped_glue=[str(name) for name in verdict.dropped],
        )
    return Cut(
        zone=str(cut.zone.name),
        parent=None if cut.zone.parent is None else str(cut.zone.parent),
        query_name=str(cut.question.name),
        query_type=dns.rdatatype.to_text(cut.question.type),
        wanted_by=None if cut.wanted_by is None else str(cut.wanted_by),
        asked="all" if cut.every else "one",
        servers=servers,
        unresolved=_unresolved(cut, done),
        skipped=cut.skipped,
        referral=referral,
        child_ns=None if cut.child_ns is None else [str(name) for name in sorted(cut.child_ns)],
    )


def _server(row: state.Row, followed: Verdict | None, cut: state.Cut, interrupted: bool) -> Server:
    asked, verdict, reply = row.asked, row.verdict, row.message
    error: str | None = asked.error or None
    if error is None and asked.wire is None:
        error = "deadline" if cut.every or not cut.first.done() else "not-waited-for"
    agrees = None
    if followed is not None and verdict is not None and verdict.usable:
        agrees = verdict.key == followed.key
    return Server(
        names=[str(name) for name in row.names],
        address=row.address,
        result=verdict.kind if verdict is not None else "none",  # type: ignore[arg-type]
        reason=verdict.reason if verdict is not None and verdict.reason else None,
        said="" if verdict is None else verdict.text,
        agrees=agrees,
        error=error,
        detail=asked.detail or None,
        transport=asked.transport if asked.wire is not None else None,
        tries=asked.tries,
        tcp_tried=asked.tcp_tried,
        udp_silent=asked.udp_silent,
        rtt_ms=None if asked.rtt_ms is None else round(asked.rtt_ms, 3),
        size_bytes=None if asked.wire is None else len(asked.wire),
        rcode=None if reply is None else message.rcode_name(reply.rcode),
        aa=None if reply is None else reply.aa,
        truncated=asked.truncated,
        edns=None if reply is None else reply.edns,
        edns_refused=asked.edns_refused,
        ede=[] if reply is None else [ExtendedError(*each) for each in reply.errors],
        nsid=None if reply is None else reply.nsid,
        ignored_replies=asked.ignored,
    )
