"""A made-up host of two moments, healthy from top to bottom, for tests to break one thing of."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass, field
from typing import Union

from sretool.host.fake import Fake
from sretool.host.source import Clock, Completed, Stat, StatVfs

Files = dict[str, Union[bytes, str, int]]
UPTIME_S = 500_000.0
SERVICE = "/system.slice/app.service"
GROUP = "/sys/fs/cgroup" + SERVICE
LISTENER_INODE = 7001
GIB = 1024**3

MOUNTINFO = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
23 27 0:22 / /sys rw,relatime - sysfs sysfs rw
24 27 0:6 / /dev rw,relatime - devtmpfs devtmpfs rw,size=1024k
25 24 0:23 / /dev/shm rw,relatime - tmpfs tmpfs rw
27 1 254:1 / / rw,relatime - ext4 /dev/vda1 rw,errors=remount-ro
28 27 254:2 / /var/lib/data rw,relatime - xfs /dev/vda2 rw
29 23 0:30 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw
30 27 7:0 / /snap/core/1 ro,relatime - squashfs /dev/loop0 ro
31 27 0:40 / /mnt/nfs rw,relatime - nfs4 filer:/export rw
"""
FSTAB = """\
# <file system> <mount point> <type> <options> <dump> <pass>
/dev/vda1 / ext4 errors=remount-ro 0 1
/dev/vda2 /var/lib/data xfs defaults 0 2
"""
NETSTAT = "TcpExt: ListenOverflows ListenDrops\nTcpExt: {overflows} {drops}\n"
SNMP = "Tcp: OutSegs RetransSegs\nTcp: {sent} {again}\n"
CPU_STAT = "usage_usec {usage}\nnr_periods {periods}\nnr_throttled {throttled}\nthrottled_usec 0\n"
_NO_EVENTS = "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n"
GROUP_FILES = {
    "memory.events": _NO_EVENTS,
    "memory.events.local": _NO_EVENTS,
    "memory.current": "100000000\n",
    "memory.max": "500000000\n",
    "memory.high": "max\n",
    "memory.stat": "anon 60000000\nfile 40000000\ninactive_file 30000000\nshmem 0\n",
    "pids.current": "3\n",
    "pids.max": "50\n",
    "pids.events": "max 0\n",
    "pids.events.local": "max 0\n",
    "io.max": "254:0 rbps=1048576 wbps=max riops=max wiops=max\n",
    "io.stat": "254:0 rbytes=0 wbytes=0 rios=0 wios=0 dbytes=0 dios=0\n",
    "cgroup.events": "populated 1\nfrozen 0\n",
}
LIMITS = (
    "Limit                     Soft Limit           Hard Limit           Units\n"
    "Max processes             63000                63000                processes\n"
    "Max open files            {soft}                 524288               files\n"
)


def pressure(avg10: float = 0.0, avg60: float = 0.0, avg300: float = 0.0, total_us: int = 1000) -> str:
    """Some and full alike."""
    line = f"avg10={avg10:.2f} avg60={avg60:.2f} avg300={avg300:.2f} total={total_us}"
    return f"some {line}\nfull {line}\n"


GROUP_FILES |= {f"{kind}.pressure": pressure() for kind in ("memory", "io")}


def stat(
    *, user: int = 0, idle: int = 0, steal: int = 0, iowait: int = 0, running: int = 2, blocked: int = 0
) -> str:
    """/proc/stat of two CPUs, as ticks since boot beyond a common base."""
    line = f"{10_000 + user} 0 1000 {90_000 + idle} {500 + iowait} 0 10 {20 + steal} 0 0"
    return f"cpu  {line}\ncpu0 {line}\ncpu1 {line}\nprocs_running {running}\nprocs_blocked {blocked}\n"


def meminfo(*, available_kib: int = 8_000_000, swap_kib: int = 0) -> str:
    return (
        f"MemTotal: 16000000 kB\nMemFree: 1000000 kB\nMemAvailable: {available_kib} kB\n"
        f"SwapTotal: {swap_kib} kB\nSwapFree: {swap_kib} kB\n"
    )


def vmstat(*, out: int = 0, back: int = 0, oom: int = 0) -> str:
    return f"nr_free_pages 1000\npswpin {back}\npswpout {out}\noom_kill {oom}\n"


