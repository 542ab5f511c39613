"""Which process a finding is about."""

from __future__ import annotations

from sretool.procs.list.model import Process
from sretool.report.answer import Subject

SHOWN_LIMIT = 5


def subject(row: Process) -> Subject:
    """The process, and the unit or container it belongs to."""
    unit = row.container_name or row.container or row.unit
    return Subject("process", str(row.pid), row.comm, unit if isinstance(unit, str) else "", row.pid)


def called(row: Process) -> str:
    """`nginx[812]`."""
    return f"{row.comm}[{row.pid}]"


def closer(pid: int) -> str:
    """The command that looks at one process."""
    return f"sretool procs show {pid}"


def cause(pid: int) -> str:
    """The command that says why it runs."""
    return f"sretool procs why {pid}"
