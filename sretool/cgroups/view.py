"""Control groups as a person sees them."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from sretool.cgroups.model import Cgroup, Cgroups
from sretool.command import Look
from sretool.report.table import Block, Style, Table, columns_for

NAME_COLUMNS = 28
_TITLES = {
    "name": "GROUP",
    "processes": "OWN",
    "processes_total": "PROCS",
    "throttled_ratio": "THROT",
    "memory_current_bytes": "MEMORY",
    "memory_limit_bytes": "LIMIT",
    "memory_effective_limit_bytes": "EFF.LIMIT",
    "oom_kills": "OOM",
    "cpu_some_avg10_ratio": "PSI CPU",
    "memory_full_avg10_ratio": "PSI MEM",
    "io_full_avg10_ratio": "PSI IO",
}


def tree(data: Cgroups, look: Look) -> list[Block]:
    """One row a group, drawn as a tree as long as the rows are in tree order (no --sort)."""
    labels = _labels(data.cgroups)
    columns = columns_for(
        look.fields,
        titles=_TITLES,
        cells={"name": lambda row: labels[row.path]},
        right=("processes", "processes_total", "oom_kills", "periods", "throttled_periods"),
        flexible=("name", "path"),
        drop=("io_full_avg10_ratio", "memory_full_avg10_ratio", "cpu_some_avg10_ratio", "oom_kills"),
        styles={"throttled_ratio": _throttled, "oom_kills": lambda row: "critical" if row.oom_kills else ""},
    )
    # a tree cut to eight columns is none: other columns go first
    columns = [replace(column, least=NAME_COLUMNS) if column.flexible else column for column in columns]
    return [
        Table(columns, data.cgroups, empty="no group has a process: --all shows them", hidden=look.hidden)
    ]


def _throttled(row: Cgroup) -> Style:
    return "warning" if isinstance(row.throttled_ratio, float) and row.throttled_ratio > 0.25 else ""


def _labels(rows: Sequence[Cgroup]) -> dict[str, str]:
    """What stands in the first column, by path: the name behind its branch of the tree, or the
    whole path where the rows are in another order.
    """
    if not _in_tree_order(rows):
        return {row.path: _label(row, row.path) for row in rows}
    shown = {row.path for row in rows}
    last: dict[str, str] = {}
    for row in rows:
        last[_above(row.path, shown)] = row.path
    branch = {"": ""}
    labels = {}
    for row in rows:
        parent = _above(row.path, shown)
        name = _label(row, row.path.rpartition("/")[2] or "/")
        if not parent:
            labels[row.path], branch[row.path] = name, ""
            continue
        end = last[parent] == row.path
        labels[row.path] = branch[parent] + ("└─" if end else "├─") + name
        branch[row.path] = branch[parent] + ("  " if end else "│ ")
    return labels


def _label(row: Cgroup, name: str) -> str:
    """A container's group by its engine and name or short id: 64 digits say nothing at 3 a.m."""
    if row.name == (row.path.rpartition("/")[2] or "/") != row.container:
        return name
    return f"{row.engine or 'container'} {row.name}" if row.container else row.name


def _above(path: str, shown: set[str]) -> str:
    """The nearest group above that is shown, empty when none is."""
    while path not in ("", "/"):
        path = path.rpartition("/")[0] or "/"
        if path in shown:
            return path
    return ""


def _in_tree_order(rows: Sequence[Cgroup]) -> bool:
    shown = {row.path for row in rows}
    open_: list[str] = []
    for row in rows:
        above = _above(row.path, shown)
        while open_ and open_[-1] != above:
            open_.pop()
        if above and not open_:
            return False
        open_.append(row.path)
    return True
