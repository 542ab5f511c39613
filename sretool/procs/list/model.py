"""What `sretool procs list` answers."""

from __future__ import annotations

from typing import Annotated, Union

from msgspec import UNSET, Meta, Struct, UnsetType

# a field that may be unread (null) or not asked for (absent)
_Text = Union[str, UnsetType, None]
_Int = Union[int, UnsetType, None]
_Float = Union[float, UnsetType, None]
_Bool = Union[bool, UnsetType, None]


class Process(Struct, gc=False):
    """One process. A field that was not asked for is absent; one that could not be read is null."""

    pid: Annotated[int, Meta(description="process id; /proc/PID/stat field 1")]
    ppid: Annotated[int, Meta(description="parent's process id; stat field 4")]
    user: Annotated[_Text, Meta(description="name of uid, by /etc/passwd, then NSS; null when it has none")]
    uid: Annotated[_Int, Meta(description="effective user id; owner of /proc/PID")]
    state: Annotated[
        str,
        Meta(
            description="running, sleeping, disk-sleep, stopped, tracing-stop, dead, zombie, parked, idle; "
            "stat field 3"
        ),
    ]
    cpu_ratio: Annotated[
        float | None,
        Meta(description="CPU time over the sample, 1.0 = one core; stat fields 14 and 15; null if new"),
    ]
    rss_bytes: Annotated[int, Meta(description="resident memory, shared pages counted whole; stat field 24")]
    threads: Annotated[int, Meta(description="threads; stat field 20")]
    age_s: Annotated[float, Meta(description="seconds since it started; stat field 22")]
    unit: Annotated[
        _Text, Meta(description="systemd unit of its cgroup, empty when in none; /proc/PID/cgroup")
    ]
    container: Annotated[
        _Text, Meta(description="container's short id or name from its cgroup path, empty when in none")
    ]
    pod: Annotated[_Text, Meta(description="pod's uid from its cgroup path, empty when in none")]
    comm: Annotated[str, Meta(description="the kernel's name of it, at most 15 bytes; stat field 2")]
    command: Annotated[
        _Text,
        Meta(
            description="arguments joined by spaces, secrets masked, at most 4096 characters; empty for "
            "kernel threads and zombies; /proc/PID/cmdline"
        ),
    ]
    nice: Annotated[int, Meta(description="nice value, -20 to 19; stat field 19")]
    cpu_time_s: Annotated[float, Meta(description="CPU time since it started; stat fields 14 and 15")]
    virtual_bytes: Annotated[int, Meta(description="address space; stat field 23")]
    major_faults: Annotated[int, Meta(description="page faults that read a disk, since start; stat field 12")]
    kernel: Annotated[bool, Meta(description="a kernel thread; PF_KTHREAD in stat field 9")]
    cgroup: Annotated[
        _Text,
        Meta(description="its cgroup path: v2, or where that is the root the v1 path; /proc/PID/cgroup"),
    ] = UNSET
    engine: Annotated[_Text, Meta(description="container engine from its cgroup path, empty if none")] = UNSET
    container_name: Annotated[
        _Text,
        Meta(
            description="what its container is called by the engine's API, else by its files, in Kubernetes "
            "NAMESPACE/POD/NAME; empty when in none, null when only the id is known"
        ),
    ] = UNSET
    pod_name: Annotated[
        _Text, Meta(description="its pod's name, by the same; empty when in none, null when not known")
    ] = UNSET
    namespace: Annotated[
        _Text, Meta(description="its pod's Kubernetes namespace, by the same; empty when in none")
    ] = UNSET
    image: Annotated[
        _Text, Meta(description="what its container was made from, by the same; empty when in none")
    ] = UNSET
    state_before: Annotated[
        str | None,
        Meta(description="state at the earlier reading; null when new or there was one reading"),
    ] = None
    major_faults_per_s: Annotated[
        float | None, Meta(description="major faults over the sample; stat field 12; null if new")
    ] = None
    wchan: Annotated[
        _Text, Meta(description="kernel function it sleeps in; only read in disk-sleep; /proc/PID/wchan")
    ] = UNSET
    stuck: Annotated[
        _Bool,
        Meta(
            description="in disk-sleep at both readings without one context switch between; "
            "voluntary_ctxt_switches of /proc/PID/status"
        ),
    ] = UNSET
    started_at: Annotated[
        _Text, Meta(description="when it started, RFC 3339 UTC; stat field 22 and the clocks")
    ] = UNSET
    policy: Annotated[
        _Text,
        Meta(
            description="scheduling policy of the main thread: other, fifo, rr, batch, idle, deadline, ext; "
            "stat field 41"
        ),
    ] = UNSET
    realtime_priority: Annotated[
        _Int, Meta(description="1 to 99 under fifo and rr, else 0; main thread; stat field 40")
    ] = UNSET
    fds: Annotated[_Int, Meta(description="open file descriptors; size of /proc/PID/fd")] = UNSET
    fd_limit: Annotated[_Int, Meta(description="soft limit on open files; /proc/PID/limits")] = UNSET
    threads_limit: Annotated[
        _Int,
        Meta(
            description="soft RLIMIT_NPROC: threads that all processes of its user may have; null when "
            "unlimited; Max processes of /proc/PID/limits"
        ),
    ] = UNSET
    anon_bytes: Annotated[
        _Int, Meta(description="resident anonymous memory; RssAnon of /proc/PID/status")
    ] = UNSET
    file_bytes: Annotated[_Int, Meta(description="resident pages of files; RssFile of /proc/PID/status")] = (
        UNSET
    )
    shmem_bytes: Annotated[
        _Int, Meta(description="resident shared memory and tmpfs; RssShmem of /proc/PID/status")
    ] = UNSET
    swap_bytes: Annotated[
        _Int,
        Meta(description="anonymous memory in swap, shared memory left out; VmSwap of /proc/PID/status"),
    ] = UNSET
    pss_bytes: Annotated[
        _Int,
        Meta(
            description="resident memory, shared pages divided by who shares them; null in disk-sleep; "
            "Pss of /proc/PID/smaps_rollup"
        ),
    ] = UNSET
    swap_pss_bytes: Annotated[
        _Int, Meta(description="swap, divided likewise; SwapPss of /proc/PID/smaps_rollup")
    ] = UNSET
    voluntary_switches_per_s: Annotated[
        _Float,
        Meta(description="how often its main thread gave the CPU up to wait; /proc/PID/status"),
    ] = UNSET
    involuntary_switches_per_s: Annotated[
        _Float, Meta(description="how often its main thread was made to give way; /proc/PID/status")
    ] = UNSET
    read_bytes_per_s: Annotated[
        _Float, Meta(description="read from storage over the sample; read_bytes of /proc/PID/io")
    ] = UNSET
    write_bytes_per_s: Annotated[
        _Float,
        Meta(
            description="sent towards storage over the sample, when the page is dirtied; "
            "write_bytes of /proc/PID/io"
        ),
    ] = UNSET
    oom_score: Annotated[
        _Int, Meta(description="0 to 2000, the largest is killed first; /proc/PID/oom_score")
    ] = UNSET
    oom_score_adj: Annotated[
        _Int, Meta(description="-1000 (never) to 1000 (first); /proc/PID/oom_score_adj")
    ] = UNSET
    seccomp: Annotated[_Text, Meta(description="disabled, strict, filter; Seccomp of /proc/PID/status")] = (
        UNSET
    )
    no_new_privs: Annotated[
        _Bool, Meta(description="execve can give it no rights; NoNewPrivs of /proc/PID/status")
    ] = UNSET
    pid_namespace: Annotated[_Int, Meta(description="inode of /proc/PID/ns/pid")] = UNSET
    net_namespace: Annotated[_Int, Meta(description="inode of /proc/PID/ns/net")] = UNSET
    mnt_namespace: Annotated[_Int, Meta(description="inode of /proc/PID/ns/mnt")] = UNSET
    user_namespace: Annotated[_Int, Meta(description="inode of /proc/PID/ns/user")] = UNSET
    cgroup_namespace: Annotated[_Int, Meta(description="inode of /proc/PID/ns/cgroup")] = UNSET
    uts_namespace: Annotated[_Int, Meta(description="inode of /proc/PID/ns/uts")] = UNSET
    ipc_namespace: Annotated[_Int, Meta(description="inode of /proc/PID/ns/ipc")] = UNSET
    stuck_threads: Annotated[
        _Int,
        Meta(
            description="threads beside the main one that did not move in disk-sleep at both readings; "
            "only looked for when the load average or procs_blocked is not explained by the main threads; "
            "/proc/PID/task/TID/stat"
        ),
    ] = UNSET
    thread_wchan: Annotated[
        _Text, Meta(description="kernel function the first of those sleeps in; /proc/PID/task/TID/wchan")
    ] = UNSET
    cpu_delay_ratio: Annotated[
        _Float,
        Meta(
            description="time its threads waited for a CPU over the sample, summed, 1.0 = one of them all "
            "the time; taskstats cpu_delay_total"
        ),
    ] = UNSET
    io_delay_ratio: Annotated[
        _Float,
        Meta(description="the same for block I/O; null without kernel.task_delayacct; blkio_delay_total"),
    ] = UNSET
    swap_delay_ratio: Annotated[
        _Float, Meta(description="the same for pages to come back from swap; swapin_delay_total")
    ] = UNSET
    reclaim_delay_ratio: Annotated[
        _Float, Meta(description="the same for direct reclaim of memory; freepages_delay_total")
    ] = UNSET
    depth: Annotated[_Int, Meta(description="ancestors above it that are shown; only with --tree")] = UNSET
    context: Annotated[
        _Bool, Meta(description="an ancestor of a process that matches, not itself one; only with --tree")
    ] = UNSET


