"""One reading of /proc, as bytes: each file of a process once, and only those that were asked for."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from sretool.errors import Denied, ParseError, SourceError, SretoolError, from_errno
from sretool.host.attribution import attributed
from sretool.host.identity import identity
from sretool.host.mountinfo import hides_processes
from sretool.host.source import Bulk, Clock, Source, attempt, pids
from sretool.host.users import names
from sretool.procs.list.model import Process
from sretool.procs.list.read import threads
from sretool.procs.list.read.ask import Ask
from sretool.procs.stat import Line, parse

DESCRIBED_S = 10
T = TypeVar("T")
_GONE = (errno.ENOENT, errno.ESRCH)
if TYPE_CHECKING:  # they cost 10 ms to load, and few listings ask for them
    from sretool.host.engines import Container
    from sretool.host.taskstats import Delays

_LASTING_FILES = ("cgroup", "cmdline")
_CAPACITY_FILES = (
    "/proc/vmstat",
    "/proc/sys/kernel/pid_max",
    "/proc/sys/kernel/threads-max",
    "/proc/sys/kernel/sched_rt_runtime_us",
    "/proc/sys/kernel/sched_rt_period_us",
)


class Sample(Struct):
    """One reading, as bytes. Every dict is by pid, as /proc names it; in a value an errno may
    stand for what could not be read. What was not asked for is not there.

    files: by file name, then by pid.
    containers: by short id, as far as the processes are in any.
    threads: by pid, then by tid: stat, wchan and status of threads in D state. None: not looked for.
    described_at: the monotonic clock when users, names and command lines were read.
    since, same: in a watch, the clock of the reading before, and the processes of which stat and
        those are as they were then.
    made: the rows that `build` made, for the next round of a watch.
    """

    clock: Clock
    ask: Ask
    clock_ticks_per_s: int = 100
    page_bytes: int = 4096
    stats: dict[str, bytes] = {}
    files: dict[str, dict[str, bytes | int]] = {}
    uids: dict[str, int] = {}
    users: dict[int, str | None] = {}
    fds: dict[str, int] = {}
    namespaces: dict[str, dict[str, str] | int] = {}
    delays: dict[int, Delays] = {}
    containers: dict[str, Container] = {}
    threads: dict[str, Bulk] | None = None
    host: dict[str, bytes] = {}
    errors: list[SretoolError] = []
    described_at: dict[str, float] = {}
    since: Clock | None = None
    same: set[str] = set()
    made: dict[str, Process] = {}
    _lines: dict[str, Line] | None = None

    def lines(self, known: Sample | None = None) -> dict[str, Line]:
        """The stat lines, parsed once; those that are the same bytes as in `known`, not again. One
        that cannot be parsed is left out and noted in `errors`.
        """
        if self._lines is None:
            self._lines = found = {}
            were, raws = ({}, {}) if known is None else (known._lines or {}, known.stats)
            for pid, raw in self.stats.items():
                if raws.get(pid) == raw and pid in were:
                    found[pid] = were[pid]
                    continue
                try:
                    found[pid] = parse(raw, pid)
                except SretoolError as error:
                    self.errors.append(error)
        return self._lines

    def blocked(self) -> set[str]:
        """Those in D state."""
        return {pid for pid, line in self.lines().items() if line.state == b"D"}


def sample(source: Source, ask: Ask, last: Sample | None = None) -> Sample:
    """Read it. A process that ends meanwhile is dropped without a word; what we may not read is
    noted in `errors`.

    Args:
        source: where.
        ask: what.
        last: the reading before, of the same `ask`, in a watch. Command line, cgroup and owner of a
            process whose stat line has not changed by a byte are taken over from it, for at most
            DESCRIBED_S: whoever gives itself another title runs, and nearly always shows it there.

    Raises:
        SourceError, ParseError: /proc cannot be listed, or the host's identity is not known.
    """
    now = Sample(source.clock(), ask)
    reader = identity(source)
    now.clock_ticks_per_s, now.page_bytes = reader.clock_ticks_per_s, reader.page_bytes
    files = ["stat", *_files(ask)]
    found = source.bulk("/proc", pids(source), files)
    for pid, items in found.items():
        raw = items[0]
        if isinstance(raw, int):
            _note(now.errors, raw, f"/proc/{pid}/stat")
        else:
            now.stats[pid] = raw
    _keep(now, files[1:], {pid: found[pid][1:] for pid in now.stats} if files[1:] else {})
    now.lines(last)
    anew = list(now.stats) if last is None else _take_over(now, last)
    _more(source, now, anew)
    if last is not None:
        now.since, now.same = last.clock, _unchanged(now, last, anew)
    for pid in anew:
        # of a first reading spread over the time that it lasts, so that not all fall due in one round
        spent = int(pid[-2:]) % DESCRIBED_S if last is None else 0
        now.described_at[pid] = now.clock.mono - spent
    if ask.delays:
        from sretool.host import taskstats

        now.delays = taskstats.delays(source, map(int, now.stats), now.errors)
    _read_host(source, now)
    if ask.swapped and "status" not in now.files:
        _read_swapped(source, now)
    if ask.blocked:
        _read_blocked(source, now)
    _note_hidden(source, now, reader.uid)
    return now


def _take_over(now: Sample, last: Sample) -> list[str]:
    """The processes that are to be described anew; the others are, from `last`."""
    due, were, described = now.clock.mono - DESCRIBED_S, last.lines(), last.described_at
    same = {
        pid for pid, line in now.lines().items() if line is were.get(pid) and described.get(pid, -inf) > due
    }
    others = described.keys() - same

    def taken(column: dict[str, T]) -> dict[str, T]:
        column = column.copy()  # at once, and most of it stays
        for pid in others:
            column.pop(pid, None)
        return column

    now.described_at, now.uids = taken(described), taken(last.uids)
    for file in _LASTING_FILES:
        if file in last.files:
            now.files[file] = taken(last.files[file])
    now.users, now.containers = last.users, last.containers
    return [pid for pid in now.stats if pid not in same]


def _unchanged(now: Sample, last: Sample, anew: list[str]) -> set[str]:
    """Those that were not described anew, and those of whom that gave nothing new."""
    columns: list[tuple[Mapping[str, object], Mapping[str, object]]]
    columns = [(now.files.get(file, {}), last.files.get(file, {})) for file in _LASTING_FILES]
    columns.append((now.uids, last.uids))
    lines, were = now.lines(), last.lines()
    changed = {pid for pid in anew if pid not in lines or lines[pid] is not were.get(pid)}
    for column, before in columns:
        changed.update(pid for pid in anew if column.get(pid) != before.get(pid))
    return now.stats.keys() - changed


def details(source: Source, now: Sample, ask: Ask, wanted: Iterable[int]) -> Sample:
    """A second look, at some processes of `now` only: what `ask` adds to it. One whose pid belongs
    to another process by now, or to none, is not in it.
    """
    more = Sample(now.clock, ask, now.clock_ticks_per_s, now.page_bytes)
    names = ["stat", *_files(ask)]
    found = source.bulk("/proc", [str(pid) for pid in wanted], names)
    lines = now.lines()
    more._lines = {}
    for pid, items in found.items():
        if isinstance(items[0], int):
            continue
        try:
            again = parse(items[0], pid)
        except SretoolError:
            continue
        if pid in lines and again.started_ticks == lines[pid].started_ticks:
            more.stats[pid], more._lines[pid] = items[0], again
    _keep(more, names[1:], {pid: found[pid][1:] for pid in more.stats})
    _more(source, more, list(more.stats))
    return more


def _files(ask: Ask) -> list[str]:
    """What is read in one go with stat: files that no state of a process makes block (which ones do:
    host/source.py `bulk`), and that may change without a trace in stat.
    """
    return [
        *(["status"] if ask.status else []),
        *(["limits"] if ask.limits else []),
        *(["oom_score", "oom_score_adj"] if ask.oom else []),
    ]


def _keep(now: Sample, files: list[str], found: Bulk) -> None:
    for at, file in enumerate(files):
        column = {pid: items[at] for pid, items in found.items()}
        now.files.setdefault(file, {}).update(column)
        for pid, item in column.items():
            if item.__class__ is int:
                _note(now.errors, item, f"/proc/{pid}/{file}")


def _note(errors: list[SretoolError], number: int, what: str) -> None:
    if number not in _GONE:
        errors.append(from_errno(number, what))


def _more(source: Source, now: Sample, anew: list[str]) -> None:
    """What is not read with stat; users, names and command lines of the processes `anew` only."""
    ask, stats, blocked = now.ask, now.stats, now.blocked()
    # cmdline of a process in D state can block for ever (it takes its mmap lock, and io the lock of
    # an exec): those are read in a child with a deadline, after all that cannot block
    whose = ask.cgroups or ask.names
    lasting = [*(["cgroup"] if whose else []), *(["cmdline"] if ask.commands else [])]
    free = [pid for pid in anew if pid not in blocked] if blocked else anew
    if lasting:
        _keep(now, lasting, source.bulk("/proc", free, lasting))
    if ask.io:
        _keep(now, ["io"], source.bulk("/proc", [pid for pid in stats if pid not in blocked], ["io"]))
    if blocked and whose:
        _keep(now, ["cgroup"], source.bulk("/proc", sorted(blocked), ["cgroup"]))
    if blocked and (slow := [*lasting[whose:], *(["io"] if ask.io else [])]):
        _keep(now, slow, source.bulk("/proc", sorted(blocked), slow, guarded=True))
    if ask.uids or ask.users:
        _read_users(source, now, anew)
    if ask.names:
        _read_names(source, now)
    if ask.fds:
        _read_fds(source, now)
    if ask.namespaces:
        _read_namespaces(source, now)
    if ask.rollup:
        # it walks the page tables of the whole process: last, and never of one in D state
        free = [pid for pid in stats if pid not in blocked]
        _keep(now, ["smaps_rollup"], source.bulk("/proc", free, ["smaps_rollup"], guarded=True))


def _read_users(source: Source, now: Sample, anew: list[str]) -> None:
    # the owner of /proc/PID is the effective uid, for a directory also when the process is not
    # dumpable (fs/proc/base.c task_dump_owner); this is what ps reads too
    stat = source.stat
    for pid in anew:
        try:
            now.uids[pid] = stat(f"/proc/{pid}").uid
        except SourceError as error:
            _note(now.errors, error.errno, f"/proc/{pid}")
    unknown = {uid for uid in set(now.uids.values()) if now.users.get(uid) is None}
    if unknown:
        # who only asks for uids waits for no directory server
        found = names(source, unknown, now.errors, services=now.ask.users)
        now.users = {**now.users, **found}


def _read_names(source: Source, now: Sample) -> None:
    whose = []
    for raw in {item for item in now.files["cgroup"].values() if isinstance(item, bytes)}:
        with contextlib.suppress(ParseError):  # noted where the path is wanted
            whose.append(attributed(raw)[1])
    if any(one.container for one in whose):
        from sretool.host import engines

        now.containers = engines.named(source, now.errors, whose)


def _read_fds(source: Source, now: Sample) -> None:
    count: Callable[[str], int] = (
        (lambda path: source.stat(path).size_bytes)
        if _fd_count_is_size(source)
        else (lambda path: len(source.listdir(path)))
    )
    for pid in now.stats:
        path = f"/proc/{pid}/fd"
        try:
            now.fds[pid] = count(path)
        except SourceError as error:
            _note(now.errors, error.errno, path)


def _fd_count_is_size(source: Source) -> bool:
    """Since 6.2 the size of /proc/PID/fd is the number of descriptors; before, it is 0."""
    try:
        return source.stat("/proc/self/fd").size_bytes > 0
    except SourceError:
        return False


def _read_namespaces(source: Source, now: Sample) -> None:
    now.namespaces = source.links("/proc", list(now.stats), "ns")
    for pid, found in now.namespaces.items():
        if isinstance(found, int):
            _note(now.errors, found, f"/proc/{pid}/ns")


def _read_host(source: Source, now: Sample) -> None:
    """What could not be read costs the check that needs it, which says so."""
    ask = now.ask
    for path in (
        *(["/proc/loadavg"] if ask.blocked or ask.capacity else []),
        *(["/proc/meminfo"] if ask.swapped or ask.capacity else []),
        *(_CAPACITY_FILES if ask.capacity else []),
    ):
        with contextlib.suppress(SourceError):
            now.host[path] = source.read(path)


def _read_swapped(source: Source, now: Sample) -> None:
    """Nobody has anything in swap where none is in use, and who never read a page from a disk never
    read one from swap: on most hosts that spares all of them.
    """
    if threads.number(now.host.get("/proc/meminfo", b""), b"SwapTotal:") == threads.number(
        now.host.get("/proc/meminfo", b""), b"SwapFree:"
    ):
        return
    faulted = [pid for pid, line in now.lines().items() if line.major_faults and not line.kernel]
    now.files["status"] = {pid: items[0] for pid, items in source.bulk("/proc", faulted, ["status"]).items()}


def _read_blocked(source: Source, now: Sample) -> None:
    blocked = now.blocked()
    if blocked:
        files = ["wchan", "status"]
        for pid, items in source.bulk("/proc", sorted(blocked), files).items():
            for file, item in zip(files, items):
                now.files.setdefault(file, {}).setdefault(pid, item)
    if threads.hidden(now.host.get("/proc/loadavg", b""), len(blocked)):
        now.threads = threads.blocked(source, now.lines())


def _note_hidden(source: Source, now: Sample, uid: int) -> None:
    """With hidepid, a listing looks whole and is not."""
    mounts = None if uid == 0 else attempt(now.errors, source.read, "/proc/self/mountinfo")
    if mounts is None:
        return
    if hides_processes(mounts):
        message = "mounted with hidepid: other users' processes are hidden"
        now.errors.append(Denied("/proc", message, "run with sudo"))
