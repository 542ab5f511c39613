"""Processes as a person sees them."""

from __future__ import annotations

from sretool.command import Look
from sretool.procs.model import Process, Processes
from sretool.procs.stat import LETTERS
from sretool.report.table import Block, Style, Table, columns_for
from sretool.report.units import UNKNOWN

_STATE_STYLES: dict[str, Style] = {"disk-sleep": "critical", "zombie": "warning", "running": "good"}


def listing(data: Processes, look: Look) -> list[Block]:
    """One row a process."""
    # a directory that many programs share would take the room of what tells them apart
    command = _program_first if look.terminal.is_terminal else _command
    columns = columns_for(
        look.fields,
        titles={"state": "S", "threads": "THR"},
        cells={
            "state": _state,
            "user": _user,
            "unit": _unit if "container" in look.fields else _container_or_unit,
            "container": _container,
            "pod": _pod,
            "command": command,
        },
        right=("pid", "ppid", "uid", "threads", "nice", "major_faults", "fds", "fd_limit"),
        flexible=("user", "unit", "command"),
        drop=("age_s", "threads", "unit", "user"),
        styles={"state": lambda row: _STATE_STYLES.get(row.state, "")},
    )
    return [Table(columns, data.processes, empty="no process matches", hidden=look.hidden)]


def _state(row: Process) -> str:
    return LETTERS.get(row.state, row.state)


def _user(row: Process) -> str:
    return row.user if isinstance(row.user, str) else UNKNOWN if row.uid is None else str(row.uid)


def _unit(row: Process) -> str:
    return str(row.unit or UNKNOWN)


def _container(row: Process) -> str:
    return str(row.container or UNKNOWN)


def _pod(row: Process) -> str:
    return str(row.pod or UNKNOWN)


def _container_or_unit(row: Process) -> str:
    if row.container:
        return f"{row.engine or 'container'}:{row.container}"
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