def diskstats(
    *, reads: int = 0, read_ms: int = 0, writes: int = 0, write_ms: int = 0, flight: int = 0, busy: int = 0,
    queue: int = 0,
) -> str:  # fmt: skip
    """The whole disk vda and a partition of it; milliseconds and requests beyond a base."""
    numbers = f"{100 + reads} 0 800 {50 + read_ms} {200 + writes} 0 1600 {90 + write_ms} {flight}"
    return f" 254 0 vda {numbers} {busy} {queue} 0 0 0 0 0 0\n 254 1 vda1 {numbers} {busy} {queue} 0 0 0 0\n"


def process(
    pid: int,
    comm: str,
    *,
    state: str = "S",
    ppid: int = 1,
    ticks: int = 10,
    faults: int = 0,
    threads: int = 1,
    policy: int = 0,
) -> str:
    """A /proc/PID/stat line of 52 fields."""
    rest = [state, ppid, 0, 0, 0, -1, 4194560, 0, 0, faults, 0, ticks, 0, 0, 0, 20, 0, threads, 0, 100]
    rest += [1 << 20, 100, *[0] * 16, policy, *[0] * 11]
    return f"{pid} ({comm}) {' '.join(map(str, rest))}\n"


def listener(port: int, queue: int, backlog: int, drops: int, inode: int = LISTENER_INODE) -> bytes:
    """One inet_diag_msg of a listener on 127.0.0.1, with INET_DIAG_SKMEMINFO, in one frame."""
    memory = struct.pack("=9I", 0, 131072, 0, 16384, 0, 0, 0, 0, drops)
    attribute = struct.pack("=HH", 4 + len(memory), 7) + memory
    body = struct.pack(
        "=BBBB2s2s4s12x4s12xIQIIIII",
        socket.AF_INET, 10, 0, 0, struct.pack(">H", port), b"\0\0", socket.inet_aton("127.0.0.1"), bytes(4),
        0, 99, 0, queue, backlog, 1000, inode,
    )  # fmt: skip
    size = 16 + len(body) + len(attribute)
    return struct.pack("=IHHII", size, 20, 2, 1, 0) + body + attribute


def unit_shown(name: str = "app.service", **properties: object) -> bytes:
    """One unit as `systemctl show` prints it, Id not first."""
    given = {"Restart": "on-failure", "NRestarts": 0, "Id": name, "ActiveState": "active", **properties}
    return "".join(f"{key}={value}\n" for key, value in given.items()).encode()


