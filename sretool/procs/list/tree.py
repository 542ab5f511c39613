"""Processes in the order of their ancestry."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sretool.procs.list.model import Process, Processes


def grown(data: Processes, keep: Callable[[Process], bool] | None) -> Processes:
    """Every process below its parent, siblings by pid. With a filter: those it keeps and, as
    `context`, their ancestors, without whom nobody sees where they come from.
    """
    by_pid = {row.pid: row for row in data.processes}
    kept = set(by_pid) if keep is None else {row.pid for row in data.processes if keep(row)}
    shown: set[int] = set()
    for pid in kept:
        above: int | None = pid
        while above in by_pid and above not in shown:
            shown.add(above)
            above = by_pid[above].ppid
    rows = list(_walk([by_pid[pid] for pid in sorted(shown)]))
    for row in rows:
        row.context = row.pid not in kept
    return Processes(rows, len(kept), data.window_s, data.capacity)


def _walk(rows: list[Process]) -> Iterable[Process]:
    """Depth first, and `depth` set. In a recording parents may go round in a circle: who is in one
    starts a tree of its own.
    """
    children: dict[int, list[Process]] = {}
    pids = {row.pid for row in rows}
    roots: list[Process] = []
    for row in rows:
        (children.setdefault(row.ppid, []) if row.ppid in pids else roots).append(row)
    seen: set[int] = set()
    for root in (*roots, *rows):
        stack = [(root, 0)]
        while stack:
            row, depth = stack.pop()
            if row.pid in seen:
                continue
            seen.add(row.pid)
            row.depth = depth
            yield row
            stack += [(child, depth + 1) for child in reversed(children.get(row.pid, []))]


def branches(rows: list[Process]) -> dict[int, str]:
    """What stands before each row's name, by pid; of rows in tree order."""
    shown = {row.pid for row in rows}
    last = {row.ppid: row.pid for row in rows}
    indent: dict[int, str] = {}
    drawn: dict[int, str] = {}
    for row in rows:
        if row.ppid not in shown or row.ppid not in indent or not row.depth:
            drawn[row.pid], indent[row.pid] = "", ""
            continue
        end = last[row.ppid] == row.pid
        drawn[row.pid] = indent[row.ppid] + ("└─" if end else "├─")
        indent[row.pid] = indent[row.ppid] + ("  " if end else "│ ")
    return drawn
