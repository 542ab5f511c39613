"""CPU time, run queue and load average."""

from __future__ import annotations

import math
from typing import NamedTuple

from sretool.errors import ParseError
from sretool.host.decimal import integer


class CpuTimes(NamedTuple):
    """Clock ticks of all CPUs since boot, /proc/stat `cpu`. Guest time is inside user and nice."""

    user: int
    nice: int
    system: int
    idle: int
    iowait: int
    irq: int
    softirq: int
    steal: int


class Stat(NamedTuple):
    """/proc/stat, as far as triage needs it. `running` counts the reader itself."""

    times: CpuTimes
    cpus: int
    running: int
    blocked: int


class Load(NamedTuple):
    """/proc/loadavg: tasks that ran, could run, or slept uninterruptibly, over 1, 5 and 15 min."""

    one: float
    five: float
    fifteen: float


class CpuUse(NamedTuple):
    """Shares of the CPUs' time between two readings, 0 to 1."""

    busy_ratio: float
    steal_ratio: float
    iowait_ratio: float


def parse_stat(raw: bytes) -> Stat:
    """/proc/stat.

    Raises:
        ParseError: the cpu line or procs_running is missing or no number.
    """
    times: CpuTimes | None = None
    cpus = 0
    counts: dict[bytes, int] = {}
    try:
        for line in raw.splitlines():
            words = line.split()
            if not words:
                continue
            if words[0] == b"cpu":
                # steal came last, with 2.6.11; nothing supported is older
                times = CpuTimes(*(integer(word) for word in words[1:9]))
            elif words[0].startswith(b"cpu"):
                cpus += 1
            elif words[0] in (b"procs_running", b"procs_blocked"):
                counts[words[0]] = integer(words[1])
    except (ValueError, TypeError, IndexError):
        raise ParseError("/proc/stat", "a line is not as documented") from None
    if times is None or cpus == 0 or b"procs_running" not in counts:
        raise ParseError("/proc/stat", "cpu or procs_running is missing")
    return Stat(times, cpus, counts[b"procs_running"], counts.get(b"procs_blocked", 0))


def parse_load(raw: bytes) -> Load:
    """/proc/loadavg.

    Raises:
        ParseError: there are no three numbers.
    """
    try:
        load = Load(*(float(word) for word in raw.split()[:3]))
    except (ValueError, TypeError):
        load = Load(math.nan, math.nan, math.nan)
    if not all(map(math.isfinite, load)):
        raise ParseError("/proc/loadavg", "not three numbers")
    return load


def use(now: Stat, before: Stat | None) -> CpuUse | None:
    """How the time between two readings was spent; None when no time passed on any CPU."""
    if before is None:
        return None
    # idle and iowait may step back when a CPU goes offline and comes back (fs/proc/stat.c)
    spent = CpuTimes(*(max(0, new - old) for new, old in zip(now.times, before.times)))
    total = sum(spent)
    if total == 0:
        return None
    return CpuUse(
        (total - spent.idle - spent.iowait) / total,
        spent.steal / total,
        spent.iowait / total,
    )
