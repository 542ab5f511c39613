"""The line of /proc/PID/stat (proc_pid_stat(5); fs/proc/array.c do_task_stat)."""

from __future__ import annotations

from typing import NamedTuple

from sretool.errors import ParseError
from sretool.host.decimal import LONGEST, integer

# fs/proc/array.c task_state_array; X and x both are dead
STATES = {
    b"R": "running",
    b"S": "sleeping",
    b"D": "disk-sleep",
    b"T": "stopped",
    b"t": "tracing-stop",
    b"X": "dead",
    b"x": "dead",
    b"Z": "zombie",
    b"P": "parked",
    b"I": "idle",
}
LETTERS = {word: letter.decode() for letter, word in STATES.items() if letter != b"x"}
_PF_KTHREAD = 0x00200000  # include/linux/sched.h
# include/uapi/linux/sched.h; 4 was never used
_POLICIES = {0: "other", 1: "fifo", 2: "rr", 3: "batch", 5: "idle", 6: "deadline", 7: "ext"}


class Line(NamedTuple):
    """The fields we use. Times in clock ticks, memory in bytes and pages as the kernel gives them."""

    comm: bytes
    state: bytes
    ppid: int
    flags: int
    major_faults: int
    ticks: int
    nice: int
    threads: int
    started_ticks: int
    virtual_bytes: int
    rss_pages: int

    @property
    def kernel(self) -> bool:
        """A kernel thread."""
        return bool(self.flags & _PF_KTHREAD)


def state_letter(raw: bytes) -> bytes:
    """The state alone, for deciding what may be read next. Empty when there is none."""
    at = raw.rfind(b")") + 2
    return raw[at : at + 1]


def state_name(letter: bytes) -> str:
    """The state in a word; `unknown-x` for a letter that no kernel we know uses."""
    return STATES.get(letter) or f"unknown-{letter.decode('ascii', 'backslashreplace')}"


def parse(raw: bytes, pid: str) -> Line:
    """The comm may hold spaces, parentheses and newlines; what follows the last `)` may not.

    Raises:
        ParseError: fewer than 24 fields, or one that is no number of 64 bits.
    """
    start, end = raw.find(b"("), raw.rfind(b")")
    rest = raw[end + 2 :].split(None, 22)
    try:
        if max(map(len, rest[:22])) > LONGEST:
            raise ValueError
        return Line(
            raw[start + 1 : end],
            rest[0],
            int(rest[1]),
            int(rest[6]),
            int(rest[9]),
            int(rest[11]) + int(rest[12]),
            int(rest[16]),
            int(rest[17]),
            int(rest[19]),
            int(rest[20]),
            int(rest[21]),
        )
    except (IndexError, ValueError):
        raise ParseError(f"/proc/{pid}/stat", f"not a stat line: {raw[:80]!r}") from None


def scheduling(raw: bytes) -> tuple[int, int] | None:
    """Realtime priority and policy of the main thread, fields 40 and 41; None when it has none. Apart
    from `parse`, which 20,000 lines go through that nobody asks this of.
    """
    fields = raw[raw.rfind(b")") + 2 :].split(None, 39)[37:39]
    try:
        return (integer(fields[0]), integer(fields[1])) if len(fields) == 2 else None
    except ValueError:
        return None


def policy_name(policy: int) -> str:
    """A scheduling policy in a word; `unknown-8` for one that no kernel we know has."""
    return _POLICIES.get(policy) or f"unknown-{policy}"


class Detail(NamedTuple):
    """Fields that only a look at one process needs; numbers as the kernel gives them, and None from
    where the line is cut short.
    """

    group: int
    session: int
    terminal: int
    minor_faults: int
    user_ticks: int
    system_ticks: int
    processor: int | None
    realtime_priority: int | None
    policy: int | None


def detail(raw: bytes, pid: str) -> Detail:
    """Fields 5, 6, 7, 10, 14, 15, 39, 40 and 41.

    Raises:
        ParseError: fewer than 15 fields, or one of them is no number of 64 bits.
    """
    rest = raw[raw.rfind(b")") + 2 :].split()
    try:
        first = [integer(rest[at]) for at in (2, 3, 4, 7, 11, 12)]
        last = [integer(rest[at]) if at < len(rest) else None for at in (36, 37, 38)]
    except (IndexError, ValueError):
        raise ParseError(f"/proc/{pid}/stat", f"not a stat line: {raw[:80]!r}") from None
    return Detail(*first, *last)


def terminal_name(number: int) -> str | None:
    """The controlling terminal of field 7, as ps names it; None for none
    (Documentation/admin-guide/devices.txt).
    """
    if number == 0:
        return None
    number &= 0xFFFFFFFF  # printed as a signed int
    major, minor = number >> 8 & 0xFFF, number & 0xFF | number >> 12 & 0xFFF00
    if 136 <= major <= 143:
        return f"pts/{(major - 136) * 256 + minor}"
    if major == 4:
        return f"tty{minor}" if minor < 64 else f"ttyS{minor - 64}"
    return f"{major}:{minor}"
