"""The counters of one process at one moment; or, for a recording, all that can be recorded of all."""

from __future__ import annotations

import contextlib
import errno
from typing import NamedTuple

from msgspec import Struct

from sretool.cgroups import read as cgroups
from sretool.errors import Denied, Missing, NotRecorded, SourceError, SretoolError, UsageError, from_errno
from sretool.host import taskstats
from sretool.host.attribution import cgroup_path
from sretool.host.identity import Identity, identity
from sretool.host.mountinfo import hides_processes
from sretool.host.source import Bulk, Clock, Source, pids
from sretool.procs.show.read import everyone
from sretool.procs.stat import parse

PROCESS_FILES = ("stat", "status", "cgroup", "schedstat", "wchan")
THREAD_FILES = ("stat", "status", "schedstat", "wchan")
THREADS_LIMIT = 4096
GONE = (errno.ENOENT, errno.ESRCH)
GROUP = cgroups.Ask(
    cpu=True, quota=True, cpuset=True, memory=True, stat=True, bounds=True, events=True, pids=True, io=True,
    pressure=True, state=True,
)  # fmt: skip


class Ask(NamedTuple):
    """`pid` None: every process, which only a recording wants."""

    pid: int | None = None


EVERYTHING = Ask()


class Sample(Struct):
    """One reading of one process, as bytes. In a value an errno may stand for what could not be read.

    files: of /proc/PID by name. threads: by tid, the files of THREAD_FILES.
    """

    clock: Clock
    pid: str = ""
    who: Identity | None = None
    files: dict[str, bytes | int] = {}
    threads: Bulk = {}
    group: cgroups.Sample | None = None
    delays: taskstats.Delays | None = None
    errors: list[SretoolError] = []

    def raw(self, file: str) -> bytes | None:
        """What a file said; None when it was not read."""
        found = self.files.get(file)
        return found if isinstance(found, bytes) else None


def sample(source: Source, ask: Ask) -> Sample:
    """Read it, what cannot block first.

    Raises:
        SourceError: there is no such process, or it may not be seen.
        UsageError: it is a thread of another one.
        ParseError: its stat line is none, or who reads the host is not known.
    """
    now = Sample(source.clock(), str(ask.pid))
    if ask.pid is None:
        everyone.read(source, now.errors)
        return now
    now.who = identity(source)
    now.files = dict(zip(PROCESS_FILES, source.bulk("/proc", [now.pid], PROCESS_FILES)[now.pid]))
    stat = now.files["stat"]
    if isinstance(stat, int):
        raise _absent(source, now, stat)
    _refuse_threads(now)
    line = parse(stat, now.pid)
    note(now, PROCESS_FILES)
    _read_threads(source, now, line.threads)
    # it takes the lock of an exec, which a process in D state may hold
    now.files["io"] = source.bulk("/proc", [now.pid], ["io"], guarded=True)[now.pid][0]
    note(now, ["io"])
    try:
        paths = {cgroup_path(now.raw("cgroup") or b""), *v1_paths(now.raw("cgroup") or b"").values()}
        now.group = cgroups.sample(source, GROUP, sorted(paths))
        now.errors += now.group.errors
    except SretoolError as error:
        now.errors.append(error)
    now.delays = taskstats.delays(source, [ask.pid], now.errors).get(ask.pid)
    return now


def note(now: Sample, files: tuple[str, ...] | list[str]) -> None:
    """Put into `errors` which of these files could not be read."""
    for file in files:
        found = now.files[file]
        if isinstance(found, int) and found not in GONE:
            now.errors.append(from_errno(found, f"/proc/{now.pid}/{file}"))


def _read_threads(source: Source, now: Sample, threads: int) -> None:
    if threads < 2:  # its main thread is all of it
        now.threads = {now.pid: tuple(now.files[file] for file in THREAD_FILES)}
        return
    parent = f"/proc/{now.pid}/task"
    try:
        names = source.listdir(parent)
    except SourceError as error:
        now.errors.append(error)
        return
    now.threads = source.bulk(parent, sorted(names, key=len)[:THREADS_LIMIT], THREAD_FILES)
    missed = [items[0] for items in now.threads.values() if items[0] == errno.ENODATA]
    if missed:
        message = f"{len(missed)} of {threads} threads are not in this recording"
        now.errors.append(NotRecorded(parent, message, errno=errno.ENODATA))


def v1_paths(raw: bytes) -> dict[str, str]:
    """The group in each v1 hierarchy, by controller: /proc/PID/cgroup has one line for each."""
    found = {}
    for line in raw.splitlines():
        fields = line.split(b":", 2)
        if len(fields) == 3 and fields[1]:
            for controller in fields[1].decode("ascii", "replace").split(","):
                found[controller] = fields[2].decode("utf-8", "backslashreplace")
    return found


def _refuse_threads(now: Sample) -> None:
    """A thread is found by its number, and not listed."""
    leader = (now.raw("status") or b"").partition(b"\nTgid:")[2].split(None, 1)[:1]
    if leader and leader[0] != now.pid.encode() and leader[0].isdigit():
        main = leader[0].decode()
        raise UsageError(f"PID {now.pid}", f"is a thread of process {main}", f"sretool procs show {main}")


def _absent(source: Source, now: Sample, number: int) -> SretoolError:
    what = f"process {now.pid}"
    if number == errno.ENODATA:
        with contextlib.suppress(SourceError):
            if now.pid not in pids(source):
                return Missing(what, "there was no such process when this was recorded", errno=errno.ESRCH)
        return from_errno(number, what)
    if number not in GONE:
        return from_errno(number, what)
    with contextlib.suppress(SourceError):
        if now.who is not None and now.who.uid and hides_processes(source.read("/proc/self/mountinfo")):
            message = "there is no such process, or it is another user's: /proc is mounted with hidepid"
            return Denied(what, message, "run with sudo", errno=number)
    return Missing(
        what, "there is no such process", "it may have ended; see sretool procs list", errno=number
    )
