"""What a person names, as one process: a pid, a name, a port, a file, a unit or a container."""

from __future__ import annotations

import errno
import posixpath
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import NamedTuple

from sretool.errors import (
    Ambiguous,
    Denied,
    Missing,
    NotRecorded,
    SourceError,
    SretoolError,
    UsageError,
    from_errno,
)
from sretool.host import engines, systemd
from sretool.host.source import PID_DIGITS, Source
from sretool.procs.list.ports import holders
from sretool.procs.table import Proc, Table
from sretool.report.times import rfc3339

KINDS = ("pid", "name", "port", "file", "unit", "container")
_SHOWN = 20
_UNIT_SUFFIXES = (".service", ".scope", ".socket", ".timer", ".path", ".slice", ".mount", ".swap", ".target")
_ID_DIGITS = 4  # of a container's id, at least
_LINKS_LIMIT = 40  # MAXSYMLINKS, include/linux/namei.h
_TEMPLATE = frozenset("*?[")


class Target(NamedTuple):
    """The process that was meant. `kind` is how it was found, `how` that in words; `group` holds the
    other processes found so: its workers.
    """

    kind: str
    how: str
    main: Proc
    group: tuple[Proc, ...]


def resolve(source: Source, given: str, known: Table, errors: list[SretoolError]) -> Target:
    """The process that `given` names. A main process and its workers (it is the ancestor of them all,
    in one unit or container) are one target, and the main process stands for it.

    Raises:
        UsageError: it names nothing that can be asked.
        Ambiguous: several unrelated processes fit; they are in the error.
        Missing: nothing fits.
        SourceError: what it takes to tell could not be read.
    """
    kind, text = _kind(given)
    found: dict[int, tuple[str, str]] = {}
    for one in (kind,) if kind else _guesses(text):
        for pid, how in _FINDERS[one](source, text, known, errors).items():
            found.setdefault(pid, (one, how))
        if found and one in ("pid", "port", "file"):
            break
    if not found and not kind and not text.startswith((":", "/")):
        found = {pid: ("name", how) for pid, how in _by_part(text, known).items()}
    if not found:
        raise _nothing(source, given, kind or "", errors)
    return _one(given, found, known)


def _kind(given: str) -> tuple[str, str]:
    head, colon, rest = given.partition(":")
    if colon and head in KINDS:
        return head, rest
    if not given.strip():
        raise UsageError("TARGET", "is empty", "name a process: sretool procs list shows them")
    if given.startswith(":"):
        return "port", given[1:]
    return "", given


def _guesses(text: str) -> tuple[str, ...]:
    if text.isascii() and text.isdigit():
        return ("pid",)
    if "/" in text:
        return ("file",)
    return ("unit",) if text.endswith(_UNIT_SUFFIXES) else ("name", "unit", "container")


def _by_pid(source: Source, text: str, known: Table, errors: list[SretoolError]) -> dict[int, str]:
    if not (text.isascii() and text.isdigit() and len(text) <= PID_DIGITS and int(text)):
        raise UsageError(f"pid {text!r}", "is no pid", "pids are numbers from 1 to 4194304")
    pid = int(text)
    if pid in known.procs:
        return {pid: f"pid {pid}"}
    try:  # a thread is found by its number, and not listed
        status = source.read(f"/proc/{pid}/status")
    except (Missing, NotRecorded):
        raise Missing(
            f"pid {pid}", "there is no such process", "it may have ended", errno=errno.ESRCH
        ) from None
    main = status.partition(b"\nTgid:")[2].split(None, 1)[:1]
    if main and main[0].isdigit() and len(main[0]) <= PID_DIGITS and int(main[0]) in known.procs:
        return {int(main[0]): f"its thread {pid}"}
    return {}


def _by_port(source: Source, text: str, known: Table, errors: list[SretoolError]) -> dict[int, str]:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 1 << 16):
        raise UsageError(f":{text}", "is no port", "ports are numbers from 1 to 65535")
    for listening, verb in ((True, "listens on"), (False, "uses local")):
        pids = holders(source, int(text), errors, listening=listening)
        # init holds what it passes to units by socket activation
        pids = pids - {1} if len(pids) > 1 else pids
        if pids:
            return {pid: f"it {verb} port {text}" for pid in pids if pid in known.procs}
    return {}


