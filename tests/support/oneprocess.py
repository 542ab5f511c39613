"""One process of a made-up host, for `procs show`."""

from __future__ import annotations

from typing import Any

from procfs import host, stat_line

from sretool.errors import SretoolError
from sretool.host.fake import Fake
from sretool.host.source import Stat
from sretool.procs.show import read
from sretool.procs.show.model import Shown

LIMITS = """\
Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max stack size            8388608              unlimited            bytes
Max processes             100                  200                  processes
Max open files            10                   4096                 files
Max locked memory         8388608              8388608              bytes
Max nice priority         0                    0
"""
STATUS = """\
Name:	app
Umask:	0022
Tgid:	{pid}
TracerPid:	0
Uid:	33	33	33	33
Gid:	33	33	33	33
Groups:	33 44
NSpid:	{pid}
VmSize:	    8000 kB
VmLck:	       4 kB
VmHWM:	    2000 kB
VmRSS:	    {rss} kB
RssAnon:	     116 kB
VmStk:	     132 kB
Threads:	{threads}
SigQ:	1/500
SigPnd:	0000000000000000
ShdPnd:	0000000000000000
SigBlk:	0000000000000000
SigIgn:	0000000000001000
SigCgt:	0000000000000002
CapInh:	0000000000000000
CapPrm:	0000000000000400
CapEff:	0000000000000400
CapBnd:	000001ffffffffff
CapAmb:	0000000000000000
NoNewPrivs:	0
Seccomp:	2
Cpus_allowed_list:	0-1
voluntary_ctxt_switches:	{switches}
nonvoluntary_ctxt_switches:	3
"""
GROUP = "/sys/fs/cgroup/system.slice/app.service"
MOUNTINFO = """\
22 1 0:21 / /proc rw - proc proc rw
27 1 254:1 / / rw - ext4 /dev/vda1 rw
30 27 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw
31 27 254:2 / /data rw - xfs /dev/vda2 rw
"""


def status(pid: int = 7, rss: int = 1500, threads: int = 1, switches: int = 5) -> str:
    return STATUS.format(pid=pid, rss=rss, threads=threads, switches=switches)


def files(pid: int = 7, *, ticks: int = 100, started: int = 100, state: bytes = b"S", **more: Any) -> Any:
    threads = more.pop("threads", 1)
    found = {
        "stat": stat_line(
            pid, state=state, ticks=ticks, started=started, threads=threads, **more.pop("stat", {})
        ),
        "status": status(pid, threads=threads, switches=more.pop("switches", 5)),
        "cgroup": "0::/system.slice/app.service\n",
        "schedstat": "5000000000 1000000000 10\n",
        "wchan": "ep_poll",
        "io": "rchar: 1\nsyscr: 10\nsyscw: 20\nread_bytes: 4096\nwrite_bytes: 8192\n",
        "limits": LIMITS,
        "cmdline": b"app\0--token=hunter2\0",
        "oom_score": "666\n",
        "oom_score_adj": "-1000\n",
        "loginuid": "4294967295",
        "maps": "a\nb\nc\n",
        "smaps_rollup": "x [rollup]\nPss: 900 kB\nPrivate_Clean: 100 kB\nPrivate_Dirty: 50 kB\n",
        "environ": b"HOME=/root\0DB_PASSWORD=hunter2\0HOME=/second\0odd\0",
        **more,
    }  # fmt: skip
    return {f"/proc/{pid}/{name}": data for name, data in found.items()}


HOST = {
    "/proc/1/stat": stat_line(1, b"systemd", ppid=0),
    "/proc/1/cgroup": "0::/init.scope\n",
    "/proc/meminfo": "MemTotal: 16000 kB\nMemAvailable: 8000 kB\n",
    "/proc/loadavg": "0 0 0 1/300 9\n",
    "/proc/sys/kernel/pid_max": "32768\n",
    "/proc/sys/kernel/threads-max": "1000\n",
    "/proc/sys/kernel/cap_last_cap": "40\n",
    "/proc/sys/vm/max_map_count": "65530\n",
    "/proc/self/mountinfo": MOUNTINFO,
    "/sys/fs/cgroup/cgroup.procs": "",
    "/sys/fs/cgroup/system.slice/cgroup.procs": "",
    "/sys/fs/cgroup/system.slice/memory.max": "2000000\n",
    "/sys/fs/cgroup/system.slice/memory.current": "1900000\n",
    "/sys/fs/cgroup/system.slice/memory.stat": "anon 1000\ninactive_file 0\n",
    f"{GROUP}/cgroup.procs": "7\n",
    f"{GROUP}/memory.max": "1000000\n",
    f"{GROUP}/memory.current": "100000\n",
    f"{GROUP}/memory.stat": "anon 1000\ninactive_file 0\n",
    "/dev/kmsg": "",
}
LINKS = {
    "/proc/7/exe": "/usr/bin/app (deleted)",
    "/proc/7/cwd": "/srv",
    "/proc/7/root": "/",
    "/proc/7/ns/net": "net:[1]",
    "/proc/7/ns/mnt": "mnt:[9]",
    "/proc/7/ns/pid_for_children": "pid:[5]",
    "/proc/1/ns/net": "net:[1]",
    "/proc/1/ns/mnt": "mnt:[2]",
    "/proc/self/ns/net": "net:[1]",
    "/proc/self/ns/mnt": "mnt:[9]",
    "/proc/7/fd/0": "/dev/null",
    "/proc/7/fd/1": "/data/log",
    "/proc/7/fd/2": "/tmp/gone (deleted)",
    "/proc/7/fd/3": "pipe:[12]",
    "/proc/7/fd/4": "anon_inode:[eventpoll]",
    "/proc/7/fd/5": "/memfd:x (deleted)",
    "/proc/7/fd/6": "/srv",
    "/proc/7/fd/7": "/really/named (deleted)",
}
STATS = {
    "/proc/7/fd/0": Stat(0o20666, 1, 5, 0, 0, 0, 0.0, 1),
    "/proc/7/fd/1": Stat(0o100644, 2, 5, 0, 5000, 16, 0.0, 1),
    "/proc/7/fd/2": Stat(0o100644, 3, 5, 0, 1 << 20, 2048, 0.0, 0),
    "/proc/7/fd/5": Stat(0o100644, 4, 5, 0, 10, 8, 0.0, 0),
    "/proc/7/fd/6": Stat(0o40755, 5, 5, 0, 4096, 8, 0.0, 2),
    "/proc/7/fd/7": Stat(0o100644, 6, 5, 0, 1, 8, 0.0, 1),
}


def made(*, earlier: Fake | None = None, mono: float = 1000.0, facts: Any = None, **changed: Any) -> Fake:
    return made_of(files(**changed), earlier=earlier, mono=mono, facts=facts)


def made_of(of: Any, *, earlier: Fake | None = None, mono: float = 1000.0, facts: Any = None) -> Fake:
    fdinfo = {"/proc/7/fdinfo/1": "pos:\t2500\nflags:\t02\nmnt_id:\t31\n"}
    fake = host(of, **HOST, **fdinfo, mono=mono, earlier=earlier, facts=facts)
    fake._links, fake._stats = dict(LINKS), {**fake._stats, **STATS}
    return fake


def looked(source: Fake, pid: int = 7, *, environment: bool = False) -> tuple[Shown, list[SretoolError]]:
    ask = read.Ask(pid)
    before = None if source.earlier is None else read.sample(source.earlier, ask)
    now = read.sample(source, ask)
    state = read.state(source, now, environment=environment)
    return read.build(now, before, state, environment=environment), now.errors + state.errors
