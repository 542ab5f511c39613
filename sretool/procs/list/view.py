"""Processes as a person sees them."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from sretool.command import Look
from sretool.procs.list.model import Process, Processes
from sretool.procs.list.read.ask import NAMESPACES
from sretool.procs.list.tree import branches
from sretool.procs.stat import LETTERS
from sretool.report.table import Block, Column, Style, Table, columns_for
from sretool.report.units import UNKNOWN, ratio_text

TREE_COLUMNS = 28
CPU_COLUMNS = 6
_COUNTS = (
    *("pid", "ppid", "uid", "threads", "nice", "major_faults", "fds", "fd_limit", "threads_limit"),
    *("realtime_priority", "oom_score", "oom_score_adj", "stuck_threads", "depth"),
    *("major_faults_per_s", "voluntary_switches_per_s", "involuntary_switches_per_s"),
    *("read_bytes_per_s", "write_bytes_per_s"),
)
_PLACES = ("container", "pod", "container_name", "pod_name", "namespace", "image")
_TITLES = {
    "state": "S",
    "threads": "THR",
    "realtime_priority": "RT PRIO",
    "read_bytes_per_s": "READ/S",
    "write_bytes_per_s": "WRITE/S",
    "major_faults_per_s": "MAJFLT/S",
    "voluntary_switches_per_s": "VCSW/S",
    "involuntary_switches_per_s": "IVCSW/S",
    "oom_score_adj": "OOM ADJ",
    "no_new_privs": "NNP",
}
_STATE_STYLES: dict[str, Style] = {"disk-sleep": "critical", "zombie": "warning", "running": "good"}


def listing(data: Processes, look: Look) -> list[Block]:
    """One row a process; in tree order, its branch before its name."""
    # a directory that many programs share would take the room of what tells them apart
    command = _program_first if look.terminal.is_terminal else _command
    cells: dict[str, Callable[[Process], str]] = {
        "state": _state,
        # as wide as most of them get, so that a watch does not shift with every figure
        "cpu_ratio": lambda row: ratio_text(row.cpu_ratio).rjust(CPU_COLUMNS),
        "user": _user,
        "unit": _unit if "container" in look.fields else _container_or_unit,
        **{name: _or_unknown(name) for name in _PLACES},
        "command": command,
        "comm": lambda row: row.comm,
    }
    named = "command" if "command" in look.fields else "comm"
    grown = bool(data.processes) and isinstance(data.processes[0].depth, int)
    if grown:
        branch, bare = branches(data.processes), cells[named]
        # whoever reads it without colours must see too which rows the filters kept
        mark = "* " if any(row.context is True for row in data.processes) else ""
        cells[named] = lambda row: branch[row.pid] + ("" if row.context else mark) + bare(row)
    columns = columns_for(
        look.fields,
        titles=_TITLES,
        cells=cells,
        right=(*_COUNTS, *(f"{name}_namespace" for name in NAMESPACES)),
        flexible=("user", "unit", "command"),
        drop=("age_s", "threads", "unit", "user"),
        styles={"state": lambda row: _STATE_STYLES.get(row.state, "")},
    )
    if grown:
        columns = [_in_tree(column, column.title == named.upper()) for column in columns]
    return [Table(columns, data.processes, empty="no process matches", hidden=look.hidden)]


def _in_tree(column: Column[Process], named: bool) -> Column[Process]:
    """An ancestor that is only there to show the way is dim."""
    style = column.style

    def styled(row: Process) -> Style:
        return "dim" if row.context is True else style(row) if style is not None else ""

    # a tree cut to eight columns is none: other columns go first
    return replace(column, style=styled, least=TREE_COLUMNS if named else column.least)


def _state(row: Process) -> str:
    return LETTERS.get(row.state, row.state)


def _user(row: Process) -> str:
    return row.user if isinstance(row.user, str) else UNKNOWN if row.uid is None else str(row.uid)


def _unit(row: Process) -> str:
    return str(row.unit or UNKNOWN)


def _or_unknown(name: str) -> Callable[[Process], str]:
    return lambda row: str(getattr(row, name) or UNKNOWN)


def _container_or_unit(row: Process) -> str:
    if row.container:
        return f"{row.engine or 'container'}:{row.container_name or row.container}"
    return str(row.unit or UNKNOWN)


def _command(row: Process) -> str:
    # as ps does: a kernel thread or a zombie has a name and no arguments
    return row.command if isinstance(row.command, str) and row.command else f"[{row.comm}]"


def _program_first(row: Process) -> str:
    program, space, rest = _command(row).partition(" ")
    # a title that a process gave itself (nginx: master process /usr/sbin/nginx) is no path
    return (
        program[program.rfind("/") + 1 :] + space + rest
        if program.startswith("/")
        else program + space + rest
    )
