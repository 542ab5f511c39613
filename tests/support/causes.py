"""A made-up host whose processes have causes: ancestors, units, sessions, crontabs."""

from __future__ import annotations

from typing import Any

from procfs import PASSWD

from sretool.host import systemd
from sretool.host.fake import Fake
from sretool.host.source import Clock, Completed, Stat

BOOTED_S = 10_000.0
SYSTEM = "/system.slice/{}"
SESSION = "/user.slice/user-1000.slice/session-{}.scope"
TASKS = 0x400000
KTHREAD = 0x200000


class Host:
    """Processes are added one by one; `source()` makes the host of them."""

    def __init__(self, *, booted: bool = True) -> None:
        self.files: dict[str, Any] = {
            "/etc/passwd": PASSWD + "alice:x:1000:1000::/home/alice:/bin/bash\n",
            "/proc/self/mountinfo": "22 1 0:21 / /proc rw - proc proc rw\n",
        }
        self.links: dict[str, str] = {"/proc/self/ns/net": "net:[1]"}
        self.stats: dict[str, Stat] = {}
        self.units: list[bytes] = []
        self.netlink: dict[str, Any] = {"inet-diag/tcp/4": [], "inet-diag/tcp/6": []}
        self.booted = booted
        comm = "systemd" if booted else "init"
        self.process(1, comm, "/sbin/init", ppid=0, cgroup="/init.scope" if booted else "/")

    def process(
        self,
        pid: int,
        comm: str,
        *argv: str,
        ppid: int = 1,
        session: int | None = None,
        state: str = "S",
        cgroup: str = "/",
        uid: int = 0,
        flags: int = TASKS,
        ago_s: float = 500.0,
        login: int = (1 << 32) - 1,
        tracer: int = 0,
        ignored: int = 0,
        exe: str | None = None,
        **environ: str,
    ) -> None:
        """One process that started `ago_s` seconds ago, of `argv`, with `environ`."""
        started = int((BOOTED_S - ago_s) * 100)
        leader = pid if session is None else session
        # fields 4 to 52 of proc_pid_stat(5)
        before, after = [ppid, pid, leader, 0, -1, flags], [20, 0, 1, 0, started, 1 << 20, 10]
        rest = [*before, *([0] * 8), *after, *([0] * 28)]
        fields = " ".join(map(str, rest))
        made = f"/proc/{pid}"
        self.files |= {
            f"{made}/stat": f"{pid} ({comm}) {state} {fields}\n",
            f"{made}/cgroup": f"0::{cgroup}\n",
            f"{made}/cmdline": "".join(f"{word}\0" for word in argv),
            f"{made}/status": f"Name:\t{comm}\nTracerPid:\t{tracer}\nSigIgn:\t{ignored:016x}\n",
            f"{made}/loginuid": str(login),
            f"{made}/environ": "".join(f"{key}={value}\0" for key, value in environ.items()),
            f"{made}/maps": "",
        }
        path = exe or (argv[0] if argv and argv[0].startswith("/") else f"/usr/bin/{comm}")
        self.links |= {
            f"{made}/exe": path,
            f"{made}/cwd": "/",
            f"{made}/ns/net": "net:[1]",
            f"{made}/fd/0": "/dev/null",
        }
        self.stats[made] = Stat(0o40555, pid, 1, uid, 3, 0, 0.0)
        if not path.startswith("/memfd:"):
            self.on_disk(pid, path, inode=1000 + pid)

    def on_disk(self, pid: int, path: str, *, inode: int | None, mode: int = 0o755) -> None:
        """What runs, and what stands at its path now (inode None: nothing)."""
        plain = path.removesuffix(" (deleted)")
        root = f"/proc/{pid}/root"
        self.links[f"/proc/{pid}/exe"] = path
        self.stats[f"/proc/{pid}/exe"] = Stat(0o100755, 1000 + pid, 1, 0, 1, 1, 0.0)
        self.stats[root + (plain.rpartition("/")[0] or "/")] = Stat(0o40000 | mode, 2, 1, 0, 1, 1, 0.0)
        self.stats.pop(root + plain, None)
        if inode is not None:
            self.stats[root + plain] = Stat(0o100755, inode, 1, 0, 1, 1, 0.0)

    def unit(self, name: str, **properties: object) -> None:
        given = {"Id": name, "Names": name, "ActiveState": "active", **properties}
        self.units.append("".join(f"{key}={value}\n" for key, value in given.items()).encode())

    def source(self) -> Fake:
        if self.booted:
            self.stats[systemd.BOOTED] = Stat(0o40755, 1, 1, 0, 40, 0, 0.0)
        return Fake(
            self.files,
            links=self.links,
            stats=self.stats,
            netlink=self.netlink,
            runs={"systemctl show": Completed(0, b"\n".join(self.units), b"")},
            clock=Clock(1.8e9, BOOTED_S, BOOTED_S),
        )
