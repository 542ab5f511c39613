"""Processes straight from /proc: one pass, each file read once, and only those that were asked for."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from typing import NamedTuple, Union

from msgspec import UNSET, Struct, UnsetType

from sretool.errors import Denied, SourceError, SretoolError, from_errno
from sretool.host.attribution import attribute, cgroup_path
from sretool.host.decimal import integer
from sretool.host.identity import identity
from sretool.host.secrets import mask
from sretool.host.source import Clock, Source, attempt, pids
from sretool.host.users import names
from sretool.procs.model import Process, Processes
from sretool.procs.stat import Line, parse, state_letter, state_name

COMMAND_LIMIT = 4096
_CMDLINE_LIMIT_BYTES = 1 << 16
_GONE = (errno.ENOENT, errno.ESRCH)


class Ask(NamedTuple):
    """What to read beside /proc/PID/stat, which everything else follows from."""

    users: bool = False
    cgroups: bool = False
    commands: bool = False
    blocked: bool = False
    fds: bool = False


_NEEDS = {
    "users": {"user", "uid"},
    "cgroups": {"unit", "container", "pod", "cgroup", "engine"},
    "commands": {"command"},
    "blocked": {"wchan", "stuck"},
    "fds": {"fds", "fd_limit"},
}
EVERYTHING = Ask(True, True, True, True, True)
TRIAGE = EVERYTHING
LIGHT_FIELDS = tuple(name for name in Process.__struct_fields__ if name not in _NEEDS["fds"])
"""What JSON gives when no field is named: all but what costs two more reads a process."""


def ask_for(fields: Iterable[str]) -> Ask:
    """The ask that these fields need."""
    wanted = set(fields)
    return Ask(**{part: not wanted.isdisjoint(needed) for part, needed in _NEEDS.items()})


class Sample(Struct):
    """One reading, as bytes. Every dict is by pid, as /proc names it; in a value an errno may
    stand for what could not be read. What was not asked for is an empty dict.
    """

    clock: Clock
    ask: Ask
    clock_ticks_per_s: int = 100
    page_bytes: int = 4096
    stats: dict[str, bytes] = {}
    cgroups: dict[str, bytes | int] = {}
    commands: dict[str, bytes | int] = {}
    uids: dict[str, int] = {}
    users: dict[int, str | None] = {}
    blocked: dict[str, tuple[bytes | int, ...]] = {}
    fds: dict[str, int] = {}
    limits: dict[str, bytes | int] = {}
    errors: list[SretoolError] = []


def sample(source: Source, ask: Ask) -> Sample:
    """Read it. A process that ends meanwhile is dropped without a word; what we may not read is
    noted in `errors`.

    Raises:
        SourceError, ParseError: /proc cannot be listed, or the host's identity is not known.
    """
    now = Sample(source.clock(), ask)
    reader = identity(source)
    now.clock_ticks_per_s, now.page_bytes = reader.clock_ticks_per_s, reader.page_bytes
    files = ["stat", "cgroup"] if ask.cgroups else ["stat"]
    for pid, items in source.bulk("/proc", pids(source), files).items():
        raw = items[0]
        if isinstance(raw, int):
            _note(now.errors, raw, f"/proc/{pid}/stat")
            continue
        now.stats[pid] = raw
        if ask.cgroups:
            now.cgroups[pid] = items[1]
    # cmdline of a process in D state can block for ever (it takes its mmap lock): those are read in
    # a child with a deadline, after all that cannot block
    blocked = [pid for pid, raw in now.stats.items() if state_letter(raw) == b"D"]
    if ask.commands:
        _read_commands(source, now, set(blocked))
    if ask.users:
        _read_users(source, now)
    if ask.blocked and blocked:
        now.blocked = source.bulk("/proc", blocked, ["wchan", "status"])
    if ask.fds:
        _read_fds(source, now)
    _note_hidden(source, now, reader.uid)
    return now


def _note(errors: list[SretoolError], number: int, what: str) -> None:
    if number not in _GONE:
        errors.append(from_errno(number, what))


def _read_commands(source: Source, now: Sample, blocked: set[str]) -> None:
    free = [pid for pid in now.stats if pid not in blocked]
    found = source.bulk("/proc", free, ["cmdline"])
    if blocked:
        found.update(source.bulk("/proc", sorted(blocked), ["cmdline"], guarded=True))
    for pid, (raw,) in found.items():
        now.commands[pid] = raw
        if isinstance(raw, int):
            _note(now.errors, raw, f"/proc/{pid}/cmdline")


def _read_users(source: Source, now: Sample) -> None:
    # the owner of /proc/PID is the effective uid, for a directory also when the process is not
    # dumpable (fs/proc/base.c task_dump_owner); this is what ps reads too
    stat = source.stat
    for pid in now.stats:
        try:
            now.uids[pid] = stat(f"/proc/{pid}").uid
        except SourceError as error:
            _note(now.errors, error.errno, f"/proc/{pid}")
    now.users = names(source, now.uids.values(), now.errors)


def _read_fds(source: Source, now: Sample) -> None:
    count: Callable[[str], int] = (
        (lambda path: source.stat(path).size_bytes) if _fd_count_is_size(source) else _counted(source)
    )
    for pid in now.stats:
        path = f"/proc/{pid}/fd"
        try:
            now.fds[pid] = count(path)
        except SourceError as error:
            _note(now.errors, error.errno, path)
    for pid, (raw,) in source.bulk("/proc", list(now.stats), ["limits"]).items():
        now.limits[pid] = raw


def _fd_count_is_size(source: Source) -> bool:
    """Since 6.2 the size of /proc/PID/fd is the number of descriptors; before, it is 0."""
    try:
        return source.stat("/proc/self/fd").size_bytes > 0
    except SourceError:
        return False


def _counted(source: Source) -> Callable[[str], int]:
    return lambda path: len(source.listdir(path))


def _note_hidden(source: Source, now: Sample, uid: int) -> None:
    """With hidepid, a listing looks whole and is not."""
    mounts = attempt(now.errors, source.read, "/proc/self/mountinfo")
    if uid == 0 or mounts is None:
        return
    for line in mounts.splitlines():
        head, _, tail = line.partition(b" - ")
        if head.split()[4:5] == [b"/proc"] and b"hidepid=" in tail and b"hidepid=0" not in tail:
            now.errors.append(
                Denied("/proc", "mounted with hidepid: other users' processes are hidden", "run with sudo")
            )


def build(
    now: Sample, before: Sample | None = None, keep: Callable[[Process], bool] | None = None
) -> Processes:
    """Rows from one reading, rates from two; `keep` says which rows stay. A stat line that cannot
    be parsed costs its row and is noted in `now.errors`.
    """
    window = now.clock.mono - before.clock.mono if before is not None else 0.0
    earlier = _earlier(before) if before is not None and window > 0 else {}
    whose = _Whose(now)
    rows = []
    for pid, raw in now.stats.items():
        try:
            line = parse(raw, pid)
        except SretoolError as error:
            now.errors.append(error)
            continue
        row = _process(now, pid, line, whose)
        was = earlier.get(pid)
        # a pid is the same process only when it started at the same tick
        if was is not None and before is not None and was.started_ticks == line.started_ticks:
            row.state_before = state_name(was.state)
            if line.ticks >= was.ticks:
                row.cpu_ratio = round((line.ticks - was.ticks) / now.clock_ticks_per_s / window, 4)
            if now.ask.blocked:
                row.stuck = _stuck(row, now.blocked.get(pid), before.blocked.get(pid))
        if keep is None or keep(row):
            rows.append(row)
    rows.sort(key=lambda row: (-(row.cpu_ratio or 0), -row.rss_bytes, row.pid))
    return Processes(rows, len(rows), round(window, 3) if window > 0 else None)


def _earlier(before: Sample) -> dict[str, Line]:
    found = {}
    for pid, raw in before.stats.items():
        try:
            found[pid] = parse(raw, pid)
        except SretoolError:  # the row is there without a rate
            continue
    return found


def _process(now: Sample, pid: str, line: Line, whose: _Whose) -> Process:
    ask = now.ask
    path, found = whose(pid) if ask.cgroups else _NOT_ASKED
    uid = now.uids.get(pid) if ask.users else UNSET
    row = Process(
        int(pid),
        line.ppid,
        now.users.get(uid) if isinstance(uid, int) else uid,
        uid,
        state_name(line.state),
        None,
        line.rss_pages * now.page_bytes,
        line.threads,
        round(max(0.0, now.clock.boot - line.started_ticks / now.clock_ticks_per_s), 2),
        found[0],
        found[2],
        found[4],
        line.comm.decode("utf-8", "backslashreplace"),
        _command(now.commands.get(pid)) if ask.commands else UNSET,
        line.nice,
        line.ticks / now.clock_ticks_per_s,
        line.virtual_bytes,
        line.major_faults,
        line.kernel,
        path,
        found[3],
    )
    if ask.blocked:
        row.wchan, row.stuck = _wchan(now.blocked.get(pid)), None
    if ask.fds:
        row.fds, row.fd_limit = now.fds.get(pid), _fd_limit(now.limits.get(pid))
    return row


_Names = tuple[Union[str, UnsetType, None], ...]
_NOT_ASKED: tuple[str | UnsetType | None, _Names] = (UNSET, (UNSET,) * 5)
_UNREAD: tuple[str | UnsetType | None, _Names] = (None, (None,) * 5)


class _Whose:
    """Cgroup path and attribution of a pid; processes of one cgroup share the work."""

    def __init__(self, now: Sample) -> None:
        self._now = now
        self._known: dict[bytes, tuple[str | UnsetType | None, _Names]] = {}

    def __call__(self, pid: str) -> tuple[str | UnsetType | None, _Names]:
        raw = self._now.cgroups.get(pid)
        if raw is None or isinstance(raw, int):
            return _UNREAD
        known = self._known.get(raw)
        if known is None:
            try:
                path = cgroup_path(raw)
                known = path, attribute(path)
            except SretoolError as error:
                self._now.errors.append(error)
                known = _UNREAD
            self._known[raw] = known
        return known


def _command(raw: bytes | int | None) -> str | None:
    if raw is None or isinstance(raw, int):
        return None
    line = mask(raw if len(raw) <= _CMDLINE_LIMIT_BYTES else raw[:_CMDLINE_LIMIT_BYTES])
    text = line.rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "backslashreplace")
    return text if len(text) <= COMMAND_LIMIT else text[: COMMAND_LIMIT - 1] + "…"


def _wchan(items: tuple[bytes | int, ...] | None) -> str | None:
    # the kernel says 0 to those who may not know
    if items is None or isinstance(items[0], int) or items[0] in (b"0", b""):
        return None
    return items[0].decode("utf-8", "backslashreplace")


def _stuck(
    row: Process, items: tuple[bytes | int, ...] | None, were: tuple[bytes | int, ...] | None
) -> bool | None:
    if row.state != "disk-sleep" or row.state_before != "disk-sleep":
        return False
    now, before = (_switches(found) for found in (items, were))
    return None if now is None or before is None else now == before


def _switches(items: tuple[bytes | int, ...] | None) -> bytes | None:
    if items is None or isinstance(items[1], int):
        return None
    found = items[1].partition(b"\nvoluntary_ctxt_switches:")[2].split(None, 1)
    return found[0] if found else None


def _fd_limit(raw: bytes | int | None) -> int | None:
    if raw is None or isinstance(raw, int):
        return None
    soft = raw.partition(b"\nMax open files")[2].split(None, 1)[:1]
    try:
        return integer(soft[0]) if soft else None
    except ValueError:  # unlimited
        return None
