"""What `sretool cgroups tree` answers."""

from __future__ import annotations

from typing import Annotated, Literal, Union

from msgspec import UNSET, Meta, Struct, UnsetType

Bytes = Union[int, UnsetType, None]
Ratio = Union[float, UnsetType, None]
ByteLimit = Union[int, Literal["max"], UnsetType, None]
RatioLimit = Union[float, Literal["max"], UnsetType, None]

_AVG10 = "share of the last 10 s, kept by the kernel, that {who} waited for {what}; {file}"
_WINDOW = "share of the sample that {who} waited for {what}; total= of {file}, two readings"


def _stall(text: str, who: str, what: str, file: str) -> Meta:
    return Meta(description=text.format(who=who, what=what, file=file))


class Cgroup(Struct, gc=False):
    """One control group. Fields of a controller it does not have are null, as is all that could
    not be read; what was not asked for is absent. `max` is no limit of its own.
    """

    path: Annotated[str, Meta(description="path from the root of the hierarchy, / is the root")]
    name: Annotated[str, Meta(description="container's short id or name, else the last part of the path")]
    unit: Annotated[str, Meta(description="systemd unit it is in, empty when in none")]
    container: Annotated[str, Meta(description="container's short id or name, empty when in none")]
    engine: Annotated[str, Meta(description="container engine, empty when in none or not known")]
    pod: Annotated[str, Meta(description="pod's uid, empty when in none")]
    processes: Annotated[int | None, Meta(description="processes in it; cgroup.procs")]
    processes_total: Annotated[int | None, Meta(description="processes in it and below; cgroup.procs")]
    cpu_ratio: Annotated[
        Ratio,
        Meta(description="CPU time over the sample, 1.0 = one core; cpu.stat usage_usec, v1 cpuacct.usage"),
    ] = UNSET
    cpu_limit_ratio: Annotated[
        RatioLimit,
        Meta(description="its own CPU quota, 1.0 = one core; cpu.max, v1 cpu.cfs_quota_us/cfs_period_us"),
    ] = UNSET
    throttled_ratio: Annotated[
        Ratio,
        Meta(
            description="share of quota periods in the sample that ran out; nr_throttled/nr_periods of "
            "cpu.stat; null when no period passed"
        ),
    ] = UNSET
    throttled_periods: Annotated[
        Bytes, Meta(description="quota periods in the sample that ran out; cpu.stat nr_throttled")
    ] = UNSET
    periods: Annotated[Bytes, Meta(description="quota periods in the sample; cpu.stat nr_periods")] = UNSET
    memory_current_bytes: Annotated[
        Bytes,
        Meta(
            description="memory charged to it and below, page cache included; memory.current, "
            "v1 memory.usage_in_bytes"
        ),
    ] = UNSET
    memory_limit_bytes: Annotated[
        ByteLimit, Meta(description="its own hard limit; memory.max, v1 memory.limit_in_bytes")
    ] = UNSET
    memory_effective_limit_bytes: Annotated[
        Bytes, Meta(description="smallest limit on its way up, the host's memory (MemTotal) at the top")
    ] = UNSET
    oom_kills: Annotated[
        Bytes,
        Meta(
            description="processes killed for memory since it was made; memory.events oom_kill (with those "
            "below), v1 memory.oom_control (without)"
        ),
    ] = UNSET
    cpu_some_avg10_ratio: Annotated[Ratio, _stall(_AVG10, "a task", "a CPU", "cpu.pressure")] = UNSET
    cpu_some_ratio: Annotated[Ratio, _stall(_WINDOW, "a task", "a CPU", "cpu.pressure")] = UNSET
    cpu_full_avg10_ratio: Annotated[Ratio, _stall(_AVG10, "every task", "a CPU", "cpu.pressure")] = UNSET
    cpu_full_ratio: Annotated[Ratio, _stall(_WINDOW, "every task", "a CPU", "cpu.pressure")] = UNSET
    memory_some_avg10_ratio: Annotated[Ratio, _stall(_AVG10, "a task", "memory", "memory.pressure")] = UNSET
    memory_some_ratio: Annotated[Ratio, _stall(_WINDOW, "a task", "memory", "memory.pressure")] = UNSET
    memory_full_avg10_ratio: Annotated[Ratio, _stall(_AVG10, "every task", "memory", "memory.pressure")] = (
        UNSET
    )
    memory_full_ratio: Annotated[Ratio, _stall(_WINDOW, "every task", "memory", "memory.pressure")] = UNSET
    io_some_avg10_ratio: Annotated[Ratio, _stall(_AVG10, "a task", "a disk", "io.pressure")] = UNSET
    io_some_ratio: Annotated[Ratio, _stall(_WINDOW, "a task", "a disk", "io.pressure")] = UNSET
    io_full_avg10_ratio: Annotated[Ratio, _stall(_AVG10, "every task", "a disk", "io.pressure")] = UNSET
    io_full_ratio: Annotated[Ratio, _stall(_WINDOW, "every task", "a disk", "io.pressure")] = UNSET


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

    def chain(self, path: str) -> list[Cgroup]:
        """The group at `path` and those above it that are known, innermost first: a quota or limit
        on any of them holds for a process in it.
        """
        known = {row.path: row for row in self.cgroups}
        parts = [part for part in path.split("/") if part]
        above = ["/" + "/".join(parts[:depth]) for depth in range(len(parts), -1, -1)]
        return [known[name] for name in above if name in known]
