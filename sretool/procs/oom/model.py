"""What `sretool procs oom` answers."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Level = Literal["host", "own", "above", "unknown"]


class Candidate(Struct, gc=False):
    """A process that the OOM killer would choose from, the first to be killed first. Kernel threads,
    zombies and init, which it never chooses, are left out.
    """

    pid: Annotated[int, Meta(description="process id")]
    process: Annotated[str, Meta(description="the kernel's name of it; /proc/PID/status Name")]
    unit: Annotated[str | None, Meta(description="systemd unit of its cgroup, empty when in none")]
    container: Annotated[
        str | None, Meta(description="container's short id or name from its cgroup path, empty when in none")
    ]
    killable: Annotated[bool, Meta(description="false: oom_score_adj is -1000, it is never chosen")]
    points_bytes: Annotated[
        int,
        Meta(
            description="what it is ranked by: resident memory, swap and page tables, and oom_score_adj "
            "thousandths of the memory and swap of the host (with --cgroup: of the group); oom_badness() of "
            "mm/oom_kill.c"
        ),
    ]
    oom_score: Annotated[
        int | None,
        Meta(description="the kernel's own figure for the whole host, 0 to 2000; /proc/PID/oom_score"),
    ]
    oom_score_adj: Annotated[int, Meta(description="-1000 (never) to 1000; /proc/PID/oom_score_adj")]
    rss_bytes: Annotated[int, Meta(description="resident memory; /proc/PID/status VmRSS")]
    swap_bytes: Annotated[int, Meta(description="of it in swap; /proc/PID/status VmSwap")]
    pgtables_bytes: Annotated[int, Meta(description="its page tables; /proc/PID/status VmPTE")]
    cgroup: Annotated[str | None, Meta(description="its memory cgroup; /proc/PID/cgroup")]
    takes: Annotated[
        str, Meta(description="the group that is killed with it, whole: memory.oom.group; empty: it alone")
    ] = ""
    container_name: Annotated[
        str | None,
        Meta(description="what its engine calls that container; empty when in none, null: not known"),
    ] = None

    @property
    def whose(self) -> str:
        """The container it is in, else the unit."""
        return self.container_name or self.container or self.unit or ""

    @property
    def called(self) -> str:
        """Name and pid, and whose it is."""
        whose = self.whose
        return f"{self.process}[{self.pid}]" + (f" ({whose})" if whose else "")


class Limited(Struct, gc=False):
    """A group with a memory limit of its own, and who would be killed in it."""

    path: Annotated[str, Meta(description="the group")]
    unit: Annotated[str, Meta(description="systemd unit, empty when in none")]
    container: Annotated[str, Meta(description="container's short id or name, empty when in none")]
    limit_bytes: Annotated[int, Meta(description="memory.max, v1 memory.limit_in_bytes")]
    used_bytes: Annotated[
        int | None, Meta(description="working set: what is charged, without inactive file pages")
    ]
    used_ratio: Annotated[float | None, Meta(description="used_bytes of limit_bytes")]
    headroom_bytes: Annotated[int | None, Meta(description="limit_bytes - used_bytes")]
    candidates: Annotated[int, Meta(description="processes in it and below that may be killed")]
    victim_pid: Annotated[int | None, Meta(description="who is first; null: nobody may be killed")]
    victim: Annotated[str, Meta(description="name of that process")]
    takes: Annotated[str, Meta(description="the group that is killed whole; memory.oom.group")]
    killer_off: Annotated[
        bool, Meta(description="its tasks wait for ever instead; v1 memory.oom_control oom_kill_disable")
    ]
    oom_kills: Annotated[
        int | None, Meta(description="processes killed in it and below; memory.events oom_kill")
    ]


class Large(Struct, gc=False):
    """A process that the killer saw when it chose."""

    pid: Annotated[int, Meta(description="process id it had")]
    process: Annotated[str, Meta(description="name it had")]
    rss_bytes: Annotated[int, Meta(description="resident memory then")]
    swap_bytes: Annotated[int, Meta(description="swap then")]
    oom_score_adj: Annotated[int, Meta(description="-1000 to 1000, then")]


class Kill(Struct, gc=False):
    """A process that the kernel killed for want of memory, from the kernel's log."""

    at: Annotated[str, Meta(description="RFC 3339, UTC; the log's clock stands still in suspend")]
    ago_s: Annotated[float, Meta(description="seconds before the reading")]
    pid: Annotated[int, Meta(description="process id it had")]
    process: Annotated[str, Meta(description="name it had")]
    uid: Annotated[int | None, Meta(description="its user; UID")]
    cgroup: Annotated[str, Meta(description="cgroup it was in; task_memcg, empty: the log does not say")]
    unit: Annotated[str, Meta(description="systemd unit of that cgroup")]
    container: Annotated[str, Meta(description="container of that cgroup")]
    level: Annotated[
        Level,
        Meta(description="whose limit was hit: the host's, its own cgroup's, one above that, or not known"),
    ]
    limit_cgroup: Annotated[
        str | None, Meta(description="cgroup whose limit was hit; oom_memcg; empty: the host's memory")
    ]
    whose: Annotated[str, Meta(description="the same in words")]
    limit_bytes: Annotated[int | None, Meta(description="that limit; null: the host's, or not known")]
    rss_bytes: Annotated[int | None, Meta(description="its resident memory; anon-rss, file-rss, shmem-rss")]
    oom_score_adj: Annotated[int | None, Meta(description="-1000 to 1000")]
    trigger: Annotated[str, Meta(description="the process whose allocation did not fit; invoked oom-killer")]
    group: Annotated[str, Meta(description="cgroup that was killed whole; memory.oom.group")]
    largest: Annotated[list[Large], Meta(description="the largest it could choose from, largest first")]
    choices: Annotated[int, Meta(description="how many it could choose from; 0: not known")]
    container_name: Annotated[
        str | None,
        Meta(description="what its engine calls that container; empty when in none, null: not known"),
    ] = None


