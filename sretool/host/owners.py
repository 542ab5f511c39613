"""Who owns a socket: the processes that hold it open, by its inode, and only for what is asked.

The kernel has no index from a socket to its processes; everyone scans /proc/PID/fd. This scan looks
for a given set of inodes and stops when all are found.
"""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from sretool.errors import Denied, NotRecorded, ParseError, SourceError, SretoolError
from sretool.host.attribution import Attribution, attribute, attributed, matches
from sretool.host.identity import identity
from sretool.host.source import Source
from sretool.host.source import pids as listed

PIDS_PER_CALL = 64
_DENIED = (errno.EACCES, errno.EPERM)
SEE_OTHERS = "run with sudo to see other users' processes"
NOBODY_KNOWN = Attribution()


class Owner(NamedTuple):
    """A process. `comm` and `cgroup` are None when it ended before they were read."""

    pid: int
    comm: str | None
    cgroup: str | None

    @property
    def attribution(self) -> Attribution:
        """Unit, container and pod, from the cgroup."""
        return NOBODY_KNOWN if self.cgroup is None else attribute(self.cgroup)


class Owners(NamedTuple):
    """What the scan found: the pid that holds an inode, and who that is. `missing` are the inodes
    no process was seen to hold; `blocked` is why some were not seen: EACCES or EPERM when a process
    would not let us look, ENODATA when a recording holds none, else 0.
    """

    by_inode: dict[int, int]
    processes: dict[int, Owner]
    missing: set[int]
    blocked: int


def find(
    source: Source, inodes: Collection[int], pids: Sequence[int] | None = None, *, every: bool = False
) -> Owners:
    """The owner of each socket inode. Where several processes hold one (a server and its workers),
    the lowest pid counts, but init only when nobody else does: it holds what it passes to units by
    socket activation.

    Args:
        source: where to look.
        inodes: the sockets; the scan stops when all are found.
        pids: look at these processes only.
        every: look at all processes, whatever was found (for a recording).

    Raises:
        SourceError: /proc cannot be listed.
    """
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    take = wanted.pop
    holder: dict[int, int] = {}
    blocked = 0
    asked = not wanted
    if pids is None:
        pids = _processes(source) if wanted or every else []
    for start in range(0, len(pids), PIDS_PER_CALL):
        if not wanted and not every:
            break
        chunk = [str(pid) for pid in pids[start : start + PIDS_PER_CALL]]
        found = source.links("/proc", chunk, "fd")
        for pid in chunk:
            targets = found[pid]
            if isinstance(targets, int):
                if targets in _DENIED:  # anything else: it ended
                    blocked = blocked or targets
                asked = asked or targets != errno.ENODATA
                continue
            asked = True
            number = int(pid)
            for target in targets.values():
                if (inode := take(target, None)) is not None:
                    holder[inode] = number
    if pids and not asked:
        # one that nobody recorded began after the recorder had passed; all of them: it never did
        blocked = errno.ENODATA
    processes = _describe(source, pids if every else set(holder.values()))
    return Owners(holder, processes, set(wanted.values()), blocked)


def _processes(source: Source) -> list[int]:
    pids = sorted(map(int, listed(source)))
    return [pid for pid in pids if pid != 1] + [pid for pid in pids if pid == 1]


def named(source: Source, pattern: str, pids: Sequence[int] | None = None) -> list[int]:
    """The processes (of `pids`, or all) whose comm matches (`attribution.matches`).

    Raises:
        SourceError: /proc cannot be listed.
    """
    names = [str(pid) for pid in (_processes(source) if pids is None else pids)]
    return [
        int(name)
        for name, (comm,) in source.bulk("/proc", names, ("comm",)).items()
        if isinstance(comm, bytes) and matches(pattern, _comm(comm))
    ]


def _comm(raw: bytes) -> str:
    return raw.removesuffix(b"\n").decode("utf-8", "backslashreplace")


def _describe(source: Source, pids: Iterable[int]) -> dict[int, Owner]:
    names = [str(pid) for pid in sorted(pids)]
    found = source.bulk("/proc", names, ("comm", "cgroup"))
    owners = {}
    for name in names:
        comm, cgroup = found[name]
        text = None if isinstance(comm, int) else _comm(comm)
        try:
            path = None if isinstance(cgroup, int) else attributed(cgroup)[0]
        except ParseError:
            path = None
        owners[int(name)] = Owner(int(name), text, path)
    return owners


def cgroups(source: Source, ids: Collection[int]) -> dict[int, str]:
    """Paths of cgroups by id, which is the inode of the cgroup v2 directory (kernfs, 64-bit). It
    tells whose a socket is where its process cannot be seen. What is not found is left out, and so
    is the root, which says nothing.
    """
    wanted = set(ids)
    found: dict[int, str] = {}
    for mount in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
        if not wanted:
            break
        try:
            source.read(f"{mount}/cgroup.controllers")  # only cgroup v2 has it
            directories = source.walk(mount)
        except SourceError:
            continue
        for directory in directories:
            try:
                inode = source.stat(f"{mount}/{directory}".removesuffix("/.")).inode
            except SourceError:  # removed since
                continue
            if inode in wanted:
                wanted.remove(inode)
                if directory != ".":
                    found[inode] = f"/{directory}"
                if not wanted:
                    break
        break
    return found


def unseen(source: Source, owners: Owners, pids: Sequence[int] | None = None) -> SretoolError | None:
    """The one error for all sockets whose owner is hidden from us; None when we saw every process
    (what is left then belongs to the kernel, or closed in between), and when only `pids` were
    looked at and none of them blocked us.

    Raises:
        SourceError, ParseError: who reads the host is not known.
    """
    count = len(owners.missing)
    if not count or (pids is not None and not owners.blocked):
        return None
    message = f"the process of {count} socket{'s' if count != 1 else ''} is unknown"
    if owners.blocked == errno.ENODATA:
        return NotRecorded("/proc/PID/fd", f"{message}: not in this recording", errno=errno.ENODATA)
    # with hidepid the others are not even listed
    if not owners.blocked and identity(source).uid == 0:
        return None
    return Denied("/proc/PID/fd", message, SEE_OTHERS, errno=errno.EACCES)
