"""Who is at the other end of an interface whose other end is in another network namespace."""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterable

import msgspec

from sretool.errors import Denied, ParseError, SretoolError, from_errno
from sretool.host import engines, netns
from sretool.host.attribution import Attribution, attributed
from sretool.host.source import Source, attempt, pids
from sretool.net.links.model import Netns
from sretool.net.links.read import decode

_NAMED = "netns-names"


class _Named(msgspec.Struct):
    """One of the fact `netns-names`."""

    path: str
    inode: int
    nsid: int | None


def find(source: Source, wanted: Collection[int], errors: list[SretoolError]) -> dict[int, Netns]:
    """The namespaces with these numbers. One without a process and without a name is its number alone.

    Args:
        source: where to look.
        wanted: their numbers in this namespace.
        errors: what could not be read is noted here.
    """
    found = {nsid: Netns(nsid) for nsid in wanted}
    if not wanted:
        return found
    for one in _named(source, errors):
        if one.nsid in found:
            found[one.nsid] = Netns(one.nsid, one.inode, one.path)
    members = _members(source, errors)
    asked = {nsid: pid for pid, nsid in _numbers(source, members, errors) if nsid in found}
    owners = _owners(source, set(asked.values()), errors)
    for nsid, pid in asked.items():
        inode, path = members[pid] or found[nsid].inode, found[nsid].path
        found[nsid] = Netns(nsid, inode, path, pid, *owners.get(pid, (None, None, None, None)))
    return found


def _named(source: Source, errors: list[SretoolError]) -> list[_Named]:
    raw = attempt(errors, source.fact, _NAMED)
    try:
        return msgspec.json.decode(raw, type=list[_Named]) if raw is not None else []
    except msgspec.MsgspecError as error:
        errors.append(ParseError(f"fact {_NAMED}", str(error)))
        return []


def _members(source: Source, errors: list[SretoolError]) -> dict[int, int | None]:
    """The lowest pid of every namespace, and every pid whose namespace we may not see, with None."""
    names = attempt(errors, pids, source) or []
    found: dict[int, int | None] = {}
    seen: set[int] = set()
    for name, links in sorted(source.links("/proc", names, "ns").items(), key=lambda item: int(item[0])):
        if isinstance(links, int):
            if links in (errno.EACCES, errno.EPERM):
                found[int(name)] = None
            elif links == errno.ENODATA:
                errors.append(from_errno(links, "/proc/PID/ns"))
            continue
        inode = netns.inode(links.get("net", ""))
        if inode is not None and inode not in seen:
            seen.add(inode)
            found[int(name)] = inode
    return found


def _numbers(source: Source, members: Iterable[int], errors: list[SretoolError]) -> list[tuple[int, int]]:
    """(pid, nsid) of those whose namespace has a number here, the highest pid first."""
    requests = {pid: netns.request(pid) for pid in members}
    answers = attempt(errors, source.answers, list(requests.values())) or {}
    found = []
    for pid, request in requests.items():
        answer = answers.get(request.key, errno.ESRCH)
        if isinstance(answer, int):  # it ended
            if answer == errno.ENODATA:
                errors.append(from_errno(answer, "route/nsid"))
            continue
        try:
            nsid = netns.number(answer)
        except ParseError as error:
            errors.append(error)
            continue
        if nsid is not None:
            found.append((pid, nsid))
    return sorted(found, reverse=True)


def _owners(
    source: Source, members: Collection[int], errors: list[SretoolError]
) -> dict[int, tuple[str | None, str | None, str | None, str | None]]:
    """comm, unit, container and its name of each process."""
    read = source.bulk("/proc", [str(pid) for pid in sorted(members)], ("comm", "cgroup"))
    whose: dict[int, tuple[str | None, Attribution]] = {}
    for name, (comm, cgroup) in read.items():
        try:
            owner = Attribution() if isinstance(cgroup, int) else attributed(cgroup)[1]
        except ParseError:
            owner = Attribution()
        text = None if isinstance(comm, int) else comm.removesuffix(b"\n").decode("utf-8", "backslashreplace")
        whose[int(name)] = text, owner
    known = engines.named(source, errors, [owner for _, owner in whose.values()])
    return {
        pid: (comm, owner.unit or None, owner.container or None, engines.name_of(owner, known) or None)
        for pid, (comm, owner) in whose.items()
    }


def names(
    source: Source, ends: Collection[tuple[int, int]], errors: list[SretoolError]
) -> dict[tuple[int, int], str]:
    """The names of interfaces in other namespaces, by nsid and index. Only root may know them."""
    requests = {end: decode.name_request(*end) for end in sorted(ends)}
    if not requests:
        return {}
    answers = attempt(errors, source.answers, list(requests.values())) or {}
    found: dict[tuple[int, int], str] = {}
    for end, request in requests.items():
        answer = answers.get(request.key, errno.ENODEV)
        if isinstance(answer, int):
            error = from_errno(answer, "interfaces in other network namespaces")
            if isinstance(error, Denied):
                error = Denied(error.what, "their names are unknown", error.hint, errno=error.errno)
            if answer not in (errno.ENODEV, errno.ESRCH, errno.EINVAL):  # gone meanwhile
                errors.append(error)
            continue
        try:
            for link in decode.links([answer], request.key):
                found[end] = link.name
        except ParseError as error:
            errors.append(error)
    return found
