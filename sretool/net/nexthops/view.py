"""Nexthop objects as a table."""

from __future__ import annotations

from msgspec.structs import replace

from sretool.command import Look
from sretool.net.nexthops.model import Leg, NexthopRow, Nexthops
from sretool.report.table import Block, Style, Table, columns_for
from sretool.report.units import UNKNOWN, duration_text

_NUMBERS = ("id", "legs_dead", "buckets")
_DROP = ("protocol", "flags", "scope", "family", "neighbour")


def listing(data: Nexthops, look: Look) -> list[Block]:
    """One row an object; a group's legs stand in its gateway column."""
    fields = [name for name in look.fields if name != "legs" or "gateway" not in look.fields]
    columns = columns_for(
        fields,
        cells={"gateway": _gateway, "legs": _legs, "encap": _encap, "trouble": _trouble},
        titles={"gateway": "GATEWAY OR LEGS", "legs_dead": "DEAD"},
        right=_NUMBERS,
        flexible=("gateway", "legs", "trouble"),
        drop=[name for name in _DROP if name in fields],
        styles={"trouble": _style},
    )
    # why it does not work is what is looked for: the others go before this is cut short
    columns = [replace(column, least=32) if column.title == "TROUBLE" else column for column in columns]
    return [Table(columns, data.nexthops, empty="no nexthop object", hidden=look.hidden)]


def _gateway(row: NexthopRow) -> str:
    return row.gateway or _legs(row)


def _legs(row: NexthopRow) -> str:
    return ", ".join(map(_leg, row.legs)) or UNKNOWN


def _leg(leg: Leg) -> str:
    weight = f" weight {leg.weight}" if leg.weight != 1 else ""
    return f"{leg.id}{weight}{' DEAD' if leg.trouble else ''}"


def _encap(row: NexthopRow) -> str:
    return " ".join(filter(None, (row.encap, row.encap_to))) or UNKNOWN


def _trouble(row: NexthopRow) -> str:
    out = row.unbalanced_time_s
    unbalanced = f"out of balance for {duration_text(out)}" if out else ""
    return "; ".join(filter(None, (row.trouble, unbalanced))) or UNKNOWN


def _style(row: NexthopRow) -> Style:
    if row.trouble is None:
        return ""
    return "critical" if row.legs and row.legs_dead == len(row.legs) else "warning"
