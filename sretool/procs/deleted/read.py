"""Deleted files that processes hold: open, executed, mapped."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from msgspec import Struct

from sretool.errors import Denied, Missing, NotRecorded, ParseError, SretoolError
from sretool.host import engines
from sretool.host.attribution import attribute, cgroup_path
from sretool.host.engines import Container, name_of
from sretool.host.mountinfo import Mount
from sretool.host.owners import SEE_OTHERS
from sretool.host.source import Clock, Source, Stat, StatVfs, attempt
from sretool.host.source import pids as listed
from sretool.procs.deleted.model import Deleted, DeletedFile, Held, Holder, How
from sretool.procs.deleted.places import Places, device_of, mount_id, mounts_of
from sretool.procs.stat import state_letter
from sretool.report.escape import clean

MARK = " (deleted)"
PIDS_PER_CALL = 64
# what the kernel calls files of its own, which stand on no mount (mm/memfd.c, ipc/shm.c, mm/shmem.c,
# fs/aio.c, mm/hugetlb.c, drivers/gpu/drm)
_OF_MEMORY = ("/memfd:", "/SYSV", "/dev/zero", "/[aio]", "/anon_hugepage", "/drm mm object", "/i915")
_DENIED = (errno.EACCES, errno.EPERM)


class Ask(NamedTuple):
    """`mapped`: look also for files that are only mapped, which reads every process's memory map."""

    mapped: bool = False


EVERYTHING = Ask()
TRIAGE = Ask()


class Reference(NamedTuple):
    """One place where a process holds a file that may be deleted. `path` leads to the file itself."""

    pid: str
    how: How
    path: str
    target: str
    fd: int | None = None


class Sample(Struct):
    """One reading. Dicts are by pid, or by the path in /proc that was read."""

    clock: Clock
    ask: Ask
    mountinfo: bytes = b""
    references: list[Reference] = []
    stats: dict[str, Stat | int] = {}
    fdinfos: dict[str, bytes | int] = {}
    mountinfos: dict[str, bytes | int] = {}
    comms: dict[str, bytes | int] = {}
    cgroups: dict[str, bytes | int] = {}
    containers: dict[str, Container] = {}
    spaces: dict[str, StatVfs | int] = {}
    processes: int = 0
    unseen: int = 0
    errors: list[SretoolError] = []


def sample(source: Source, ask: Ask) -> Sample:
    """Read it: what cannot block first, then stat(2) of the files, which a dead mount may hold up.

    Raises:
        SourceError: /proc cannot be listed.
    """
    now = Sample(source.clock(), ask)
    now.mountinfo = attempt(now.errors, source.read, "/proc/self/mountinfo") or b""
    every = listed(source)
    _read_links(source, now, every)
    if ask.mapped:
        _read_maps(source, now, every)
    now.stats = source.stats([reference.path for reference in now.references])
    now.references = [one for one in now.references if _gone(now.stats[one.path])]
    holders = sorted({one.pid for one in now.references}, key=int)
    for pid, (comm, cgroup) in source.bulk("/proc", holders, ["comm", "cgroup"]).items():
        now.comms[pid], now.cgroups[pid] = comm, cgroup
    paths = (_cgroup(raw) for raw in now.cgroups.values())
    now.containers = engines.named(source, now.errors, [attribute(path) for path in paths if path])
    _read_mounts(source, now, holders)
    points = sorted({held.mount for held in build(now).filesystems if held.here and held.mount is not None})
    now.spaces = source.statvfs(points)
    silent = [path for path, found in now.stats.items() if found == errno.ETIMEDOUT]
    if silent:
        message = f"{len(silent)} open files did not answer in time: their filesystem is dead, or very slow"
        now.errors.append(SretoolError(silent[0], message, "see `sretool triage --only fs.hung`"))
    return now


def _gone(found: Stat | int) -> bool:
    """Whether no name is left. A name may really end in " (deleted)", and a file may have a second
    name: then nothing is held.
    """
    return isinstance(found, Stat) and found.links == 0


