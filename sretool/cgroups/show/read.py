"""One control group, as deep as its files go."""

from __future__ import annotations

import errno
from collections.abc import Collection, Mapping
from typing import Literal

from msgspec import Struct

from sretool.cgroups import read as groups
from sretool.cgroups.find import find
from sretool.cgroups.find import paths as every_path
from sretool.cgroups.limits import bindings, levels_of, tightest
from sretool.cgroups.model import Cgroups, lineage
from sretool.cgroups.mounts import Mount, mounts
from sretool.cgroups.show import members
from sretool.cgroups.show.model import Engine, Kill, LimitLevel, MemoryPart, Other, Shown
from sretool.errors import Missing, SretoolError, from_errno
from sretool.host import oom
from sretool.host.attribution import attribute
from sretool.host.decimal import integer
from sretool.host.identity import identity
from sretool.host.source import Clock, Source, attempt
from sretool.report.escape import clean
from sretool.report.times import rfc3339

EVERYTHING = None
KILLS_KEPT = 20
_HUGEPAGES = "/sys/kernel/mm/hugepages"
_FILES = (
    *("memory.oom.group", "cgroup.controllers", "cgroup.subtree_control"),
    *("rdma.current", "rdma.max", "misc.current", "misc.max", "misc.events"),
)
_ABSENT = (errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP)
# what memory.stat holds beside: counters of events, and parts of parts
_PARTS = (
    *("anon", "file", "shmem", "kernel_stack", "pagetables", "sec_pagetables", "percpu", "sock", "vmalloc"),
    *("slab_reclaimable", "slab_unreclaimable", "zswap", "hugetlb"),
)
_V1_PARTS = {"total_rss": "rss", "total_cache": "cache", "total_shmem": "shmem", "total_swap": "swap"}


class Details(Struct):
    """What is read once, as bytes. `files` by path of the group, then by name."""

    clock: Clock
    files: dict[str, dict[str, bytes]] = {}
    owners: dict[str, int] = {}
    controllers: dict[str, list[str]] = {}
    sizes: list[str] = []
    log: oom.KernelLog | None = None
    errors: list[SretoolError] = []


class Target(Struct):
    """The group that was asked for, and where it is mounted. `below` are the groups below it."""

    path: str
    mounts: list[Mount]
    below: list[str]


def target(source: Source, name: str, errors: list[SretoolError]) -> Target:
    """The group that `name` means.

    Raises:
        UsageError: it means several.
        SourceError, ParseError: there is none, or no hierarchy is mounted.
    """
    mounted = mounts(source.read("/proc/self/mountinfo"))
    if not mounted:
        raise groups.not_mounted()
    every = every_path(source, mounted, errors)
    path = find(source, name, mounted, every, errors)
    prefix = path.rstrip("/") + "/"
    return Target(path, mounted, [one for one in every if one.startswith(prefix) and one != path])


class Sample(Struct):
    """One reading of the group, those above it, and the processes in it and below."""

    clock: Clock
    groups: groups.Sample
    members: members.Read
    errors: list[SretoolError]


def counters(source: Source, wanted: Target) -> Sample:
    """What rates are made of.

    Raises:
        Missing: the group was removed.
    """
    found = groups.sample(source, groups.EVERYTHING, [wanted.path])
    if wanted.path not in found.groups:
        raise Missing(f"cgroup {wanted.path}", "it was removed meanwhile")
    pids = members.pids(source, wanted.path, wanted.below, wanted.mounts, found.groups[wanted.path])
    read = members.read(source, pids, found.errors)
    return Sample(found.clock, found, read, found.errors)


