"""The processes of a group: who they are, and whom the OOM killer would choose."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping

from msgspec import Struct

from sretool.cgroups.files import PROCS
from sretool.cgroups.mounts import Mount
from sretool.cgroups.show.model import Member
from sretool.errors import SretoolError, from_errno
from sretool.host.decimal import integer
from sretool.host.identity import identity
from sretool.host.source import Source

VICTIMS = 5
_FILES = ("stat", "status", "oom_score", "oom_score_adj")
_GONE = (errno.ENOENT, errno.ESRCH)


class Read(Struct):
    """Files of /proc/PID as bytes, by pid, and the group each is in."""

    ticks_per_s: int = 100
    page_bytes: int = 4096
    files: dict[int, tuple[bytes | int, ...]] = {}
    cgroup: dict[int, str] = {}


def pids(
    source: Source, path: str, below: Iterable[str], mounts: list[Mount], own: Mapping[str, bytes]
) -> dict[int, str]:
    """Pid -> group, of the group at `path` (whose files are `own`) and of those below it."""
    found: dict[int, str] = {}
    for raw in (raw for key, raw in own.items() if key.endswith(f"/{PROCS}")):
        found.update(dict.fromkeys(_numbers(raw), path))
    below = list(below)
    for mount in mounts if below else ():
        parent, _, point = mount.point.rpartition("/")
        names = {f"{point}/{name}": one for one in below if (name := mount.relative(one)) is not None}
        for entry, (item,) in source.bulk(parent, list(names), [PROCS]).items():
            if isinstance(item, bytes):
                found.update(dict.fromkeys(_numbers(item), names[entry]))
    return found


def read(source: Source, wanted: Mapping[int, str], errors: list[SretoolError]) -> Read:
    """Their files; one that ended meanwhile is left out."""
    who = identity(source)
    names = [str(pid) for pid in sorted(wanted)]
    kept = Read(who.clock_ticks_per_s, who.page_bytes, {}, dict(wanted))
    for name, items in source.bulk("/proc", names, _FILES).items():
        if isinstance(items[0], int):
            if items[0] not in _GONE:
                errors.append(from_errno(items[0], f"/proc/{name}/stat"))
            continue
        kept.files[int(name)] = items
    return kept


def build(now: Read, before: Read | None, window_s: float | None) -> list[Member]:
    """Most CPU first, then most memory."""
    found = []
    for pid, (raw, status, score, adj) in now.files.items():
        fields = _stat(raw)
        if fields is None:
            continue
        comm, rest = fields
        try:
            ticks, started = integer(rest[11]) + integer(rest[12]), rest[19]
            rss = integer(rest[21]) * now.page_bytes
        except (IndexError, ValueError):
            continue
        busy = None
        old = _stat(before.files[pid][0]) if before is not None and pid in before.files else None
        # a pid that was given again is another process
        if old is not None and window_s and len(old[1]) > 19 and old[1][19] == started:
            grown = ticks - sum(map(_or_zero, old[1][11:13]))
            busy = round(max(0, grown) / now.ticks_per_s / window_s, 4)
        found.append(
            Member(
                pid,
                comm,
                rest[0].decode("ascii", "backslashreplace"),
                now.cgroup[pid],
                busy,
                rss,
                _swap(status),
                _number(score),
                _number(adj),
            )
        )
    return sorted(found, key=lambda one: (-round(one.cpu_ratio or 0.0, 2), -(one.rss_bytes or 0), one.pid))


def victims(found: list[Member]) -> list[Member]:
    """Whom the killer would take first. Within one group the pool is the same for all, so the order
    is that of the host's; those with -1000 are never taken.
    """
    known = [one for one in found if one.oom_score is not None and one.oom_score_adj != -1000]
    known.sort(key=lambda one: (-(one.oom_score or 0), -(one.rss_bytes or 0), one.pid))
    return known[:VICTIMS]


def _numbers(raw: bytes) -> list[int]:
    return [int(word) for word in raw.split() if word.isdigit() and len(word) < 8]


def _stat(raw: bytes | int) -> tuple[str, list[bytes]] | None:
    """(comm, fields from the state on): the comm may hold parentheses and spaces, the rest may not."""
    if isinstance(raw, int):
        return None
    head, _, tail = raw.rpartition(b")")
    fields = tail.split()
    return (head.partition(b"(")[2].decode("utf-8", "backslashreplace"), fields) if fields else None


def _or_zero(raw: bytes) -> int:
    return _number(raw) or 0


def _number(raw: bytes | int) -> int | None:
    try:
        return None if isinstance(raw, int) else integer(raw)
    except ValueError:
        return None


def _swap(status: bytes | int) -> int | None:
    if isinstance(status, int):
        return None
    words = status.partition(b"\nVmSwap:")[2].split(None, 1)
    kib = _number(words[0]) if words else None
    return None if kib is None else kib * 1024
