"""What goes wrong in the made-up host's one service group, for every check about groups."""

from __future__ import annotations

from collections.abc import Callable

from hosts import GROUP, SERVICE, Made, pressure

ROOT = "/sys/fs/cgroup"
SLICE = f"{ROOT}/system.slice"
EVENTS = "low 0\nhigh {high}\nmax {max}\noom {oom}\noom_kill {kill}\noom_group_kill 0\n"
MIB = 1 << 20


def events(high: int = 0, max: int = 0, oom: int = 0, kill: int = 0) -> str:
    return EVENTS.format(high=high, max=max, oom=oom, kill=kill)


def changes(files: dict[str, tuple[str, str]]) -> Callable[[Made], None]:
    """Files of the service's group (or by their whole path) as they were, and as they are."""

    def breaks(made: Made) -> None:
        for name, (before, now) in files.items():
            path = name if name.startswith("/") else f"{GROUP}/{name}"
            made.before[path], made.now[path] = before, now

    return breaks


def same(**files: str) -> dict[str, tuple[str, str]]:
    return {name.replace("__", "."): (text, text) for name, text in files.items()}


def stat(anon: int, inactive_file: int) -> str:
    return f"anon {anon}\nfile {inactive_file}\ninactive_file {inactive_file}\nshmem 0\n"


HIGH = {
    "memory.events": (events(high=5), events(high=12)),
    "memory.events.local": (events(high=5), events(high=12)),
}
# (check, severity, subject, what the summary says, how)
CGROUP_FAULTS: list[tuple[str, str, str, str, Callable[[Made], None]]] = [
    (
        "cgroup.oom-kill", "critical", SERVICE, f"2 processes killed at the limit of {SERVICE}",
        changes({
            "memory.events": (events(oom=1, kill=1), events(oom=3, kill=3)),
            "memory.events.local": (events(oom=1, kill=1), events(oom=3, kill=3)),
        }),
    ),
    (  # the limit is the slice's: it has the oom, the service the victim
        "cgroup.oom-kill", "critical", "/system.slice", "1 process killed at the limit of /system.slice",
        changes({
            "memory.events": (events(), events(kill=1)),
            "memory.events.local": (events(), events(kill=1)),
            f"{SLICE}/memory.events": (events(), events(oom=1, kill=1)),
            f"{SLICE}/memory.events.local": (events(), events(oom=1)),
        }),
    ),
    (
        "cgroup.oom-kill", "critical", SERVICE, "or for want of the host's memory",
        changes({
            "memory.events": (events(), events(kill=1)),
            "memory.events.local": (events(), events(kill=1)),
        }),
    ),
    (
        "cgroup.memory-high", "warning", SERVICE, "over its memory.high 7 times in the sample; its tasks",
        changes({**HIGH, **same(memory__pressure=pressure(30))}),
    ),
    (
        "cgroup.memory-high", "info", SERVICE, "waited for memory 2 % of the last 10 s",
        changes({**HIGH, **same(memory__pressure=pressure(2))}),
    ),
    (
        "cgroup.memory-pressure", "warning", SERVICE, "waited for memory 15 % of the last 10 s",
        changes({**same(memory__pressure=pressure(15)), f"{SLICE}/memory.pressure": (pressure(15),) * 2}),
    ),
    (
        "cgroup.memory-pressure", "critical", SERVICE, "waited for memory 80 % of the last 10 s",
        changes(same(memory__pressure=pressure(80, 40))),
    ),
    (
        "cgroup.memory-near-limit", "warning", SERVICE, "holds 95 % of its 64.0M of memory",
        changes(same(
            memory__current=f"{64 * MIB}\n", memory__max=f"{64 * MIB}\n",
            memory__stat=stat(40 * MIB, 64 * MIB * 5 // 100),
        )),
    ),
    (
        "cgroup.memory-near-limit", "critical", SERVICE, "holds 99 % of its 64.0M",
        changes(same(
            memory__current=f"{64 * MIB}\n", memory__max=f"{64 * MIB}\n",
            memory__stat=stat(60 * MIB, 64 * MIB // 100),
        )),
    ),
    (
        "cgroup.pids-max", "critical", SERVICE, f"3 forks were refused at the limit of {SERVICE} (50 of 50)",
        changes({
            **same(pids__current="50\n", pids__max="50\n"),
            "pids.events": ("max 4\n", "max 7\n"),
            "pids.events.local": ("max 4\n", "max 7\n"),
            f"{SLICE}/pids.events": ("max 4\n", "max 7\n"),
            f"{SLICE}/pids.events.local": ("max 0\n", "max 0\n"),
        }),
    ),
    (  # before 6.11 the kernel counts where the fork was tried; the limit is the slice's
        "cgroup.pids-max", "critical", "/system.slice", "3 forks were refused at the limit of /system.slice",
        changes({
            **same(pids__current="20\n", pids__max="max\n"),
            "pids.events": ("max 4\n", "max 7\n"),
            "pids.events.local": ("", ""),
            f"{SLICE}/pids.current": ("30\n", "30\n"),
            f"{SLICE}/pids.max": ("30\n", "30\n"),
        }),
    ),
    (
        "cgroup.pids-max", "warning", SERVICE, "has 94% of the tasks it may have (47 of 50)",
        changes(same(pids__current="47\n", pids__max="50\n", pids__events="max 0\n")),
    ),
    (
        "cgroup.io-max", "warning", SERVICE, "does 977K of the 1.0M read a second that io.max allows on vda",
        changes({
            **same(io__max="254:0 rbps=1048576 wbps=max riops=max wiops=max\n", io__pressure=pressure(40)),
            "io.stat": (
                "254:0 rbytes=0 wbytes=0 rios=0 wios=0 dbytes=0 dios=0\n",
                "254:0 rbytes=1000000 wbytes=0 rios=8 wios=0 dbytes=0 dios=0\n",
            ),
        }),
    ),
    ("cgroup.frozen", "warning", SERVICE, "is frozen: its 1 process stands still",
     changes(same(cgroup__events="populated 1\nfrozen 1\n"))),
    ("cgroup.dying", "warning", "/", "1200 removed groups are still kept",
     changes({f"{ROOT}/cgroup.stat": ("nr_descendants 4\nnr_dying_descendants 1200\n",) * 2})),
]  # fmt: skip
