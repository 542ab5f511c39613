"""Everything the socket commands read from a source, at one moment."""

from __future__ import annotations

from typing import NamedTuple

from sretool.errors import ParseError, SourceError, SretoolError
from sretool.host import engines, interfaces, netstat, owners
from sretool.host.attribution import attribute
from sretool.host.engines import Container
from sretool.host.netstat import Counters
from sretool.host.owners import Owners
from sretool.host.source import Clock, Source, attempt
from sretool.host.users import names as user_names
from sretool.sockets.filter.judge import Judge, judge
from sretool.sockets.filter.tree import Port, all_of, any_of
from sretool.sockets.model import Socket
from sretool.sockets.read import diag, namespaces, tables
from sretool.sockets.read.ask import Ask
from sretool.sockets.read.namespaces import Part, Place, places
from sretool.sockets.read.wanted import PORT_RANGE, Wanted, wanted


class Sample(NamedTuple):
    """One reading. `owners` is None when they were not asked for or could not be read; `containers`
    are by short id, as far as the owners are in any. `keeps` is what is left of the filter for the
    rows, whose owners it asks about; None when nothing is. `others` are the rows, without owners, of
    the families that are no inet; one that could not be listed is not in it.
    `here` is this network namespace, `elsewhere` what others answered, where they were asked.
    """

    clock: Clock
    tables: list[diag.Table]
    owners: Owners | None
    cgroups: dict[int, str]
    users: dict[int, str | None]
    interfaces: dict[int, str]
    counters: Counters | None
    errors: list[SretoolError]
    containers: dict[str, Container] = {}
    keeps: Judge | None = None
    others: dict[str, list[Socket]] = {}
    here: Place | None = None
    elsewhere: list[Part] = []

    @property
    def parts(self) -> list[Part]:
        """What this network namespace answered, then the others."""
        ours = Part(self.here, self.tables, self.others, self.interfaces, self.keeps)
        return [ours, *self.elsewhere]

    @property
    def records(self) -> list[diag.Record]:
        """All inet sockets, of all namespaces."""
        return [record for part in self.parts for table in part.tables for record in table.records]

    @property
    def rows(self) -> list[Socket]:
        """All sockets that are no inet, without owners, of all namespaces."""
        return [row for part in self.parts for rows in part.others.values() for row in rows]


def sample(source: Source, ask: Ask) -> Sample:
    """Read what `ask` needs; what could not be read is in `errors`."""
    errors: list[SretoolError] = []
    clock = source.clock()
    counters = netstat.read(source, errors) if ask.counters else None
    filtered = _filter(source, ask, errors)
    found = tables.inet(source, ask, filtered, errors)
    bare = Sample(clock, found, None, {}, {}, {}, counters, errors)
    if filtered is not None:
        bare = bare._replace(interfaces=dict(filtered.names.interfaces), keeps=filtered.late)
    if ask.rows is not None:
        whole = wanted(source, ask.rows, errors)
        bare = bare._replace(keeps=judge(whole.tree, whole.names))
    if ask.others:
        names = bare.interfaces or _interfaces(source, errors)
        local = tables.local(source, ask, filtered, names, errors)
        bare = bare._replace(interfaces=names, others=local)
    if ask.everywhere:
        here, elsewhere = places(source, errors)
        # what this kernel lacks is not asked for again
        listed = {table.protocol for table in found} | bare.others.keys()
        again = ask._replace(others={kind: mask for kind, mask in ask.others.items() if kind in listed})
        parts = namespaces.read(source, elsewhere, again, filtered, errors)
        bare = bare._replace(here=here, elsewhere=parts)
    if ask.every_process:
        attempt(errors, source.read, PORT_RANGE)
    return attributed(source, bare, ask)


def attributed(source: Source, bare: Sample, ask: Ask) -> Sample:
    """`bare` with the owners, users and interfaces of its sockets, as far as `ask` wants them. What could
    not be read is in its `errors`.
    """
    errors = bare.errors
    records = bare.records
    inodes = {values[16] for values, _, _ in records} | {row.inode or 0 for row in bare.rows}
    found = _owners(source, ask, inodes - {0}, errors) if ask.owners else None
    if found is not None:
        found = _peers(source, bare.rows, found, errors)
    cgroups = _cgroups(source, records, found) if found is not None else {}
    containers: dict[str, Container] = {}
    if found is not None:
        paths = {owner.cgroup for owner in found.processes.values() if owner.cgroup is not None}
        inside = [part.place.whose for part in bare.elsewhere if part.place is not None]
        found_in = [*map(attribute, paths.union(cgroups.values())), *inside]
        containers = engines.named(source, errors, found_in)
    uids = {values[15] for values, _, _ in records} | {row.uid for row in bare.rows if row.uid is not None}
    users = user_names(source, uids, errors) if ask.users else {}
    names = bare.interfaces
    if not names and (any(values[10] for values, _, _ in records) or ask.every_process):
        names = _interfaces(source, errors)
    return bare._replace(owners=found, cgroups=cgroups, users=users, interfaces=names, containers=containers)


def _filter(source: Source, ask: Ask, errors: list[SretoolError]) -> Wanted | None:
    parts = [] if ask.filter is None else [ask.filter]
    if ask.port is not None:
        parts.append(any_of([Port("local", "=", ask.port), Port("remote", "=", ask.port)]))
    return wanted(source, all_of(parts), errors, everywhere=ask.everywhere) if parts else None


def _interfaces(source: Source, errors: list[SretoolError]) -> dict[int, str]:
    try:
        return interfaces.read(source)
    except (SourceError, ParseError) as error:
        errors.append(error)
        return {}


def _peers(source: Source, rows: list[Socket], found: Owners, errors: list[SretoolError]) -> Owners:
    """`found`, and who holds the other ends of the UNIX sockets it has."""
    ends = {row.peer_inode for row in rows if isinstance(row.peer_inode, int) and row.inode in found.by_inode}
    if ends <= found.by_inode.keys():
        return found
    try:
        more = owners.find(source, ends - found.by_inode.keys())
    except SourceError as error:
        errors.append(error)
        return found
    return found._replace(
        by_inode={**found.by_inode, **more.by_inode}, processes={**found.processes, **more.processes}
    )


def _owners(source: Source, ask: Ask, inodes: set[int], errors: list[SretoolError]) -> Owners | None:
    try:
        pids = None if ask.pid is None else [ask.pid]
        if ask.process is not None:
            pids = owners.named(source, ask.process, pids)
        found = owners.find(source, inodes, pids, every=ask.every_process)
    except SourceError as error:
        errors.append(error)
        return None
    try:
        unseen = owners.unseen(source, found, pids)
    except (SourceError, ParseError) as error:
        errors.append(error)
    else:
        errors += [unseen] if unseen is not None else []
    return found


def _cgroups(source: Source, records: list[diag.Record], found: Owners) -> dict[int, str]:
    """Paths by cgroup id, for the sockets whose process was not seen, and those that no process holds:
    connections that nobody accepted yet, and what is still sent after a close.
    """
    ids = set()
    for record in records:
        if record[0][16] in found.missing or (not record[0][16] and record[0][3] != diag.TIME_WAIT):
            try:
                number = diag.cgroup_id(diag.attributes(record, "inet-diag"))
            except ParseError:
                continue
            if number is not None:
                ids.add(number)
    return owners.cgroups(source, ids) if ids else {}
