"""Control groups from cgroupfs: v2, v1, and both at once (hybrid), by what is mounted."""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal

from msgspec import Struct

from sretool.cgroups import capacity, files, io
from sretool.cgroups.files import EVERYTHING, LIMITS, Ask, ask_for
from sretool.cgroups.model import Capacity, Cgroup, Cgroups, lineage
from sretool.cgroups.mounts import Mount, mounts
from sretool.cgroups.row import Reader, fill
from sretool.errors import Missing, SourceError, SretoolError, from_errno
from sretool.host import engines
from sretool.host.attribution import Attribution, attribute
from sretool.host.engines import Container, name_of
from sretool.host.identity import identity
from sretool.host.source import Clock, Source, attempt
from sretool.report.escape import clean

__all__ = [
    "COUNTERS",
    "EVERYTHING",
    "LIMITS",
    "STATE",
    "TOP",
    "Ask",
    "Sample",
    "ask_for",
    "build",
    "populated",
    "sample",
]

# psi=0 on the kernel command line gives EOPNOTSUPP, as does cgroup.procs of a threaded group
_ABSENT = (errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP)
_NAMING = frozenset({"v2", "name=systemd", "cpu", "memory", "pids"})
"""The hierarchies that say who is in a group: those that attribution.cgroup_path looks at."""
_NO_TEXT = re.compile(r"\\x[89a-f]")  # what `clean` makes of a name that is no UTF-8
_INITIAL_NAMESPACE = "cgroup:[4026531835]"  # PROC_CGROUP_INIT_INO, include/linux/proc_ns.h

COUNTERS = Ask(cpu=True, events=True, pressure=True, io_limits=True, io=True, limited=True, members=False)
"""What triage reads at both moments; STATE it reads once."""
STATE = Ask(quota=True, memory=True, stat=True, bounds=True, pids=True, state=True, limited=True)

TOP = Ask(cpu=True, memory=True, events=True, io_limits=True, io=True, pressure=True)
"""What `top` divides into victims and culprits."""


class Sample(Struct):
    """One reading, as bytes. `groups` is by path; a group's files are keyed `CONTROLLER/FILE`, and
    what is absent is left out. `containers` are those that have a group, by short id.
    """

    clock: Clock
    ask: Ask
    mounts: list[Mount] = []
    groups: dict[str, dict[str, bytes]] = {}
    host: dict[str, bytes] = {}
    containers: dict[str, Container] = {}
    cpus: int = 1
    hidden: bool | None = None
    whole: bool = True
    errors: list[SretoolError] = []


def sample(source: Source, ask: Ask, paths: Collection[str] | None = None) -> Sample:
    """Read every group; of `paths` only these and those above them, without a walk. One that is
    removed meanwhile is dropped without a word; what we may not read is noted in `errors`.

    Raises:
        SourceError, ParseError: no cgroup hierarchy is mounted, or it cannot be told.
    """
    now = Sample(source.clock(), ask, whole=paths is None)
    now.cpus = identity(source).cpus
    now.mounts = mounts(source.read("/proc/self/mountinfo"))
    if not now.mounts:
        raise not_mounted()
    with contextlib.suppress(SourceError):
        now.hidden = source.readlink("/proc/self/ns/cgroup") != _INITIAL_NAMESPACE
    if any(mount.root != "/" for mount in now.mounts):
        now.hidden = True
    for path in capacity.wanted(ask):
        raw = attempt(now.errors, source.read, path)
        if raw is not None:
            now.host[path] = raw
    above = None if paths is None else {name for path in paths for name in lineage(path)}
    for mount in now.mounts:
        _read_hierarchy(source, now, mount, above)
    if ask.members:
        now.containers = engines.named(source, now.errors, map(attribute, now.groups))
    return now


