"""Memory and swap traffic."""

from __future__ import annotations

from typing import NamedTuple

from sretool.errors import ParseError
from sretool.host.decimal import integer


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