class Capacity(Struct, frozen=True):
    """What the host has for processes; null where it could not be read."""

    threads: Annotated[int | None, Meta(description="threads there are; /proc/loadavg field 4")] = None
    pid_max: Annotated[
        int | None, Meta(description="largest pid; each thread takes one; /proc/sys/kernel/pid_max")
    ] = None
    threads_max: Annotated[
        int | None, Meta(description="threads the kernel allows; /proc/sys/kernel/threads-max")
    ] = None
    realtime_runtime_us: Annotated[
        int | None,
        Meta(
            description="of each realtime_period_us, how long realtime tasks may run, -1 for all of it; "
            "/proc/sys/kernel/sched_rt_runtime_us"
        ),
    ] = None
    realtime_period_us: Annotated[int | None, Meta(description="/proc/sys/kernel/sched_rt_period_us")] = None
    swap_total_bytes: Annotated[int | None, Meta(description="SwapTotal of /proc/meminfo")] = None
    swap_ins_per_s: Annotated[
        float | None, Meta(description="pages read back from swap; pswpin of /proc/vmstat")
    ] = None
    users: Annotated[
        dict[str, str], Meta(description="names of the uids that have processes; /etc/passwd")
    ] = {}


class Processes(Struct):
    """The processes of one host, or those that a filter kept."""

    processes: Annotated[list[Process], Meta(description="largest CPU share first, then largest memory")]
    total: Annotated[int, Meta(description="processes before --limit, without the context of --tree")]
    window_s: Annotated[
        float | None, Meta(description="seconds between the two readings; null when there was one")
    ] = None
    capacity: Annotated[
        Capacity | UnsetType, Meta(description="what the host has; only read for the checks")
    ] = UNSET
