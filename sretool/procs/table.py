"""Every process of a host as the questions about one need it: whose child, whose cgroup, which command."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from sretool.errors import SretoolError
from sretool.host.attribution import Attribution, attribute, attributed
from sretool.host.decimal import integer
from sretool.host.secrets import mask
from sretool.host.source import Clock, Source
from sretool.procs.list import read
from sretool.procs.list.read import Ask, Sample
from sretool.procs.stat import state_name

_CMDLINE_LIMIT_BYTES = 1 << 16
_UNITS = (".service", ".scope", ".socket", ".mount", ".swap")
ASK = Ask(uids=True, users=True, cgroups=True, commands=True)


class Proc(NamedTuple):
    """One process.

    session: the pid of its session's leader (setsid(2)). terminal: tty_nr, 0 when it has none.
    argv: arguments, secrets masked; empty for kernel threads, zombies, and where it may not be read.
    own_unit: the innermost unit of its cgroup on the host's side of a container; below a user's
        manager that is the user's unit, where `whose.unit` is user@UID.service.
    """

    pid: int
    ppid: int
    session: int
    terminal: int
    comm: str
    state: str
    kernel: bool
    started_ticks: int
    age_s: float
    started: float
    argv: tuple[str, ...]
    uid: int | None
    user: str | None
    cgroup: str | None
    whose: Attribution
    own_unit: str

    @property
    def called(self) -> str:
        """`nginx[812]`."""
        return f"{self.comm}[{self.pid}]"

    @property
    def program(self) -> str:
        """The base name of what was executed: comm is cut after 15 bytes, and threads rename it."""
        return self.argv[0].partition(" ")[0].rpartition("/")[2].rstrip(":") if self.argv else ""

    @property
    def command(self) -> str:
        """The command line, `[comm]` where there is none."""
        return " ".join(self.argv) or f"[{self.comm}]"

    @property
    def place(self) -> tuple[str, str]:
        """Container and unit: a main process and its workers share both."""
        return self.whose.container, self.own_unit or self.cgroup or ""


class Table:
    """The processes of one moment by pid."""

    def __init__(self, found: Sample) -> None:
        self.clock: Clock = found.clock
        self.procs: dict[int, Proc] = {}
        self.errors: list[SretoolError] = found.errors
        for pid, line in found.lines().items():
            age = max(0.0, found.clock.boot - line.started_ticks / found.clock_ticks_per_s)
            uid = found.uids.get(pid)
            path = _path(found.files.get("cgroup", {}).get(pid))
            session, terminal = _session(found.stats[pid])
            self.procs[int(pid)] = Proc(
                int(pid),
                line.ppid,
                session,
                terminal,
                line.comm.decode("utf-8", "backslashreplace"),
                state_name(line.state),
                line.kernel,
                line.started_ticks,
                age,
                found.clock.wall - age,
                _argv(found.files.get("cmdline", {}).get(pid)),
                uid,
                None if uid is None else found.users.get(uid),
                path,
                Attribution() if path is None else attribute(path),
                "" if path is None else own_unit(path),
            )

    def ancestors(self, pid: int) -> Iterator[Proc]:
        """Parent, grandparent and so on. In a recording they may go round in a circle."""
        seen = {pid}
        while (found := self.procs.get(pid)) is not None and found.ppid not in seen:
            pid = found.ppid
            seen.add(pid)
            if pid in self.procs:
                yield self.procs[pid]


def table(source: Source) -> Table:
    """Read it.

    Raises:
        SourceError, ParseError: /proc cannot be listed, or the host's identity is not known.
    """
    found = Table(read.sample(source, ASK))
    if source.live:
        found.procs.pop(os.getpid(), None)  # its command line holds whatever was asked for
    return found


def own_unit(path: str) -> str:
    """The innermost unit in a cgroup path that is not inside a container."""
    found, container = "", attribute(path).container
    for part in path.removesuffix(" (deleted)").split("/"):
        if part.endswith(_UNITS):
            found = part.removeprefix("_")
        if container and container in part:
            break
    return found


def _path(raw: bytes | int | None) -> str | None:
    if raw is None or isinstance(raw, int):
        return None
    try:
        return attributed(raw)[0]
    except SretoolError:
        return None


def _session(raw: bytes) -> tuple[int, int]:
    fields = raw[raw.rfind(b")") + 2 :].split(None, 5)
    try:
        return integer(fields[3]), integer(fields[4])
    except (ValueError, IndexError):
        return 0, 0


def _argv(raw: bytes | int | None) -> tuple[str, ...]:
    if raw is None or isinstance(raw, int):
        return ()
    line = mask(raw[:_CMDLINE_LIMIT_BYTES]).rstrip(b"\0")
    return tuple(line.decode("utf-8", "backslashreplace").split("\0")) if line else ()
