"""One control group as a row: what every listing, `show` and the checks go by.

Where a field names no kernel, every supported one (5.10 and later) has the file. `in_sample` is how
much a counter grew between the two readings, null when there was one.
"""

from __future__ import annotations

from typing import Annotated, Literal, Union

from msgspec import UNSET, Meta, Struct, UnsetType

Count = Union[int, UnsetType, None]
Bytes = Count
Number = Union[float, UnsetType, None]
Ratio = Number
Flag = Union[bool, UnsetType, None]
Text = Union[str, UnsetType, None]
CountLimit = Union[int, Literal["max"], UnsetType, None]
ByteLimit = CountLimit
RatioLimit = Union[float, Literal["max"], UnsetType, None]

_AVG = "share of the last {seconds} s, kept by the kernel, that {who} waited for {what}; {what_file} (v2)"
_WINDOW = "share of the sample that {who} waited for {what}; total= of {what_file} (v2), two readings"
_SINCE = "{what} since the group was made, with those below; {file}"
_OWN = "{what} since the group was made, those below left out; memory.events.local {key} (v2, 5.3)"
_SAMPLED = "the same, in the sample"


def _d(text: str) -> Meta:
    return Meta(description=text)


def _since(what: str, file: str) -> Meta:
    return _d(_SINCE.format(what=what, file=file))


def _own(what: str, key: str) -> Meta:
    return _d(_OWN.format(what=what, key=key))


def _avg(seconds: int, who: str, resource: str) -> Meta:
    return _stall(_AVG, who, resource, seconds=seconds)


def _window(who: str, resource: str) -> Meta:
    return _stall(_WINDOW, who, resource)


def _stall(text: str, who: str, resource: str, **more: int) -> Meta:
    what = {"cpu": "a CPU", "memory": "memory", "io": "a disk"}[resource]
    return _d(text.format(who=f"{who} task", what=what, what_file=f"{resource}.pressure", **more))


class IoDevice(Struct, gc=False):
    """What one group does on one block device, those below included."""

    device: Annotated[str, _d("major:minor")]
    name: Annotated[str, _d("its name, empty when not known; /proc/diskstats")]
    read_bytes_per_s: Annotated[float | None, _d("over the sample; io.stat rbytes")]
    write_bytes_per_s: Annotated[float | None, _d("over the sample; io.stat wbytes")]
    reads_per_s: Annotated[float | None, _d("requests over the sample; io.stat rios")]
    writes_per_s: Annotated[float | None, _d("requests over the sample; io.stat wios")]
    read_bytes: Annotated[int | None, _d("since the group was made; v1 blkio.throttle.io_service_bytes")]
    write_bytes: Annotated[int | None, _d("since the group was made; v1 blkio.throttle.io_service_bytes")]
    read_limit_bytes_per_s: Annotated[
        int | None, _d("io.max rbps, v1 blkio.throttle.read_bps_device; null: none")
    ] = None
    write_limit_bytes_per_s: Annotated[
        int | None, _d("io.max wbps, v1 blkio.throttle.write_bps_device; null: none")
    ] = None
    read_limit_per_s: Annotated[
        int | None, _d("requests; io.max riops, v1 blkio.throttle.read_iops_device; null: none")
    ] = None
    write_limit_per_s: Annotated[
        int | None, _d("requests; io.max wiops, v1 blkio.throttle.write_iops_device; null: none")
    ] = None

    @property
    def limited(self) -> bool:
        """Whether io.max holds it."""
        return any(limit is not None for limit in self.limits)

    @property
    def limits(self) -> tuple[int | None, int | None, int | None, int | None]:
        """Its four limits, in the order of `rates`."""
        return (
            self.read_limit_bytes_per_s,
            self.write_limit_bytes_per_s,
            self.read_limit_per_s,
            self.write_limit_per_s,
        )

    @property
    def rates(self) -> tuple[float | None, float | None, float | None, float | None]:
        """What it does, beside `limits`."""
        return (self.read_bytes_per_s, self.write_bytes_per_s, self.reads_per_s, self.writes_per_s)