class Lost(Struct, gc=False):
    """A group that counts more kills than the log still shows."""

    path: Annotated[str, Meta(description="the group the victims were in")]
    oom_kills: Annotated[
        int, Meta(description="kills it counts; memory.events.local oom_kill, v1 memory.oom_control")
    ]
    logged: Annotated[int, Meta(description="of them in the log")]


class Killer(Struct, gc=False):
    """A program that kills before the kernel has to."""

    name: Annotated[str, Meta(description="systemd-oomd, earlyoom, nohang, oomd")]
    pid: Annotated[int, Meta(description="its process")]
    says: Annotated[list[str], Meta(description="its limits and what it watches, in its own words; oomctl")]


class Oom(Struct):
    """Who would be killed next, and who was."""

    processes: Annotated[list[Candidate], Meta(description="first to be killed first, who never is last")]
    total: Annotated[int, Meta(description="processes before --limit")]
    cgroup: Annotated[str, Meta(description="the group asked for by --cgroup; empty: the whole host")]
    pool_bytes: Annotated[
        int | None, Meta(description="memory and swap that oom_score_adj is thousandths of")
    ]
    available_bytes: Annotated[int | None, Meta(description="/proc/meminfo MemAvailable")]
    memory_bytes: Annotated[int | None, Meta(description="/proc/meminfo MemTotal")]
    swap_free_bytes: Annotated[int | None, Meta(description="/proc/meminfo SwapFree")]
    groups: Annotated[
        list[Limited], Meta(description="groups with a memory limit, the one nearest its limit first")
    ]
    kills: Annotated[list[Kill] | None, Meta(description="oldest first; null: the log could not be read")]
    kills_total: Annotated[
        int | None,
        Meta(description="kills since boot; /proc/vmstat oom_kill, or the log where it shows more"),
    ]
    kills_logged: Annotated[int | None, Meta(description="of them in the log; one may be counted twice")]
    log_since: Annotated[
        str | None, Meta(description="RFC 3339: the log holds everything since; null: since boot, or unknown")
    ]
    log: Annotated[str, Meta(description="where kills was read: /dev/kmsg, journalctl -k")]
    lost: Annotated[list[Lost], Meta(description="groups whose kills the log does not show any more")]
    killers: Annotated[list[Killer], Meta(description="programs that kill before the kernel does")]
