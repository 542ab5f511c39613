"""All sockets on one screen: what is near its limit, what is wrong, then who and where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from sretool.command import Look
from sretool.report.table import FINDINGS, Block, Column, Line, Lines, Style, Table, columns_for
from sretool.report.units import UNKNOWN, bytes_text, number_text, ratio_text
from sretool.sockets.model import endpoint
from sretool.sockets.summary.model import DEFAULT, HEALTH, Destination, Group, Limit, Peer, Summary
from sretool.sockets.view import container_or_unit

NEAR, FULL = 0.8, 0.95
SMALL = 30  # lines of a terminal
_TITLES = {
    "processes": "PROCS",
    "established": "ESTAB",
    "close_wait": "CLOSE-WAIT",
    "container_name": "CONTAINER",
    "remote_address": "PEER",
    "connections": "CONNS",
    "segments_retransmitted": "RESENT",
    "retransmitted_ratio": "OF IT",
    "rtt_min_ms": "MIN",
    "rtt_max_ms": "MAX",
    "rwnd_limited_ratio": "RWND-LIM",
    "sndbuf_limited_ratio": "SNDBUF-LIM",
    "sent_bytes_per_s": "OUT/S",
    "received_bytes_per_s": "IN/S",
}
RIGHT = (
    *("processes", "sockets", "established", "listen", "close_wait"),
    *("opening", "closing", "udp", "other", "pid"),
)
_NAMES = {
    "ephemeral-ports": "ports to one peer",
    "time-wait": "time-wait table",
    "orphans": "orphans",
    "tcp-memory": "TCP memory",
    "udp-memory": "UDP memory",
    "conntrack": "conntrack",
    "accept-queue": "accept queue",
    "syn-queue": "SYN queue",
}


def summary(data: Summary, look: Look) -> list[Block]:
    """One screen; -v shows all of each table."""
    if data.fares:
        return _paths(data, look)
    lines = look.terminal.lines
    each = None if look.verbose else 10 if lines is None else 2 if lines < SMALL else 5
    blocks: list[Block] = [Lines(list(_states(data)), indent=2), _limits(data.limits, each)]
    if look.findings:
        blocks.append(FINDINGS)
    blocks.append(_groups(data, look))
    if data.peers:
        blocks.append(_peers(data, each))
    small = lines is not None and lines < SMALL and not look.verbose
    # of a far end the limits above tell already
    if data.destinations and not (small and (data.destinations[0].used_ratio or 0) < NEAR):
        blocks.append(_destinations(data, each))
    if notes := list(_notes(data, look.verbose)):
        blocks.append(Lines(notes, indent=2))
    return blocks


_PATHS = (
    *("connections", "segments_retransmitted", "retransmitted_ratio", "rtt_ms", "rtt_min_ms", "rtt_max_ms"),
    *("rwnd_limited_ratio", "sndbuf_limited_ratio", "sent_bytes_per_s", "received_bytes_per_s"),
)
_NAMED = {
    "process": ("process", "unit"),
    "unit": ("unit",),
    "peer": ("remote_address",),
    "route": ("route",),
}
EXPLAINED = (
    "RESENT and of it the share of all data segments, RWND-LIM and SNDBUF-LIM (the share of the time with "
    "data to send that the peer's window or the send buffer held it up), OUT/S and IN/S are of the sample; "
    "RTT (median), MIN and MAX in ms are the kernel's own of each connection."
)


def _paths(data: Summary, look: Look) -> list[Block]:
    """With --by: who loses, who is slow, who is held up, worst first."""
    fields = look.fields if look.fields != DEFAULT else (*_NAMED[data.by], *_PATHS)
    table = Table(
        columns_for(
            fields,
            titles=_TITLES,
            cells={} if "container" in fields else {"unit": container_or_unit},
            right=(*RIGHT, *(name for name in fields if name in HEALTH)),
            flexible=("process", "unit", "container", "route"),
            drop=[
                name
                for name in ("rtt_max_ms", "received_bytes_per_s", "unit", "rtt_min_ms")
                if name in fields
            ],
            styles={"retransmitted_ratio": _losing},
        ),
        data.groups,
        empty="no connection",
        hidden=look.hidden,
    )
    blocks: list[Block] = [table]
    if look.findings:
        blocks.append(FINDINGS)
    notes: list[Line] = []
    if data.window_s is None:
        notes.append([("one reading: what is of the sample is not known (--sample)", "warning")])
    notes += _notes(data, look.verbose)
    if look.fields == DEFAULT:
        notes.append([(EXPLAINED, "dim")])
    return [*blocks, Lines(notes, indent=2)] if notes else blocks


def _losing(row: Group) -> Style:
    again, ratio = row.segments_retransmitted, row.retransmitted_ratio
    if not isinstance(again, int) or again < 10:
        return ""
    return "critical" if ratio is None or (isinstance(ratio, float) and ratio > 0.1) else "warning"


def _states(data: Summary) -> Iterator[Line]:
    """TCP and UDP by state, both families together; the rest in one line."""
    protocols: dict[str, Counter[str]] = {"tcp": Counter(), "udp": Counter()}
    others: dict[str, Counter[str]] = {}
    for row in data.states:
        known = protocols.get(row.protocol)
        (known if known is not None else others.setdefault(row.protocol, Counter())).update(
            row.states or {"": row.sockets}
        )
    for protocol, states in protocols.items():
        if states:
            yield [(f"{protocol} {states.total()}", "strong"), (f": {_each(states)}", "")]
    if not data.sockets:
        yield "no TCP or UDP socket"
    if others:
        parts = [
            f"{name} {states.total()}" + (f" ({_each(states)})" if "" not in states else "")
            for name, states in others.items()
        ]
        yield [(f"others: {', '.join(parts)}", "dim")]


def _each(states: Counter[str]) -> str:
    return ", ".join(f"{state} {number}" for state, number in states.most_common())


def _limits(rows: list[Limit], each: int | None) -> Block:
    shown = rows if each is None else rows[: each + 1]

    def amount(row: Limit, value: int | None) -> str:
        return bytes_text(value) if row.unit == "bytes" else number_text(value)

    return Table(
        [
            Column("LIMIT", lambda row: _NAMES.get(row.name, row.name)),
            Column("USED", lambda row: amount(row, row.used), right=True),
            Column("OF", lambda row: amount(row, row.limit), right=True),
            Column("FILL", lambda row: ratio_text(row.used_ratio), right=True, style=_fill),
            Column("WHERE", _where, flexible=True, least=20),
        ],
        shown,
    )


def _where(row: Limit) -> str:
    if row.scope == "host":
        hidden = row.used is not None and row.limit is None
        return "the whole host" + ("; a namespace does not show its limit" if hidden else "")
    return "this network namespace" if row.scope == "namespace" else row.where


def _fill(row: Limit | Destination) -> Style:
    ratio = row.used_ratio or 0
    return "critical" if ratio >= FULL else "warning" if ratio >= NEAR else ""


def _groups(data: Summary, look: Look) -> Block:
    columns: list[Column[Any]] = columns_for(
        look.fields,
        titles=_TITLES,
        cells={} if "container" in look.fields else {"unit": container_or_unit},
        right=RIGHT,
        flexible=("process", "unit", "container"),
        drop=("opening", "closing", "processes", "udp"),
        styles={"close_wait": lambda row: "warning" if row.close_wait >= 10 else ""},
    )
    hidden = max(look.hidden, data.total - len(data.groups))
    empty = "no process could be named" if data.sockets else "nobody has a socket"
    return Table(columns, data.groups, empty=empty, hidden=hidden)


def _peers(data: Summary, each: int | None) -> Block:
    columns: list[Column[Peer]] = [
        Column("PEER", lambda row: row.remote_address),
        Column("SOCKETS", lambda row: str(row.sockets), right=True),
        Column("ESTAB", lambda row: str(row.established), right=True),
        Column("TIME-WAIT", lambda row: str(row.time_wait), right=True),
        Column("CLOSE-WAIT", lambda row: str(row.close_wait), right=True),
        Column("INCOMING", lambda row: str(row.incoming), right=True),
    ]
    shown = data.peers[:each]
    return Table(columns, shown, title=_of("Peers", len(shown), data.peers_total))


def _destinations(data: Summary, each: int | None) -> Block:
    columns: list[Column[Destination]] = [
        Column("FROM", lambda row: row.local_address),
        Column("TO", lambda row: endpoint(row.remote_address, row.remote_port)),
        Column("PORTS USED", lambda row: str(row.ports_used), right=True),
        Column("OF", lambda row: number_text(row.ports), right=True),
        Column("FILL", lambda row: ratio_text(row.used_ratio), right=True, style=_fill),
        Column("TIME-WAIT", lambda row: str(row.time_wait), right=True, drop=2),
        Column("PROCESS", _process, flexible=True, drop=1),
    ]
    shown = data.destinations[:each]
    return Table(columns, shown, title=_of("Connections from here", len(shown), data.destinations_total))


def _process(row: Destination) -> str:
    return f"{row.process}[{row.pid}]" if row.process is not None else UNKNOWN


def _of(title: str, shown: int, total: int) -> str:
    return title if shown == total else f"{title} (the first {shown} of {total})"


def _notes(data: Summary, verbose: bool) -> Iterator[Line]:
    if (who := data.unattributed) is not None and (who.hidden or who.unaccepted or who.kernel):
        parts = [
            text
            for text in (
                f"{who.kernel} of the kernel alone (closed by their process, or not open yet)"
                if who.kernel
                else "",
                f"{who.unaccepted} in an accept queue" if who.unaccepted else "",
                f"{who.hidden} of a process that could not be seen" if who.hidden else "",
            )
            if text
        ]
        yield [(f"without a process: {', '.join(parts)}", "warning" if who.hidden else "dim")]
    grown = [
        f"{name.partition('.')[2]} +{one.in_sample}" for name, one in data.counters.items() if one.in_sample
    ]
    lost = [text for text in grown if not text.startswith("InDatagrams")]
    if lost and data.window_s is not None:
        yield f"counted in {data.window_s:.3g} s: {', '.join(lost)}"
    unknown = [check.id for check in data.checks if check.outcome == "unknown"]
    if unknown and not verbose:
        yield [(f"could not be judged: {', '.join(unknown)} (-v says why)", "dim")]
    for check in data.checks if verbose else ():
        if check.reason:
            yield [(f"{check.id}: {check.outcome}: {check.reason}", "dim")]
