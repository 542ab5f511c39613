"""Host-wide readings: what belongs to no process, cgroup or socket.

`sample` takes bytes, `build` makes a `Host` of them. Counters need two moments; the rest (mounts,
units, the kernel's log) is the same a second later, costs more and can be slow, so triage asks for
it once, after the second reading of the counters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, TypeVar

from sretool.errors import Missing, ParseError, SourceError, SretoolError, Unsupported
from sretool.host import mountinfo, oom, pressure, systemd
from sretool.host.pressure import Pressure
from sretool.host.source import Clock, Completed, Source, StatVfs
from sretool.triage.read import clock, cpu, disks, files, filesystems, memory, units
from sretool.triage.read.memory import Memory, PageCounters
from sretool.triage.read.part import Part, Raw, attempt, parsed

T = TypeVar("T")
COUNTERS = (
    "/proc/stat",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/vmstat",
    "/proc/diskstats",
    "/proc/pressure/cpu",
    "/proc/pressure/memory",
    "/proc/pressure/io",
    "/proc/sys/fs/file-nr",
)
STATE = ("/proc/self/mountinfo", "/etc/fstab", "/dev/kmsg")
# where a running unit has its cgroup: v2, hybrid, v1
SLICES = (
    "/sys/fs/cgroup/system.slice",
    "/sys/fs/cgroup/unified/system.slice",
    "/sys/fs/cgroup/systemd/system.slice",
)
WANTS = ("/etc/systemd/system/sysinit.target.wants", "/etc/systemd/system/multi-user.target.wants")
STATVFS_TIMEOUT_S = 2.0


class Ask(NamedTuple):
    """`counters`: what rates are made of. `state`: what one reading tells."""

    counters: bool = False
    state: bool = False


TRIAGE = Ask(counters=True)
STATE_ONLY = Ask(state=True)
EVERYTHING = Ask(counters=True, state=True)


@dataclass
class Sample:
    """Bytes of one moment, or what came instead of them, by path."""

    clock: Clock
    files: dict[str, Raw[bytes]]
    disks: Raw[list[str]] | None = None
    stacked: list[str] = field(default_factory=list)
    space: Raw[dict[str, StatVfs | int]] = field(default_factory=dict)
    time_running: list[str] = field(default_factory=list)
    time_enabled: list[str] = field(default_factory=list)
    units: Raw[Completed] | None = None
    services: Raw[dict[str, systemd.Unit]] | None = None

    @property
    def errors(self) -> list[SretoolError]:
        """What failed for a reason; what a host simply has not got is no failure."""
        failed = [*self.files.values(), self.disks, self.units, self.services, self.space]
        return [
            item
            for item in failed
            if isinstance(item, SourceError) and not isinstance(item, (Missing, Unsupported))
        ]


@dataclass(frozen=True)
class Host:
    """What triage judges. Rates are of the time between two readings: `elapsed_s`, None with one."""

    elapsed_s: float | None
    uptime_s: float
    stat: Part[cpu.Stat]
    stat_before: cpu.Stat | None
    load: Part[cpu.Load]
    memory: Part[Memory]
    pages: Part[PageCounters]
    pages_before: PageCounters | None
    pressure: dict[str, Part[Pressure]]
    pressure_before: dict[str, Pressure | None]
    disks: Part[list[disks.Disk]]
    open_files: Part[files.OpenFiles]
    adjtimex: Part[clock.KernelClock]
    time_services: clock.TimeServices
    units: Part[list[units.FailedUnit]]
    services: Part[dict[str, systemd.Unit]]
    mounts: Part[list[mountinfo.Mount]]
    fstab: Part[list[filesystems.Expected]]
    aborted: dict[str, float]
    spaces: Part[filesystems.Filesystems]
    oom_kills: Part[list[oom.OomKill]]
    log_start_s: Part[float]
    log_now_s: float

    @property
    def cpu(self) -> cpu.CpuUse | None:
        """CPU time between the readings."""
        return cpu.use(self.stat.value, self.stat_before) if self.stat.value is not None else None

    def stalled(self, kind: str, line: str) -> float | None:
        """The share of the time between the readings that tasks stalled, 0 to 1."""
        now, before = self.pressure[kind].value, self.pressure_before[kind]
        if now is None or before is None or self.elapsed_s is None:
            return None
        return pressure.share(getattr(now, line), getattr(before, line), self.elapsed_s)


def sample(source: Source, ask: Ask) -> Sample:
    """Read what `ask` needs, the quick and safe things first."""
    found = Sample(source.clock(), {})
    if ask.counters:
        found.files.update((path, attempt(source.read, path)) for path in COUNTERS)
    if not ask.state:
        return found
    found.files.update((path, attempt(source.read, path)) for path in STATE)
    found.files["adjtimex"] = attempt(source.fact, "adjtimex")
    _sample_disks(source, found)
    found.time_running = [name for path in SLICES for name in _names(source, path)]
    booted = attempt(source.stat, units.BOOTED)
    if isinstance(booted, SretoolError):
        found.units = found.services = booted
    else:
        # what is enabled tells nothing where another init, or none, runs
        found.time_enabled = [name for path in WANTS for name in _names(source, path)]
        found.units = attempt(source.run, units.ARGV)
        found.services = attempt(systemd.read, source)
    mounts = parsed(mountinfo.parse_mountinfo, found.files["/proc/self/mountinfo"])
    shown = filesystems.with_capacity(mountinfo.visible(mounts.value or []))
    found.space = attempt(filesystems.ask_space, source, shown, STATVFS_TIMEOUT_S)
    return found


def _sample_disks(source: Source, found: Sample) -> None:
    found.disks = attempt(source.listdir, "/sys/block")
    if isinstance(found.disks, SretoolError):
        return
    found.stacked = [
        name
        for name in found.disks
        if name.startswith(("dm-", "md")) and _names(source, f"/sys/block/{name}/slaves")
    ]


def _names(source: Source, path: str) -> list[str]:
    names = attempt(source.listdir, path)
    return [] if isinstance(names, SretoolError) else names


def build(now: Sample, before: Sample | None = None, state: Sample | None = None) -> Host:
    """What two readings of the counters and one of the state say. `state` is `now` itself when it
    was asked for everything.
    """
    state = state or now
    elapsed = _elapsed(now, before)
    earlier = before if elapsed is not None else None

    mounts = parsed(mountinfo.parse_mountinfo, _raw(state, "/proc/self/mountinfo"))
    return Host(
        elapsed_s=elapsed,
        uptime_s=now.clock.boot,
        stat=parsed(cpu.parse_stat, _raw(now, "/proc/stat")),
        stat_before=_earlier(cpu.parse_stat, earlier, "/proc/stat"),
        load=parsed(cpu.parse_load, _raw(now, "/proc/loadavg")),
        memory=parsed(memory.parse_meminfo, _raw(now, "/proc/meminfo")),
        pages=parsed(memory.parse_vmstat, _raw(now, "/proc/vmstat")),
        pages_before=_earlier(memory.parse_vmstat, earlier, "/proc/vmstat"),
        pressure={kind: _pressure(now, kind) for kind in ("cpu", "memory", "io")},
        pressure_before={
            kind: None if earlier is None else _pressure(earlier, kind).value
            for kind in ("cpu", "memory", "io")
        },
        disks=_disks(now, earlier, state, elapsed),
        open_files=parsed(files.parse_file_nr, _raw(now, "/proc/sys/fs/file-nr")),
        adjtimex=parsed(clock.parse_adjtimex, _raw(state, "adjtimex")),
        time_services=clock.time_services(state.time_running, state.time_enabled),
        units=parsed(units.parse_failed, state.units or _unasked("systemctl")),
        services=_services(state),
        mounts=mounts,
        fstab=parsed(filesystems.parse_fstab, _raw(state, "/etc/fstab")),
        aborted=_aborted(now, state),
        spaces=_spaces(state, mounts),
        oom_kills=parsed(oom.parse_oom_kills, _raw(state, "/dev/kmsg")),
        log_start_s=parsed(oom.parse_log_start, _raw(state, "/dev/kmsg")),
        log_now_s=state.clock.mono,
    )


def _elapsed(now: Sample, before: Sample | None) -> float | None:
    """Seconds between two readings of one boot."""
    if before is None:
        return None
    gone = now.clock.mono - before.clock.mono
    # the boot clock never goes backwards within one boot, and a reboot starts it again
    return gone if gone > 0 and now.clock.boot > before.clock.boot else None


def _unasked(what: str) -> SretoolError:
    return Missing(what, "was not asked for")


def _raw(found: Sample, path: str) -> Raw[bytes]:
    return found.files.get(path, _unasked(path))


def _earlier(parse: Callable[[bytes], T], earlier: Sample | None, path: str) -> T | None:
    return None if earlier is None else parsed(parse, _raw(earlier, path)).value


def _pressure(found: Sample, kind: str) -> Part[Pressure]:
    path = f"/proc/pressure/{kind}"
    return parsed(partial(pressure.parse, what=path), _raw(found, path))


def _services(state: Sample) -> Part[dict[str, systemd.Unit]]:
    found = state.services
    if found is None or isinstance(found, SretoolError):
        return Part(error=found or _unasked("systemctl show"))
    return Part(found)


def _spaces(state: Sample, mounts: Part[list[mountinfo.Mount]]) -> Part[filesystems.Filesystems]:
    if mounts.value is None:
        return Part(error=mounts.error)
    if isinstance(state.space, SretoolError):
        return Part(error=state.space)
    shown = filesystems.with_capacity(mountinfo.visible(mounts.value))
    return Part(filesystems.spaces(shown, state.space))


def _aborted(now: Sample, state: Sample) -> dict[str, float]:
    """Of what could be read: the log is a second witness, and a mount is judged without it too."""
    log, diskstats = _raw(state, "/dev/kmsg"), _raw(now, "/proc/diskstats")
    if isinstance(log, SretoolError) or isinstance(diskstats, SretoolError):
        return {}
    return filesystems.parse_aborted(log, diskstats)


def _disks(
    now: Sample, earlier: Sample | None, state: Sample, elapsed: float | None
) -> Part[list[disks.Disk]]:
    path = "/proc/diskstats"
    new = parsed(disks.parse_diskstats, _raw(now, path))
    if new.value is None:
        return Part(error=new.error)
    if earlier is None or elapsed is None:
        return Part(error=_one_reading(path))
    old = parsed(disks.parse_diskstats, _raw(earlier, path))
    if old.value is None:
        return Part(error=old.error)
    if state.disks is None or isinstance(state.disks, SretoolError):
        return Part(error=state.disks or _unasked("/sys/block"))
    names = disks.whole_disks(state.disks, set(state.stacked))
    if names and new.value.keys().isdisjoint(names):
        return Part(error=ParseError(path, "holds none of the disks in /sys/block"))
    return Part(disks.rates(new.value, old.value, names, elapsed))


def _one_reading(what: str) -> SretoolError:
    return SretoolError(what, "a rate needs two readings of one boot")