def space(
    *, total: int = 100 * GIB, available: int = 50 * GIB, inodes: int = 1000, left: int = 500
) -> StatVfs:
    return StatVfs(4096, total // 4096, available // 4096, available // 4096, inodes, left, left, 0)


@dataclass
class Made:
    """The host's parts, to be changed before `source()` puts them together."""

    now: Files
    before: Files
    links: dict[str, str]
    statvfs: dict[str, StatVfs | int]
    netlink: dict[str, list[bytes] | int]
    netlink_before: dict[str, list[bytes] | int]
    facts: dict[str, object] = field(default_factory=dict)
    runs: dict[str, Completed | int] = field(default_factory=dict)
    stats: dict[str, Stat] = field(default_factory=dict)
    uptime_s: float = UPTIME_S

    def both(self, path: str, content: bytes | str | int) -> None:
        self.now[path] = self.before[path] = content

    def source(self) -> Fake:
        def at(seconds: float) -> Clock:
            return Clock(1_800_000_000.0 + seconds, self.uptime_s + seconds, self.uptime_s + seconds)

        shared = {
            "links": self.links,
            "statvfs": self.statvfs,
            "facts": self.facts,
            "runs": self.runs,
            "stats": self.stats,
        }
        earlier = Fake(self.before, netlink=self.netlink_before, clock=at(0), **shared)  # type: ignore[arg-type]
        return Fake(self.now, netlink=self.netlink, clock=at(1), earlier=earlier, **shared)  # type: ignore[arg-type]


def healthy() -> Made:
    """Two CPUs, 16 GB, an ext4 root, one service with a listener, systemd, chrony."""
    fixed: Files = {
        "/proc/sys/kernel/hostname": "made\n",
        "/proc/loadavg": "0.10 0.08 0.05 1/100 1234\n",
        "/proc/meminfo": meminfo(),
        "/proc/vmstat": vmstat(),
        "/proc/sys/kernel/pid_max": "4194304\n",
        "/proc/sys/kernel/threads-max": "126000\n",
        "/proc/sys/kernel/sched_rt_runtime_us": "950000\n",
        "/proc/sys/kernel/sched_rt_period_us": "1000000\n",
        "/proc/sys/fs/file-nr": "1000\t0\t100000\n",
        "/proc/self/mountinfo": MOUNTINFO,
        "/etc/fstab": FSTAB,
        "/dev/kmsg": "6,1,100,-;Linux version 6.12.0\n",
        "/proc/net/netstat": NETSTAT.format(overflows=5, drops=5),
        "/proc/1/stat": process(1, "systemd", ppid=0),
        "/proc/1/limits": LIMITS.format(soft=1048576),
        "/proc/1/cgroup": "0::/init.scope\n",
        "/proc/812/stat": process(812, "app"),
        "/proc/812/comm": "app\n",
        "/proc/812/limits": LIMITS.format(soft=1024),
        "/proc/812/cgroup": f"0::{SERVICE}\n",
        "/sys/fs/cgroup/cgroup.procs": "",
        "/sys/fs/cgroup/system.slice/cgroup.procs": "",
        "/sys/fs/cgroup/system.slice/chrony.service/cgroup.procs": "",
        "/sys/fs/cgroup/init.scope/cgroup.procs": "1\n",
        f"{GROUP}/cgroup.procs": "812\n",
        f"{GROUP}/cpu.max": "50000 100000\n",
        f"{GROUP}/cpu.pressure": pressure(),
        **{f"{GROUP}/{name}": text for name, text in GROUP_FILES.items()},
        "/sys/fs/cgroup/cgroup.stat": "nr_descendants 4\nnr_dying_descendants 2\n",
        "/sys/block/vda/size": "1\n",
        "/sys/block/loop0/size": "1\n",
        **{f"/proc/pressure/{kind}": pressure() for kind in ("cpu", "memory", "io")},
    }
    before: Files = {
        **fixed,
        "/proc/stat": stat(),
        "/proc/diskstats": diskstats(),
        "/proc/net/snmp": SNMP.format(sent=1000, again=10),
        f"{GROUP}/cpu.stat": CPU_STAT.format(usage=1_000_000, periods=100, throttled=3),
    }
    now: Files = {
        **fixed,
        "/proc/stat": stat(user=20, idle=180),
        "/proc/diskstats": diskstats(reads=50, read_ms=50, writes=50, write_ms=100, busy=100, queue=150),
        "/proc/net/snmp": SNMP.format(sent=3000, again=12),
        f"{GROUP}/cpu.stat": CPU_STAT.format(usage=1_100_000, periods=110, throttled=3),
    }
    quiet: dict[str, list[bytes] | int] = {
        "inet-diag/tcp/4": [listener(8080, queue=0, backlog=128, drops=0)],
        "inet-diag/tcp/6": [],
    }
    plenty = space()
    return Made(
        now,
        before,
        links={"/proc/1/fd/0": "/dev/null"}
        | {f"/proc/812/fd/{number}": f"socket:[{LISTENER_INODE + number}]" for number in range(3)},
        statvfs={
            "/": plenty,
            "/var/lib/data": plenty._replace(blocks=plenty.blocks * 2),
            "/dev": space(total=GIB, available=GIB),
            "/dev/shm": space(total=8 * GIB, available=8 * GIB),
            "/mnt/nfs": plenty._replace(blocks=plenty.blocks * 3),
        },
        netlink=dict(quiet),
        netlink_before=dict(quiet),
        facts={
            "adjtimex": {
                "state": 0,
                "offset": 12,
                "max_error_us": 2000,
                "estimated_error_us": 100,
                "status": 1,
            }
        },
        runs={"systemctl": Completed(0, b"", b""), "systemctl show": Completed(0, unit_shown(), b"")},
        stats={
            "/run/systemd/system": Stat(0o40755, 1, 1, 0, 40, 0, 0.0),
            "/proc/1": Stat(0o40555, 1, 1, 0, 0, 0, 0.0),
            "/proc/812": Stat(0o40555, 1, 1, 33, 0, 0, 0.0),
        },
    )
