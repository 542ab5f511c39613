"""What `sretool cgroups top` answers."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Role = Literal["victim", "culprit", "both", "own-limit", "quiet", "unknown"]
Resource = Literal["cpu", "memory", "io", ""]
SHOWN = (
    *("name", "role", "resource", "stall_ratio", "stall_share_ratio", "use_share_ratio"),
    *("cpu_ratio", "memory_current_bytes", "io_bytes_per_s"),
)


def _d(text: str) -> Meta:
    return Meta(description=text)


class Ranked(Struct, gc=False):
    """One unit, container or other group with processes of its own. What is not known is null."""

    name: Annotated[str, _d("container's name or id, else the last part of the path")]
    path: Annotated[str, _d("path from the root of the hierarchy")]
    unit: Annotated[str, _d("systemd unit, empty when in none")]
    container: Annotated[str, _d("container's short id or name, empty when in none")]
    role: Annotated[
        Role,
        _d(
            "victim: waits much more than it uses; culprit: uses much more than it waits, and others wait, "
            "not at limits of their own; both: waits and uses much; own-limit: waits at a limit of its own; "
            "quiet: neither; unknown: the kernel keeps no pressure of groups here"
        ),
    ]
    resource: Annotated[Resource, _d("cpu, memory or io: what the role is about; empty when quiet")]
    stall_ratio: Annotated[
        float | None, _d("share of the sample that a task of it waited for that; *.pressure some, total=")
    ]
    stall_share_ratio: Annotated[float | None, _d("its part of all groups' waiting for that")]
    use_share_ratio: Annotated[
        float | None, _d("its part of all groups' use of that: CPU time, bytes of I/O, growth of memory")
    ]
    cpu_ratio: Annotated[float | None, _d("CPU time over the sample, 1.0 = one core; as in cgroups tree")]
    cpu_stall_ratio: Annotated[float | None, _d("cpu.pressure some over the sample")]
    throttled_ratio: Annotated[float | None, _d("share of quota periods that ran out; cpu.stat")]
    memory_current_bytes: Annotated[int | None, _d("memory.current, v1 memory.usage_in_bytes")]
    memory_growth_bytes_per_s: Annotated[float | None, _d("how fast that grew over the sample")]
    memory_stall_ratio: Annotated[float | None, _d("memory.pressure some over the sample")]
    io_bytes_per_s: Annotated[float | None, _d("read and written over the sample; io.stat")]
    io_stall_ratio: Annotated[float | None, _d("io.pressure some over the sample")]
    processes_total: Annotated[int | None, _d("processes in it and below; cgroup.procs")]
    why: Annotated[str, _d("the numbers behind the role, in words; empty when quiet")]


class Top(Struct):
    """The groups by what matters now."""

    groups: Annotated[
        list[Ranked], _d("first those that wait most or make others wait, then those that use most")
    ]
    total: Annotated[int, _d("groups before --limit")]
    version: Annotated[Literal["v1", "v2", "hybrid"], _d("hierarchies that are mounted")]
    stalls: Annotated[bool, _d("the kernel keeps pressure of groups (v2); without it roles are unknown")]
    ungrouped: Annotated[int | None, _d("processes in the root group itself, which are not listed")]
    window_s: Annotated[float | None, _d("seconds between the two readings; null when there was one")]