class _Named(Struct, gc=False):
    path: Annotated[str, _d("path from the root of the hierarchy, / is the root")]
    name: Annotated[
        str,
        _d("what a person calls it: a container's name or short id, a pod's name, else the last of the path"),
    ]
    unit: Annotated[str, _d("systemd unit it is in, empty when in none")]
    container: Annotated[str, _d("container's short id or name, empty when in none")]
    engine: Annotated[str, _d("container engine, empty when in none or not known")]
    pod: Annotated[str, _d("pod's uid, empty when in none")]
    processes: Annotated[int | None, _d("processes in it; cgroup.procs")]
    processes_total: Annotated[int | None, _d("processes in it and below; cgroup.procs")]


class _Cpu(_Named, gc=False):
    cpu_ratio: Annotated[
        Ratio, _d("CPU time over the sample, 1.0 = one core; cpu.stat usage_usec, v1 cpuacct.usage")
    ] = UNSET
    cpu_limit_ratio: Annotated[
        RatioLimit, _d("its own CPU quota, 1.0 = one core; cpu.max, v1 cpu.cfs_quota_us/cfs_period_us")
    ] = UNSET
    throttled_ratio: Annotated[
        Ratio,
        _d(
            "share of quota periods in the sample that ran out; nr_throttled/nr_periods of cpu.stat; "
            "null when no period passed"
        ),
    ] = UNSET
    throttled_periods: Annotated[
        Count, _d("quota periods in the sample that ran out; cpu.stat nr_throttled")
    ] = UNSET
    periods: Annotated[Count, _d("quota periods in the sample; cpu.stat nr_periods")] = UNSET
    cpu_user_ratio: Annotated[
        Ratio, _d("of cpu_ratio, in user mode; cpu.stat user_usec, v1 cpuacct.usage_user")
    ] = UNSET
    cpu_system_ratio: Annotated[
        Ratio, _d("of cpu_ratio, in the kernel; cpu.stat system_usec, v1 cpuacct.usage_sys")
    ] = UNSET
    throttled_time_ratio: Annotated[
        Ratio,
        _d(
            "time its tasks were kept from running, over the sample; above 1.0 when on several CPUs; "
            "cpu.stat throttled_usec, v1 throttled_time"
        ),
    ] = UNSET
    cpu_bursts: Annotated[
        Count, _d("quota periods in the sample that used saved-up time; cpu.stat nr_bursts (5.15)")
    ] = UNSET
    cpu_effective_limit_ratio: Annotated[
        Number, _d("smallest CPU quota on its way up, the host's CPUs at the top")
    ] = UNSET
    cpu_weight: Annotated[
        Count,
        _d(
            "its share among siblings when CPUs are short; cpu.weight (100 unless set), "
            "v1 cpu.shares (1024 unless set)"
        ),
    ] = UNSET
    cpus_allowed: Annotated[Text, _d("CPUs set for it; cpuset.cpus; empty: as its parent")] = UNSET
    cpus_effective: Annotated[
        Text, _d("CPUs it may run on; cpuset.cpus.effective, v1 cpuset.effective_cpus")
    ] = UNSET
    cpus: Annotated[Count, _d("how many CPUs cpus_effective names")] = UNSET