def _read_links(source: Source, now: Sample, every: Sequence[str]) -> None:
    recorded = not every
    for start in range(0, len(every), PIDS_PER_CALL):
        for pid, targets in source.links("/proc", every[start : start + PIDS_PER_CALL], "fd").items():
            recorded = recorded or targets != errno.ENODATA
            if isinstance(targets, int):
                now.unseen += targets in _DENIED
                continue
            now.processes += 1
            for fd, target in targets.items():
                if target.endswith(MARK) and fd.isascii() and fd.isdigit() and len(fd) < 10:
                    now.references.append(Reference(pid, "open", f"/proc/{pid}/fd/{fd}", target, int(fd)))
    quiet: list[SretoolError] = []  # who may not be asked for files is counted above
    for pid in every:
        program = attempt(quiet, source.readlink, f"/proc/{pid}/exe")
        if program is not None and program.endswith(MARK):
            now.references.append(Reference(pid, "executable", f"/proc/{pid}/exe", program))
    if not recorded:
        now.errors.append(NotRecorded("/proc/PID/fd", "not in this recording", errno=errno.ENODATA))
    elif now.unseen:
        message = f"files of {now.unseen} of {len(every)} processes could not be looked at"
        now.errors.append(Denied("/proc/PID/fd", message, SEE_OTHERS, errno=errno.EACCES))


def _read_maps(source: Source, now: Sample, every: Sequence[str]) -> None:
    """Maps of processes in D state can block for ever: those are read in a child, after the rest."""
    states = source.bulk("/proc", every, ["stat"])
    stuck = [pid for pid, (raw,) in states.items() if isinstance(raw, bytes) and state_letter(raw) == b"D"]
    free = [pid for pid in every if pid not in stuck]
    unread, recorded = 0, not every
    for guarded, pids in ((False, free), (True, stuck)):
        for start in range(0, len(pids), PIDS_PER_CALL):
            chunk = pids[start : start + PIDS_PER_CALL]
            for pid, (raw,) in source.bulk("/proc", chunk, ["maps"], guarded=guarded).items():
                recorded = recorded or raw != errno.ENODATA
                if isinstance(raw, int):
                    unread += raw not in (errno.ENOENT, errno.ESRCH)
                else:
                    now.references += _mapped(pid, raw)
    if not recorded:
        now.errors.append(NotRecorded("/proc/PID/maps", "not in this recording", errno=errno.ENODATA))
    elif unread:
        message = f"memory maps of {unread} of {len(every)} processes could not be read"
        now.errors.append(Denied("/proc/PID/maps", message, SEE_OTHERS, errno=errno.EACCES))


def _mapped(pid: str, maps: bytes) -> Iterator[Reference]:
    """One reference a file. The name in map_files is the address range without leading zeros."""
    seen = set()
    for line in maps.splitlines():
        fields = line.split(None, 5)
        if len(fields) < 6 or not fields[5].endswith(MARK.encode()) or (fields[3], fields[4]) in seen:
            continue
        seen.add((fields[3], fields[4]))
        low, _, high = fields[0].decode("ascii", "replace").partition("-")
        path = f"/proc/{pid}/map_files/{low.lstrip('0') or '0'}-{high.lstrip('0')}"
        yield Reference(pid, "mapped", path, fields[5].decode("utf-8", "surrogateescape"))


def _read_mounts(source: Source, now: Sample, holders: Sequence[str]) -> None:
    """The id of the mount that each file was opened through, and the mounts of processes that live
    among others than ours.
    """
    here = mounts_of(now.mountinfo)
    ours = {mount.id for mount in here}
    devices = {mount.device for mount in here}
    elsewhere = {
        one.pid
        for one in now.references
        if one.fd is None and device_of(now.stats[one.path]) not in devices and not _of_memory(one.target)
    }
    fds: dict[str, list[str]] = {}
    for one in now.references:
        if one.fd is not None:
            fds.setdefault(one.pid, []).append(f"fdinfo/{one.fd}")
    for pid, files in fds.items():
        for file, raw in zip(files, source.bulk("/proc", [pid], files)[pid]):
            now.fdinfos[f"/proc/{pid}/{file.replace('fdinfo', 'fd')}"] = raw
            if mount_id(raw) not in ours:
                elsewhere.add(pid)
    for pid, (raw,) in source.bulk(
        "/proc", [pid for pid in holders if pid in elsewhere], ["mountinfo"]
    ).items():
        now.mountinfos[pid] = raw


def _of_memory(target: str) -> bool:
    return target.startswith(_OF_MEMORY)


_Key = tuple[int, int]


class _File(NamedTuple):
    """A deleted file, all that hold it, and where."""

    stat: Stat
    mount: Mount | None
    here: bool
    references: list[Reference]

    @property
    def point(self) -> str | None:
        return None if self.mount is None else self.mount.point

    @property
    def space_bytes(self) -> int:
        return max(0, self.stat.blocks_512) * 512

    @property
    def path(self) -> str:
        return clean(self.references[0].target.removesuffix(MARK))


