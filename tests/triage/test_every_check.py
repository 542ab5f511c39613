"""Every check fires on its fault, is silent on a healthy host, and never calls unread clear."""

from __future__ import annotations

import errno
import os
import shlex
from collections.abc import Callable
from typing import NamedTuple

import pytest
from cgroup_faults import CGROUP_FAULTS
from cli import sretool
from everything import COMMANDS, takes
from hosts import (
    CPU_STAT,
    GIB,
    GROUP,
    LIMITS,
    MOUNTINFO,
    NETSTAT,
    SNMP,
    Made,
    diskstats,
    healthy,
    listener,
    meminfo,
    pressure,
    process,
    space,
    stat,
    unit_shown,
    vmstat,
)

from sretool.command.thresholds import with_thresholds
from sretool.host.source import Completed, Stat
from sretool.report.answer import Finding
from sretool.report.check import Verdict
from sretool.triage.choose import chosen
from sretool.triage.domains import domains, joins, rules
from sretool.triage.look import Look, models_of, needed, sampler, state_of, verdicts_of


def look_at(made: Made, only: tuple[str, ...] = (), thresholds: tuple[str, ...] = ()) -> Look:
    """What `sretool triage` sees and says of a made-up host."""
    source = made.source()
    every = {rule.id: rule for rule in with_thresholds(rules(), thresholds)}
    wanted = chosen(every, only, ())
    parts = needed(domains(), joins(), wanted)
    look = Look()
    assert source.earlier is not None
    before = sampler(parts, before=True)(source.earlier)
    models_of(parts, sampler(parts)(source), before, state_of(parts, source), look)
    verdicts_of(parts, joins(), look, every, wanted)
    return look


def verdict(look: Look, id: str) -> Verdict:
    return next(item for item in look.verdicts if item.id == id)


def found(look: Look, id: str) -> list[Finding]:
    return [item for item in look.findings if item.id == id]


def waiting_for_cpu(made: Made) -> None:
    made.before["/proc/stat"] = stat(running=7)
    made.now["/proc/stat"] = stat(user=200, running=7)
    made.now["/proc/pressure/cpu"] = pressure(total_us=1_001_000)


def no_psi(made: Made) -> None:
    waiting_for_cpu(made)
    for kind in ("cpu", "memory", "io"):
        del made.now[f"/proc/pressure/{kind}"], made.before[f"/proc/pressure/{kind}"]


def unsynchronised(made: Made) -> None:
    made.facts["adjtimex"] = {
        "state": 5,
        "offset": 0,
        "max_error_us": 16_000_000,
        "estimated_error_us": 16_000_000,
        "status": 0x40,
    }


def no_time_service(made: Made) -> None:
    unsynchronised(made)
    path = "/sys/fs/cgroup/system.slice/chrony.service/cgroup.procs"
    del made.now[path], made.before[path]


def enabled_time_service(made: Made) -> None:
    no_time_service(made)
    made.links["/etc/systemd/system/sysinit.target.wants/systemd-timesyncd.service"] = "/x"


def zombies(made: Made, count: int) -> None:
    for pid in range(5000, 5000 + count):
        made.both(f"/proc/{pid}/stat", process(pid, "child", state="Z", ppid=812))


def stuck(made: Made) -> None:
    made.both("/proc/900/stat", process(900, "cp", state="D"))
    made.both("/proc/900/limits", LIMITS.format(soft=1024))
    made.both("/proc/900/cgroup", "0::/init.scope\n")
    made.both("/proc/900/wchan", "rpc_wait_bit_killable")
    made.both("/proc/900/status", "Name: cp\nvoluntary_ctxt_switches:\t42\nnonvoluntary_ctxt_switches:\t1\n")
    made.links["/proc/900/fd/0"] = "/dev/null"


def spinning(made: Made) -> None:
    made.before["/proc/812/stat"] = process(812, "app", policy=1)
    made.now["/proc/812/stat"] = process(812, "app", policy=1, ticks=105)