class _Memory(_Cpu, gc=False):
    memory_current_bytes: Annotated[
        Bytes,
        _d("memory charged to it and below, page cache included; memory.current, v1 memory.usage_in_bytes"),
    ] = UNSET
    memory_limit_bytes: Annotated[
        ByteLimit, _d("its own hard limit; memory.max, v1 memory.limit_in_bytes")
    ] = UNSET
    memory_effective_limit_bytes: Annotated[
        Bytes, _d("smallest limit on its way up, the host's memory (MemTotal) at the top")
    ] = UNSET
    memory_growth_bytes_per_s: Annotated[
        Number, _d("how fast memory_current_bytes grew over the sample, negative when it shrank")
    ] = UNSET
    memory_working_set_bytes: Annotated[
        Bytes,
        _d(
            "memory_current_bytes without the page cache that is easily dropped (inactive_file of "
            "memory.stat), as the kubelet counts; it holds active page cache"
        ),
    ] = UNSET
    memory_hard_bytes: Annotated[
        Bytes,
        _d(
            "what cannot be dropped: anon, shmem, unevictable, kernel_stack, slab_unreclaimable and sock of "
            "memory.stat (v1: total_rss, total_shmem, total_unevictable)"
        ),
    ] = UNSET
    memory_anon_bytes: Annotated[Bytes, _d("heap, stacks, private pages; memory.stat anon, v1 total_rss")] = (
        UNSET
    )
    memory_file_bytes: Annotated[
        Bytes, _d("page cache, shared memory included; memory.stat file, v1 total_cache")
    ] = UNSET
    memory_shmem_bytes: Annotated[
        Bytes, _d("of it shared memory and tmpfs; memory.stat shmem, v1 total_shmem")
    ] = UNSET
    memory_slab_bytes: Annotated[
        Bytes, _d("kernel objects; memory.stat slab (v2), v1 memory.kmem.usage_in_bytes (all kernel memory)")
    ] = UNSET
    memory_sock_bytes: Annotated[
        Bytes, _d("socket buffers; memory.stat sock, v1 memory.kmem.tcp.usage_in_bytes")
    ] = UNSET
    reclaim_scanned_per_s: Annotated[
        Number, _d("pages looked at for reclaim, over the sample; memory.stat pgscan (v2)")
    ] = UNSET
    reclaimed_per_s: Annotated[Number, _d("pages taken back, over the sample; memory.stat pgsteal (v2)")] = (
        UNSET
    )
    refaults_per_s: Annotated[
        Number,
        _d(
            "pages read back soon after they were taken, over the sample: the working set does not fit; "
            "memory.stat workingset_refault_anon and _file (v2; before 5.9 workingset_refault)"
        ),
    ] = UNSET
    major_faults_per_s: Annotated[
        Number, _d("faults that waited for a disk, over the sample; memory.stat pgmajfault")
    ] = UNSET
    memory_peak_bytes: Annotated[
        Bytes,
        _d("most it ever held; memory.peak (v2, 5.19), v1 memory.max_usage_in_bytes (until it is reset)"),
    ] = UNSET
    memory_min_bytes: Annotated[ByteLimit, _d("never reclaimed below this; memory.min (v2)")] = UNSET
    memory_low_bytes: Annotated[
        ByteLimit,
        _d("reclaimed below this only when nothing else is left; memory.low (v2)"),
    ] = UNSET
    memory_high_bytes: Annotated[
        ByteLimit, _d("above this it is slowed down and reclaimed; memory.high (v2)")
    ] = UNSET
    swap_current_bytes: Annotated[
        Bytes, _d("swapped out; memory.swap.current, v1 memory.memsw.usage_in_bytes less memory")
    ] = UNSET
    swap_limit_bytes: Annotated[ByteLimit, _d("its own limit of swap; memory.swap.max (v2)")] = UNSET
    memory_swap_current_bytes: Annotated[
        Bytes, _d("memory and swap together; v1 memory.memsw.usage_in_bytes")
    ] = UNSET
    memory_swap_limit_bytes: Annotated[
        ByteLimit, _d("its own limit of memory and swap together; v1 memory.memsw.limit_in_bytes")
    ] = UNSET


