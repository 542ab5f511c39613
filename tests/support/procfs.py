"""A made-up /proc, a process at a time."""

from __future__ import annotations

from typing import Any

from sretool.host.fake import Fake
from sretool.host.source import Clock, Stat

Files = dict[str, Any]
PASSWD = "root:x:0:0:root:/root:/bin/bash\nweb:x:33:33::/var/www:/usr/sbin/nologin\n"


def stat_line(
    pid: int,
    comm: bytes = b"app",
    state: bytes = b"S",
    *,
    ppid: int = 1,
    ticks: int = 0,
    started: int = 100,
    flags: int = 0x400000,
    threads: int = 1,
    rss: int = 10,
    majflt: int = 0,
    nice: int = 0,
    priority: int = 0,
    policy: int = 0,
) -> bytes:
    rest = [
        ppid,
        pid,
        pid,
        0,
        -1,
        flags,
        0,
        0,
        majflt,
        0,
        ticks,
        0,
        0,
        0,
        20,
        nice,
        threads,
        0,
        started,
        1 << 20,
        rss,
    ]
    return b"%d (%s) %s %s\n" % (
        pid,
        comm,
        state,
        " ".join(map(str, [*rest, *[0] * 15, priority, policy, *[0] * 11])).encode(),
    )


def process(
    pid: int,
    *,
    cgroup: Any = "0::/system.slice/app.service\n",
    cmdline: Any = b"app\0-x\0",
    switches: int = 5,
    wchan: Any = "0",
    limit: str = "1024",
    nproc: str = "63000",
    **stat: Any,
) -> Files:
    limits = (
        "Limit                     Soft Limit           Hard Limit           Units\n"
        f"Max processes             {nproc:<20} 63000                processes\n"
        f"Max open files            {limit:<20} 524288               files\n"
    )
    return {
        f"/proc/{pid}/stat": stat_line(pid, **stat),
        f"/proc/{pid}/cgroup": cgroup,
        f"/proc/{pid}/cmdline": cmdline,
        f"/proc/{pid}/limits": limits,
        f"/proc/{pid}/wchan": wchan,
        f"/proc/{pid}/status": f"Name:\tapp\nvoluntary_ctxt_switches:\t{switches}\n",
    }


def owned(uid: int, fds: int = 3) -> Stat:
    return Stat(0o40555, 1, 1, uid, fds, 0, 0.0)


def host(
    *processes: Files,
    uids: dict[int, int] | None = None,
    fds: dict[int, int] | None = None,
    mono: float = 1000.0,
    earlier: Fake | None = None,
    facts: dict[str, object] | None = None,
    **more: Any,
) -> Fake:
    """A host of these processes, owned by root unless `uids` says otherwise."""
    files: Files = {
        "/etc/passwd": PASSWD,
        "/proc/loadavg": "0.10 0.10 0.10 1/100 99\n",
        "/proc/meminfo": "MemTotal: 16000 kB\nSwapTotal: 1000000 kB\nSwapFree: 1000000 kB\n",
        "/proc/vmstat": "pswpin 0\n",
        "/proc/sys/kernel/pid_max": "4194304\n",
        "/proc/sys/kernel/threads-max": "126000\n",
        "/proc/sys/kernel/sched_rt_runtime_us": "950000\n",
        "/proc/sys/kernel/sched_rt_period_us": "1000000\n",
        "/proc/self/mountinfo": "22 1 0:21 / /proc rw - proc proc rw\n",
    }
    for one in processes:
        files.update(one)
    files.update(more)
    pids = {
        int(path.split("/")[2])
        for path in files
        if path.startswith("/proc/") and path.split("/")[2].isdigit()
    }
    stats = {f"/proc/{pid}": owned((uids or {}).get(pid, 0)) for pid in pids}
    stats["/proc/self/fd"] = owned(0, 4)
    stats |= {f"/proc/{pid}/fd": owned(0, (fds or {}).get(pid, 3)) for pid in pids}
    return Fake(files, stats=stats, clock=Clock(1.8e9 + mono, mono, mono), earlier=earlier, facts=facts)
