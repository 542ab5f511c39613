"""Victims and culprits: each group's part of the waiting beside its part of the use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from sretool.cgroups.model import Cgroup, Cgroups
from sretool.cgroups.top.model import Ranked, Resource, Role, Top

RESOURCES: tuple[Resource, ...] = ("cpu", "memory", "io")
STALLED = 0.05
"""A group waits when a task of it did for this share of the sample (judgement)."""
MUCH = 0.25
"""A part of all use or all waiting that is much (judgement)."""
FACTOR = 2.0
"""A victim's part of the waiting is at least so many times its part of the use (judgement)."""
THROTTLED = 0.25  # cgroup.cpu-throttled
GROWS_BYTES_PER_S = 1 << 20
_WORDS = {"cpu": "the CPU", "memory": "memory", "io": "disks"}
_USE = {"cpu": "of the CPU time", "memory": "of the growth", "io": "of the I/O"}


class Part(NamedTuple):
    """One group and one resource."""

    stall: float | None
    stall_share: float | None
    use_share: float | None


def build(model: Cgroups, *, every: bool = False) -> Top:
    """`every`: all groups that hold processes, also within a unit or container."""
    rows = [row for row in model.cgroups if row.path != "/" and row.processes_total != 0]
    rows = [row for row in rows if row.processes != 0] if every else leaves(rows)
    stalls = any(isinstance(row.cpu_some_avg10_ratio, float) for row in rows)
    parts = {resource: _parts(rows, resource) for resource in RESOURCES}
    # nobody makes a group wait that waits at its own limit
    made_to_wait = {
        resource: max(
            (part.stall or 0.0 for row, part in zip(rows, parts[resource]) if not _own_limit(row, resource)),
            default=0.0,
        )
        for resource in RESOURCES
    }
    judged = []
    for i, row in enumerate(rows):
        mine = {resource: parts[resource][i] for resource in RESOURCES}
        weight, role, resource = _role(row, mine, made_to_wait) if stalls else (0.0, "unknown", "")
        judged.append((weight, _share_of_host(row, model), _ranked(row, mine, role, resource)))
    judged.sort(key=lambda item: (-round(item[0], 2), -round(item[1], 2), item[2].path))
    found = [item[2] for item in judged]
    root = next((row for row in model.cgroups if row.path == "/"), None)
    return Top(
        found, len(found), model.version, stalls, None if root is None else root.processes, model.window_s
    )


def leaves(rows: Sequence[Cgroup]) -> list[Cgroup]:
    """One row for each unit and container, and for what is in neither; never a group and one around
    it, which counts the same twice.
    """
    chosen: list[Cgroup] = []
    taken: set[str] = set()
    around_containers = {above for row in rows if row.container for above in _above(row.path)}
    for row in rows:  # parents come first
        if any(above in taken for above in _above(row.path)):
            continue
        last = row.path.rpartition("/")[2]
        is_container = bool(row.container) and row.container in last
        holds_containers = row.path in around_containers
        is_unit = bool(row.unit) and last.removeprefix("_") == row.unit and not holds_containers
        if is_container or is_unit or (row.processes != 0 and not holds_containers):
            chosen.append(row)
            taken.add(row.path)
    return chosen


def _above(path: str) -> list[str]:
    return [path[:at] for at in range(1, len(path)) if path[at] == "/"]


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _use(row: Cgroup, resource: Resource) -> float | None:
    if resource == "cpu":
        return _number(row.cpu_ratio)
    if resource == "memory":
        growth = _number(row.memory_growth_bytes_per_s)
        return None if growth is None else growth if growth >= GROWS_BYTES_PER_S else 0.0
    return _io(row)


def _io(row: Cgroup) -> float | None:
    rates = [_number(row.io_read_bytes_per_s), _number(row.io_write_bytes_per_s)]
    known = [rate for rate in rates if rate is not None]
    return sum(known) if known else None


def _stall(row: Cgroup, resource: Resource) -> float | None:
    return _number(getattr(row, f"{resource}_some_ratio"))