class _Events(_Memory, gc=False):
    memory_high_hits: Annotated[
        Count, _since("times its tasks were held back above memory.high", "memory.events high (v2)")
    ] = UNSET
    memory_high_hits_in_sample: Annotated[Count, _d(_SAMPLED)] = UNSET
    memory_high_hits_local: Annotated[Count, _own("as memory_high_hits", "high")] = UNSET
    memory_high_hits_local_in_sample: Annotated[Count, _d(_SAMPLED)] = UNSET
    memory_max_hits: Annotated[
        Count,
        _since("times memory.max was reached", "memory.events max, v1 memory.failcnt (those below left out)"),
    ] = UNSET
    memory_max_hits_in_sample: Annotated[Count, _d(_SAMPLED)] = UNSET
    memory_max_hits_local: Annotated[Count, _own("as memory_max_hits", "max")] = UNSET
    memory_max_hits_local_in_sample: Annotated[Count, _d(_SAMPLED)] = UNSET
    ooms: Annotated[
        Count,
        _since("times reclaim at its limit failed and the OOM killer was due", "memory.events oom (v2)"),
    ] = UNSET
    ooms_in_sample: Annotated[Count, _d(_SAMPLED)] = UNSET
    ooms_local: Annotated[Count, _own("as ooms: its own limit was the one", "oom")] = UNSET
    ooms_local_in_sample: Annotated[Count, _d(_SAMPLED)] = UNSET
    oom_kills: Annotated[
        Count,
        _d(
            "processes killed for memory since it was made; memory.events oom_kill (with those below), "
            "v1 memory.oom_control (without)"
        ),
    ] = UNSET
    oom_kills_in_sample: Annotated[Count, _d(_SAMPLED)] = UNSET
    oom_kills_local: Annotated[Count, _own("as oom_kills: the victims were in it", "oom_kill")] = UNSET
    oom_kills_local_in_sample: Annotated[Count, _d(_SAMPLED)] = UNSET
    oom_group_kills: Annotated[
        Count,
        _since("times the group was killed as a whole", "memory.events oom_group_kill (v2, 5.17)"),
    ] = UNSET
    oom_group_kills_in_sample: Annotated[Count, _d(_SAMPLED)] = UNSET
    swap_max_hits: Annotated[
        Count, _since("times memory.swap.max was reached", "memory.swap.events max (v2)")
    ] = UNSET
    swap_max_hits_in_sample: Annotated[Count, _d(_SAMPLED)] = UNSET
    pids_max_hits: Annotated[
        Count,
        _d(
            "forks refused since it was made; pids.events max; from 6.11 with those below, before "
            "that counted where the fork was tried, whichever limit refused it"
        ),
    ] = UNSET
    pids_max_hits_in_sample: Annotated[Count, _d(_SAMPLED)] = UNSET
    pids_max_hits_local: Annotated[
        Count, _d("forks its own pids.max refused; pids.events.local max (v2, 6.11)")
    ] = UNSET
    pids_max_hits_local_in_sample: Annotated[Count, _d(_SAMPLED)] = UNSET


class _Rest(_Events, gc=False):
    pids: Annotated[Count, _d("tasks (threads count) in it and below; pids.current")] = UNSET
    pids_limit: Annotated[CountLimit, _d("its own limit of tasks; pids.max")] = UNSET
    pids_effective_limit: Annotated[
        Count, _d("smallest limit of tasks on its way up, the host's (pid_max, threads-max) at the top")
    ] = UNSET
    pids_peak: Annotated[Count, _d("most tasks it ever had; pids.peak (v2, 6.1)")] = UNSET
    io_read_bytes_per_s: Annotated[
        Number,
        _d(
            "read from block devices over the sample, below too; io.stat rbytes, "
            "v1 blkio.throttle.io_service_bytes_recursive"
        ),
    ] = UNSET
    io_write_bytes_per_s: Annotated[Number, _d("written to block devices, likewise; io.stat wbytes")] = UNSET
    io_reads_per_s: Annotated[
        Number, _d("read requests; io.stat rios, v1 blkio.throttle.io_serviced_recursive")
    ] = UNSET
    io_writes_per_s: Annotated[Number, _d("write requests, likewise; io.stat wios")] = UNSET
    io_weight: Annotated[
        Count, _d("its share among siblings; io.weight or io.bfq.weight, v1 blkio.bfq.weight, blkio.weight")
    ] = UNSET
    io_devices: Annotated[
        Union[list[IoDevice], UnsetType, None], _d("the devices it used or is limited on; io.stat, io.max")
    ] = UNSET
    frozen: Annotated[
        Flag, _d("its tasks are stopped by the freezer; cgroup.events frozen (v2), v1 freezer.state")
    ] = UNSET
    populated: Annotated[Flag, _d("it or one below has a process; cgroup.events populated (v2)")] = UNSET
    type: Annotated[Text, _d("domain, threaded, domain threaded or domain invalid; cgroup.type (v2)")] = UNSET
    dying_descendants: Annotated[
        Count, _d("removed groups below that something still holds; cgroup.stat nr_dying_descendants (v2)")
    ] = UNSET