def _by_file(source: Source, text: str, known: Table, errors: list[SretoolError]) -> dict[int, str]:
    if not text.startswith("/"):
        raise UsageError(text, "is no absolute path", f"give the whole path; for a name: name:{text}")
    path = posixpath.normpath(text)
    same = {path, real_path(source, path)}
    same |= {f"{one} (deleted)" for one in same}
    files = _Files(source, same, [proc for proc in known.procs.values() if not proc.kernel])
    for find, says in (
        (files.running, "it runs"),
        (files.started_with, "it was started with"),
        (files.open, "it has open:"),
        (files.mapped, "it has mapped:"),
        (files.inside, "it works in"),
    ):
        if pids := find():
            return dict.fromkeys(pids, f"{says} {path}")
    if files.denied:
        errors.append(
            Denied("/proc/PID/exe, fd", "files of other users' processes are unknown", "run with sudo")
        )
    return {}


class _Files:
    """Who has to do with a file that has any of the names `same`."""

    def __init__(self, source: Source, same: set[str], procs: list[Proc]) -> None:
        self._source, self._same, self._procs = source, same, procs
        self.denied = False

    def running(self) -> list[int]:
        return self._linked("exe")

    def started_with(self) -> list[int]:
        """A script is what its interpreter was given."""
        return [proc.pid for proc in self._procs if self._same.intersection(proc.argv[1:2])]

    def open(self) -> list[int]:
        found = []
        for pid, targets in self._source.links("/proc", [str(one.pid) for one in self._procs], "fd").items():
            if isinstance(targets, int):
                self.denied = self.denied or targets in (errno.EACCES, errno.EPERM, errno.ENODATA)
            elif self._same.intersection(targets.values()):
                found.append(int(pid))
        return found

    def mapped(self) -> list[int]:
        ends = tuple(b" " + one.encode("utf-8", "surrogateescape") for one in self._same)
        free = [str(proc.pid) for proc in self._procs if proc.state != "disk-sleep"]
        return [
            int(pid)
            for pid, (maps,) in self._source.bulk("/proc", free, ["maps"], guarded=True).items()
            if isinstance(maps, bytes) and any(line.endswith(ends) for line in maps.split(b"\n"))
        ]

    def inside(self) -> list[int]:
        return self._linked("cwd")

    def _linked(self, name: str) -> list[int]:
        found = []
        for proc in self._procs:
            try:
                if self._source.readlink(f"/proc/{proc.pid}/{name}") in self._same:
                    found.append(proc.pid)
            except (Denied, NotRecorded):
                self.denied = True
            except SourceError:
                continue
        return found


def real_path(source: Source, path: str) -> str:
    """`path` without symbolic links, as far as they can be read: /bin/sh is /usr/bin/dash."""
    done, rest, links = "", path.split("/"), 0
    while rest:
        part = rest.pop(0)
        if part in ("", "."):
            continue
        if part == "..":
            done = posixpath.dirname(done).rstrip("/")
            continue
        done += f"/{part}"
        try:
            to = source.readlink(done) if links < _LINKS_LIMIT else ""
        except SourceError:  # EINVAL: it is no link
            to = ""
        if to:
            links += 1
            done = "" if to.startswith("/") else posixpath.dirname(done).rstrip("/")
            rest = to.split("/") + rest
    return done or "/"


def _by_name(source: Source, text: str, known: Table, errors: list[SretoolError]) -> dict[int, str]:
    if _TEMPLATE.intersection(text):
        return _named(known, "a process whose name fits", lambda name: fnmatchcase(name, text))
    return _named(known, "a process of this name", text.__eq__)


def _by_part(text: str, known: Table) -> dict[int, str]:
    """The last resort: the text is part of a name."""
    return _named(known, "a process whose name contains it", lambda name: text.lower() in name.lower())


def _named(known: Table, how: str, fits: Callable[[str], bool]) -> dict[int, str]:
    found = {}
    for pid, proc in known.procs.items():
        # a script is named after its interpreter: python3 /srv/app.py
        script = posixpath.basename(proc.argv[1]) if len(proc.argv) > 1 and "/" in proc.argv[1] else ""
        if fits(proc.comm) or (proc.program and fits(proc.program)) or (script and fits(script)):
            found[pid] = how
    return found


def _by_unit(source: Source, text: str, known: Table, errors: list[SretoolError]) -> dict[int, str]:
    names = {text} if text.endswith(_UNIT_SUFFIXES) else {f"{text}.service", f"{text}.scope"}
    try:
        units = systemd.read(source)
    except Missing:
        units = {}
    except SretoolError as error:
        errors.append(error)
        units = {}
    unit = next((one for one in units.values() if names.intersection((one.name, *one.names))), None)
    if unit is not None:
        names.add(unit.name)
        if unit.main_pid in known.procs:
            return {unit.main_pid: f"it is the main process of {unit.name}"}
    inside = [
        proc
        for proc in known.procs.values()
        if proc.own_unit in names or names.intersection((proc.whose.unit,))
    ]
    if not inside and unit is not None and text.endswith(_UNIT_SUFFIXES):
        raise _idle(unit)
    return {proc.pid: f"it is in {proc.own_unit or proc.whose.unit}" for proc in _tops(inside, known)}


