"""A path as a table: one line a host, silent stretches as one line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sretool.command.run import Look
from sretool.net.trace.model import Hop, Host, Trace
from sretool.probe.icmp import TIME_EXCEEDED
from sretool.report.table import Block, Column, Line, Lines, Style, Table
from sretool.report.units import ms_text

FOLD = 3
"""So many silent hops in a row are one line."""


class _Row(NamedTuple):
    ttl: str
    address: str
    answered: str
    rtts: list[float]
    answer: str
    silent: bool


def trace(data: Trace, look: Look) -> list[Block]:
    """Where to and how, the hops, and how the path ends."""
    name = data.target if data.target == data.address else f"{data.target} ({data.address})"
    via = f" via {data.interface}" if data.interface else ""
    head = f"{name} from {data.source_address}{via}, UDP port {data.port}"
    columns: list[Column[_Row]] = [
        Column("TTL", lambda row: row.ttl, right=True),
        Column("ADDRESS", lambda row: row.address, flexible=True, least=15, style=_style),
        Column("ANSWERED", lambda row: row.answered, right=True, drop=2),
        Column("MIN ms", lambda row: ms_text(min(row.rtts, default=None)), right=True, drop=1),
        Column("AVG ms", lambda row: ms_text(_mean(row.rtts)), right=True),
        Column("MAX ms", lambda row: ms_text(max(row.rtts, default=None)), right=True, drop=1),
        Column("ANSWER", lambda row: row.answer, flexible=True, least=8, style=_answer_style),
    ]
    rows = list(_rows(data))
    return [
        Lines([[(head, "strong")]]),
        Table(columns, rows, empty="no probe was sent"),
        Lines(list(_end(data)), indent=2),
    ]


def _mean(rtts: list[float]) -> float | None:
    return sum(rtts) / len(rtts) if rtts else None


def _style(row: _Row) -> Style:
    return "dim" if row.silent else ""


def _answer_style(row: _Row) -> Style:
    return "warning" if row.answer else ""


def _rows(data: Trace) -> Iterator[_Row]:
    quiet: list[Hop] = []
    for hop in data.hops:
        if not hop.hosts:
            quiet.append(hop)
            continue
        yield from _quiet(quiet)
        quiet = []
        for number, host in enumerate(hop.hosts):
            yield _Row(
                str(hop.ttl) if number == 0 else "",
                host.address or "(unknown)",
                f"{host.replies}/{hop.sent}",
                host.rtts_ms,
                _said(host, data),
                False,
            )
    yield from _quiet(quiet)


def _quiet(hops: list[Hop]) -> Iterator[_Row]:
    if len(hops) >= FOLD:
        sent = sum(hop.sent for hop in hops)
        yield _Row(f"{hops[0].ttl}–{hops[-1].ttl}", "no answer", f"0/{sent}", [], "", True)
        return
    for hop in hops:
        yield _Row(str(hop.ttl), "no answer", f"0/{hop.sent}", [], "", True)


def _said(host: Host, data: Trace) -> str:
    """What is normal is not said: time-exceeded on the way, the target's closed port."""
    if host.answer == TIME_EXCEEDED or (host.answer == "port-unreachable" and host.address == data.address):
        return ""
    return host.answer


def _end(data: Trace) -> Iterator[Line]:
    took = f"{ms_text(data.network_ms)} ms"
    if data.end_reason == "reached":
        exact = "" if data.end_ttl_exact else ", or nearer"
        said = {"datagram": "its service answered", "port-unreachable": "port closed"}.get(
            data.end_answer or "", data.end_answer or ""
        )
        by = "" if data.end_address == data.address else f", by {data.end_address or 'an unknown address'}"
        yield [
            (f"reached at hop {data.end_ttl}{exact}", "good"),
            (f" ({said}{by}); the trace took {took}", ""),
        ]
    else:
        yield [(_ENDS[data.end_reason], "critical"), (f"; the trace took {took}", "")]
    if data.strays:
        names = ", ".join(dict.fromkeys(stray.address or "unknown" for stray in data.strays))
        yield f"{len(data.strays)} replies matched no probe and count for no hop, from {names}"
    for verdict in data.checks:
        if verdict.outcome == "unknown" and data.reached:
            yield f"loss not known: {verdict.reason}"
    if any(len(hop.hosts) > 1 for hop in data.hops):
        yield [("several hosts at one hop: each probe is its own flow and may take its own way", "dim")]


_ENDS = {
    "silent": "the target is silent",
    "unreachable": "the target is unreachable",
    "prohibited": "filtered on the way",
    "loop": "routing loop",
    "ttl-exhausted": "farther than the last TTL",
    "interrupted": "interrupted",
    "deadline": "stopped by --deadline",
}
