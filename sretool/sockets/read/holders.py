"""Who holds each socket of a sample."""

from __future__ import annotations

from collections.abc import Callable

from sretool.errors import ParseError
from sretool.host.attribution import Attribution, attribute
from sretool.host.engines import name_of
from sretool.sockets.read import diag
from sretool.sockets.read.sample import Sample
from sretool.sockets.read.whose import NOBODY, Whose


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
