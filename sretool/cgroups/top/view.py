"""Victims and culprits as a person sees them."""

from __future__ import annotations

from msgspec.structs import replace

from sretool.cgroups.top.model import SHOWN, Ranked, Top
from sretool.command import Look
from sretool.report.table import Block, Lines, Style, Table, columns_for

NAME_COLUMNS = 26  # serial-getty@ttyS0.service
_STYLES: dict[str, Style] = {
    "culprit": "critical",
    "victim": "warning",
    "both": "warning",
    "own-limit": "warning",
}
_OF_STALLS = ("role", "resource", "stall_ratio", "stall_share_ratio", "use_share_ratio")
_TITLES = {
    "name": "GROUP",
    "resource": "FOR",
    "stall_ratio": "WAITS",
    "stall_share_ratio": "OF WAIT",
    "use_share_ratio": "OF USE",
    "memory_current_bytes": "MEMORY",
    "memory_growth_bytes_per_s": "GROWTH/S",
    "io_bytes_per_s": "I/O /S",
    "processes_total": "PROCS",
}


def top(data: Top, look: Look) -> list[Block]:
    """One row a group, and what could not be told."""
    fields = look.fields
    if fields == SHOWN and not data.stalls:
        fields = tuple(name for name in SHOWN if name not in _OF_STALLS)
    columns = columns_for(
        fields,
        titles=_TITLES,
        cells={"name": _name, "role": _role, "resource": lambda row: row.resource},
        right=("processes_total", "memory_growth_bytes_per_s", "io_bytes_per_s"),
        flexible=("name", "path", "why"),
        drop=("stall_share_ratio", "io_bytes_per_s", "memory_growth_bytes_per_s", "use_share_ratio"),
        styles={"role": lambda row: _STYLES.get(row.role, "")},
    )
    # units are told apart by their names' ends: other columns go first
    columns = [replace(one, least=NAME_COLUMNS) if one.title == _TITLES["name"] else one for one in columns]
    blocks: list[Block] = [
        Table(columns, data.groups, empty="no group below the root has a process", hidden=look.hidden)
    ]
    notes = []
    if not data.stalls and data.groups:
        notes.append(
            "Who waits is not known: the kernel keeps pressure only of cgroup v2 groups"
            + (
                ", and here the processes are in v1 groups."
                if data.version != "v2"
                else "; psi=0 turns it off."
            )
        )
    if data.window_s is None and data.groups:
        notes.append("One reading gives no use and no waiting: give --sample more than 0.")
    if data.ungrouped and data.version != "v2":
        notes.append(f"{data.ungrouped} processes are in no group but the root.")
    if notes:
        blocks.append(Lines(notes))
    return blocks


def _name(row: Ranked) -> str:
    return row.name


def _role(row: Ranked) -> str:
    return {"quiet": "", "unknown": "-"}.get(row.role, row.role)