def sample(source: Source, paths: Collection[str] | None) -> Details:
    """What is read once; of all groups when `paths` is None, as a recording wants it.

    Raises:
        SourceError, ParseError: /proc/self/mountinfo cannot be read.
    """
    now = Details(source.clock())
    names = attempt(now.errors, source.listdir, _HUGEPAGES) or []
    now.sizes = [_size(name) for name in names]
    huge = [f"hugetlb.{size}.{what}" for size in now.sizes for what in ("current", "max", "events")]
    huge += [f"hugetlb.{size}.{what}" for size in now.sizes for what in _V1_HUGE]
    for mount in mounts(source.read("/proc/self/mountinfo")):
        if paths is None:
            relative = attempt(now.errors, source.walk, mount.point) or []
        else:
            relative = [name for name in map(mount.relative, paths) if name is not None]
        files = (
            [*_FILES, *huge] if "v2" in mount.controllers else huge if "hugetlb" in mount.controllers else []
        )
        parent, _, point = mount.point.rpartition("/")
        entries = {point if name == "." else f"{point}/{name}": name for name in relative}
        for entry, items in (source.bulk(parent, list(entries), files) if files else {}).items():
            group = now.files.setdefault(clean(mount.path(entries[entry])), {})
            for file, item in zip(files, items):
                if isinstance(item, bytes):
                    group[file] = item
                elif item not in _ABSENT:
                    now.errors.append(from_errno(item, f"{parent}/{entry}/{file}"))
        for entry, name in entries.items():
            stat = attempt(now.errors, source.stat, f"{parent}/{entry}")
            if stat is not None:
                path = clean(mount.path(name))
                now.owners[path] = max(stat.uid, now.owners.get(path, 0))
                now.controllers.setdefault(path, []).extend(mount.controllers - {"v2"})
    now.log = oom.read_log(source, now.errors, identity(source).page_bytes)
    return now


_V1_HUGE = ("usage_in_bytes", "limit_in_bytes", "failcnt")


def build(wanted: Target, now: Sample, before: Sample | None, details: Details) -> tuple[Shown, Cgroups]:
    """The answer, and the model of the group and those above it, for the checks."""
    path = wanted.path
    model = groups.build(now.groups, None if before is None else before.groups)
    row = next(row for row in model.cgroups if row.path == path)
    whose = attribute(path)
    container = now.groups.containers.get(whose.container)
    window = model.window_s
    found = members.build(now.members, None if before is None else before.members, window)
    row.processes_total = len(found)
    extra = details.files.get(path, {})
    shown = Shown(
        row,
        whose.slice,
        None
        if container is None
        else Engine(
            *(container.id, container.name, container.engine or whose.engine, container.image),
            *(container.pod, container.namespace, container.project, container.restarts),
            *(container.started_at, container.source),
        ),
        model.version,
        window,
        model.capacity,
        model.ancestors_hidden,
        details.owners.get(path),
        sorted({*_words(extra.get("cgroup.controllers")), *details.controllers.get(path, [])}),
        _words(extra.get("cgroup.subtree_control")),
        sum(one.rpartition("/")[0] == path.rstrip("/") for one in wanted.below),
        len(wanted.below),
        bindings(model, path),
        _levels(model, path),
        _parts(now, before, path),
        _others(extra, details.sizes),
        None if "memory.oom.group" not in extra else extra["memory.oom.group"].strip() == b"1",
        None if details.log is None else _kills(details, path),
        found,
        len(found),
        members.victims(found),
    )
    return shown, model


def _levels(model: Cgroups, path: str) -> list[LimitLevel]:
    found = []
    for resource, levels in levels_of(model, path).items():
        binding = tightest(levels)
        found += [
            LimitLevel(
                resource, level.path, level.limit, level.used, level.headroom, level.host, level is binding
            )
            for level in levels
        ]
    return found


def _parts(now: Sample, before: Sample | None, path: str) -> list[MemoryPart]:
    stat, v1 = _stat(now, path)
    earlier = _stat(before, path)[0] if before is not None else {}
    names: Mapping[str, str] = _V1_PARTS if v1 else {name: name for name in _PARTS}
    found = [
        MemoryPart(name, stat[key], stat[key] - earlier[key] if key in earlier else None)
        for key, name in names.items()
        if key in stat
    ]
    return sorted(found, key=lambda part: -part.bytes)


def _stat(reading: Sample, path: str) -> tuple[dict[str, int], bool]:
    files = reading.groups.groups.get(path, {})
    raw, v1 = files.get("v2/memory.stat"), False
    if raw is None:
        raw, v1 = files.get("memory/memory.stat", b""), True
    words = raw.decode("ascii", "backslashreplace").split()
    try:
        return dict(zip(words[::2], map(integer, words[1::2]))), v1
    except ValueError:  # noted where the row was made
        return {}, v1