def _idle(unit: systemd.Unit) -> Missing:
    told = [f"it is {unit.active_state} ({unit.sub_state})"]
    if unit.restarts:
        told.append(f"it was restarted {unit.restarts} times")
    if last := systemd.ending(unit.exec_main_code, unit.exec_main_status):
        told.append(f"its last process {last}")
    if unit.triggers:
        told.append(f"it starts {', '.join(unit.triggers)}")
    why = "" if unit.triggers else f"journalctl -b -u {unit.name} shows its log"
    return Missing(unit.name, f"has no process: {', '.join(told)}", why, errno=errno.ESRCH)


def _by_container(source: Source, text: str, known: Table, errors: list[SretoolError]) -> dict[int, str]:
    ids = {proc.whose.container for proc in known.procs.values()} - {""}
    if not ids:
        return {}
    # an id may be given whole or by its beginning; it is kept by its first 12 digits
    wanted = {one for one in ids if one == text or (len(text) >= _ID_DIGITS and one.startswith(text[:12]))}
    if not wanted:
        names = engines.containers(source, errors, ids)
        wanted = {
            one
            for one in ids
            if one in names and text in (names[one].name, names[one].called, names[one].pod)
        }
    inside = [proc for proc in known.procs.values() if proc.whose.container in wanted]
    return {proc.pid: f"it is in container {proc.whose.container}" for proc in _tops(inside, known)}


_FINDERS: dict[str, Callable[[Source, str, Table, list[SretoolError]], dict[int, str]]] = {
    "pid": _by_pid,
    "name": _by_name,
    "port": _by_port,
    "file": _by_file,
    "unit": _by_unit,
    "container": _by_container,
}


def _tops(procs: Iterable[Proc], known: Table) -> list[Proc]:
    """Those whose ancestors in the same place are not among them. A zombie has left its place."""
    pids = {proc.pid: proc for proc in procs}
    return [
        proc
        for proc in pids.values()
        if not any(
            above.pid in pids and (above.place == proc.place or proc.state == "zombie")
            for above in known.ancestors(proc.pid)
        )
    ]


def _one(given: str, found: dict[int, tuple[str, str]], known: Table) -> Target:
    procs = [known.procs[pid] for pid in found]
    tops = sorted(_tops(procs, known), key=lambda proc: proc.pid)
    if len(tops) > 1:
        raise Ambiguous(
            given,
            f"fits {len(tops)} unrelated processes",
            f"give the pid of one{'' if len(tops) <= _SHOWN else f'; the first {_SHOWN} are shown'}",
            [_match(proc) for proc in tops[:_SHOWN]],
        )
    main = tops[0]
    kind, how = found[main.pid]
    return Target(kind, how, main, tuple(proc for proc in procs if proc.pid != main.pid))


def _match(proc: Proc) -> tuple[str, str]:
    """(what, message) of a process that would fit."""
    where = f"container {proc.whose.container}" if proc.whose.container else proc.own_unit or "no unit"
    who = proc.user or ("?" if proc.uid is None else str(proc.uid))
    return (
        f"pid {proc.pid}",
        f"{who}, since {rfc3339(max(0.0, proc.started))[:19]}Z, {where}: {proc.command[:200]}",
    )


def _nothing(source: Source, given: str, kind: str, errors: list[SretoolError]) -> SourceError:
    blind = next((error for error in errors if isinstance(error, (Denied, NotRecorded))), None)
    if blind is not None:
        # what fits may be among what we may not see
        number = errno.EACCES if isinstance(blind, Denied) else errno.ENODATA
        found = from_errno(number, given)
        return type(found)(
            given, f"nothing that we may see fits it; {blind.message}", blind.hint, errno=number
        )
    what = {"": "no process, unit or container has this name"}.get(kind, f"no process fits this {kind}")
    if kind == "port" or given.startswith(":"):
        what = "no process uses this port here"
    elif kind == "file" or "/" in given:
        what = "no process runs, has open or maps this file, or works in it"
    return Missing(given, what, "sretool procs list shows what there is", errno=errno.ESRCH)