def populated(source: Source, ask: Ask) -> Sample:
    """As `sample`, but of groups without a process, in them or below, only that they are there: their
    files cost as much as others', and a host may have ten thousand of them.

    Raises:
        SourceError, ParseError: as `sample`.
    """
    found = sample(source, Ask())
    below = _with_descendants(_members(found.groups))
    shown = [path for path, pids in below.items() if pids is None or pids]
    if any(map(_NO_TEXT.search, shown)):  # it cannot be read by what it is called
        return sample(source, ask)
    more = sample(source, ask._replace(members=False), shown)
    found.clock, found.ask = more.clock, ask
    found.host.update(more.host)
    said = {(error.what, error.message) for error in found.errors}
    found.errors += [error for error in more.errors if (error.what, error.message) not in said]
    for path in found.groups:
        found.groups[path].update(more.groups.get(path, {}))
    return found


def not_mounted() -> Missing:
    """There is nothing to read."""
    hint = "mount -t cgroup2 none /sys/fs/cgroup; in a container, start it with the host's mount"
    return Missing("cgroups", "no cgroup hierarchy is mounted here", hint, errno=errno.ENOENT)


def _read_hierarchy(source: Source, now: Sample, mount: Mount, only: Collection[str] | None) -> None:
    there = _controllers(source, mount)

    def possible(wanted: list[tuple[str, str]]) -> list[tuple[str, str]]:
        return [(kind, file) for kind, file in wanted if files.can_be_there(file, there)]

    wanted = possible(files.wanted(now.ask, mount.controllers))
    members = now.ask.members
    if not wanted and (not members or mount.controllers.isdisjoint(_NAMING)):
        return
    keyed = [(min(mount.controllers), files.PROCS), *wanted] if members else wanted
    if only is None:
        names = attempt(now.errors, source.walk, mount.point) or []
    else:
        names = [name for name in map(mount.relative, only) if name is not None]
        if not source.live:  # of a group that is not there nothing was recorded: it is no gap
            recorded = set(attempt([], source.walk, mount.point) or names)
            names = [name for name in names if name in recorded]
    # every group by one path only, the root too: a recording finds a file by the path it was read as
    parent, _, point = mount.point.rpartition("/")
    entries = {point if name == "." else f"{point}/{name}": name for name in names}
    put_off: dict[tuple[str, ...], dict[str, dict[str, bytes]]] = {}
    for entry, items in source.bulk(parent, list(entries), [file for _, file in keyed]).items():
        if members and items[0] in (errno.ENOENT, errno.ENODEV):  # removed
            continue
        path = mount.path(entries[entry])
        group = now.groups.setdefault(clean(path), {})
        _keep(now, group, f"{parent}/{entry}", keyed, items)
        if now.ask.limited and (parts := files.put_off(group)):
            put_off.setdefault(parts, {})[entry] = group
    for parts, groups in put_off.items():
        later = possible(files.wanted(now.ask, mount.controllers, parts=parts))
        for entry, items in source.bulk(parent, list(groups), [file for _, file in later]).items():
            _keep(now, groups[entry], f"{parent}/{entry}", later, items)


def _controllers(source: Source, mount: Mount) -> frozenset[str] | None:
    """Those that the unified hierarchy has; on a hybrid host most are in v1. None: not known, or v1."""
    if "v2" not in mount.controllers:
        return None
    try:
        return frozenset(source.read(f"{mount.point}/cgroup.controllers").decode("ascii", "replace").split())
    except SourceError:
        return None


def _keep(
    now: Sample,
    group: dict[str, bytes],
    place: str,
    keyed: list[tuple[str, str]],
    items: tuple[bytes | int, ...],
) -> None:
    for (controller, file), item in zip(keyed, items):
        if isinstance(item, bytes):
            group[f"{controller}/{file}"] = item
        elif item not in _ABSENT:
            now.errors.append(from_errno(item, f"{place}/{file}"))


