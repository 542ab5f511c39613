"""The sockets of the other network namespaces of a host: one set of dumps each."""

from __future__ import annotations

import errno
from typing import NamedTuple

import msgspec

from sretool.errors import Denied, Missing, NotRecorded, ParseError, SourceError, SretoolError
from sretool.host import interfaces, netns
from sretool.host.attribution import Attribution, attributed
from sretool.host.engines import Container, name_of
from sretool.host.identity import identity
from sretool.host.source import Source, attempt, pids
from sretool.sockets.filter.judge import Judge
from sretool.sockets.model import Socket
from sretool.sockets.read import diag, tables
from sretool.sockets.read.ask import Ask
from sretool.sockets.read.wanted import Wanted

RECORDED = 64
"""Of so many namespaces a recording holds the sockets: each costs a walk through the host's whole hash
table, tens of milliseconds where it is large."""
_OURS = "/proc/self/ns/net"
_CAP_SYS_ADMIN = 21
_WHAT = "other network namespaces"


class Place(NamedTuple):
    """A network namespace: its inode, the name `ip netns` or docker gave it (a path), the processes in it
    that are tried, lowest first, and of the lowest its comm and whose it is.
    """

    inode: int
    path: str | None = None
    members: tuple[int, ...] = ()
    comm: str | None = None
    whose: Attribution = Attribution()

    @property
    def ways(self) -> list[str]:
        """What setns(2) may open to get there."""
        named = [] if self.path is None else [self.path]
        return [*named, *(f"/proc/{pid}/ns/net" for pid in self.members)]

    def name(self, containers: dict[str, Container]) -> str:
        """What a person calls it: host, its `ip netns` name, its container, the process in it."""
        if 1 in self.members or (self.comm == "kthreadd" and self.members[:1] == (2,)):
            return "host"
        if self.path is not None and self.path.startswith("/run/netns/"):
            return self.path.rpartition("/")[2]
        container = name_of(self.whose, containers) or self.whose.container
        if container or self.path is not None:
            return container or str(self.path).rpartition("/")[2]
        return f"{self.comm}[{self.members[0]}]" if self.comm and self.members else f"net:[{self.inode}]"


class Part(NamedTuple):
    """What one namespace answered, as in a Sample."""

    place: Place | None
    tables: list[diag.Table]
    others: dict[str, list[Socket]]
    interfaces: dict[int, str]
    keeps: Judge | None


class _Named(msgspec.Struct):
    """One of the fact `netns-names`."""

    path: str
    inode: int


def places(source: Source, errors: list[SretoolError]) -> tuple[Place | None, list[Place]]:
    """The namespace of the reader, and all others, in order of their lowest pid, those without a process
    last. What could not be read is in `errors`.
    """
    known: dict[int, Place] = {}
    names = attempt(errors, pids, source) or []
    for name, links in sorted(source.links("/proc", names, "ns").items(), key=lambda item: int(item[0])):
        inode = netns.inode(links.get("net", "")) if isinstance(links, dict) else None
        if inode is not None:
            one = known.get(inode) or Place(inode)
            known[inode] = one._replace(members=(*one.members, int(name))[:3])
        elif links == errno.ENODATA:
            errors.append(NotRecorded("/proc/PID/ns", "not in this recording", errno=errno.ENODATA))
            break
    raw = attempt(errors, source.fact, "netns-names")
    try:
        for found in msgspec.json.decode(raw, type=list[_Named]) if raw is not None else ():
            one = known.get(found.inode) or Place(found.inode)
            known[found.inode] = one._replace(path=one.path or found.path)
    except msgspec.MsgspecError as error:
        errors.append(ParseError("fact netns-names", str(error)))
    _describe(source, known)
    try:
        ours = netns.inode(source.readlink(_OURS))
    except SourceError as error:
        errors.append(error)
        ours = None
    here = None if ours is None else known.pop(ours, Place(ours))
    return here, list(known.values())


def _describe(source: Source, known: dict[int, Place]) -> None:
    lowest = {str(place.members[0]): inode for inode, place in known.items() if place.members}
    for name, (comm, cgroup) in source.bulk("/proc", list(lowest), ("comm", "cgroup")).items():
        try:
            whose = Attribution() if isinstance(cgroup, int) else attributed(cgroup)[1]
        except ParseError:
            whose = Attribution()
        text = None if isinstance(comm, int) else comm.removesuffix(b"\n").decode("utf-8", "backslashreplace")
        known[lowest[name]] = known[lowest[name]]._replace(comm=text, whose=whose)


def read(
    source: Source, elsewhere: list[Place], ask: Ask, filtered: Wanted | None, errors: list[SretoolError]
) -> list[Part]:
    """What each of them answers. One that vanishes costs its own part; without the right to enter any,
    there is one error.
    """
    if source.live and not _may_enter(source, elsewhere, errors):
        return []
    found = []
    for place in elsewhere[:RECORDED] if ask.every_process else elsewhere:
        try:
            found.append(_enter(source, place, ask, filtered, errors))
        except Denied:
            errors.append(_denied())
            break
        except (SourceError, ParseError) as error:
            if not (ask.every_process and isinstance(error, Missing)):  # a recording is of what stays
                errors.append(error)
    return found


def _may_enter(source: Source, elsewhere: list[Place], errors: list[SretoolError]) -> bool:
    try:
        who = identity(source)
    except (SourceError, ParseError):
        return True  # the kernel will say
    able = bool(who.capabilities >> _CAP_SYS_ADMIN & 1)
    # an ordinary user does not see which there are
    if not able and (elsewhere or who.uid):
        errors.append(_denied())
    return able


def _denied() -> Denied:
    message = "their sockets are unknown: it takes CAP_SYS_ADMIN to enter them"
    return Denied(_WHAT, message, "run with sudo", errno=errno.EPERM)


def _enter(
    source: Source, place: Place, ask: Ask, filtered: Wanted | None, errors: list[SretoolError]
) -> Part:
    """By the first way that is still there.

    Raises:
        SourceError: there is none, or we may not.
    """
    gone: SourceError = Missing(f"net:[{place.inode}]", "it vanished while it was read", errno=errno.ENOENT)
    for way in place.ways:
        noted: list[SretoolError] = []
        try:
            part = _dumps(source, place, way, ask, filtered, noted)
        except (Missing, NotRecorded) as error:
            gone = gone if isinstance(error, Missing) else error
            continue
        errors += noted
        return part
    raise gone


def _dumps(
    source: Source, place: Place, way: str, ask: Ask, filtered: Wanted | None, errors: list[SretoolError]
) -> Part:
    there = None if filtered is None else filtered.elsewhere(source, way)
    found = tables.inet(source, ask, there, errors, way)
    names: dict[int, str] = {}
    if ask.others or any(record[0][10] for table in found for record in table.records):
        names = interfaces.read(source, way)
    local = tables.local(source, ask, there, names, errors, way)
    return Part(place, found, local, names, None if there is None else there.late)
