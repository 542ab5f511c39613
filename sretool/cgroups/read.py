"""Control groups from cgroupfs: v2, v1, and both at once (hybrid), by what is mounted."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import Literal, NamedTuple

from msgspec import Struct

from sretool.cgroups.model import Cgroup, Cgroups
from sretool.cgroups.mounts import Mount, mounts
from sretool.cgroups.row import Reader
from sretool.errors import Missing, SretoolError, from_errno
from sretool.host.attribution import attribute
from sretool.host.decimal import integer
from sretool.host.identity import identity
from sretool.host.source import Clock, Source, attempt

# psi=0 on the kernel command line gives EOPNOTSUPP, as does cgroup.procs of a threaded group
_ABSENT = (errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP)
_PROCS = "cgroup.procs"
_NAMING = frozenset({"v2", "name=systemd", "cpu", "memory", "pids"})
"""The hierarchies that say who is in a group: those that attribution.cgroup_path looks at."""


class Ask(NamedTuple):
    """What to read beside who is in a group."""

    cpu: bool = False
    memory: bool = False
    pressure: bool = False


_FILES: dict[tuple[str, str], tuple[str, ...]] = {
    ("cpu", "v2"): ("cpu.stat", "cpu.max"),
    ("cpu", "cpu"): ("cpu.stat", "cpu.cfs_quota_us", "cpu.cfs_period_us"),
    ("cpu", "cpuacct"): ("cpuacct.usage",),
    ("memory", "v2"): ("memory.current", "memory.max", "memory.events"),
    ("memory", "memory"): ("memory.usage_in_bytes", "memory.limit_in_bytes", "memory.oom_control"),
    ("pressure", "v2"): ("cpu.pressure", "memory.pressure", "io.pressure"),
}
EVERYTHING = Ask(True, True, True)
TRIAGE = EVERYTHING


def ask_for(fields: Iterable[str]) -> Ask:
    """The ask that these fields of a row need."""
    wanted = set(fields)
    stalls = {name for name in wanted if "_some_" in name or "_full_" in name}
    cpu = {"cpu_ratio", "cpu_limit_ratio", "throttled_ratio", "throttled_periods", "periods"}
    return Ask(
        cpu=not wanted.isdisjoint(cpu),
        memory=any(name.startswith(("memory_", "oom_")) for name in wanted - stalls),
        pressure=bool(stalls),
    )


class Sample(Struct):
    """One reading, as bytes. `groups` is by path; a group's files are keyed `CONTROLLER/FILE`, and
    what is absent is left out.
    """

    clock: Clock
    ask: Ask
    mounts: list[Mount] = []
    groups: dict[str, dict[str, bytes]] = {}
    meminfo: bytes = b""
    cpus: int = 1
    errors: list[SretoolError] = []


def sample(source: Source, ask: Ask) -> Sample:
    """Read every group. One that is removed meanwhile is dropped without a word; what we may not
    read is noted in `errors`.

    Raises:
        SourceError, ParseError: no cgroup hierarchy is mounted, or it cannot be told.
    """
    now = Sample(source.clock(), ask)
    now.cpus = identity(source).cpus
    now.mounts = mounts(source.read("/proc/self/mountinfo"))
    if not now.mounts:
        raise Missing("cgroups", "no cgroup hierarchy is mounted here", errno=errno.ENOENT)
    if ask.memory:
        now.meminfo = attempt(now.errors, source.read, "/proc/meminfo") or b""
    for mount in now.mounts:
        _read_hierarchy(source, now, mount)
    return now


def _read_hierarchy(source: Source, now: Sample, mount: Mount) -> None:
    wanted = [
        (controller, file)
        for (part, controller), files in _FILES.items()
        if controller in mount.controllers and getattr(now.ask, part)
        for file in files
    ]
    if not wanted and mount.controllers.isdisjoint(_NAMING):
        return
    names = attempt(now.errors, source.walk, mount.point)
    keys = [f"{min(mount.controllers)}/{_PROCS}", *(f"{controller}/{file}" for controller, file in wanted)]
    # every group by one path only, the root too: a recording finds a file by the path it was read as
    parent, _, point = mount.point.rpartition("/")
    entries = {point if name == "." else f"{point}/{name}": name for name in names or []}
    found = source.bulk(parent, list(entries), [_PROCS, *(file for _, file in wanted)])
    for entry, items in found.items():
        if items[0] in (errno.ENOENT, errno.ENODEV):  # removed
            continue
        relative = entries[entry]
        path = mount.path(relative)
        group = now.groups.setdefault(
            path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"), {}
        )
        for key, item in zip(keys, items):
            if isinstance(item, bytes):
                group[key] = item
            elif item not in _ABSENT:
                now.errors.append(from_errno(item, f"{parent}/{entry}/{key.partition('/')[2]}"))


def build(now: Sample, before: Sample | None = None, *, empty: bool = True) -> Cgroups:
    """Rows from one reading, rates from two. `empty`: keep groups without a process."""
    window = now.clock.mono - before.clock.mono if before is not None else 0.0
    earlier = before.groups if before is not None and window > 0 else {}
    own = _members(now.groups)
    below = _with_descendants(own)
    rows: dict[str, Cgroup] = {}
    for path, files in now.groups.items():
        whose = attribute(path)
        row = Cgroup(
            path, _name(path, whose.container), *whose[:1], *whose[2:], _count(own[path]), _count(below[path])
        )
        reader = Reader(path, files, earlier.get(path), window, now.errors)
        if now.ask.cpu:
            reader.cpu(row)
        if now.ask.memory:
            reader.memory(row)
        if now.ask.pressure:
            reader.pressure(row)
        rows[path] = row
    memory_total = _memory_total(now.meminfo)
    if now.ask.memory:
        _effective_limits(rows, memory_total)
    kept = [row for row in _tree_order(rows, now.cpus, memory_total) if empty or row.processes_total != 0]
    return Cgroups(
        kept, len(kept), _version(now.mounts), len(rows) - len(kept), round(window, 3) if window > 0 else None
    )


def parent_of(path: str) -> str:
    """The path one level up; the root is its own parent."""
    return path.rpartition("/")[0] or "/"


def _members(groups: dict[str, dict[str, bytes]]) -> dict[str, set[bytes] | None]:
    """Who is in each group, over all hierarchies; in the root only who is nowhere else. None where
    the kernel gives no list: a threaded group has threads of the processes above it.
    """
    own: dict[str, set[bytes] | None] = {}
    for path, files in groups.items():
        lists = [raw for key, raw in files.items() if key.endswith(f"/{_PROCS}")]
        own[path] = {pid for raw in lists for pid in raw.split()} if lists else None
    root = own.get("/")
    if root:
        root.difference_update(*(pids for path, pids in own.items() if path != "/" and pids))
    return own


def _with_descendants(own: dict[str, set[bytes] | None]) -> dict[str, set[bytes] | None]:
    below = {path: None if pids is None else set(pids) for path, pids in own.items()}
    for path in sorted(own, key=lambda path: -len(path.split("/"))):
        above, pids = below.get(parent_of(path)), below[path]
        if path != "/" and above is not None and pids:
            above |= pids
    return below


def _count(pids: set[bytes] | None) -> int | None:
    return None if pids is None else len(pids)


def _name(path: str, container: str) -> str:
    last = path.rpartition("/")[2] or "/"
    # a group inside the container keeps its own name
    return container if container and container in last else last


def _effective_limits(rows: dict[str, Cgroup], memory_total: int | None) -> None:
    """The smallest limit from each group up to the root."""
    for path in sorted(rows, key=len):
        row = rows[path]
        above = (
            rows[parent_of(path)].memory_effective_limit_bytes
            if parent_of(path) in rows and path != "/"
            else memory_total
        )
        limits = [limit for limit in (row.memory_limit_bytes, above) if isinstance(limit, int)]
        row.memory_effective_limit_bytes = min(limits, default=None)


def _tree_order(rows: dict[str, Cgroup], cpus: int, memory_total: int | None) -> list[Cgroup]:
    """Parents before children; of siblings first the one that takes the largest share of any one
    resource, in whole percents so that noise does not reorder the screen.
    """

    def share(path: str) -> tuple[int, str]:
        row = rows[path]
        of_cpu = row.cpu_ratio / cpus if isinstance(row.cpu_ratio, float) else 0.0
        of_memory = (
            row.memory_current_bytes / memory_total
            if memory_total and isinstance(row.memory_current_bytes, int)
            else 0.0
        )
        return -round(max(of_cpu, of_memory) * 100), path

    children: dict[str, list[str]] = {}
    for path in rows:
        if path != "/":
            parent = parent_of(path)
            children.setdefault(parent if parent in rows else "", []).append(path)
    ordered: list[Cgroup] = []
    pending = sorted(children.pop("", []), key=share, reverse=True) + (["/"] if "/" in rows else [])
    while pending:
        path = pending.pop()
        ordered.append(rows[path])
        pending += sorted(children.get(path, []), key=share, reverse=True)
    return ordered


def _version(found: list[Mount]) -> Literal["v1", "v2", "hybrid"]:
    kinds = {"v2" in mount.controllers for mount in found}
    return "hybrid" if len(kinds) == 2 else "v2" if True in kinds else "v1"


def _memory_total(meminfo: bytes) -> int | None:
    fields = meminfo.partition(b"MemTotal:")[2].split(None, 1)
    try:
        return integer(fields[0]) * 1024 if fields else None
    except ValueError:
        return None
