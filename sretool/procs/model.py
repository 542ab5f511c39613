"""What `sretool procs list` answers."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType


class Process(Struct, gc=False):
    """One process. A field that was not asked for is absent; one that could not be read is null."""

    pid: Annotated[int, Meta(description="process id; /proc/PID/stat field 1")]
    ppid: Annotated[int, Meta(description="parent's process id; stat field 4")]
    user: Annotated[
        str | UnsetType | None,
        Meta(description="name of uid, by /etc/passwd, then NSS; null when it has none"),
    ]
    uid: Annotated[int | UnsetType | None, Meta(description="effective user id; owner of /proc/PID")]
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
        str | UnsetType | None,
        Meta(description="systemd unit of its cgroup, empty when in none; /proc/PID/cgroup"),
    ]
    container: Annotated[
        str | UnsetType | None,
        Meta(description="container's short id or name from its cgroup path, empty when in none"),
    ]
    pod: Annotated[
        str | UnsetType | None, Meta(description="pod's uid from its cgroup path, empty when in none")
    ]
    comm: Annotated[str, Meta(description="the kernel's name of it, at most 15 bytes; stat field 2")]
    command: Annotated[
        str | UnsetType | None,
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
        str | UnsetType | None,
        Meta(description="its cgroup path: v2, or where that is the root the v1 path; /proc/PID/cgroup"),
    ] = UNSET
    engine: Annotated[
        str | UnsetType | None, Meta(description="container engine from its cgroup path, empty if none")
    ] = UNSET
    state_before: Annotated[
        str | None,
        Meta(description="state at the earlier reading; null when new or there was one reading"),
    ] = None
    wchan: Annotated[
        str | UnsetType | None,
        Meta(description="kernel function it sleeps in; only read in disk-sleep; /proc/PID/wchan"),
    ] = UNSET
    stuck: Annotated[
        bool | UnsetType | None,
        Meta(
            description="in disk-sleep at both readings without one context switch between; "
            "/proc/PID/status voluntary_ctxt_switches; null when that is not known"
        ),
    ] = UNSET
    fds: Annotated[
        int | UnsetType | None, Meta(description="open file descriptors; size of /proc/PID/fd")
    ] = UNSET
    fd_limit: Annotated[
        int | UnsetType | None, Meta(description="soft limit on open files; /proc/PID/limits")
    ] = UNSET


class Processes(Struct):
    """The processes of one host, or those that a filter kept."""

    processes: Annotated[list[Process], Meta(description="largest CPU share first, then largest memory")]
    total: Annotated[int, Meta(description="processes before --limit")]
    window_s: Annotated[
        float | None, Meta(description="seconds between the two readings; null when there was one")
    ] = None
