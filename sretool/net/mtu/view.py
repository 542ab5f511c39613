"""A path and the sizes it takes, as a table: one line a hop, then what that means."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.command.run import Look
from sretool.net.mtu.checks import between, place, wrong
from sretool.net.mtu.model import Hop, Mtu, Place
from sretool.report.table import Block, Column, Line, Lines, Style, Table
from sretool.report.units import count_text, ms_text


def mtu(data: Mtu, look: Look) -> list[Block]:
    """Where to and how, the hops with what gets to them, the verdict."""
    name = data.target if data.target == data.address else f"{data.target} ({data.address})"
    via = f" via {data.interface or data.link}" if data.interface or data.link else ""
    ways = [f"UDP port {data.port}"] if data.port is not None else []
    if len(data.methods) > len(ways):
        ways.append("echo requests")
    head = f"{name} from {data.source_address}{via}, {' and '.join(ways)}"
    notes = _notes(data)
    columns: list[Column[Hop]] = [
        Column("TTL", lambda hop: str(hop.ttl), right=True),
        Column("ADDRESS", _address, flexible=True, least=15, style=lambda hop: "" if hop.address else "dim"),
        Column("RTT ms", lambda hop: ms_text(hop.rtt_ms), right=True, drop=2),
        Column("GETS THERE", lambda hop: _size(hop.mtu_bytes), right=True),
        Column("SAYS", lambda hop: _size(hop.advertised_mtu_bytes), right=True, drop=1),
        Column(
            "NOTE",
            lambda hop: notes.get(hop.ttl, ("", ""))[0],
            flexible=True,
            least=12,
            style=lambda hop: notes.get(hop.ttl, ("", ""))[1],
        ),
    ]
    return [
        Lines([[(head, "strong")]]),
        Table(columns, data.hops, empty="no hop answered"),
        Lines(list(_end(data)), indent=2),
    ]


def _address(hop: Hop) -> str:
    if hop.address is None:
        return "no answer"
    more = len(hop.addresses) - 1
    return f"{hop.address} and {more} more" if more else hop.address


def _size(value: int | None) -> str:
    return "" if value is None else str(value)


def _notes(data: Mtu) -> dict[int, tuple[str, Style]]:
    notes: dict[int, tuple[str, Style]] = {}
    for advice in data.advertised:
        if advice.ttl is not None:
            fault = wrong(advice, 6 if ":" in data.address else 4)
            notes[advice.ttl] = (fault, "warning") if fault else (f"says that {advice.mtu_bytes} fits", "")
    for hole in (data.black_hole, *data.further_black_holes):
        if hole is not None and hole.before is not None and hole.before.ttl is not None:
            notes[hole.before.ttl] = (f"nothing over {hole.passes_bytes} gets here", "critical")
        elif hole is not None and hole.after.ttl is not None:
            notes[hole.after.ttl] = (f"nothing over {hole.passes_bytes} gets past it", "critical")
    if data.target_ttl is not None and data.target_ttl_exact is False:
        notes.setdefault(data.target_ttl, ("this hop, or farther", ""))
    return notes


def _end(data: Mtu) -> Iterator[Line]:
    yield _verdict(data)
    known = [hop for hop in data.hops if hop.mtu_bytes is not None]
    if not data.reached and data.black_hole is None and known:
        last = place(Place(known[-1].ttl, known[-1].address))
        yield f"{known[-1].mtu_bytes} bytes get as far as {last}"
    if data.uneven is not None:
        yield [(f"some flows lose packets of {data.uneven.size_bytes} bytes: one of several ways", "warning")]
    if data.widest_way_bytes is not None:
        yield [(f"up to {data.widest_way_bytes} bytes got there on another way: a load balancer", "warning")]
    yield _beliefs(data)
    if data.way_back is not None:
        yield [(f"echo replies over {data.way_back.passes_bytes} bytes do not come back", "warning")]
    hanging = sum(row.hangs is True for row in data.connections)
    if data.connections:
        sizes = sorted({row.packet_bytes for row in data.connections if row.packet_bytes is not None})
        of = "" if not sizes else f", packets of up to {sizes[-1]} bytes"
        hang = f"; {hanging} of them {'hangs' if hanging == 1 else 'hang'}" if hanging else ""
        style: Style = "critical" if hanging else ""
        yield [(f"{count_text(len(data.connections), 'live TCP connection')} to it{of}{hang}", style)]
    for verdict in data.checks:
        if verdict.outcome == "unknown" and verdict.id == "mtu.way-back" and data.path_mtu_bytes is not None:
            yield [(f"way back not known: {verdict.reason}", "dim")]


def _verdict(data: Mtu) -> Line:
    took = f"; {data.probes_sent} packets, {ms_text(data.network_ms)} ms"
    hole = data.black_hole
    if hole is not None:
        lost = f"larger packets are lost {between(data, hole)}"
        size = f"path MTU {data.path_mtu_bytes} bytes, and " if data.path_mtu_bytes is not None else ""
        passes = "" if size else f" ({hole.passes_bytes} bytes pass)"
        return [(f"black hole: {size}{lost}{passes}", "critical"), (took, "")]
    if data.path_mtu_bytes is not None:
        less = data.path_mtu_bytes < data.asked_bytes
        why = ", and the router that takes no more says so" if less else ""
        return [(f"path MTU {data.path_mtu_bytes} bytes", "good"), (f"{why}{took}", "")]
    return [(f"path MTU not known: {_ENDS[data.end_reason]}", "critical"), (took, "")]


def _beliefs(data: Mtu) -> Line:
    """What this host thinks of it."""
    parts = [f"our link takes {data.link_mtu_bytes}" if data.link_mtu_bytes is not None else ""]
    if data.link and parts[0]:
        parts[0] += f" ({data.link})"
    if data.route_mtu_bytes is not None:
        parts.append(f"the route says {data.route_mtu_bytes}")
    if data.cached_mtu_bytes is not None:
        parts.append(f"the kernel had learnt {data.cached_mtu_bytes}")
    return "; ".join(part for part in parts if part)


_ENDS = {
    "measured": "",
    "silent": "the target answers nothing",
    "unreachable": "the target is unreachable",
    "prohibited": "filtered on the way",
    "unsettled": "too few answers, or they contradict each other",
    "interrupted": "interrupted",
    "deadline": "stopped by --deadline",
}
