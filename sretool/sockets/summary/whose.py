"""Whose the counted sockets are."""

from __future__ import annotations

from typing import NamedTuple

from sretool.errors import ParseError
from sretool.host.attribution import attribute
from sretool.host.engines import name_of
from sretool.host.owners import Owners
from sretool.sockets import read as sockets
from sretool.sockets.read import diag


class Whose(NamedTuple):
    """A process's name, and the unit or container it is in; None: not known, or in none."""

    process: str | None = None
    unit: str | None = None
    container: str | None = None
    container_name: str | None = None


NOBODY = Whose()


class Attributor:
    """Names by pid and by cgroup, each made once."""

    def __init__(self, now: sockets.Sample) -> None:
        self._now = now
        self.owners: Owners | None = now.owners
        self.holders: dict[int, int] = {} if now.owners is None else now.owners.by_inode
        self._of: dict[int, Whose] = {}

    def of(self, pid: int) -> Whose:
        """The process's own; of a number that stands for no pid: nobody's."""
        if pid not in self._of:
            owner = None if self.owners is None else self.owners.processes.get(pid)
            self._of[pid] = NOBODY if owner is None else self._by_path(owner.cgroup, owner.comm)
        return self._of[pid]

    def _by_path(self, path: str | None, process: str | None) -> Whose:
        if path is None:
            return Whose(process)
        found = attribute(path)
        name = name_of(found, self._now.containers) or None
        return Whose(process, found.unit or None, found.container or None, name)

    def of_path(self, path: str) -> Whose:
        """What the path of a control group says."""
        return self._by_path(path, None)

    @property
    def cgroups(self) -> dict[int, str]:
        """Those of sockets whose process was not seen, by id."""
        return self._now.cgroups

    def cgroup(self, record: diag.Record) -> str | None:
        """The path of the one that its creator was in; None: not known."""
        try:
            number = diag.cgroup_id(diag.attributes(record, "inet-diag"))
        except ParseError:
            return None
        return self._now.cgroups.get(number or 0)
