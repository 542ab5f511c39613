"""What `sretool cgroups` answers."""

from __future__ import annotations

from typing import Annotated, Literal, Union

from msgspec import Meta, Struct

from sretool.cgroups.model.row import Cgroup, IoDevice

__all__ = ["Binding", "Capacity", "Cgroup", "Cgroups", "IoDevice", "Level", "Resource"]

Resource = Literal["memory", "memory-high", "swap", "memory-swap", "pids", "cpu", "cpuset"]
Unit = Literal["bytes", "processes", "CPUs"]


class Capacity(Struct, frozen=True):
    """What the host itself has: the limit above all limits. Null is unknown."""

    memory_bytes: Annotated[int | None, Meta(description="/proc/meminfo MemTotal")] = None
    memory_used_bytes: Annotated[
        int | None, Meta(description="what is not available; /proc/meminfo MemTotal - MemAvailable")
    ] = None
    swap_bytes: Annotated[int | None, Meta(description="/proc/meminfo SwapTotal")] = None
    swap_used_bytes: Annotated[int | None, Meta(description="/proc/meminfo SwapTotal - SwapFree")] = None
    tasks_limit: Annotated[
        int | None,
        Meta(description="the smaller of /proc/sys/kernel/pid_max and /proc/sys/kernel/threads-max"),
    ] = None
    tasks: Annotated[int | None, Meta(description="tasks there are; /proc/loadavg, fourth field")] = None
    cpus: Annotated[int, Meta(description="CPUs online")] = 1


class Level(Struct, gc=False):
    """One group on the way up that limits a resource."""

    path: Annotated[str, Meta(description="the group; / for the host itself")]
    limit: Annotated[Union[int, float], Meta(description="its limit")]
    used: Annotated[
        Union[int, float, None], Meta(description="what it and those below use, null when unknown")
    ]
    headroom: Annotated[
        Union[int, float, None], Meta(description="limit - used, not below 0; null when unknown")
    ]
    host: Annotated[bool, Meta(description="it is the host's own capacity")] = False


class Binding(Struct, gc=False):
    """What really limits a group: of all limits on the way up the one with the least left."""

    resource: Annotated[
        Resource,
        Meta(description="memory-high: where it is slowed down; memory-swap: v1, both together"),
    ]
    limit: Annotated[Union[int, float], Meta(description="the limit that binds")]
    own_limit: Annotated[
        Union[int, float, Literal["max"], None],
        Meta(description="the group's own; max: none, null: not known, or it has no such controller"),
    ]
    used: Annotated[
        Union[int, float, None],
        Meta(
            description="what counts against the limit, where it binds: the working set for memory, "
            "CPU time over the sample for cpu; null when unknown"
        ),
    ]
    headroom: Annotated[
        Union[int, float, None],
        Meta(description="least of limit - used over all levels; null when unknown"),
    ]
    unit: Annotated[Unit, Meta(description="of limit, used and headroom; processes: threads count")]
    path: Annotated[str, Meta(description="the group whose limit binds")]
    host: Annotated[bool, Meta(description="it is the host's own capacity")]


class Cgroups(Struct):
    """The control groups of one host."""

    cgroups: Annotated[
        list[Cgroup],
        Meta(
            description="parents before children; of siblings first the one with the largest share of "
            "CPU or memory"
        ),
    ]
    total: Annotated[int, Meta(description="groups before --limit")]
    version: Annotated[
        Literal["v1", "v2", "hybrid"],
        Meta(description="hybrid: v1 controllers and a v2 tree; /proc/self/mountinfo"),
    ]
    empty: Annotated[
        int, Meta(description="groups without a process in them or below, left out unless --all")
    ] = 0
    window_s: Annotated[
        float | None, Meta(description="seconds between the two readings; null when there was one")
    ] = None
    capacity: Annotated[Capacity, Meta(description="the host's own")] = Capacity()
    ancestors_hidden: Annotated[
        bool | None,
        Meta(
            description="/ is not the host's root: limits above it cannot be seen (a cgroup namespace, or "
            "part of the tree mounted); null: not known"
        ),
    ] = None

    def chain(self, path: str) -> list[Cgroup]:
        """The group at `path` and those above it that are known, innermost first: a quota or limit
        on any of them holds for a process in it.
        """
        known = {row.path: row for row in self.cgroups}
        return [known[name] for name in lineage(path) if name in known]


def lineage(path: str) -> list[str]:
    """`path` and the paths above it, the root last."""
    parts = [part for part in path.split("/") if part]
    return ["/" + "/".join(parts[:depth]) for depth in range(len(parts), -1, -1)]
