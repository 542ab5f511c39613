"""Memory, swap traffic and the OOM killer's record."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from sretool.errors import ParseError
from sretool.host.decimal import integer
from sretool.report.escape import text


class Memory(NamedTuple):
    """/proc/meminfo, bytes. `available` is None before Linux 3.14."""

    total_bytes: int
    available_bytes: int | None
    swap_total_bytes: int
    swap_free_bytes: int


class PageCounters(NamedTuple):
    """/proc/vmstat, since boot; None where this kernel has no such counter (oom_kill: 4.13)."""

    swapped_in: int | None
    swapped_out: int | None
    oom_kills: int | None


class OomKill(NamedTuple):
    """One victim, from the kernel's log. `at_s` is on the kernel log's clock (about CLOCK_MONOTONIC);
    `limit` is the cgroup whose limit was hit, empty when the whole host was out of memory.
    """

    at_s: float
    pid: int
    name: str
    limit: str


def _numbers(raw: bytes, what: str) -> dict[bytes, int]:
    found = {}
    for line in raw.splitlines():
        words = line.replace(b":", b" ").split()
        try:
            found[words[0]] = integer(words[1])
        except (ValueError, IndexError):
            continue
    if not found:
        raise ParseError(what, "no line of it is a name and a number")
    return found


def parse_meminfo(raw: bytes) -> Memory:
    """/proc/meminfo.

    Raises:
        ParseError: MemTotal is missing or zero.
    """
    found = _numbers(raw, "/proc/meminfo")
    total = found.get(b"MemTotal", 0)
    if total == 0:
        raise ParseError("/proc/meminfo", "MemTotal is missing")
    available = found.get(b"MemAvailable")
    return Memory(
        total * 1024,
        None if available is None else available * 1024,
        found.get(b"SwapTotal", 0) * 1024,
        found.get(b"SwapFree", 0) * 1024,
    )


def parse_vmstat(raw: bytes) -> PageCounters:
    """/proc/vmstat.

    Raises:
        ParseError: it holds no counter at all.
    """
    found = _numbers(raw, "/proc/vmstat")
    return PageCounters(found.get(b"pswpin"), found.get(b"pswpout"), found.get(b"oom_kill"))


# mm/oom_kill.c: dump_oom_victim() prints the first line, __oom_kill_process() the second.
_CONSTRAINT = re.compile(rb"oom-kill:constraint=\w+.*?(?:,oom_memcg=(?P<limit>[^,]*))?,task_memcg=")
_KILLED = re.compile(
    rb"[Oo]ut of memory(?: \([^)]*\))?: Killed process (?P<pid>\d{1,7}) \((?P<name>.*)\) total-vm:"
)


def parse_oom_kills(raw: bytes) -> list[OomKill]:
    """OOM kills in /dev/kmsg records (`prefix,sequence,microseconds,flags;message`), oldest first.
    A line of any other form is passed over: the log belongs to everyone.
    """
    kills = []
    limit = b""
    for line in raw.splitlines():
        if b"oom" not in line and b"ut of memory" not in line:
            continue
        prefix, _, message = line.partition(b";")
        if constraint := _CONSTRAINT.search(message):
            limit = constraint["limit"] or b""
        elif killed := _KILLED.search(message):
            at_s = _kernel_time(prefix)
            if at_s is None:
                continue
            kills.append(OomKill(at_s, int(killed["pid"]), text(killed["name"]), text(limit)))
            limit = b""
    return kills


def parse_log_start(raw: bytes) -> float:
    """Since when the kernel's log holds everything, seconds on its clock: 0 when nothing of it was
    overwritten yet (its first record is number 0), infinity when it is empty.
    """
    for line in raw.splitlines():
        fields = line.partition(b";")[0].split(b",")
        try:
            return integer(fields[2]) / 1e6 if integer(fields[1]) else 0.0
        except (ValueError, IndexError):  # a record's continuation
            continue
    return math.inf


def _kernel_time(prefix: bytes) -> float | None:
    """When a record was logged; None when it is none of the kernel's own (the upper bits of its
    priority are 0; processes write to the same log, Documentation/ABI/testing/dev-kmsg).
    """
    fields = prefix.split(b",")
    try:
        return None if integer(fields[0]) >> 3 else integer(fields[2]) / 1e6
    except (ValueError, IndexError):
        return None
