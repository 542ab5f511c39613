"""Whom the OOM killer would choose, by its own formula, and whom it chose."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from msgspec import Struct

from sretool.cgroups import read as cgroups
from sretool.cgroups.files import Ask as CgroupAsk
from sretool.cgroups.model import Cgroup, Cgroups, lineage
from sretool.errors import Missing, SourceError, SretoolError, UsageError, from_errno
from sretool.host import oom
from sretool.host.attribution import attribute
from sretool.host.decimal import integer
from sretool.host.engines import name_of
from sretool.host.identity import identity
from sretool.host.source import Clock, Source, attempt, pids
from sretool.procs.oom import history
from sretool.procs.oom.model import Candidate, Killer, Limited, Oom
from sretool.report.escape import text

NEVER = -1000  # include/uapi/linux/oom.h OOM_SCORE_ADJ_MIN
_FILES = ("status", "oom_score_adj", "oom_score", "cgroup")
_GROUPS = CgroupAsk(memory=True, stat=True, bounds=True, events=True, limited=True)
_KILLERS = (b"systemd-oomd", b"earlyoom", b"nohang", b"oomd")
OOMCTL = ("oomctl", "dump")


class Ask(NamedTuple):
    """There is nothing to leave out."""


EVERYTHING = Ask()


class Sample(Struct):
    """One reading, as bytes. `processes` by pid: an item for each of _FILES; `whole` by path of the
    group: memory.oom.group.
    """

    clock: Clock
    page_bytes: int = 4096
    processes: dict[str, tuple[bytes | int, ...]] = {}
    meminfo: bytes = b""
    vmstat: bytes = b""
    groups: cgroups.Sample | None = None
    whole: dict[str, bytes | int] = {}
    log: oom.KernelLog | None = None
    oomctl: bytes = b""
    errors: list[SretoolError] = []


def sample(source: Source, ask: Ask) -> Sample:
    """Read it; none of these files can block.

    Raises:
        SourceError, ParseError: /proc cannot be listed, or the host's identity is not known.
    """
    now = Sample(source.clock())
    now.page_bytes = identity(source).page_bytes
    now.processes = source.bulk("/proc", pids(source), _FILES)
    unread = [(pid, items[0]) for pid, items in now.processes.items() if isinstance(items[0], int)]
    now.errors += [
        from_errno(number, f"/proc/{pid}/status")
        for pid, number in unread
        if number not in (errno.ENOENT, errno.ESRCH)
    ]
    now.meminfo = attempt(now.errors, source.read, "/proc/meminfo") or b""
    now.vmstat = attempt(now.errors, source.read, "/proc/vmstat") or b""
    try:
        now.groups = cgroups.sample(source, _GROUPS)
        now.errors += now.groups.errors
    except Missing:  # no cgroups, no limits
        pass
    except SretoolError as error:
        now.errors.append(error)
    if now.groups is not None:
        _read_whole(source, now, now.groups)
    now.log = oom.read_log(source, now.errors, now.page_bytes)
    if any(_name(items[0]) == b"systemd-oomd" for items in now.processes.values()):
        try:
            now.oomctl = source.run(OOMCTL).stdout
        except SourceError:  # its presence is told without
            pass
    return now


def _read_whole(source: Source, now: Sample, groups: cgroups.Sample) -> None:
    """memory.oom.group, which only v2 has and the root has not."""
    for mount in groups.mounts:
        if "v2" not in mount.controllers:
            continue
        names = {path: mount.relative(path) for path in groups.groups if path != "/"}
        known = {name: path for path, name in names.items() if name is not None}
        for name, (raw,) in source.bulk(mount.point, list(known), ["memory.oom.group"]).items():
            now.whole[known[name]] = raw


class _Process(NamedTuple):
    pid: int
    name: str
    rss_bytes: int
    swap_bytes: int
    pgtables_bytes: int
    adj: int
    score: int | None
    cgroup: str | None

    def points(self, pool_bytes: int, page_bytes: int) -> int:
        """oom_badness() of mm/oom_kill.c, in bytes: it counts pages, and thousandths of pages."""
        pages = (self.rss_bytes + self.swap_bytes + self.pgtables_bytes) // page_bytes
        return (pages + self.adj * (pool_bytes // page_bytes // 1000)) * page_bytes


def build(now: Sample, wanted: str | None = None) -> Oom:
    """The ranking of the host, or of the group that `wanted` names; and what the log says.

    Raises:
        UsageError: no group, or more than one, is of that name.
    """
    model = None if now.groups is None else cgroups.build(now.groups)
    rows = {row.path: row for row in model.cgroups} if model is not None else {}
    path = "" if wanted is None else _find(rows, wanted)
    processes = [one for pid, items in now.processes.items() if (one := _process(pid, items)) is not None]
    memory = _meminfo(now.meminfo)
    total, swap = memory.get(b"MemTotal"), memory.get(b"SwapTotal", 0)
    pool = None if total is None else total + swap
    if path:
        pool = _pool(rows, path, swap) or pool
        processes = [one for one in processes if _within(one.cgroup, path)]
    ranked = _ranked(processes, pool or 0, now.page_bytes)
    groups = [
        _limited(now, row, rows, processes, swap)
        for row in rows.values()
        if isinstance(row.memory_limit_bytes, int) and (not path or _within(row.path, path))
    ]
    groups = [row for row in groups if row.candidates]
    groups.sort(key=lambda row: (-(row.used_ratio or 0.0), row.path))
    found = history.of(now.log, now.clock, now.vmstat, rows, path)
    return Oom(
        [_candidate(now, one, pool or 0, path) for one in ranked],
        len(ranked),
        path,
        pool,
        memory.get(b"MemAvailable"),
        total,
        memory.get(b"SwapFree"),
        groups,
        *found,
        killers=_killers(now),
    )


def _ranked(processes: Iterable[_Process], pool: int, page_bytes: int) -> list[_Process]:
    return sorted(processes, key=lambda one: (one.adj == NEVER, -one.points(pool, page_bytes), -one.pid))


def _candidate(now: Sample, one: _Process, pool: int, domain: str) -> Candidate:
    whose = None if one.cgroup is None else attribute(one.cgroup)
    return Candidate(
        one.pid,
        one.name,
        None if whose is None else whose.unit,
        None if whose is None else whose.container,
        one.adj != NEVER,
        one.points(pool, now.page_bytes),
        one.score,
        one.adj,
        one.rss_bytes,
        one.swap_bytes,
        one.pgtables_bytes,
        one.cgroup,
        "" if one.adj == NEVER else _takes(now.whole, one.cgroup, domain),
        None if whose is None else name_of(whose, now.groups.containers if now.groups is not None else {}),
    )


def _takes(whole: Mapping[str, bytes | int], path: str | None, domain: str) -> str:
    """The outermost group with memory.oom.group from the victim's up to that whose limit was hit
    (mm/memcontrol.c mem_cgroup_get_oom_group).
    """
    taken = ""
    for name in lineage(path or "/"):
        raw = whole.get(name)
        if isinstance(raw, bytes) and raw.strip() == b"1":
            taken = name
        if name == domain:
            break
    return taken


def _limited(
    now: Sample, row: Cgroup, rows: Mapping[str, Cgroup], processes: Iterable[_Process], swap: int
) -> Limited:
    inside = [one for one in processes if _within(one.cgroup, row.path) and one.adj != NEVER]
    first = next(iter(_ranked(inside, _pool(rows, row.path, swap) or 0, now.page_bytes)), None)
    limit = row.memory_limit_bytes if isinstance(row.memory_limit_bytes, int) else 0
    used = next(
        (
            value
            for value in (row.memory_working_set_bytes, row.memory_current_bytes)
            if isinstance(value, int)
        ),
        None,
    )
    control = (
        (now.groups.groups if now.groups is not None else {})
        .get(row.path, {})
        .get("memory/memory.oom_control", b"")
    )
    return Limited(
        row.path,
        row.unit,
        row.container,
        limit,
        used,
        None if used is None or limit == 0 else round(used / limit, 4),
        None if used is None else max(0, limit - used),
        len(inside),
        None if first is None else first.pid,
        "" if first is None else first.name,
        "" if first is None else _takes(now.whole, first.cgroup, row.path),
        b"oom_kill_disable 1" in control,
        row.oom_kills if isinstance(row.oom_kills, int) else None,
    )


def _pool(rows: Mapping[str, Cgroup], path: str, swap: int) -> int | None:
    """Memory and swap of a group, of which oom_score_adj is thousandths there (mm/memcontrol.c
    mem_cgroup_get_max); None when it has no limit of its own.
    """
    row = rows[path]
    if not isinstance(row.memory_limit_bytes, int):
        return None
    if isinstance(row.memory_swap_limit_bytes, int):  # v1 counts both together
        return min(row.memory_limit_bytes + swap, row.memory_swap_limit_bytes)
    own = row.swap_limit_bytes
    return row.memory_limit_bytes + (min(own, swap) if isinstance(own, int) else swap)


def _find(rows: Mapping[str, Cgroup], wanted: str) -> str:
    """The path of a group named by its path, the last part of it, or its container."""
    path = "/" + wanted.strip("/")
    if wanted.startswith("/") and path in rows:
        return path
    named = [
        row.path
        for row in rows.values()
        if wanted in (row.path.rpartition("/")[2], row.name)
        or (
            row.container
            and wanted in (row.container, row.container_name)
            and row.container in row.path.rpartition("/")[2]
        )
    ]
    named = named or [row.path for row in rows.values() if path == row.path]
    if len(named) == 1:
        return named[0]
    if not named:
        raise UsageError("--cgroup", f"no group is {wanted!r}", "`sretool cgroups tree` lists them")
    several = ", ".join(sorted(named)[:5])
    raise UsageError("--cgroup", f"{len(named)} groups are {wanted!r}: {several}", "give the whole path")


def _within(path: str | None, group: str) -> bool:
    return path is not None and (path == group or path.startswith(group.rstrip("/") + "/"))


def _process(pid: str, items: tuple[bytes | int, ...]) -> _Process | None:
    """None for what is never chosen: it has no memory of its own (kernel threads, zombies), is init,
    or is gone.
    """
    status, adj, score, cgroup = items
    if isinstance(status, int) or pid == "1":
        return None
    rss, swap, tables = (_kib(status, name) for name in (b"VmRSS", b"VmSwap", b"VmPTE"))
    if rss is None:
        return None
    number = _number(adj)
    return _Process(
        int(pid),
        text(_name(status)),
        rss * 1024,
        (swap or 0) * 1024,
        (tables or 0) * 1024,
        number if number is not None else 0,
        _number(score),
        memory_path(cgroup) if isinstance(cgroup, bytes) else None,
    )


def memory_path(raw: bytes) -> str | None:
    """The path of the memory cgroup in /proc/PID/cgroup: on v1 that of the controller, else v2's."""
    unified = None
    for line in raw.splitlines():
        _number, _, rest = line.partition(b":")
        controllers, _, path = rest.partition(b":")
        if b"memory" in controllers.split(b","):
            return text(path)
        if not controllers and path:
            unified = text(path)
    return unified