class Cgroup(_Rest, gc=False):
    """One control group. Fields of a controller it does not have are null, as is all that could
    not be read; what was not asked for is absent. `max` is no limit of its own.
    """

    cpu_some_avg10_ratio: Annotated[Ratio, _avg(10, "a", "cpu")] = UNSET
    cpu_some_avg60_ratio: Annotated[Ratio, _avg(60, "a", "cpu")] = UNSET
    cpu_some_avg300_ratio: Annotated[Ratio, _avg(300, "a", "cpu")] = UNSET
    cpu_some_ratio: Annotated[Ratio, _window("a", "cpu")] = UNSET
    cpu_full_avg10_ratio: Annotated[Ratio, _avg(10, "every", "cpu")] = UNSET
    cpu_full_avg60_ratio: Annotated[Ratio, _avg(60, "every", "cpu")] = UNSET
    cpu_full_avg300_ratio: Annotated[Ratio, _avg(300, "every", "cpu")] = UNSET
    cpu_full_ratio: Annotated[Ratio, _window("every", "cpu")] = UNSET
    memory_some_avg10_ratio: Annotated[Ratio, _avg(10, "a", "memory")] = UNSET
    memory_some_avg60_ratio: Annotated[Ratio, _avg(60, "a", "memory")] = UNSET
    memory_some_avg300_ratio: Annotated[Ratio, _avg(300, "a", "memory")] = UNSET
    memory_some_ratio: Annotated[Ratio, _window("a", "memory")] = UNSET
    memory_full_avg10_ratio: Annotated[Ratio, _avg(10, "every", "memory")] = UNSET
    memory_full_avg60_ratio: Annotated[Ratio, _avg(60, "every", "memory")] = UNSET
    memory_full_avg300_ratio: Annotated[Ratio, _avg(300, "every", "memory")] = UNSET
    memory_full_ratio: Annotated[Ratio, _window("every", "memory")] = UNSET
    io_some_avg10_ratio: Annotated[Ratio, _avg(10, "a", "io")] = UNSET
    io_some_avg60_ratio: Annotated[Ratio, _avg(60, "a", "io")] = UNSET
    io_some_avg300_ratio: Annotated[Ratio, _avg(300, "a", "io")] = UNSET
    io_some_ratio: Annotated[Ratio, _window("a", "io")] = UNSET
    io_full_avg10_ratio: Annotated[Ratio, _avg(10, "every", "io")] = UNSET
    io_full_avg60_ratio: Annotated[Ratio, _avg(60, "every", "io")] = UNSET
    io_full_avg300_ratio: Annotated[Ratio, _avg(300, "every", "io")] = UNSET
    io_full_ratio: Annotated[Ratio, _window("every", "io")] = UNSET
    container_name: Annotated[
        str | None,
        _d(
            "what its container is called by the engine's API, else by its files, in Kubernetes "
            "NAMESPACE/POD/NAME; empty when in none, null when only its id is known"
        ),
    ] = None
    pod_name: Annotated[
        str | None,
        _d("its pod's name by its containers, in Kubernetes NAMESPACE/POD; empty when in none"),
    ] = None
