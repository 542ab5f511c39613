"""Rows from one reading, rates from two."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from operator import attrgetter
from typing import Union

from msgspec import UNSET, UnsetType

from sretool.errors import SretoolError
from sretool.host.attribution import attributed
from sretool.host.secrets import mask
from sretool.procs.list.model import Capacity, Process, Processes
from sretool.procs.list.read.fill import FILLERS, Filler, Moments, per_second
from sretool.procs.list.read.sample import Sample
from sretool.procs.list.read.threads import number
from sretool.procs.stat import Line, state_name

COMMAND_LIMIT = 4096
_CMDLINE_LIMIT_BYTES = 1 << 16


def build(
    now: Sample, before: Sample | None = None, keep: Callable[[Process], bool] | None = None
) -> Processes:
    """Rows from one reading, rates from two; `keep` says which rows stay. A stat line that cannot
    be parsed costs its row and is noted in `now.errors`.
    """
    window = now.clock.mono - before.clock.mono if before is not None else 0.0
    moments = Moments(now, before if window > 0 else None, window)
    earlier = before.lines() if before is not None and window > 0 else {}
    rows = []
    make = _Maker(now)
    fillers = [FILLERS[part] for part in FILLERS if part in now.ask.parts]
    same, rest = _standing(now, before if earlier else None)
    made = before.made if same and before is not None else {}
    for pid, line in now.lines(before).items():
        known = made.get(pid) if pid in same else None
        if known is not None and known.state_before is not None:  # it is null in the row of who was new
            row, missing, lasted = make.again(known, line), rest, True
        else:
            row, missing = make(pid, line), fillers
            lasted = _compared(row, line, earlier.get(pid), now.clock_ticks_per_s, window)
        for fill in missing:
            fill(row, pid, moments, lasted)
        if before is not None:
            now.made[pid] = row
        if keep is None or keep(row):
            rows.append(row)
    rows.sort(key=attrgetter("pid"))
    rows.sort(key=attrgetter("rss_bytes"), reverse=True)
    if earlier:
        rows.sort(key=lambda row: row.cpu_ratio or 0, reverse=True)
    return Processes(
        rows,
        len(rows),
        round(window, 3) if window > 0 else None,
        _capacity(moments) if now.ask.capacity else UNSET,
    )


def complete(rows: Iterable[Process], more: Sample) -> None:
    """Fill into `rows` what a second look (`sample.details`) read of them. One that it did not find
    has null there.
    """
    make = _Maker(more)
    fillers = [FILLERS[part] for part in FILLERS if part in more.ask.parts]
    moments = Moments(more, None, 0.0)
    for row in rows:
        pid = str(row.pid)
        make.attribute(row, pid)
        for fill in fillers:
            fill(row, pid, moments, False)


def _compared(row: Process, line: Line, was: Line | None, ticks_per_s: int, window_s: float) -> bool:
    """Fill in what follows from the earlier line too; whether there is one of the same process: a pid
    is that only when it started at the same tick.
    """
    if was is None or was.started_ticks != line.started_ticks:
        return False
    row.state_before = state_name(was.state)
    if line.ticks >= was.ticks:
        row.cpu_ratio = round((line.ticks - was.ticks) / ticks_per_s / window_s, 4)
    if line.major_faults >= was.major_faults:
        row.major_faults_per_s = round((line.major_faults - was.major_faults) / window_s, 2)
    return True


def _standing(now: Sample, before: Sample | None) -> tuple[set[str], list[Filler]]:
    """The processes whose row follows from that of the round before, and what must be filled into it
    again: all but what the same bytes say again, or is the same of everyone who is not in D state.
    """
    if before is None or now.since != before.clock or now.ask != before.ask or now.users != before.users:
        return set(), []
    still = {"scheduling"}
    if now.containers == before.containers:
        still.add("names")
    if now.threads is before.threads is None:
        still.add("blocked")
    return now.same - now.blocked(), [FILLERS[part] for part in FILLERS if part in now.ask.parts - still]


class _Maker:
    """Makes the rows of a reading; what most of them share is worked out once."""

    def __init__(self, now: Sample) -> None:
        self._now, self._ask = now, now.ask
        self._cgroups = now.files.get("cgroup", {})
        self._commands = now.files.get("cmdline", {})
        self._uptime_s, self._ticks_per_s = now.clock.boot, now.clock_ticks_per_s

    def __call__(self, pid: str, line: Line) -> Process:
        now, ask = self._now, self._ask
        ticks_per_s = now.clock_ticks_per_s
        path, found = self._whose(pid) if ask.cgroups else _NOT_ASKED
        uid = now.uids.get(pid) if ask.uids or ask.users else UNSET
        user: str | UnsetType | None = UNSET
        if ask.users:
            user = now.users.get(uid) if isinstance(uid, int) else None
        return Process(
            int(pid),
            line.ppid,
            user,
            uid,
            state_name(line.state),
            None,
            line.rss_pages * now.page_bytes,
            line.threads,
            self._age_s(line),
            found[0],
            found[2],
            found[4],
            line.comm.decode("utf-8", "backslashreplace"),
            _command(self._commands.get(pid)) if ask.commands else UNSET,
            line.nice,
            line.ticks / ticks_per_s,
            line.virtual_bytes,
            line.major_faults,
            line.kernel,
            path,
            found[3],
        )

    def again(self, known: Process, line: Line) -> Process:
        """The row of a process of which not one byte has changed: it has only grown older."""
        row: Process = known.__copy__()  # type: ignore[attr-defined]  # a third of what copy() costs
        row.age_s = self._age_s(line)
        row.cpu_ratio = row.major_faults_per_s = 0.0
        row.state_before = row.state
        return row

    def _age_s(self, line: Line) -> float:
        age = self._uptime_s - line.started_ticks / self._ticks_per_s
        return round(age, 2) if age > 0 else 0.0

    def attribute(self, row: Process, pid: str) -> None:
        """What `__call__` does of the parts that are no filler's, into a row that stands."""
        now, ask = self._now, self._ask
        if ask.cgroups:
            row.cgroup, found = self._whose(pid)
            row.unit, row.container, row.engine, row.pod = found[0], found[2], found[3], found[4]
        if ask.commands:
            row.command = _command(self._commands.get(pid))
        if ask.uids or ask.users:
            row.uid = now.uids.get(pid)
        if ask.users:
            row.user = now.users.get(row.uid) if isinstance(row.uid, int) else None

    def _whose(self, pid: str) -> tuple[str | UnsetType | None, _Names]:
        raw = self._cgroups.get(pid)
        if raw is None or isinstance(raw, int):
            return _UNREAD
        try:
            return attributed(raw)
        except SretoolError as error:
            self._now.errors.append(error)
            return _UNREAD


