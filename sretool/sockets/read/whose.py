"""Whose a socket is: filters by owner, and the owner of each."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from sretool.errors import ParseError
from sretool.host.attribution import Attribution, attribute, matches
from sretool.host.engines import name_of
from sretool.sockets.read import diag

if TYPE_CHECKING:
    from sretool.sockets.read.sample import Sample


class Narrow(NamedTuple):
    """Filters the kernel does not know. None: not asked."""

    pid: int | None = None
    process: str | None = None
    unit: str | None = None

    def keeps(self, pid: int | None, process: str | None, unit: str | None) -> bool:
        """Whether a socket of this owner is wanted; one of unknown owner never is."""
        return (
            (self.pid is None or pid == self.pid)
            and (self.process is None or matches(self.process, process))
            and (self.unit is None or matches(self.unit, unit))
        )

    def fits(self, owner: Whose) -> bool:
        """Whether a socket of this owner is wanted."""
        return self.keeps(owner.pid, owner.process, owner.unit)


EVERYONE = Narrow()
UNSPECIFIED = (bytes(4), bytes(16))


class Whose(NamedTuple):
    """Who holds a socket, as far as it is known."""

    pid: int | None
    process: str | None
    unit: str | None
    container: str | None
    cgroup: str | None
    container_name: str | None


NOBODY = Whose(None, None, None, None, None, None)


class Texts(dict[bytes, str]):
    """Address text by its bytes, made once."""

    def __missing__(self, raw: bytes) -> str:
        made = self[raw] = socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)
        return made


def attributor(now: Sample) -> Callable[[diag.Record], Whose]:
    """Whose a socket is: by its process, else by the cgroup of its creator."""
    if now.owners is None:
        return lambda _: NOBODY
    held, cgroups = holder(now), now.cgroups

    def whose(record: diag.Record) -> Whose:
        found = held(record[0][16])
        # in time-wait it has no cgroup any more
        known = cgroups and found is NOBODY and record[0][3] != diag.TIME_WAIT
        return _by_cgroup(record, now) if known else found

    return whose


def holder(now: Sample) -> Callable[[int | None], Whose]:
    """Whose a socket is, by its inode: the process that holds it."""
    if now.owners is None:
        return lambda _: NOBODY
    by_pid: dict[int, Whose] = {}
    for pid, owner in now.owners.processes.items():
        by_pid[pid] = _whose(pid, owner.comm, owner.attribution, owner.cgroup, now)
    by_inode = now.owners.by_inode

    def held(inode: int | None) -> Whose:
        pid = by_inode.get(inode or 0)
        return NOBODY if pid is None else by_pid[pid]

    return held


def _whose(
    pid: int | None, process: str | None, found: Attribution, cgroup: str | None, now: Sample
) -> Whose:
    name = name_of(found, now.containers) or None
    return Whose(pid, process, found.unit or None, found.container or None, cgroup, name)


def _by_cgroup(record: diag.Record, now: Sample) -> Whose:
    try:
        number = diag.cgroup_id(diag.attributes(record, "inet-diag"))
    except ParseError:
        return NOBODY
    path = now.cgroups.get(number or 0)
    return NOBODY if path is None else _whose(None, None, attribute(path), path, now)
