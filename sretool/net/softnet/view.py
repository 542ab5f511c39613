"""The receive side of every CPU, as a table."""

from __future__ import annotations

from sretool.command import Look
from sretool.net.softnet.model import Cpu, Softnet
from sretool.report.table import Block, Lines, Style, Table, columns_for
from sretool.report.units import number_text

_TITLES = {"packets_per_s": "PACKETS/S", "dropped_per_s": "DROPS/S", "squeezed_per_s": "SQUEEZES/S"}


def listing(data: Softnet, look: Look) -> list[Block]:
    """One row a CPU, and what they may take in."""
    columns = columns_for(
        look.fields,
        titles=_TITLES,
        right=look.fields,
        drop=[name for name in ("packets_total", "rps", "backlog", "squeezed_total") if name in look.fields],
        styles={
            "dropped": _drops,
            "dropped_per_s": _drops,
            "squeezed": _squeezes,
            "squeezed_per_s": _squeezes,
        },
    )
    blocks: list[Block] = [Table(columns, data.cpus, empty="no CPU's line could be read", hidden=look.hidden)]
    known = {
        "netdev_max_backlog": data.limits.netdev_max_backlog,
        "netdev_budget": data.limits.netdev_budget,
        "netdev_budget_usecs": data.limits.netdev_budget_us,
    }
    if any(value is not None for value in known.values()):
        text = ", ".join(f"{name} {number_text(value)}" for name, value in known.items())
        blocks.append(Lines([[(f"net.core: {text}", "dim")]], indent=2))
    return blocks


def _drops(row: Cpu) -> Style:
    return "critical" if row.dropped else ""


def _squeezes(row: Cpu) -> Style:
    return "warning" if row.squeezed else ""
