"""Which processes a filter keeps; the same rule live and on a recording."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from sretool.errors import UsageError
from sretool.host.attribution import matches
from sretool.procs.list.model import Process
from sretool.procs.stat import LETTERS

_BY_LETTER = {letter: word for word, letter in LETTERS.items()}


class Selection(NamedTuple):
    """The filters of `procs list`; all that are given must hold. `pids` are those that --port found."""

    user: str | None = None
    unit: str | None = None
    name: str | None = None
    container: str | None = None
    cgroup: str | None = None
    states: Collection[str] = ()
    pids: Collection[int] | None = None

    @property
    def fields(self) -> set[str]:
        """The fields of a row that the filters look at."""
        looked_at = {
            "user": self.user,
            "unit": self.unit,
            "command": self.name,
            "container": self.container,
            "cgroup": self.cgroup,
        }
        names = {"container_name"} if self.container is not None else set()
        return {name for name, wanted in looked_at.items() if wanted is not None} | names

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return bool(self.fields or self.states or self.pids is not None)

    def keeps(self, row: Process) -> bool:
        """Whether a row stays. A field that could not be read matches nothing."""
        if self.pids is not None and row.pid not in self.pids:
            return False
        if self.states and row.state not in self.states:
            return False
        if self.user is not None and self.user not in (row.user, str(row.uid)):
            return False
        if self.unit is not None and not matches(self.unit, row.unit):
            return False
        if self.container is not None and not (
            matches(self.container, row.container) or matches(self.container, row.container_name)
        ):
            return False
        if self.cgroup is not None and not _inside(self.cgroup, row.cgroup):
            return False
        return self.name is None or matches(self.name, row.comm) or matches(self.name, _program(row))


def states(given: Sequence[str] | None) -> frozenset[str]:
    """The states named on a command line, as words or as the letters of ps, joined by commas or not.

    Raises:
        UsageError: there is no such state; the hint lists them.
    """
    found = set()
    for name in (part.strip() for item in given or () for part in item.split(",")):
        word = _BY_LETTER.get(name, name.lower())
        if word not in LETTERS:
            known = ", ".join(f"{word} ({letter})" for word, letter in LETTERS.items())
            raise UsageError("--state", f"no state is named {name!r}", f"the states are {known}")
        found.add(word)
    return frozenset(found)


def _inside(wanted: str, cgroup: object) -> bool:
    """A path is that group and all below it; anything else goes by `attribution.matches`."""
    if not isinstance(cgroup, str):
        return False
    if wanted.startswith("/") and not any(sign in wanted for sign in "*?["):
        path = wanted.rstrip("/")
        return cgroup == path or cgroup.startswith(f"{path}/")
    return matches(wanted, cgroup)


def _program(row: Process) -> str:
    """The base name of what was executed: comm is cut after 15 bytes, and threads rename it."""
    if not isinstance(row.command, str):
        return ""
    return row.command.partition(" ")[0].rpartition("/")[2]