def _name(status: bytes | int) -> bytes:
    """As proc_pid_status(5) writes it: newline and backslash escaped."""
    if isinstance(status, int):
        return b""
    raw = status.partition(b"Name:\t")[2].partition(b"\n")[0]
    return raw.replace(b"\\n", b"\n").replace(b"\\\\", b"\\")


def _kib(raw: bytes, name: bytes) -> int | None:
    found = raw.partition(b"\n" + name + b":")[2].split(None, 1)[:1]
    return _number(found[0]) if found else None


def _number(raw: bytes | int) -> int | None:
    try:
        return integer(raw) if isinstance(raw, bytes) else None
    except ValueError:
        return None


def _meminfo(raw: bytes) -> dict[bytes, int]:
    found = {}
    for name in (b"MemTotal", b"MemAvailable", b"SwapTotal", b"SwapFree"):
        if (size := _kib(b"\n" + raw, name)) is not None:
            found[name] = size * 1024
    return found


def _killers(now: Sample) -> list[Killer]:
    found = []
    for pid, items in now.processes.items():
        if (name := _name(items[0])) in _KILLERS:
            lines = now.oomctl.splitlines() if name == b"systemd-oomd" else []
            says = [text(line.strip()) for line in lines if b" Limit:" in line or b"Path:" in line]
            found.append(Killer(text(name), int(pid), says[:50]))
    return found


__all__ = ["EVERYTHING", "Ask", "Cgroups", "Sample", "build", "memory_path", "sample"]
