"""A trace as a person reads it: a block a cut, the answer last."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.command import Look
from sretool.dns.trace.model import Cut, Server, Trace
from sretool.report.table import Block, Column, Line, Lines, Style, Table
from sretool.report.units import ms_text, number_text

MOST_ALIKE = 8
"""More servers than this saying the same are folded without -v: the root and com have 26 each."""
_SHOWN = 3

_ENDS = {
    "no-answer": "no answer: no server of {zone} gives a usable reply",
    "no-address": "no answer: {zone} has no server with an address to ask",
    "no-network": "not looked: nothing could leave this host for {zone}",
    "budget": "not looked: the query budget was used up at {zone}",
    "deadline": "not known: the deadline was over while asking {zone}",
    "interrupted": "stopped while asking {zone}",
    "cname-loop": "no answer: aliases lead in a circle",
    "cname-limit": "no answer: too many aliases in a row",
}


def trace(data: Trace, look: Look) -> list[Block]:
    """Every cut, then how it ended."""
    blocks: list[Block] = []
    for cut in data.cuts:
        if cut.wanted_by is None or look.verbose:
            blocks += _cut(cut, look)
    side = [cut for cut in data.cuts if cut.wanted_by is not None]
    if side and not look.verbose:
        names = ", ".join(dict.fromkeys(str(cut.wanted_by) for cut in side))
        blocks.append(Lines([[(f"looked up for want of glue: {names} (-v shows how)", "dim")]]))
    blocks.append(Lines(list(_end(data)), indent=4))
    return blocks


def _cut(cut: Cut, look: Look) -> list[Block]:
    wanted = f", to find {cut.wanted_by}" if cut.wanted_by is not None else ""
    title = f"{cut.zone} asked for {cut.query_name} {cut.query_type}{wanted}"
    shown, folded = _fold(cut.servers, look.verbose)
    columns: list[Column[Server]] = [
        Column("SERVER", lambda row: row.names[0], flexible=True, least=12),
        Column("ADDRESS", lambda row: row.address, flexible=True, least=15),
        Column("RTT ms", lambda row: ms_text(row.rtt_ms), right=True),
        Column("BYTES", lambda row: number_text(row.size_bytes), right=True, drop=1),
        Column("SAYS", lambda row: _says(row, look.verbose), flexible=True, least=24, style=_style),
    ]
    more = Lines([[(line, "dim")] for line in folded], title="" if shown or not folded else title)
    if folded and not shown:
        return [more]
    table = Table(columns, shown, title=title, empty="no server to ask")
    return [table, more] if folded else [table]


def _fold(servers: list[Server], verbose: bool) -> tuple[list[Server], list[str]]:
    """The rows to show, and a line for every group that is not."""
    if verbose:
        return servers, []
    groups: dict[tuple[str, bool], list[Server]] = {}
    for server in servers:
        groups.setdefault((_says(server, False), ":" in server.address), []).append(server)
    alike: dict[str, int] = {}
    for (says, _six), rows in groups.items():
        alike[says] = alike.get(says, 0) + len(rows)
    hidden: list[Server] = []
    lines: list[str] = []
    for says, count in alike.items():
        rows = [row for row in servers if _says(row, False) == says]
        if rows[0].error in ("no-route", "no-socket") and count > 1:
            hidden += rows
            lines.append(f"{count} addresses not asked: {says}")
        elif count > MOST_ALIKE:
            rest = sorted(rows, key=lambda row: row.rtt_ms or 0.0)[_SHOWN:]
            hidden += rest
            times = [row.rtt_ms for row in rest if row.rtt_ms is not None]
            span = f", {ms_text(min(times))} to {ms_text(max(times))} ms" if times else ""
            lines.append(f"{len(rest)} more: {says}{span} (-v shows each)")
    gone = {id(row) for row in hidden}
    return [row for row in servers if id(row) not in gone], lines


def _says(row: Server, verbose: bool) -> str:
    if row.error is not None:
        says = row.error.replace("-", " ")
        if row.error in ("no-route", "no-socket", "malformed") and row.detail:
            says += f" ({row.detail})"
        elif row.error == "timeout":
            says = f"no reply to {row.tries} {'query' if row.tries == 1 else 'queries'}" + (
                " and TCP" if row.tcp_tried else ""
            )
        elif row.truncated:
            says = f"truncated, then {says}"
        return says + (f" [{row.ignored_replies} stray ignored]" if row.ignored_replies else "")
    notes = ["over TCP"] if row.transport == "tcp" else []
    notes += ["only without EDNS"] if row.edns_refused else []
    notes += [f"{row.ignored_replies} stray ignored"] if row.ignored_replies else []
    notes += [f"EDE {each.code} {each.name} {each.text}".rstrip() for each in row.ede]
    notes += ["differs"] if row.agrees is False else []
    notes += [f"NSID {row.nsid}"] if verbose and row.nsid else []
    notes += [f"try {row.tries}"] if verbose and row.tries > 1 else []
    return row.said + (f" [{'; '.join(notes)}]" if notes else "")


def _style(row: Server) -> Style:
    if row.error in ("no-route", "no-socket", "not-waited-for", "deadline"):
        return "dim"
    if row.error is not None or row.result == "lame" or row.agrees is False:
        return "warning"
    return ""


def _end(data: Trace) -> Iterator[Line]:
    answer = data.answer
    if answer is not None:
        after = "" if answer.after_ms is None else f", after {ms_text(answer.after_ms)} ms"
        yield [
            (f"{data.name} {data.type}: ", "strong"),
            (_outcome(data), "good" if data.end_reason == "answer" else "warning"),
            (f", says {answer.server} ({answer.address}){after}", ""),
        ]
        for record in answer.records:
            yield [(f"    {record.name} {record.ttl_s} {record.type} ", ""), (record.rdata, "strong")]
    else:
        text = _ENDS[data.end_reason].format(zone=data.end_zone)
        yield [(f"{data.name} {data.type}: ", "strong"), (text, "critical")]
    spent = f" in {ms_text(data.network_ms)} ms" if data.network_ms is not None else ""
    yield [(f"{data.queries} of at most {data.query_budget} queries{spent}; DNSSEC not checked", "dim")]


def _outcome(data: Trace) -> str:
    if data.end_reason == "answer":
        count = len(data.answer.records) if data.answer else 0
        return f"{count} record" + ("s" if count != 1 else "")
    return "no such name" if data.end_reason == "nxdomain" else f"the name has no {data.type} record"
