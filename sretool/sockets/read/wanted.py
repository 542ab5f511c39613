"""What a filter makes of the dumps: the part the kernel takes, and what is judged of the sockets it
sends before their owners are looked for.
"""

from __future__ import annotations

import errno
from typing import NamedTuple

from sretool.errors import Denied, Missing, ParseError, SourceError, SretoolError
from sretool.host import interfaces
from sretool.host.source import Dump, Frames, Source
from sretool.sockets.filter.judge import Judge, Names, judge
from sretool.sockets.filter.kernel import Plan, bytecode, plan
from sretool.sockets.filter.tree import (
    ALL,
    Autobound,
    Cgroup,
    Device,
    Field,
    Mark,
    Node,
    Term,
    fields,
    terms,
    uses,
    within,
)
from sretool.sockets.model import ATTRIBUTE_FIELDS, TCP_INFO_FIELDS
from sretool.sockets.read import diag
from sretool.sockets.read.rows import maker
from sretool.sockets.read.whose import NOBODY
from sretool.sockets.states import ALL_STATES, EVERY

PORT_RANGE = "/proc/sys/net/ipv4/ip_local_port_range"
OWNER_FIELDS = frozenset(
    ("pid", "process", "unit", "container", "container_name", "cgroup", "peer_pid", "peer_process")
)
_LATE = OWNER_FIELDS | {"user", "netns", "netns_inode"}
_MOUNTS = ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")


class Wanted(NamedTuple):
    """A filter on one host."""

    tree: Node
    plan: Plan
    names: Names

    @property
    def info(self) -> bool:
        """Whether it takes tcp_info."""
        return not fields(self.tree).isdisjoint(TCP_INFO_FIELDS)

    @property
    def more(self) -> bool:
        """Whether it takes mark or cgroup."""
        return uses(self.tree, Mark, Cgroup) or not fields(self.tree).isdisjoint(ATTRIBUTE_FIELDS)

    @property
    def late(self) -> Judge | None:
        """What is left to be judged once owners are known; None when nothing is."""
        return None if fields(self.tree).isdisjoint(_LATE) else judge(self.tree, self.names)

    def mask(self, states: int) -> int:
        """Those of `states` that may fit; what is bound and no more when it is named."""
        return (EVERY if states == ALL_STATES else states) & self.plan.states

    def elsewhere(self, source: Source, netns: str) -> Wanted:
        """The same filter where interfaces have other numbers.

        Raises:
            SourceError, ParseError: they cannot be listed.
        """
        if not _by_device(self.tree):
            return self
        names = self.names._replace(interfaces=interfaces.read(source, netns))
        return self._replace(names=names)

    def read(self, source: Source, request: Dump, netns: str | None = None) -> tuple[Frames, bool]:
        """The frames of one table, and whether they hold no more than what the kernel let pass.

        Raises:
            SourceError: as `Source.netlink`; Denied when it takes marks and we may not see them.
        """
        program = bytecode(self.plan.program, self.names)
        if program is None:
            return source.netlink(request, netns), source.live
        try:
            return source.netlink(diag.narrowed(request, program), netns), source.live
        except Denied as error:
            if uses(self.tree, Mark) and error.what != netns:
                raise _unmarked() from None
            raise
        except SourceError as error:
            # an operation that this kernel does not know (cgroups since 5.9, marks since 4.3)
            if error.errno != errno.EINVAL:
                raise
        return source.netlink(request, netns), False

    @property
    def early_row(self) -> Judge | None:
        """What a row without owner is judged by; None when nothing is."""
        tree = within(self.tree, _early)
        return None if tree == ALL else judge(tree, self.names)

    def early(self, table: diag.Table, *, narrowed: bool) -> list[diag.Record]:
        """Those that may fit, whoever owns them.

        Raises:
            Denied: it takes marks, and they were not seen when this was recorded.
        """
        protocol, family, records = table
        if uses(self.tree, Mark) and any(
            values[16] and diag.mark(diag.attributes((values, frame, at), "inet-diag")) is None
            for values, frame, at in records
        ):
            raise _unmarked()
        tree = within(self.plan.rest if narrowed else self.tree, _early)
        if tree == ALL:
            return records
        fits = judge(tree, self.names)
        make = maker(protocol, family, self.names.interfaces, {}, info=self.info, more=self.more)
        return [record for record in records if fits(make(record, NOBODY))]


def _early(term: Term) -> bool:
    return not isinstance(term, Field) or term.name not in _LATE


def _unmarked() -> Denied:
    return Denied("fwmark", "the kernel tells marks to CAP_NET_ADMIN only", "run with sudo", errno.EPERM)


def _by_device(tree: Node) -> bool:
    return uses(tree, Device) or "interface" in fields(tree)


def wanted(source: Source, tree: Node, errors: list[SretoolError], *, everywhere: bool = False) -> Wanted:
    """The filter with its names looked up; those that could not be are in `errors`, and fit nothing. An
    interface that is not here may be elsewhere.
    """
    devices: dict[int, str] = {}
    if _by_device(tree):
        try:
            devices = interfaces.read(source)
        except (SourceError, ParseError) as error:
            errors.append(error)
    cgroups: dict[str, int] = {}
    for term in terms(tree):
        if isinstance(term, Cgroup) and term.path not in cgroups:
            try:
                cgroups[term.path] = cgroup_id(source, term.path)
            except SourceError as error:
                errors.append(error)
        if (
            isinstance(term, Device)
            and devices
            and not everywhere
            and Names(devices, {}).device(term.name) is None
        ):
            errors.append(Missing(f"dev {term.name}", "there is no such interface here"))
    names = Names(devices, cgroups)
    if uses(tree, Autobound):
        try:
            names = names._replace(ephemeral=port_range(source))
        except (SourceError, ParseError) as error:
            errors.append(error)
    return Wanted(tree, plan(tree), names)


def cgroup_id(source: Source, path: str) -> int:
    """The id of a cgroup v2 directory (its inode), by its path from the root of the tree, or of the
    file system.

    Raises:
        SourceError: it is not there.
    """
    for mount in _MOUNTS:
        path = path.removeprefix(mount)
    path = path.rstrip("/")
    for mount in _MOUNTS:
        try:
            source.read(f"{mount}/cgroup.controllers")  # only cgroup v2 has it
        except Missing:
            continue
        return source.stat(f"{mount}{path}").inode
    raise Missing(f"cgroup {path}", "cgroup v2 is not mounted")


def port_range(source: Source) -> tuple[int, int]:
    """The ports the kernel gives out by itself, both ends included.

    Raises:
        SourceError, ParseError: it cannot be read.
    """
    raw = source.read(PORT_RANGE).split()
    if len(raw) != 2 or not all(part.isdigit() for part in raw):
        raise ParseError(PORT_RANGE, "not two ports")
    return int(raw[0]), int(raw[1])