def _parts(rows: Sequence[Cgroup], resource: Resource) -> list[Part]:
    def shares(of: Callable[[Cgroup, Resource], float | None]) -> list[float | None]:
        values = [of(row, resource) for row in rows]
        total = sum(value for value in values if value is not None)
        return [None if value is None else value / total if total else 0.0 for value in values]

    return [
        Part(_stall(row, resource), stalled, used)
        for row, stalled, used in zip(rows, shares(_stall), shares(_use))
    ]


def _share_of_host(row: Cgroup, model: Cgroups) -> float:
    """The largest part of what the host has that it uses."""
    memory, whole = _number(row.memory_current_bytes) or 0.0, model.capacity.memory_bytes
    return max((_number(row.cpu_ratio) or 0.0) / model.capacity.cpus, memory / whole if whole else 0.0)


def _ranked(row: Cgroup, parts: dict[Resource, Part], role: Role, resource: Resource) -> Ranked:
    part = parts[resource] if resource else Part(None, None, None)
    return Ranked(
        row.name,
        row.path,
        row.unit,
        row.container,
        role,
        resource,
        _rounded(part.stall),
        _rounded(part.stall_share),
        _rounded(part.use_share),
        _number(row.cpu_ratio),
        parts["cpu"].stall,
        _number(row.throttled_ratio),
        row.memory_current_bytes if isinstance(row.memory_current_bytes, int) else None,
        _number(row.memory_growth_bytes_per_s),
        parts["memory"].stall,
        _io(row),
        parts["io"].stall,
        row.processes_total,
        _why(row, role, resource, part),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _role(
    row: Cgroup, parts: dict[Resource, Part], made_to_wait: dict[Resource, float]
) -> tuple[float, Role, Resource]:
    """(waiting behind it, role, resource): the role with the most waiting behind it, its own or
    what it makes others wait.
    """
    found: list[tuple[float, Role, Resource]] = []
    for resource, (stall, stall_share, use_share) in parts.items():
        stall, stall_share, use_share = stall or 0.0, stall_share or 0.0, use_share or 0.0
        waits = stall >= STALLED
        most = made_to_wait[resource]
        uses = use_share >= MUCH and most >= STALLED
        if waits and _own_limit(row, resource):
            found.append((stall, "own-limit", resource))
        elif waits and stall_share >= FACTOR * use_share:
            found.append((stall, "victim", resource))
        elif uses and use_share >= FACTOR * stall_share:
            found.append((most, "culprit", resource))
        elif waits:
            found.append((stall, "both" if use_share >= MUCH else "victim", resource))
    if not found:
        return 0.0, "quiet", ""
    return max(found, key=lambda item: item[0])


def _own_limit(row: Cgroup, resource: Resource) -> bool:
    """Whether it waits at a limit of its own, which no other group is to blame for."""
    if resource == "cpu":
        return (_number(row.throttled_ratio) or 0.0) > THROTTLED
    if resource == "memory":
        high, hard = row.memory_high_hits_local_in_sample, row.memory_max_hits_local_in_sample
        return bool(_number(high)) or bool(_number(hard))
    devices = row.io_devices if isinstance(row.io_devices, list) else []
    return any(
        rate is not None and limit and rate > 0.8 * limit
        for device in devices
        for rate, limit in zip(device.rates, device.limits)
    )


def _why(row: Cgroup, role: Role, resource: Resource, part: Part) -> str:
    if not resource:
        return ""
    stall = f"{(part.stall or 0.0):.0%} of the sample"
    shares = f"{(part.stall_share or 0.0):.0%} of all waiting, {(part.use_share or 0.0):.0%} {_USE[resource]}"
    if role == "own-limit":
        limit = {"cpu": "quota", "memory": "memory limit", "io": "io.max"}[resource]
        return f"waits for {_WORDS[resource]} {stall}, at its own {limit}"
    if role == "culprit":
        return f"others wait for {_WORDS[resource]}; it: {shares}"
    return f"waits for {_WORDS[resource]} {stall}: {shares}"