def build(now: Sample, mount: str | None = None) -> Deleted:
    """Each file once (by device and inode), its holders, and its filesystem; of one `mount`, or all.

    Raises:
        Missing: nothing is mounted at `mount`.
    """
    files, memory = _files(now)
    if mount is not None:
        point = mount.rstrip("/") or "/"
        _check_mounted(now, point)
        files = {key: file for key, file in files.items() if file.point == point}
    return Deleted(
        holders := _holders(now, files),
        len(holders),
        _filesystems(now, files.values()),
        sorted(map(_row, files.values()), key=lambda row: (-row.space_bytes, row.path)),
        len(memory),
        sum(memory.values()),
        now.processes,
        now.unseen,
        now.ask.mapped,
    )


def _check_mounted(now: Sample, point: str) -> None:
    points = {one.point for raw in (now.mountinfo, *now.mountinfos.values()) for one in mounts_of(raw)}
    if points and point not in points:
        above = [one for one in points if point.startswith(f"{one.rstrip('/')}/")]
        hint = f"it is on the filesystem of {max(above, key=len)}" if above else "findmnt lists mount points"
        raise Missing(f"--mount {point}", "nothing is mounted there", hint)


def _files(now: Sample) -> tuple[dict[_Key, _File], dict[_Key, int]]:
    """By device and inode: the files, and the space of those that are of memory."""
    places = Places(now.mountinfo, now.mountinfos)
    files: dict[_Key, _File] = {}
    memory: dict[_Key, int] = {}
    # a process's descriptors before its maps: a descriptor can be truncated
    for one in sorted(now.references, key=lambda one: (int(one.pid), one.fd is None, one.fd or 0)):
        found = now.stats.get(one.path)
        if not isinstance(found, Stat):
            continue
        key = (found.device, found.inode)
        if key in files:
            files[key].references.append(one)
            continue
        mount, here = places.of(one.pid, now.fdinfos.get(one.path), found)
        if mount is None and _of_memory(one.target):
            memory[key] = max(0, found.blocks_512) * 512
        else:
            files[key] = _File(found, mount, here, [one])
    return files, memory


def _row(file: _File) -> DeletedFile:
    first = file.references[0]
    return DeletedFile(
        file.path,
        file.point,
        file.space_bytes,
        file.stat.size_bytes,
        device_of(file.stat),
        file.stat.inode,
        first.how,
        sorted({int(one.pid) for one in file.references}),
        first.fd,
    )


def _holders(now: Sample, files: dict[_Key, _File]) -> list[Holder]:
    held: dict[tuple[str, str | None], list[_Key]] = {}
    for key, file in files.items():
        for pid in dict.fromkeys(one.pid for one in file.references):
            held.setdefault((pid, file.point), []).append(key)
    alike: dict[tuple[str | None, frozenset[_Key]], list[str]] = {}
    for (pid, point), keys in held.items():
        alike.setdefault((point, frozenset(keys)), []).append(pid)
    rows = []
    for (point, same), pids in alike.items():
        pid = min(pids, key=int)
        largest = max((files[key] for key in same), key=lambda file: (file.space_bytes, file.path))
        fds = [one.fd for one in largest.references if one.pid == pid]
        path = _cgroup(now.cgroups.get(pid))
        whose = attribute(path or "")
        rows.append(
            Holder(
                int(pid),
                _comm(now.comms.get(pid)),
                whose.unit,
                whose.container,
                point,
                sum(files[key].space_bytes for key in same),
                len(same),
                len(pids),
                largest.path,
                largest.space_bytes,
                fds[0],
                path,
                name_of(whose, now.containers),
            )
        )
    return sorted(rows, key=lambda row: (-row.space_bytes, row.pid))


def _filesystems(now: Sample, files: Iterable[_File]) -> list[Held]:
    by_point: dict[str | None, list[_File]] = {}
    for file in files:
        by_point.setdefault(file.point, []).append(file)
    rows = []
    for point, some in by_point.items():
        first = some[0]
        space = now.spaces.get(point or "") if first.here else None
        held = sum(file.space_bytes for file in some)
        total = available = None
        if isinstance(space, StatVfs):
            total, available = space.blocks * space.block_bytes, space.blocks_available * space.block_bytes
        rows.append(
            Held(
                point,
                "" if first.mount is None else first.mount.type,
                device_of(first.stat) if first.mount is None else first.mount.device,
                first.here,
                held,
                len(some),
                len({one.pid for file in some for one in file.references}),
                total,
                available,
                round(held / total, 4) if total else None,
            )
        )
    return sorted(rows, key=lambda row: (-row.held_bytes, row.mount or ""))


def _comm(raw: bytes | int | None) -> str | None:
    return raw.rstrip(b"\n").decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else None


def _cgroup(raw: bytes | int | None) -> str | None:
    try:
        return cgroup_path(raw) if isinstance(raw, bytes) else None
    except ParseError:
        return None
