"""Which files of a group give which fields of its row: a file not needed is not read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

PROCS = "cgroup.procs"
RESOURCES = ("cpu", "memory", "io")


class Ask(NamedTuple):
    """What to read of each group. `members`: who is in it, and what its container is called."""

    cpu: bool = False
    quota: bool = False
    weight: bool = False
    cpuset: bool = False
    memory: bool = False
    stat: bool = False
    bounds: bool = False
    events: bool = False
    pids: bool = False
    io_limits: bool = False
    io: bool = False
    pressure: bool = False
    state: bool = False
    limited: bool = False
    """`stat` and `bounds` only of groups whose memory is limited, because memory.stat is the dearest
    file; `io` only of those whose input or output is."""
    members: bool = True

    @property
    def compared(self) -> Ask:
        """What an earlier reading is compared by; all else of it nobody looks at."""
        kept = self._replace(quota=False, weight=False, cpuset=False, bounds=False, pids=False, state=False)
        return kept._replace(members=False, io_limits=self.io_limits and self.limited)


EVERYTHING = Ask(*[True] * 13)
LIMITS = Ask(cpu=True, quota=True, cpuset=True, memory=True, stat=True, bounds=True, pids=True)
"""What `limits.bindings` goes by."""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


FIELDS: dict[str, frozenset[str]] = {
    "cpu": _names(
        "cpu_ratio cpu_user_ratio cpu_system_ratio throttled_ratio throttled_periods periods "
        "throttled_time_ratio cpu_bursts"
    ),
    "quota": frozenset({"cpu_limit_ratio", "cpu_effective_limit_ratio"}),
    "weight": frozenset({"cpu_weight"}),
    "cpuset": frozenset({"cpus_allowed", "cpus_effective", "cpus"}),
    "memory": _names(
        "memory_current_bytes memory_limit_bytes memory_effective_limit_bytes memory_growth_bytes_per_s"
    ),
    "stat": _names(
        "memory_working_set_bytes memory_hard_bytes memory_anon_bytes memory_file_bytes memory_shmem_bytes "
        "memory_slab_bytes memory_sock_bytes reclaim_scanned_per_s reclaimed_per_s refaults_per_s "
        "major_faults_per_s"
    ),
    "bounds": _names(
        "memory_peak_bytes memory_min_bytes memory_low_bytes memory_high_bytes swap_current_bytes "
        "swap_limit_bytes memory_swap_current_bytes memory_swap_limit_bytes"
    ),
    "events": frozenset(
        name + suffix
        for name in (
            *("memory_high_hits", "memory_high_hits_local", "memory_max_hits", "memory_max_hits_local"),
            *("ooms", "ooms_local", "oom_kills", "oom_kills_local", "oom_group_kills"),
            *("swap_max_hits", "pids_max_hits", "pids_max_hits_local"),
        )
        for suffix in ("", "_in_sample")
    ),
    "pids": frozenset({"pids", "pids_limit", "pids_effective_limit", "pids_peak"}),
    "io": _names(
        "io_read_bytes_per_s io_write_bytes_per_s io_reads_per_s io_writes_per_s io_weight io_devices"
    ),
    "pressure": frozenset(
        f"{resource}_{kind}_{window}ratio"
        for resource in RESOURCES
        for kind in ("some", "full")
        for window in ("avg10_", "avg60_", "avg300_", "")
    ),
    "state": frozenset({"frozen", "populated", "type", "dying_descendants"}),
}
# what else a part of the row is made of: the working set is less than what is charged
_WITH = {"stat": ("memory",), "bounds": ("memory",), "io": ("io_limits",)}

FILES: dict[tuple[str, str], tuple[str, ...]] = {
    ("cpu", "v2"): ("cpu.stat",),
    ("cpu", "cpu"): ("cpu.stat",),
    ("cpu", "cpuacct"): ("cpuacct.usage", "cpuacct.usage_user", "cpuacct.usage_sys"),
    ("quota", "v2"): ("cpu.max",),
    ("quota", "cpu"): ("cpu.cfs_quota_us", "cpu.cfs_period_us"),
    ("weight", "v2"): ("cpu.weight",),
    ("weight", "cpu"): ("cpu.shares",),
    ("cpuset", "v2"): ("cpuset.cpus", "cpuset.cpus.effective"),
    ("cpuset", "cpuset"): ("cpuset.cpus", "cpuset.effective_cpus"),
    ("memory", "v2"): ("memory.current", "memory.max"),
    ("memory", "memory"): ("memory.usage_in_bytes", "memory.limit_in_bytes"),
    ("stat", "v2"): ("memory.stat",),
    ("stat", "memory"): ("memory.stat", "memory.kmem.usage_in_bytes", "memory.kmem.tcp.usage_in_bytes"),
    ("bounds", "v2"): (
        *("memory.high", "memory.low", "memory.min", "memory.peak"),
        *("memory.swap.current", "memory.swap.max"),
    ),
    ("bounds", "memory"): (
        *("memory.max_usage_in_bytes", "memory.memsw.usage_in_bytes", "memory.memsw.limit_in_bytes"),
    ),
    ("events", "v2"): (
        *("memory.events", "memory.events.local", "memory.swap.events", "pids.events", "pids.events.local"),
    ),
    ("events", "memory"): ("memory.oom_control", "memory.failcnt"),
    ("events", "pids"): ("pids.events",),
    ("pids", "v2"): ("pids.current", "pids.max", "pids.peak"),
    ("pids", "pids"): ("pids.current", "pids.max"),
    ("io_limits", "v2"): ("io.max",),
    ("io_limits", "blkio"): (
        *("blkio.throttle.read_bps_device", "blkio.throttle.write_bps_device"),
        *("blkio.throttle.read_iops_device", "blkio.throttle.write_iops_device"),
    ),
    ("io", "v2"): ("io.stat", "io.weight", "io.bfq.weight"),
    ("io", "blkio"): (
        *("blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_serviced_recursive"),
        *("blkio.bfq.weight", "blkio.weight"),
    ),
    ("pressure", "v2"): ("cpu.pressure", "memory.pressure", "io.pressure"),
    ("state", "v2"): ("cgroup.events", "cgroup.type", "cgroup.stat"),
    ("state", "freezer"): ("freezer.state",),
}


def ask_for(fields: Iterable[str]) -> Ask:
    """The ask that these fields of a row need."""
    wanted = set(fields)
    parts = {part for part, names in FIELDS.items() if not wanted.isdisjoint(names)}
    parts.update(other for part in tuple(parts) for other in _WITH.get(part, ()))
    return Ask(**dict.fromkeys(parts, True))


def can_be_there(file: str, controllers: frozenset[str] | None) -> bool:
    """Whether v2 groups can have `file`, by what the root's cgroup.controllers names (None: not known).
    CPU time and pressure are there without a controller.
    """
    kind = file.partition(".")[0]
    return (
        controllers is None
        or kind in ("cgroup", *controllers)
        or file == "cpu.stat"
        or file.endswith(".pressure")
    )


_MEMORY_DETAIL, _IO_DETAIL = ("stat", "bounds"), ("io",)


def wanted(ask: Ask, controllers: frozenset[str], *, parts: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """(controller, file) to read in a hierarchy with these controllers: of `parts`, or all that is
    not put off until it is known which groups are limited.
    """
    later = (*_MEMORY_DETAIL, *_IO_DETAIL) if ask.limited and not parts else ()
    return [
        (controller, file)
        for (part, controller), files in FILES.items()
        if controller in controllers
        and getattr(ask, part)
        and part not in later
        and (not parts or part in parts)
        for file in files
    ]


def put_off(group: Mapping[str, bytes]) -> tuple[str, ...]:
    """The parts that a group is worth reading for, by what its limits are."""
    memory = [group.get(file, b"").strip() for file in ("v2/memory.max", "memory/memory.limit_in_bytes")]
    limited = any(limit not in (b"", b"max") and len(limit) < _V1_NO_LIMIT_DIGITS for limit in memory)
    io = any(map(group.get, _IO_LIMITS))
    return (*(_MEMORY_DETAIL if limited else ()), *(_IO_DETAIL if io else ()))


_V1_NO_LIMIT_DIGITS = len(str((1 << 63) - (1 << 20)))
_IO_LIMITS = [
    f"{controller}/{file}"
    for (part, controller), files in FILES.items()
    if part == "io_limits"
    for file in files
]