def build(
    now: Sample, before: Sample | None = None, state: Sample | None = None, *, empty: bool = True
) -> Cgroups:
    """Rows from one reading, rates from two. `state` is what was read once, after the counters, the
    members of groups among it; `empty`: keep groups without a process.
    """
    window = now.clock.mono - before.clock.mono if before is not None else 0.0
    earlier = before.groups if before is not None and window > 0 else {}
    groups, host, ask, containers = now.groups, now.host, now.ask, now.containers
    if state is not None:
        groups = {path: groups.get(path, {}) | group for path, group in state.groups.items()}
        host, containers = host | state.host, state.containers
        ask = Ask(*(a or b for a, b in zip(ask, state.ask)))
    devices = io.parse_names(host.get("/proc/diskstats", b""))
    own = _members(groups)
    below = _with_descendants(own) if now.whole else {}
    pods = _pods(groups, containers)
    rows: dict[str, Cgroup] = {}
    for path, group in groups.items():
        whose = attribute(path)
        container_name = name_of(whose, containers)
        row = Cgroup(
            path,
            _name(path, whose, container_name, pods.get(whose.pod)),
            *whose[:1],
            *whose[2:],
            _count(own[path]),
            _count(below.get(path)),
            container_name=container_name,
            pod_name=pods.get(whose.pod) if whose.pod else "",
        )
        if empty or row.processes_total != 0:
            fill(row, Reader(path, group, earlier.get(path), window, now.errors), ask, devices)
        rows[path] = row
    whole = capacity.of(host, now.cpus, now.errors)
    if ask.memory:
        _inherit(rows, "memory_limit_bytes", "memory_effective_limit_bytes", whole.memory_bytes)
    if ask.pids:
        _inherit(rows, "pids_limit", "pids_effective_limit", whole.tasks_limit)
    if ask.quota:
        _inherit(rows, "cpu_limit_ratio", "cpu_effective_limit_ratio", float(whole.cpus))
    kept = [row for row in _tree_order(rows, whole) if empty or row.processes_total != 0]
    return Cgroups(
        kept,
        len(kept),
        _version(now.mounts),
        len(rows) - len(kept),
        round(window, 3) if window > 0 else None,
        whole,
        now.hidden,
    )


def parent_of(path: str) -> str:
    """The path one level up; the root is its own parent."""
    return path.rpartition("/")[0] or "/"


def _members(groups: Mapping[str, Mapping[str, bytes]]) -> dict[str, set[bytes] | None]:
    """Who is in each group, over all hierarchies; in the root only who is nowhere else. None where
    the kernel gives no list: a threaded group has threads of the processes above it.
    """
    own: dict[str, set[bytes] | None] = {}
    for path, group in groups.items():
        lists = [raw for key, raw in group.items() if key.endswith(f"/{files.PROCS}")]
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


def _pods(groups: Iterable[str], containers: Mapping[str, Container]) -> dict[str, str]:
    """What pods are called, by what their paths call them: their containers know."""
    named = (attribute(path) for path in groups) if containers else ()
    whose = ((one.pod, containers[one.container]) for one in named if one.container in containers)
    return {
        pod: f"{found.namespace}/{found.pod}" if found.namespace else found.pod
        for pod, found in whose
        if pod and found.pod
    }


def _name(path: str, whose: Attribution, container_name: str | None, pod_name: str | None) -> str:
    """What a person calls it. A group inside a container or a pod keeps its own name."""
    last = path.rpartition("/")[2] or "/"
    if whose.container:
        return container_name or whose.container if whose.container in last else last
    its_own = whose.pod and attribute(parent_of(path)).pod != whose.pod
    return f"pod {pod_name}" if its_own and pod_name else last


def _inherit(rows: dict[str, Cgroup], own: str, effective: str, top: float | None) -> None:
    """The smallest limit from each group up to the root."""
    for path in sorted(rows, key=len):
        above = getattr(rows[parent_of(path)], effective) if parent_of(path) in rows and path != "/" else top
        limits: list[Any] = [limit for limit in (getattr(rows[path], own), above) if is_number(limit)]
        setattr(rows[path], effective, min(limits, default=None))


def is_number(value: object) -> bool:
    """A known number, and not `max`."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _tree_order(rows: dict[str, Cgroup], host: Capacity) -> list[Cgroup]:
    """Parents before children; of siblings first the one that takes the largest share of any one
    resource, in whole percents so that noise does not reorder the screen.
    """

    def share(path: str) -> tuple[int, str]:
        row = rows[path]
        of_cpu = row.cpu_ratio / host.cpus if isinstance(row.cpu_ratio, float) else 0.0
        of_memory = (
            row.memory_current_bytes / host.memory_bytes
            if host.memory_bytes and isinstance(row.memory_current_bytes, int)
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
