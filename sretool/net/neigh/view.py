"""Neighbours as a table, and what is to be known of the tables they are in."""

from __future__ import annotations

from sretool.command import Look
from sretool.net.neigh.model import Neighbour, Neighbours, NeighbourTable
from sretool.report.table import Block, Line, Lines, Style, Table, columns_for
from sretool.report.units import UNKNOWN, count_text, duration_text

_DROP = ("family", "refcnt", "protocol", "probes", "confirmed_s", "flags", "used_s", "changed", "updated_s")
_GONE_SHOWN = 5


def listing(data: Neighbours, look: Look) -> list[Block]:
    """One row an entry, then the tables."""
    columns = columns_for(
        look.fields,
        titles={"lladdr": "HARDWARE"},
        cells={"state": _state, "changed": _changed},
        right=("probes", "refcnt"),
        flexible=("flags",),
        drop=[name for name in _DROP if name in look.fields],
        styles={"state": _style},
    )
    blocks: list[Block] = [Table(columns, data.neighbours, empty="no neighbour matches", hidden=look.hidden)]
    lines = [_table(table) for table in data.tables]
    if data.gone:
        more = f" and {len(data.gone) - _GONE_SHOWN} more" if len(data.gone) > _GONE_SHOWN else ""
        lines.append(f"gone since the first reading: {', '.join(data.gone[:_GONE_SHOWN])}{more}")
    return [*blocks, Lines(lines, indent=2)] if lines else blocks


def line(row: Neighbour) -> str:
    """`192.0.2.1 dev eth0 at 02:00:00:00:00:01 stale router`."""
    at = f" at {row.lladdr}" if row.lladdr else ""
    return " ".join([f"{row.dst} dev {row.dev}{at} {row.state}", *row.flags])


def _state(row: Neighbour) -> str:
    return f"{row.state}, was {row.state_before}" if "state" in (row.changed or ()) else row.state


def _changed(row: Neighbour) -> str:
    if row.changed and "lladdr" in row.changed:
        others = [word for word in row.changed if word != "lladdr"]
        return ",".join([*others, f"was at {row.lladdr_before}"])
    return ",".join(row.changed or ()) or UNKNOWN


def _style(row: Neighbour) -> Style:
    return "critical" if row.state == "failed" else "warning" if row.state == "incomplete" else ""


def _table(table: NeighbourTable) -> Line:
    """`arp_cache: 12 of at most 1024 entries (gc_thresh3), of which 5 in this namespace; never full`."""
    exempt = table.exempt_here or 0
    count = UNKNOWN if table.entries is None else str(table.entries - exempt)
    at_most = UNKNOWN if table.gc_thresh3 is None else str(table.gc_thresh3)
    text = f"{table.name}: {count} of at most {at_most} entries (gc_thresh3)"
    if table.entries_here is not None:
        text += f", {table.entries_here - exempt} of them in this namespace"
    if exempt:
        text += f", and {exempt} that do not count (permanent, extern_learn)"
    total, fulls = table.table_fulls_total, table.table_fulls
    if total is None:
        return f"{text}; whether it was ever full is unknown"
    full = f"full {count_text(total, 'time')} since boot" if total else "never full since boot"
    if not fulls:
        return f"{text}; {full}"
    window = duration_text(table.window_s)
    return [(f"{text}; {full}, ", ""), (f"{count_text(fulls, 'time')} in the last {window}", "critical")]