def swapped(made: Made) -> None:
    made.both("/proc/meminfo", meminfo(swap_kib=1_000_000).replace("SwapFree: 1000000", "SwapFree: 500000"))
    made.both("/proc/812/status", "Name:\tapp\nVmSize:\t9 kB\nVmSwap:\t409600 kB\n")
    made.before["/proc/812/stat"] = process(812, "app", faults=10)
    made.now["/proc/812/stat"] = process(812, "app", faults=410)
    made.now["/proc/vmstat"] = vmstat(back=450)


def overflow(made: Made) -> None:
    made.now["/proc/net/netstat"] = NETSTAT.format(overflows=105, drops=105)
    made.netlink_before["inet-diag/tcp/4"] = [listener(8080, queue=129, backlog=128, drops=0)]
    made.netlink["inet-diag/tcp/4"] = [listener(8080, queue=129, backlog=128, drops=100)]


def overflow_throttled(made: Made) -> None:
    overflow(made)
    made.now[f"{GROUP}/cpu.stat"] = CPU_STAT.format(usage=1_500_000, periods=110, throttled=12)


def overflow_under_throttled_slice(made: Made) -> None:
    overflow(made)
    slice_ = "/sys/fs/cgroup/system.slice"
    made.both(f"{slice_}/cpu.max", "20000 100000\n")
    made.before[f"{slice_}/cpu.stat"] = CPU_STAT.format(usage=0, periods=0, throttled=0)
    made.now[f"{slice_}/cpu.stat"] = CPU_STAT.format(usage=200_000, periods=10, throttled=10)


def overflow_starved(made: Made) -> None:
    overflow(made)
    made.now[f"{GROUP}/cpu.pressure"] = pressure(avg10=80, total_us=901_000)


def oom_kill_logged(made: Made) -> None:
    made.both("/proc/vmstat", vmstat(oom=1))
    at_us = int((made.uptime_s - 600) * 1e6)
    made.now["/dev/kmsg"] = (
        f"6,9,{at_us},-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,"
        "oom_memcg=/system.slice/app.service,task_memcg=/system.slice/app.service,task=app,pid=99,uid=0\n"
        f"3,10,{at_us + 1},-;Memory cgroup out of memory: Killed process 99 (app) total-vm:1kB\n"
        " SUBSYSTEM=none\n"
    )


