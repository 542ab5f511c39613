"""The line of /proc/PID/stat (proc_pid_stat(5); fs/proc/array.c do_task_stat)."""

from __future__ import annotations

from typing import NamedTuple

from sretool.errors import ParseError
from sretool.host.decimal import LONGEST

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
