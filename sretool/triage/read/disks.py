"""Block devices: how busy, how long a request waits."""

from __future__ import annotations

from typing import NamedTuple

from sretool.errors import ParseError
from sretool.host.decimal import integer
from sretool.report.escape import text


class DiskCounters(NamedTuple):
    """A line of /proc/diskstats since boot (Documentation/admin-guide/iostats.rst, fields 1, 4, 5, 8 to 11).
    The kernel keeps times as 32 bits of milliseconds, so a difference is taken modulo 2^32.
    """

    reads: int
    read_ms: int
    writes: int
    write_ms: int
    in_flight: int
    busy_ms: int
    queue_ms: int


class Disk(NamedTuple):
    """One disk between two readings. An await is None when nothing of the kind completed."""

    name: str
    reads: int
    writes: int
    read_await_ms: float | None
    write_await_ms: float | None
    utilisation_ratio: float
    queue: float
    in_flight: int
    in_flight_before: int


def parse_diskstats(raw: bytes) -> dict[str, DiskCounters]:
    """/proc/diskstats, by device name.

    Raises:
        ParseError: a line has too few fields, or one that is no number.
    """
    found = {}
    for line in raw.splitlines():
        words = line.split()
        if not words:
            continue
        try:
            value = [integer(word) for word in words[3:14]]
            found[text(words[2])] = DiskCounters(
                value[0], value[3], value[4], value[7], value[8], value[9], value[10]
            )
        except (ValueError, IndexError):
            raise ParseError("/proc/diskstats", f"not a disk's line: {text(line[:80])}") from None
    return found


def whole_disks(names: list[str], stacked: set[str]) -> list[str]:
    """Of the names in /sys/block (which holds no partitions): those that are a device's own queue.
    Memory-backed ones have none, and what is stacked on other disks would be counted twice.
    """
    return [name for name in names if not name.startswith(("loop", "ram", "zram")) and name not in stacked]


def rates(
    now: dict[str, DiskCounters], before: dict[str, DiskCounters], names: list[str], elapsed_s: float
) -> list[Disk]:
    """The disks of `names` that both readings know. One whose counters went backwards was made
    anew in between, and is left out.
    """
    disks = []
    for name in names:
        if name not in now or name not in before:
            continue
        new, old = now[name], before[name]
        reads, writes = new.reads - old.reads, new.writes - old.writes
        if reads < 0 or writes < 0:
            continue
        disks.append(
            Disk(
                name,
                reads,
                writes,
                _grown(new.read_ms, old.read_ms) / reads if reads else None,
                _grown(new.write_ms, old.write_ms) / writes if writes else None,
                min(1.0, _grown(new.busy_ms, old.busy_ms) / (elapsed_s * 1000)),
                _grown(new.queue_ms, old.queue_ms) / (elapsed_s * 1000),
                new.in_flight,
                old.in_flight,
            )
        )
    return disks


def _grown(new: int, old: int) -> int:
    return (new - old) % (1 << 32)
