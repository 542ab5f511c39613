"""The table of tracked connections, in a few lines and three short tables."""

from __future__ import annotations

from typing import Any

from sretool.command import Look
from sretool.net.conntrack.model import Conntrack, Counts
from sretool.report.table import Block, Column, Line, Lines, Style, Table, columns_for
from sretool.report.units import UNKNOWN

_TITLES = {"entries_ratio": "SHARE"}
_NUMBERS = ("entries", "unreplied", "port")
_TOP = 10
_STATES = ("protocol", "state", "entries", "entries_ratio")
_DESTINATIONS = ("destination", "port", "protocol", "entries", "entries_ratio", "unreplied")


def report(data: Conntrack, look: Look) -> list[Block]:
    """How full it is, what the kernel counted, and of what it is full."""
    if not data.tracking:
        return [Lines(["this kernel tracks no connections: no rule here needs it, or it has no conntrack"])]
    if data.count is None and data.max is None and data.matched is None:
        return [Lines(["nothing could be read of the table of tracked connections"])]
    blocks: list[Block] = [Lines([_fill(data), *_counted(data)])]
    if data.matched is None:
        return blocks
    blocks.append(Table(_columns(_STATES), data.states, empty="no entry matches"))
    if not data.sources:
        return blocks
    most = _TOP if look.limit is None else look.limit or None
    to, hidden = data.destinations[:most], data.destinations_total
    blocks.append(Table(_columns(_DESTINATIONS), to, hidden=hidden - len(to)))
    # all of them where they are piped, as in any listing
    most = _TOP if look.limit is None and look.terminal.is_terminal else None
    by = data.sources[:most]
    blocks.append(Table(_columns(look.fields), by, hidden=data.total - len(by)))
    return blocks


def _columns(fields: tuple[str, ...]) -> list[Column[Any]]:
    return columns_for(fields, titles=_TITLES, right=_NUMBERS)


def _fill(data: Conntrack) -> Line:
    count = UNKNOWN if data.count is None else f"{data.count:,}"
    most = UNKNOWN if data.max is None else f"{data.max:,}"
    limit = f"of at most {most}" if data.max != 0 else "without a limit"
    share: list[tuple[str, Style]] = []
    if data.fill_ratio is not None:
        style: Style = "critical" if data.fill_ratio > 0.95 else "warning" if data.fill_ratio > 0.75 else ""
        share = [(f" ({data.fill_ratio:.1%})", style)]
    matched = "" if data.matched in (None, data.listed) else f", {data.matched:,} of them match"
    line: list[tuple[str, Style]] = [(f"{count} connections tracked {limit}", ""), *share, (matched, "")]
    return line


def _counted(data: Conntrack) -> list[Line]:
    lines: list[Line] = []
    if data.counts is not None and data.window_s is not None:
        lines.append(f"in {data.window_s:.1f} s: {_words(data.counts)}")
    elif data.total_counts is not None:
        lines.append(f"since boot: {_words(data.total_counts)}")
    translated = [
        f"{number:,} {what}"
        for number, what in (
            (data.snat, "source translated"),
            (data.dnat, "destination translated"),
            (data.offloaded, "offloaded"),
        )
        if number
    ]
    return [*lines, f"of these {', '.join(translated)}"] if translated else lines


def _words(counts: Counts) -> str:
    return ", ".join(
        f"{UNKNOWN if number is None else number} {what}"
        for number, what in (
            (counts.drop, "packets dropped"),
            (counts.insert_failed, "of them insert failures"),
            (counts.early_drop, "entries thrown out for room"),
            (counts.invalid, "packets invalid"),
        )
    )
