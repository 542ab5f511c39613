"""The process that is meant."""

from __future__ import annotations

from sretool.errors import SretoolError, UsageError
from sretool.host.source import PID_DIGITS, Source


def pid(source: Source, given: str, errors: list[SretoolError]) -> int:
    """The process that `given` names: a pid is taken as it is, for all else the host is looked over.

    Raises:
        UsageError: it names nothing that can be asked, or several unrelated processes.
        SourceError: nothing fits, or it could not be told.
    """
    if not (given.isascii() and given.isdigit()):
        from sretool.procs.table import table  # scans every process
        from sretool.procs.target import resolve

        return resolve(source, given, table(source), errors).main.pid
    if len(given) > PID_DIGITS or not int(given):
        raise UsageError(f"pid {given}", "is no pid", "pids are numbers from 1 to 4194304")
    return int(given)