_Names = tuple[Union[str, UnsetType, None], ...]
_NOT_ASKED: tuple[str | UnsetType | None, _Names] = (UNSET, (UNSET,) * 5)
_UNREAD: tuple[str | UnsetType | None, _Names] = (None, (None,) * 5)


def _command(raw: bytes | int | None) -> str | None:
    if raw is None or isinstance(raw, int):
        return None
    return _masked(raw if len(raw) <= _CMDLINE_LIMIT_BYTES else raw[:_CMDLINE_LIMIT_BYTES])


@lru_cache(maxsize=1024)
def _masked(raw: bytes) -> str:
    text = mask(raw).rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "backslashreplace")
    return text if len(text) <= COMMAND_LIMIT else text[: COMMAND_LIMIT - 1] + "…"


def _capacity(moments: Moments) -> Capacity:
    now = moments.now
    fields = now.host.get("/proc/loadavg", b"").split()
    there = fields[3].partition(b"/")[2] if len(fields) > 3 else b""
    swap_kib = number(now.host.get("/proc/meminfo", b""), b"SwapTotal:")
    swapped_in = [
        None if one is None else number(one.host.get("/proc/vmstat", b""), b"pswpin ")
        for one in (now, moments.before)
    ]

    def told(path: str) -> int | None:
        return number(b"=" + now.host.get(path, b""), b"=")

    return Capacity(
        number(b"=" + there, b"="),
        told("/proc/sys/kernel/pid_max"),
        told("/proc/sys/kernel/threads-max"),
        told("/proc/sys/kernel/sched_rt_runtime_us"),
        told("/proc/sys/kernel/sched_rt_period_us"),
        None if swap_kib is None else swap_kib * 1024,
        per_second(swapped_in[0], swapped_in[1], moments.window_s),
        {str(uid): name for uid in sorted({*now.uids.values()}) if (name := now.users.get(uid)) is not None},
    )
