"""What `sretool cgroups show` answers."""

from __future__ import annotations

from typing import Annotated, Literal, Union

from msgspec import Meta, Struct

from sretool.cgroups.model import Binding, Capacity, Cgroup, Level, Resource
from sretool.report.check import Verdict

__all__ = ["Engine", "Kill", "Level", "LimitLevel", "Member", "MemoryPart", "Other", "Shown"]


def _d(text: str) -> Meta:
    return Meta(description=text)


class Engine(Struct):
    """What its engine says of the container."""

    id: Annotated[str, _d("all digits of its id, or its name where the engine has no other")]
    name: Annotated[str, _d("its name; in Kubernetes within its pod")]
    engine: Annotated[str, _d("docker, containerd, cri-o, podman, …")]
    image: Annotated[str, _d("image it was made of")]
    pod: Annotated[str, _d("pod it is in")]
    namespace: Annotated[str, _d("Kubernetes namespace")]
    project: Annotated[str, _d("compose project")]
    restarts: Annotated[int | None, _d("times it was started again")]
    started_at: Annotated[str, _d("RFC 3339, UTC; empty when not known")]
    source: Annotated[str, _d("socket or file that said so")]


class LimitLevel(Struct):
    """One limit on the way from the group up to the host."""

    resource: Annotated[Resource, _d("memory-high: where it is slowed down; memory-swap: v1, both together")]
    path: Annotated[str, _d("the group that has it; / for the host itself")]
    limit: Annotated[Union[int, float], _d("bytes, tasks or CPUs")]
    used: Annotated[Union[int, float, None], _d("what it and those below use; null when unknown")]
    headroom: Annotated[Union[int, float, None], _d("limit - used; null when unknown")]
    host: Annotated[bool, _d("it is the host's own capacity")]
    binds: Annotated[bool, _d("of this resource's limits the one with least left")]


class MemoryPart(Struct):
    """One kind of memory."""

    name: Annotated[str, _d("key of memory.stat (v1: of its total_ keys)")]
    bytes: Annotated[int, _d("how much of it, those below included")]
    growth_bytes: Annotated[int | None, _d("how much more than at the first reading")]


class Member(Struct):
    """One process in the group or below."""

    pid: Annotated[int, _d("/proc/PID/stat, first field")]
    comm: Annotated[str, _d("its name; /proc/PID/stat")]
    state: Annotated[str, _d("R running, S sleeping, D waiting for a disk, Z zombie, …; /proc/PID/stat")]
    cgroup: Annotated[str, _d("group it is in")]
    cpu_ratio: Annotated[float | None, _d("CPU time over the sample, 1.0 = one core; stat utime + stime")]
    rss_bytes: Annotated[int | None, _d("resident memory; /proc/PID/stat rss")]
    swap_bytes: Annotated[int | None, _d("swapped out; /proc/PID/status VmSwap")]
    oom_score: Annotated[int | None, _d("who the kernel would kill first, the highest; /proc/PID/oom_score")]
    oom_score_adj: Annotated[int | None, _d("-1000 never, 1000 first; /proc/PID/oom_score_adj")]


class Kill(Struct):
    """A process of the group that the OOM killer ended, from the kernel's log."""

    at: Annotated[str, _d("RFC 3339, UTC; about right when the host was suspended since")]
    ago_s: Annotated[float, _d("how long ago")]
    pid: Annotated[int, _d("its pid")]
    name: Annotated[str, _d("its comm")]
    rss_bytes: Annotated[int | None, _d("resident memory it held: anon, file and shared")]
    cgroup: Annotated[str, _d("group it was in")]
    limit_path: Annotated[
        str | None, _d("group whose limit was hit; empty: the host's memory; null: the log does not say")
    ]
    limit_bytes: Annotated[int | None, _d("that limit, then")]
    whose_limit: Annotated[
        Literal["own", "above", "below", "host", "unknown"],
        _d("that limit as seen from this group: its own, of one above, of one below it, or the host's"),
    ]
    trigger: Annotated[str, _d("process whose allocation did not fit")]


class Other(Struct):
    """A resource of the hugetlb, rdma or misc controller that is used or limited."""

    controller: Annotated[str, _d("hugetlb, rdma or misc")]
    name: Annotated[str, _d("page size, device and kind, or resource")]
    current: Annotated[int | None, _d("in use; bytes for hugetlb")]
    limit: Annotated[Union[int, Literal["max"], None], _d("its own limit")]
    refused: Annotated[int | None, _d("times the limit refused since the group was made")]


class Shown(Struct):
    """One control group."""

    cgroup: Annotated[Cgroup, _d("all that its files say; JSON has every field")]
    slice: Annotated[str, _d("innermost systemd slice around it, empty when in none")]
    engine: Annotated[Engine | None, _d("what its container's engine says; null when not one, or unknown")]
    version: Annotated[Literal["v1", "v2", "hybrid"], _d("hierarchies that are mounted")]
    window_s: Annotated[float | None, _d("seconds between the two readings; null when there was one")]
    capacity: Annotated[Capacity, _d("the host's own")]
    ancestors_hidden: Annotated[
        bool | None, _d("limits above / cannot be seen (a cgroup namespace); null: not known")
    ]
    owner_uid: Annotated[
        int | None, _d("user the group's directory is given to; not 0: it is delegated to that user")
    ]
    controllers: Annotated[list[str], _d("cgroup.controllers (v2), the v1 hierarchies it is in")]
    subtree_control: Annotated[
        list[str], _d("controllers it hands to the groups below; cgroup.subtree_control (v2)")
    ]
    children: Annotated[int, _d("groups right below it")]
    descendants: Annotated[int, _d("groups below it")]
    limits: Annotated[list[Binding], _d("for each resource the limit that binds")]
    levels: Annotated[list[LimitLevel], _d("every limit on the way up, innermost first")]
    memory: Annotated[list[MemoryPart], _d("memory.stat by kind, the largest first")]
    others: Annotated[list[Other], _d("hugetlb, rdma and misc, where used or limited")]
    oom_group: Annotated[bool | None, _d("an OOM kill takes the whole group; memory.oom.group (v2)")]
    kills: Annotated[list[Kill] | None, _d("newest first; null when the kernel's log could not be read")]
    processes: Annotated[list[Member], _d("in it and below: most CPU first, then most memory")]
    processes_total: Annotated[int, _d("how many there are")]
    next_victims: Annotated[list[Member], _d("by oom_score: whom its own limit would have killed first")]
    checks: Annotated[list[Verdict], _d("checks made of it and those above")] = []
