"""What really limits a group: its own limits, those of the groups above, and the host.

A limit holds for all that is below it together. So the smallest limit on the way up is often not the
one that binds: siblings use the room of a larger one further up. What binds is where least is left.
"""

from __future__ import annotations

from typing import Any

from sretool.cgroups.files import LIMITS
from sretool.cgroups.model import Binding, Capacity, Cgroup, Cgroups, Level, Resource, Unit, lineage
from sretool.host.source import Source

UNITS: dict[Resource, Unit] = {
    "memory": "bytes",
    "memory-high": "bytes",
    "swap": "bytes",
    "memory-swap": "bytes",
    "pids": "processes",
    "cpu": "CPUs",
    "cpuset": "CPUs",
}


def read(source: Source, path: str) -> Cgroups:
    """The groups from `path` up, with what `bindings` goes by; one reading, so without the use of CPU.

    Raises:
        SourceError, ParseError: no cgroup hierarchy is mounted, or it cannot be told.
    """
    from sretool.cgroups.read import build, sample

    return build(sample(source, LIMITS, [path]))


def bindings(model: Cgroups, path: str) -> list[Binding]:
    """For each resource the limit with the least left for a process in the group at `path`. What
    nothing limits, or nothing is known of, is left out. `model` needs `files.LIMITS` to be read.

    In a cgroup namespace `model.ancestors_hidden` is True: there may be a tighter limit above.
    """
    found = []
    chain = model.chain(path)
    for resource, levels in levels_of(model, path).items():
        binding = tightest(levels)
        own = next((_own(resource, row) for row in chain if row.path == (lineage(path)[0])), None)
        found.append(
            Binding(
                resource,
                binding.limit,
                own,
                binding.used,
                binding.headroom,
                UNITS[resource],
                binding.path,
                binding.host,
            )
        )
    return found


def levels_of(model: Cgroups, path: str) -> dict[Resource, list[Level]]:
    """Every limit on the way up from `path`, innermost first and the host last, by resource."""
    chain = model.chain(path)
    cpus = model.capacity.cpus
    found: dict[Resource, list[Level]] = {}
    for resource in UNITS:
        levels = [level for row in chain if (level := _level(resource, row)) is not None]
        if resource == "cpuset":
            levels = _narrowed(chain, cpus)
        elif resource == "cpu":  # a set of CPUs limits as a quota does
            use = {row.path: row.cpu_ratio for row in chain}
            levels += [_made(level.path, level.limit, use[level.path]) for level in _narrowed(chain, cpus)]
        host = _host(resource, model.capacity, chain)
        if host is not None:
            levels.append(host)
        if levels:
            found[resource] = levels
    return found


def tightest(levels: list[Level]) -> Level:
    """Where least is left; where use is not known, the smallest limit. Of equals the innermost."""
    return min(levels, key=lambda level: level.limit if level.headroom is None else level.headroom)


def _own(resource: Resource, row: Cgroup) -> Any:
    limit, _used = _pair(resource, row)
    return limit if limit == "max" or isinstance(limit, (int, float)) else None


def _level(resource: Resource, row: Cgroup) -> Level | None:
    limit, used = _pair(resource, row)
    if not isinstance(limit, (int, float)):
        return None
    return _made(row.path, limit, used)


def _made(path: str, limit: float, used: object, host: bool = False) -> Level:
    if not isinstance(used, (int, float)):
        return Level(path, limit, None, None, host)
    headroom = max(0, limit - used)
    return Level(path, limit, used, round(headroom, 4) if isinstance(headroom, float) else headroom, host)


def _pair(resource: Resource, row: Cgroup) -> tuple[Any, Any]:
    """(limit, used) of one group."""
    working_set = row.memory_working_set_bytes
    memory = working_set if isinstance(working_set, int) else row.memory_current_bytes
    if resource == "memory":
        return row.memory_limit_bytes, memory
    if resource == "memory-high":
        return row.memory_high_bytes, memory
    if resource == "swap":
        return row.swap_limit_bytes, row.swap_current_bytes
    if resource == "memory-swap":
        return row.memory_swap_limit_bytes, row.memory_swap_current_bytes
    if resource == "pids":
        return row.pids_limit, row.pids
    if resource == "cpu":
        return row.cpu_limit_ratio, row.cpu_ratio
    return row.cpus, None


def _narrowed(chain: list[Cgroup], cpus: int) -> list[Level]:
    """Where the CPUs to run on become fewer: the effective set of a group holds what is above it."""
    levels = [level for row in chain if (level := _level("cpuset", row)) is not None]
    return [
        level
        for level, above in zip(levels, [*levels[1:], Level("", cpus, None, None)])
        if level.limit < above.limit
    ]


def _host(resource: Resource, host: Capacity, chain: list[Cgroup]) -> Level | None:
    root = next((row for row in chain if row.path == "/"), None)
    busy = root.cpu_ratio if root is not None and isinstance(root.cpu_ratio, float) else None
    limit, used = {
        "memory": (host.memory_bytes, host.memory_used_bytes),
        "swap": (host.swap_bytes, host.swap_used_bytes),
        "pids": (host.tasks_limit, host.tasks),
        "cpu": (host.cpus, busy),
        "cpuset": (host.cpus, None),
    }.get(resource, (None, None))
    return None if limit is None else _made("/", limit, used, host=True)
