"""Every way to a host as a table: one line a host, and under it how sure it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sretool.net.trace import named
from sretool.net.trace.ecmp.model import Diamond, Ecmp, EcmpHop, Leg, LegSocket, Node
from sretool.probe.icmp import ECHO_REPLY, TIME_EXCEEDED
from sretool.report.table import Block, Column, Line, Lines, Style, Table
from sretool.report.units import count_text, ms_text

FOLD = 3
"""So many silent hops in a row are one line."""
MOST_SOCKETS = 12
MOST_UNFINISHED = 4

_VERDICTS = {"clear": "ok", "loses": "loses packets", "unclear": "not apart", "unknown": "not known"}
_NORMAL = (TIME_EXCEEDED, ECHO_REPLY, "port-unreachable", "datagram", "syn-ack", "rst")
_STYLES: dict[str, Style] = {"clear": "good", "loses": "critical", "unclear": "warning"}
_BALANCING = {
    "per-flow": "balanced by flow",
    "per-packet": "balanced by packet: one flow meets several hosts, so no leg can be measured by itself",
    "unknown": "too few repeats were answered to tell whether by flow or by packet",
}
_WHY = {"flows": "more --flows would tell", "silence": "too many stay unanswered", "time": "no time left"}


class _Row(NamedTuple):
    ttl: str
    address: str
    share: float | None
    rtt_ms: float | None
    leg: Leg | None
    answer: str
    silent: bool = False
    node: Node | None = None


def ways(data: Ecmp) -> list[Block]:
    """The hops with their legs, and what is known of the whole."""
    rows = list(_rows(data))
    columns: list[Column[_Row]] = [
        Column("TTL", lambda row: row.ttl, right=True),
        Column("ADDRESS", lambda row: row.address, flexible=True, least=15, style=_dim),
        *named.columns(rows, lambda row: row.node),
        Column("SHARE", lambda row: "" if row.share is None else f"{row.share:.0%}", right=True),
        Column(
            "AVG ms", lambda row: ms_text(row.rtt_ms) if row.rtt_ms is not None else "", right=True, drop=1
        ),
    ]
    if any(row.leg is not None for row in rows):
        columns += [
            Column("END ms", _to_end, right=True, drop=2),
            Column("LOSS", _loss, right=True),
        ]
    columns.append(Column("VERDICT", _verdict, flexible=True, least=8, style=_verdict_style))
    return [
        Table(columns, rows, empty="nobody answered"),
        Lines(list(_told(data)), indent=2),
    ]


def _rows(data: Ecmp) -> Iterator[_Row]:
    legs = {(leg.ttl, leg.address): leg for diamond in data.diamonds for leg in diamond.legs}
    quiet: list[EcmpHop] = []
    for hop in data.hops:
        unheard = legs.get((hop.ttl, None))
        if not hop.nodes and unheard is None:
            quiet.append(hop)
            continue
        yield from _quiet(quiet)
        quiet = []
        for number, node in enumerate(hop.nodes):
            leg = legs.get((hop.ttl, node.address))
            share = node.share_ratio if leg is None else leg.share_ratio
            yield _Row(
                str(hop.ttl) if number == 0 else "",
                node.address,
                share if len(hop.nodes) > 1 or leg is not None else None,
                node.rtt_avg_ms,
                leg,
                _said(node, hop),
                node=node,
            )
        if unheard is not None:
            ttl = "" if hop.nodes else str(hop.ttl)
            yield _Row(ttl, "no answer", unheard.share_ratio, None, unheard, "", True)
    yield from _quiet(quiet)


def _quiet(hops: list[EcmpHop]) -> Iterator[_Row]:
    if len(hops) >= FOLD:
        yield _Row(f"{hops[0].ttl}–{hops[-1].ttl}", "no answer", None, None, None, "", True)
        return
    for hop in hops:
        yield _Row(str(hop.ttl), "no answer", None, None, None, "", True)


def _said(node: Node, hop: EcmpHop) -> str:
    if hop.balancing == "per-packet":
        return "by packet"
    return "" if node.answer in _NORMAL else node.answer


def _to_end(row: _Row) -> str:
    return "" if row.leg is None else ms_text(row.leg.rtt_avg_ms)


def _loss(row: _Row) -> str:
    leg = row.leg
    if leg is None:
        return ""
    if leg.loss_ratio is None or leg.loss_low_ratio is None or leg.loss_high_ratio is None:
        return "-"
    return f"{leg.loss_ratio:.0%} ({leg.loss_low_ratio:.0%}–{leg.loss_high_ratio:.0%})"


def _verdict(row: _Row) -> str:
    said = "" if row.leg is None else _VERDICTS[row.leg.verdict]
    return ", ".join(part for part in (row.answer, said) if part)


def _verdict_style(row: _Row) -> Style:
    if row.leg is None:
        return "warning" if row.answer else ""
    return _STYLES.get(row.leg.verdict, "")


def _dim(row: _Row) -> Style:
    return "dim" if row.silent else ""


def _told(data: Ecmp) -> Iterator[Line]:
    if data.cannot_see and "echo requests" in data.cannot_see[0]:
        yield f"not seen: {data.cannot_see[0]}"
    if not data.diamonds:
        yield [("one way", "good" if data.complete else ""), (f": no hop has a second host{_sure(data)}", "")]
    for diamond in data.diamonds:
        yield from _stretch(diamond, data)
    if data.loss_unknown:
        yield f"what the legs lose is not known: {data.loss_unknown}"
    if data.diamonds and data.complete:
        yield f"no further legs, with {data.confidence_ratio:.0%} for each router that spreads flows evenly"
    for lacking in data.unfinished[:MOST_UNFINISHED]:
        who = lacking.address or ("this host" if lacking.ttl < data.hops[0].ttl else "the hop")
        if lacking.why == "own-route":
            told = f"this host itself has {data.own_next_hops} next hops there, and probes take one of them"
            yield [(f"{told}: sretool net route shows all", "warning")]
            continue
        known = f"{lacking.flows_known} of {lacking.flows_needed} flows known"
        told = f"behind {who} (TTL {lacking.ttl}) there may be more: {known}; {_WHY[lacking.why]}"
        yield [(told, "warning")]
    if len(data.unfinished) > MOST_UNFINISHED:
        yield f"and behind {count_text(len(data.unfinished) - MOST_UNFINISHED, 'more host')}"
    spent = f"{count_text(data.flows, 'flow')}, {count_text(data.probes_sent, 'probe')}"
    yield [(f"{spent}, {ms_text(data.network_ms)} ms; another target may go other ways", "dim")]


def _sure(data: Ecmp) -> str:
    return f", with {data.confidence_ratio:.0%} for each router" if data.complete else " so far"


def _stretch(diamond: Diamond, data: Ecmp) -> Iterator[Line]:
    hops = f"hop {diamond.first_ttl}"
    if diamond.last_ttl != diamond.first_ttl:
        hops = f"hops {diamond.first_ttl}–{diamond.last_ttl}"
    legs = f"{count_text(len(diamond.legs), 'leg')}, " if diamond.legs else ""
    line = f"{hops}: {legs}{_BALANCING.get(diamond.balancing, diamond.balancing)}"
    measured = [leg.sent for leg in diamond.legs if leg.sent]
    if measured and not data.loss_unknown:
        line += f"; loss by the answers of {data.judged_at}, {min(measured)} probes a leg"
    yield line
    for leg in diamond.legs:
        if leg.verdict == "loses" and isinstance(leg.sockets, list) and leg.sockets:
            which = leg.address or "the silent leg"
            yield [(f"our own connections on {which}: {_owners(leg.sockets)}", "critical")]
    if isinstance(data.sockets_unknown, str) and data.sockets_unknown:
        yield f"which sockets take which leg is not known: {data.sockets_unknown}"


def _owners(sockets: list[LegSocket]) -> str:
    """`nginx (812) ports 40000, 40002; ports 51000`: by who holds them."""
    by_owner: dict[str, list[str]] = {}
    for row in sockets[:MOST_SOCKETS]:
        owner = f"{row.process or 'process'} ({row.pid}) " if row.pid is not None else ""
        by_owner.setdefault(owner, []).append(str(row.local_port))
    named = "; ".join(
        f"{owner}port{'s' if len(ports) > 1 else ''} {', '.join(ports)}" for owner, ports in by_owner.items()
    )
    more = len(sockets) - MOST_SOCKETS
    return f"{named}, and {count_text(more, 'more connection')}" if more > 0 else named