def log_deleted(made: Made, size: int = 3 * GIB, files: int = 1) -> None:
    """Files of /var/lib/data, 254:2, that the service holds."""
    for number in range(files):
        fd = f"/proc/812/fd/{100 + number}"
        made.links[fd] = "/var/lib/data/app.log (deleted)"
        made.stats[fd] = Stat(0o100644, 77 + number, os.makedev(254, 2), 0, size, size // 512, 0.0, 0)
        made.both(f"/proc/812/fdinfo/{100 + number}", "pos:\t0\nmnt_id:\t28\n")


def full_of_deleted(made: Made) -> None:
    log_deleted(made)
    made.statvfs["/var/lib/data"] = space(total=20 * GIB, available=GIB // 4)


def oom_kill_the_log_has_lost(made: Made) -> None:
    made.both("/proc/vmstat", vmstat(oom=3))
    made.now["/dev/kmsg"] = f"6,900,{int((made.uptime_s - 120) * 1e6)},-;chatter\n"


def ext4_aborted(made: Made) -> None:
    """Linux 6.12: both option lists go on to say rw."""
    made.now["/dev/kmsg"] += f"2,7,{int((made.uptime_s - 60) * 1e6)},-;{ABORTED}\n"


def oom_kill_of_unknown_time(made: Made) -> None:
    made.both("/proc/vmstat", vmstat(oom=3))
    made.both("/dev/kmsg", errno.EPERM)


def held_back(made: Made) -> None:
    """Two seconds of pressure in a sample in which the CPUs were half idle: a quota's doing."""
    made.now["/proc/stat"] = stat(user=100, idle=100)
    made.now["/proc/pressure/cpu"] = pressure(90, 85, 70, total_us=1_001_000)


def restarting(made: Made, times: int, ago_s: float, **more: object) -> None:
    started = int((made.uptime_s - ago_s) * 1e6)
    shown = unit_shown(NRestarts=times, ExecMainStartTimestampMonotonic=started, **more)
    made.runs["systemctl show"] = Completed(0, shown, b"")


class Fault(NamedTuple):
    """A way to break the healthy host, and what a check must say of it."""

    id: str
    severity: str
    subject: str
    says: str
    breaks: Callable[[Made], object]


def set_now(path: str, content: bytes | str | int) -> Callable[[Made], object]:
    return lambda made: made.now.__setitem__(path, content)


def set_space(point: str, **numbers: int) -> Callable[[Made], object]:
    return lambda made: made.statvfs.__setitem__(point, space(**numbers))


ABORTED = "EXT4-fs (vda1): Remounting filesystem read-only"
FAULTS = [
    *(Fault(*fault) for fault in CGROUP_FAULTS),
    Fault("cpu.saturation", "warning", "all", "6 want to run on 2 CPUs", waiting_for_cpu),
    Fault("cpu.saturation", "warning", "all", "6 tasks want to run on 2 CPUs (this kernel", no_psi),
    Fault(
        "cpu.saturation",
        "warning",
        "all",
        "40% of the last 10 s",
        set_now("/proc/pressure/cpu", pressure(40, 10, 3)),
    ),
    Fault(
        "cpu.saturation",
        "critical",
        "all",
        "70% of the last 5 min, 90% of the last 10 s",
        set_now("/proc/pressure/cpu", pressure(90, 85, 70)),
    ),
    Fault("cpu.saturation", "info", "all", "only 50% busy", held_back),
    Fault("cpu.load", "info", "host", "CPUs are not short", set_now("/proc/loadavg", "20.0 12.1 6.0 1/1 1")),
    Fault(
        "cpu.steal",
        "warning",
        "all",
        "took 25%",
        set_now("/proc/stat", stat(user=50, idle=100, steal=50)),
    ),
    Fault(
        "memory.available",
        "warning",
        "host",
        "(7.5%)",
        set_now("/proc/meminfo", meminfo(available_kib=1_200_000)),
    ),
    Fault(
        "memory.available",
        "critical",
        "host",
        "(0.5%)",
        set_now("/proc/meminfo", meminfo(available_kib=80_000)),
    ),
    Fault(
        "memory.pressure",
        "warning",
        "host",
        "15% of the last 10 s",
        set_now("/proc/pressure/memory", pressure(15, 3, 1)),
    ),
    Fault(
        "memory.pressure",
        "critical",
        "host",
        "70% of the last 10 s",
        set_now("/proc/pressure/memory", pressure(70, 50, 20)),
    ),
    Fault(
        "memory.swapping",
        "warning",
        "host",
        "400 pages a second go to swap, 90 come back",
        lambda made: (
            made.both("/proc/meminfo", meminfo(swap_kib=1_000_000)),
            made.now.__setitem__("/proc/vmstat", vmstat(out=400, back=90)),
        ),
    ),
    Fault("memory.oom-kill", "warning", "host", "in this sample", set_now("/proc/vmstat", vmstat(oom=1))),
    Fault(
        "memory.oom-kill",
        "warning",
        "host",
        "the last was app[99] of app.service, because of its own cgroup's limit (/system.slice/app.service)",
        oom_kill_logged,
    ),
    Fault("memory.oom-kill", "info", "host", "when is unknown", oom_kill_of_unknown_time),
    Fault("memory.oom-kill", "info", "host", "the log holds the last 2m01s only", oom_kill_the_log_has_lost),
    Fault("fs.space", "critical", "/dev/shm", "0 of 64.0M", set_space("/dev/shm", total=2**26, available=0)),
    Fault("fs.space", "warning", "/", "4.0G of 100G", set_space("/", available=4 * GIB)),
    Fault("fs.space", "critical", "/", "1.0G of 100G", set_space("/", available=GIB)),
    Fault(
        "fs.space",
        "warning",
        "/var/lib/data",
        "(1.0%)",
        set_space("/var/lib/data", total=10_000 * GIB, available=100 * GIB),
    ),
    Fault("fs.inodes", "warning", "/", "40 of 1000 inodes left", set_space("/", left=40)),
    Fault("fs.inodes", "critical", "/", "0 of 1000 inodes left", set_space("/", left=0)),
    Fault(
        "fs.read-only",
        "critical",
        "/",
        "below a mount that is rw",
        set_now("/proc/self/mountinfo", MOUNTINFO.replace("/dev/vda1 rw", "/dev/vda1 ro")),
    ),
    Fault(
        "fs.read-only",
        "critical",
        "/",
        "below a mount that is rw",
        set_now("/proc/self/mountinfo", MOUNTINFO.replace("/dev/vda1 rw", "/dev/vda1 rw,emergency_ro")),
    ),
    Fault("fs.read-only", "critical", "/", "below a mount that is rw", ext4_aborted),
    Fault(
        "fs.read-only",
        "critical",
        "/var/lib/data",
        "/etc/fstab wants it rw",
        set_now(
            "/proc/self/mountinfo",
            MOUNTINFO.replace("/var/lib/data rw", "/var/lib/data ro").replace("/dev/vda2 rw", "/dev/vda2 ro"),
        ),
    ),
    Fault(
        "fs.hung",
        "critical",
        "/mnt/nfs",
        "filer:/export) does not answer",
        lambda made: made.statvfs.__setitem__("/mnt/nfs", errno.ETIMEDOUT),
    ),
    Fault(
        "disk.latency",
        "warning",
        "vda",
        "a write takes 300 ms",
        set_now("/proc/diskstats", diskstats(reads=10, read_ms=20, writes=10, write_ms=3000)),
    ),
    Fault(
        "disk.latency",
        "warning",
        "vda",
        "completed nothing in this sample, with 3 requests",
        lambda made: made.both("/proc/diskstats", diskstats(flight=3)),
    ),
    Fault(
        "disk.saturation",
        "warning",
        "vda",
        "busy 100% of the sample, with 40 requests queued",
        set_now("/proc/diskstats", diskstats(reads=900, read_ms=900, busy=1000, queue=40_000)),
    ),
    Fault(
        "io.pressure",
        "warning",
        "host",
        "30% of the last 10 s",
        set_now("/proc/pressure/io", pressure(30, 10, 2)),
    ),
    Fault(
        "io.pressure",
        "critical",
        "host",
        "50% of the last 60 s",
        set_now("/proc/pressure/io", pressure(60, 50, 20)),
    ),
    Fault("files.exhausted", "warning", "host", "(80%)", set_now("/proc/sys/fs/file-nr", "80000 0 100000")),
    Fault("files.exhausted", "critical", "host", "(95%)", set_now("/proc/sys/fs/file-nr", "95000 0 100000")),
    Fault("time.unsynchronised", "warning", "host", "chrony.service runs, and yet", unsynchronised),
    Fault("time.unsynchronised", "warning", "host", "enabled, but does not run", enabled_time_service),
    Fault("time.unsynchronised", "info", "host", "no time service", no_time_service),
    Fault(
        "units.failed",
        "warning",
        "a.service",
        "2 units have failed: a.service, b.mount",
        lambda made: made.runs.__setitem__(
            "systemctl",
            Completed(
                0,
                "a.service loaded failed failed The A\n● b.mount loaded failed failed The B\n".encode(),
                b"",
            ),
        ),
    ),
    Fault(
        "units.restart-loop",
        "warning",
        "app.service",
        "restarted 17 times, the last 4s ago",
        lambda made: restarting(made, 17, 3),
    ),
    Fault(
        "units.restart-loop",
        "warning",
        "app.service",
        "restarted 5 times, waits for the next; its process exited with code 3",
        lambda made: restarting(made, 5, 4000, SubState="auto-restart", ExecMainCode=1, ExecMainStatus=3),
    ),
    Fault(
        "process.zombies", "warning", "812", "7 zombies, 7 of them children of app", lambda m: zombies(m, 7)
    ),
    Fault("process.zombies", "critical", "812", "30 zombies", lambda m: zombies(m, 30)),
    Fault("process.disk-sleep", "warning", "900", "cp[900] did not move", stuck),
    Fault(
        "process.thread-limit",
        "critical",
        "33",
        "user 33 has 62000 threads, and app[812] may have no more than 63000",
        lambda made: made.both("/proc/812/stat", process(812, "app", threads=62_000)),
    ),
    Fault("process.realtime-hog", "warning", "812", "app[812] runs under fifo and used 95%", spinning),
    Fault("process.swapped-hot", "warning", "812", "app[812] has 400M in swap and reads back 400", swapped),
    Fault(
        "process.fd-limit",
        "critical",
        "812",
        "3 of 3 file descriptors",
        set_now("/proc/812/limits", LIMITS.format(soft=3)),
    ),
    Fault(
        "process.deleted-files",
        "warning",
        "812",
        "app[812] (app.service) holds 3.0G of /var/lib/data (1.5% of 200G) in 1 deleted file",
        log_deleted,
    ),
    Fault(
        "process.deleted-files",
        "info",
        "812",
        "(0.5% of 200G)",
        lambda made: log_deleted(made, size=GIB),
    ),
    Fault(
        "process.deleted-files",
        "warning",
        "812",
        "in 100 deleted files",
        lambda made: log_deleted(made, size=512, files=100),
    ),
    Fault(
        "join.space-deleted",
        "critical",
        "/var/lib/data",
        "256M of 20.0G available (1.2%); 3.0G (15.0%) is held by deleted files of app[812] (app.service)",
        full_of_deleted,
    ),
    Fault("tcp.accept-queue-overflow", "critical", "127.0.0.1:8080", "app[812]", overflow),
    Fault(
        "tcp.retransmit-rate",
        "warning",
        "tcp",
        "were sent again",
        set_now("/proc/net/snmp", SNMP.format(sent=3000, again=310)),
    ),
    Fault(
        "cgroup.cpu-throttled",
        "warning",
        "/system.slice/app.service",
        "used up its quota",
        set_now(f"{GROUP}/cpu.stat", CPU_STAT.format(usage=1_500_000, periods=110, throttled=12)),
    ),
    Fault(
        "join.accept-queue-starved",
        "critical",
        "127.0.0.1:8080",
        "because its cgroup /system.slice/app.service is throttled in 90% of its periods",
        overflow_throttled,
    ),
    Fault(
        "join.accept-queue-starved",
        "critical",
        "127.0.0.1:8080",
        "because its cgroup /system.slice is throttled in 100%",
        overflow_under_throttled_slice,
    ),
    Fault(
        "join.accept-queue-starved",
        "critical",
        "127.0.0.1:8080",
        "because the tasks of cgroup /system.slice/app.service waited for a CPU 80%",
        overflow_starved,
    ),
]


def test_healthy_host_is_silent() -> None:
    look = look_at(healthy())
    assert look.findings == []
    assert {item.id: item.reason for item in look.verdicts if item.outcome != "clear"} == {
        "memory.swapping": "this host has no swap",
        "process.swapped-hot": "this host has no swap",
    }
    assert look.errors == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.id}-{fault.severity}-{fault.says[:12]}")
def test_fires_on_its_fault(fault: Fault) -> None:
    made = healthy()
    fault.breaks(made)
    look = look_at(made)
    findings = found(look, fault.id)
    assert [item.severity for item in findings] == [fault.severity], look.findings
    finding = findings[0]
    assert finding.subject.id == fault.subject
    assert fault.says in finding.summary
    assert verdict(look, fault.id).outcome == "found"
    assert finding.evidence
    assert finding.remedy
    assert finding.next
    assert finding.refs


def test_every_check_is_broken_here() -> None:
    assert {fault.id for fault in FAULTS} == {rule.id for rule in rules()}


UNREAD = {
    "cpu.saturation": "/proc/stat",
    "cpu.load": "/proc/loadavg",
    "cpu.steal": "/proc/stat",
    "memory.available": "/proc/meminfo",
    "memory.pressure": "/proc/pressure/memory",
    "memory.swapping": "/proc/meminfo",
    "memory.oom-kill": "/proc/vmstat",
    "fs.space": "/proc/self/mountinfo",
    "fs.inodes": "/proc/self/mountinfo",
    "fs.read-only": "/proc/self/mountinfo",
    "fs.hung": "/proc/self/mountinfo",
    "disk.latency": "/proc/diskstats",
    "disk.saturation": "/proc/diskstats",
    "io.pressure": "/proc/pressure/io",
    "files.exhausted": "/proc/sys/fs/file-nr",
}
BAD = {"denied": errno.EACCES, "broken": errno.EIO, "garbage": b"\xff\x00 ] nonsense\n", "empty": b""}


@pytest.mark.parametrize("how", BAD)
@pytest.mark.parametrize("id", UNREAD)
def test_unread_is_unknown_and_costs_its_own_part(id: str, how: str) -> None:
    made = healthy()
    made.both(UNREAD[id], BAD[how])
    look = look_at(made)
    assert verdict(look, id).outcome == "unknown"
    assert UNREAD[id] in verdict(look, id).reason
    subject = id.partition(".")[0]
    untouched = [
        item
        for item in look.verdicts
        if UNREAD.get(item.id) not in (UNREAD[id], None) and not item.id.startswith(subject)
    ]
    assert {item.outcome for item in untouched} <= {"clear", "not-applicable"}


@pytest.mark.parametrize("id", UNREAD)
def test_absent_is_never_clear(id: str) -> None:
    made = healthy()
    del made.now[UNREAD[id]], made.before[UNREAD[id]]
    assert verdict(look_at(made), id).outcome in ("unknown", "not-applicable")


@pytest.mark.parametrize("name", ["cpu.saturation", "memory.pressure", "io.pressure"])
def test_without_pressure_nothing_is_clear_by_it(name: str) -> None:
    made = healthy()
    for kind in ("cpu", "memory", "io"):
        made.both(f"/proc/pressure/{kind}", errno.EOPNOTSUPP)  # psi=0
    outcome = verdict(look_at(made), name)
    if name == "cpu.saturation":
        assert outcome.outcome == "clear"  # the run queue judges in its place
    else:
        assert outcome.outcome == "not-applicable"
        assert "psi=0" in outcome.reason


def test_one_reading_makes_no_rates() -> None:
    source = healthy().source()
    every = {rule.id: rule for rule in rules()}
    parts = domains()
    look = Look()
    models_of(parts, sampler(parts)(source), None, state_of(parts, source), look)
    verdicts_of(parts, joins(), look, every, every)
    unknown = {item.id for item in look.verdicts if item.outcome == "unknown"}
    assert unknown >= {
        "cpu.steal",
        "disk.latency",
        "disk.saturation",
        "process.zombies",
        "tcp.retransmit-rate",
    }
    assert {item.outcome for item in look.verdicts if item.id.startswith("fs.")} == {"clear"}


def test_two_boots_make_no_rates() -> None:
    made = healthy()
    made.now["/proc/stat"] = stat(user=50, idle=50, steal=100)
    source = made.source()
    assert source.earlier is not None
    swapped = sampler(domains())
    look = Look()
    models_of(domains(), swapped(source.earlier), swapped(source), state_of(domains(), source), look)
    verdicts_of(domains(), joins(), look, {r.id: r for r in rules()}, {r.id: r for r in rules()})
    assert verdict(look, "cpu.steal").outcome == "unknown"


def test_join_takes_the_place_of_the_plain_finding() -> None:
    made = healthy()
    overflow_throttled(made)
    look = look_at(made)
    assert found(look, "tcp.accept-queue-overflow") == []
    assert verdict(look, "tcp.accept-queue-overflow").reason == "told by join.accept-queue-starved"
    joined = found(look, "join.accept-queue-starved")[0]
    assert "raise the CPU quota of app.service" in joined.remedy
    assert "somaxconn" not in joined.remedy
    assert {"nr_throttled" in item.source for item in joined.evidence} == {True, False}
    assert any("ListenOverflows" in item.what for item in joined.evidence)


def test_what_deleted_files_hold_takes_the_place_of_a_full_filesystem() -> None:
    made = healthy()
    full_of_deleted(made)
    look = look_at(made)
    assert found(look, "fs.space") == []
    joined = found(look, "join.space-deleted")[0]
    assert "sudo truncate -s 0 /proc/812/fd/100" in joined.remedy
    assert "restart app.service" in joined.remedy
    log_deleted(made, size=GIB // 10)  # too little to be why
    look = look_at(made)
    assert len(found(look, "fs.space")) == 1
    assert verdict(look, "join.space-deleted").outcome == "clear"


def test_deleted_files_of_processes_that_cannot_be_seen_are_unknown() -> None:
    made = healthy()
    made.links = {}
    seen = verdict(look_at(made), "process.deleted-files")
    assert (seen.outcome, "no process could be looked at" in seen.reason) == ("unknown", True)


def test_plain_overflow_keeps_its_own_finding() -> None:
    made = healthy()
    overflow(made)
    look = look_at(made)
    assert verdict(look, "join.accept-queue-starved").outcome == "clear"
    assert len(found(look, "tcp.accept-queue-overflow")) == 1


def test_join_alone_works_and_asks_only_what_it_needs() -> None:
    made = healthy()
    overflow_throttled(made)
    look = look_at(made, only=("join.accept-queue-starved",))
    assert [item.id for item in look.findings] == ["join.accept-queue-starved"]
    assert set(look.models) == {"host", "sockets", "cgroups"}


def test_join_does_not_guess_an_unseen_owner() -> None:
    made = healthy()
    overflow_throttled(made)
    made.links.clear()  # as for an ordinary user: whose socket it is cannot be seen
    look = look_at(made)
    assert verdict(look, "join.accept-queue-starved").outcome == "unknown"
    assert len(found(look, "tcp.accept-queue-overflow")) == 1


def test_a_threshold_set_by_hand_is_used_and_told() -> None:
    made = healthy()
    assert look_at(made).findings == []
    look = look_at(made, thresholds=("fs.space.warning=60",))
    assert {item.subject.id for item in found(look, "fs.space")} == {"/", "/var/lib/data", "/mnt/nfs"}
    assert verdict(look, "fs.space").overrides == {"warning": 60.0}
    assert next(rule for rule in rules() if rule.id == "fs.space")["warning"] == 5  # only this once


def test_old_oom_kills_are_no_finding() -> None:
    made = healthy()
    oom_kill_logged(made)
    log = str(made.now["/dev/kmsg"])
    early = int((made.uptime_s - 7200) * 1e6)
    made.now["/dev/kmsg"] = log.replace(str(int((made.uptime_s - 600) * 1e6)), str(early)).replace(
        str(int((made.uptime_s - 600) * 1e6) + 1), str(early + 1)
    )
    assert verdict(look_at(made), "memory.oom-kill").outcome == "clear"


def test_clock_is_not_judged_just_after_boot() -> None:
    made = healthy()
    unsynchronised(made)
    made.uptime_s = 120.0
    look = look_at(made)
    assert verdict(look, "time.unsynchronised").outcome == "not-applicable"


def test_units_without_systemd_are_not_applicable() -> None:
    made = healthy()
    made.stats.clear()
    assert verdict(look_at(made), "units.failed").outcome == "not-applicable"


def test_systemctl_that_fails_is_unknown() -> None:
    made = healthy()
    made.runs["systemctl"] = Completed(1, b"", b"Failed to connect to bus: Host is down\n")
    outcome = verdict(look_at(made), "units.failed")
    assert (outcome.outcome, "Host is down" in outcome.reason) == ("unknown", True)


@pytest.mark.parametrize(("times", "ago_s"), [(4, 1), (900, 3600)], ids=["few", "long-ago"])
def test_restarts_that_are_few_or_long_over_are_no_loop(times: int, ago_s: float) -> None:
    made = healthy()
    restarting(made, times, ago_s)
    assert verdict(look_at(made), "units.restart-loop").outcome == "clear"


def test_an_error_of_ext4_is_over_with_the_next_mount_and_is_not_told_by_others() -> None:
    made = healthy()
    ext4_aborted(made)
    made.now["/dev/kmsg"] += "6,8,9000000,-;EXT4-fs (vda1): mounted filesystem 0000-1 r/w\n"
    assert verdict(look_at(made), "fs.read-only").outcome == "clear"
    made.now["/dev/kmsg"] = f"12,7,9000000,-;{ABORTED}\n"  # a process wrote this line
    assert verdict(look_at(made), "fs.read-only").outcome == "clear"


def test_a_missing_fstab_is_no_obstacle() -> None:
    made = healthy()
    made.both("/etc/fstab", errno.ENOENT)
    assert verdict(look_at(made), "fs.read-only").outcome == "clear"


@pytest.mark.parametrize("why", [errno.EACCES, errno.ENODATA], ids=["denied", "not-recorded"])
def test_what_fstab_wants_is_unknown_when_it_cannot_be_read(why: int) -> None:
    made = healthy()
    made.both("/etc/fstab", why)
    assert verdict(look_at(made), "fs.read-only").outcome == "clear"  # nothing here is read-only
    both_ro = MOUNTINFO.replace("/var/lib/data rw", "/var/lib/data ro").replace("vda2 rw", "vda2 ro")
    made.both("/proc/self/mountinfo", both_ro)
    seen = verdict(look_at(made), "fs.read-only")
    assert (seen.outcome, "/var/lib/data" in seen.reason) == ("unknown", True)


def test_a_mount_nobody_asked_about_is_not_known_to_answer() -> None:
    made = healthy()
    made.statvfs["/mnt/nfs"] = errno.ENODATA
    seen = verdict(look_at(made), "fs.hung")
    assert (seen.outcome, "/mnt/nfs (not in this recording)" in seen.reason) == ("unknown", True)
    made.statvfs["/mnt/nfs"] = errno.EACCES  # a refusal is an answer
    assert verdict(look_at(made), "fs.hung").outcome == "clear"


def test_a_swap_counter_that_went_backwards_gives_no_rate() -> None:
    made = healthy()
    made.both("/proc/meminfo", meminfo(swap_kib=1_000_000))
    made.before["/proc/vmstat"] = vmstat(out=400)
    assert verdict(look_at(made), "memory.swapping").outcome == "unknown"


def test_next_commands_can_be_typed() -> None:
    """Every `sretool …` that a finding recommends is one that this sretool understands."""
    steps = set()
    for fault in FAULTS:
        made = healthy()
        fault.breaks(made)
        steps.update(step for item in look_at(made).findings for step in item.next)
    ours = sorted(step for step in steps if step.startswith("sretool "))
    assert ours
    for step in ours:
        words = shlex.split(step)[1:]
        words += ["--count", "1"] if "-w" in words else []
        name = next(name for n in (3, 2, 1) if (name := " ".join(words[:n])) in COMMANDS)
        words += ["--sample", "0.05"] if takes(name, "--sample") else []
        done = sretool(*words)
        assert done.code in (0, 1, 2, 3), f"{step}: {done.err}"
