"""Which processes a filter keeps; the same rule live and on a recording."""

from __future__ import annotations

from typing import NamedTuple

from sretool.host.attribution import matches
from sretool.procs.model import Process


class Selection(NamedTuple):
    """The filters of `procs list`; all that are given must hold."""

    user: str | None = None
    unit: str | None = None
    name: str | None = None
    container: str | None = None

    @property
    def fields(self) -> list[str]:
        """The fields of a row that the filters look at."""
        looked_at = {"user": self.user, "unit": self.unit, "command": self.name, "container": self.container}
        return [name for name, wanted in looked_at.items() if wanted is not None]

    def keeps(self, row: Process) -> bool:
        """Whether a row stays. A field that could not be read matches nothing."""
        if self.user is not None and self.user not in (row.user, str(row.uid)):
            return False
        if self.unit is not None and not matches(self.unit, row.unit):
            return False
        if self.container is not None and not matches(self.container, row.container):
            return False
        return self.name is None or matches(self.name, row.comm) or matches(self.name, _program(row))


def _program(row: Process) -> str:
    """The base name of what was executed: comm is cut after 15 bytes, and threads rename it."""
    if not isinstance(row.command, str):
        return ""
    return row.command.partition(" ")[0].rpartition("/")[2]