def _kills(details: Details, path: str) -> list[Kill]:
    """Kills of the group's processes, and those at its limit."""
    inside = path.rstrip("/") + "/"
    found = []
    for kill in details.log.kills if details.log is not None else []:
        ours = kill.cgroup == path or kill.cgroup.startswith(inside) or kill.limit == path or path == "/"
        if not ours:
            continue
        sizes = (kill.anon_rss_bytes, kill.file_rss_bytes, kill.shmem_rss_bytes)
        known = [size for size in sizes if size is not None]
        found.append(
            Kill(
                rfc3339(oom.wall_s(details.clock, kill.at_s)),
                round(max(0.0, details.clock.mono - kill.at_s), 1),
                kill.pid,
                kill.name,
                sum(known) if known else None,
                kill.cgroup,
                kill.limit,
                kill.limit_bytes,
                _whose(kill.limit, path),
                kill.trigger,
            )
        )
    return found[: -KILLS_KEPT - 1 : -1]


def _whose(limit: str | None, path: str) -> Literal["own", "above", "below", "host", "unknown"]:
    if limit is None:
        return "unknown"
    if not limit:
        return "host"
    if limit == path:
        return "own"
    return "above" if limit in lineage(path) else "below"


def _others(files: Mapping[str, bytes], sizes: list[str]) -> list[Other]:
    found = []
    for size in sizes:
        current = _number(files, f"hugetlb.{size}.current", f"hugetlb.{size}.usage_in_bytes")
        limit = _limit(files, f"hugetlb.{size}.max", f"hugetlb.{size}.limit_in_bytes")
        refused = _keyed(files.get(f"hugetlb.{size}.events")).get("max")
        refused = _number(files, f"hugetlb.{size}.failcnt") if refused is None else refused
        if current or limit not in (None, "max") or refused:
            found.append(Other("hugetlb", size, current, limit, refused))
    limits, events = _keyed(files.get("misc.max")), _keyed(files.get("misc.events"))
    for name, current in _keyed(files.get("misc.current")).items():
        if current or name in limits:
            found.append(Other("misc", name, current, limits.get(name, "max"), events.get(f"{name}.max")))
    for line in files.get("rdma.current", b"").decode("utf-8", "backslashreplace").splitlines():
        device, *pairs = line.split() or [""]
        for pair in pairs:  # mlx4_0 hca_handle=2 hca_object=2000
            kind, _, value = pair.partition("=")
            if value.isdecimal() and len(value) < 20 and int(value):
                found.append(Other("rdma", f"{device} {kind}", int(value), None, None))
    return found


_V1_NO_LIMIT = (1 << 63) - (1 << 31)  # rounded down to a huge page


def _limit(files: Mapping[str, bytes], *names: str) -> int | Literal["max"] | None:
    if any(files.get(name, b"").strip() == b"max" for name in names):
        return "max"
    found = _number(files, *names)
    return "max" if found is not None and found >= _V1_NO_LIMIT else found


def _number(files: Mapping[str, bytes], *names: str) -> int | None:
    for name in names:
        try:
            return integer(files[name])
        except (KeyError, ValueError):
            continue
    return None


def _keyed(raw: bytes | None) -> dict[str, int]:
    found = {}
    for line in (raw or b"").decode("utf-8", "backslashreplace").splitlines():
        name, _, value = line.rpartition(" ")
        if value.isdecimal() and len(value) < 20:
            found[name] = int(value)
    return found


def _size(name: str) -> str:
    """`hugepages-2048kB` as the controller's files have it: `2MB` (mm/hugetlb_cgroup.c mem_fmt)."""
    text = name.removeprefix("hugepages-").removesuffix("kB")
    kib = int(text) if text.isdecimal() and len(text) < 12 else 0
    return f"{kib >> 20}GB" if kib >= 1 << 20 else f"{kib >> 10}MB" if kib >= 1 << 10 else f"{kib}KB"


def _words(raw: bytes | None) -> list[str]:
    return (raw or b"").decode("utf-8", "backslashreplace").split()
