"""Everything the socket commands read from a source, at one moment."""

from __future__ import annotations

from typing import NamedTuple

from sretool.errors import Missing, ParseError, SourceError, SretoolError, Unsupported
from sretool.host import engines, interfaces, netlink, netstat, owners
from sretool.host.attribution import attribute
from sretool.host.engines import Container
from sretool.host.netstat import Counters
from sretool.host.owners import Owners
from sretool.host.source import Clock, Dump, Source, attempt
from sretool.host.users import names as user_names
from sretool.sockets.filter.judge import Judge
from sretool.sockets.filter.tree import Node, Port, all_of, any_of
from sretool.sockets.read import diag
from sretool.sockets.read.wanted import PORT_RANGE, Wanted, wanted


class Ask(NamedTuple):
    """What to read. State masks of 0 leave the protocol out."""

    tcp_states: int = diag.ALL_STATES
    udp_states: int = diag.ALL_STATES
    families: tuple[str, ...] = ("inet", "inet6")
    port: int | None = None  # at either end
    info: bool = False
    memory: bool = False
    details: bool = False
    owners: bool = True
    users: bool = True
    counters: bool = False
    pid: int | None = None
    process: str | None = None
    every_process: bool = False
    filter: Node | None = None


TRIAGE = Ask(tcp_states=1 << diag.LISTEN, udp_states=0, memory=True, users=False, counters=True)
LISTENERS = Ask(tcp_states=1 << diag.LISTEN, udp_states=1 << diag.CLOSED, memory=True, counters=True)
EVERYTHING = Ask(info=True, memory=True, details=True, counters=True, every_process=True)
COUNTERS = EVERYTHING._replace(owners=False, users=False)
"""All that is compared with a second reading."""


class Sample(NamedTuple):
    """One reading. `owners` is None when they were not asked for or could not be read; `containers`
    are by short id, as far as the owners are in any. `keeps` is what is left of the filter for the
    rows, whose owners it asks about; None when nothing is.
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


def sample(source: Source, ask: Ask) -> Sample:
    """Read what `ask` needs; what could not be read is in `errors`."""
    errors: list[SretoolError] = []
    clock = source.clock()
    counters = netstat.read(source, errors) if ask.counters else None
    filtered = _filter(source, ask, errors)
    tables = _tables(source, ask, filtered, errors)
    bare = Sample(clock, tables, None, {}, {}, {}, counters, errors)
    if filtered is not None:
        bare = bare._replace(interfaces=dict(filtered.names.interfaces), keeps=filtered.late)
    if ask.every_process:
        attempt(errors, source.read, PORT_RANGE)
    return attributed(source, bare, ask)


def attributed(source: Source, bare: Sample, ask: Ask) -> Sample:
    """`bare` with the owners, users and interfaces of its sockets, as far as `ask` wants them. What could
    not be read is in its `errors`.
    """
    errors = bare.errors
    records = [record for table in bare.tables for record in table.records]
    found = _owners(source, ask, records, errors) if ask.owners else None
    cgroups = _cgroups(source, records, found) if found is not None else {}
    containers: dict[str, Container] = {}
    if found is not None:
        paths = {owner.cgroup for owner in found.processes.values() if owner.cgroup is not None}
        containers = engines.named(source, errors, map(attribute, paths.union(cgroups.values())))
    users = user_names(source, {values[15] for values, _, _ in records}, errors) if ask.users else {}
    names = bare.interfaces
    if not names and (any(values[10] for values, _, _ in records) or ask.every_process):
        try:
            names = interfaces.read(source)
        except (SourceError, ParseError) as error:
            errors.append(error)
    return bare._replace(owners=found, cgroups=cgroups, users=users, interfaces=names, containers=containers)


def _filter(source: Source, ask: Ask, errors: list[SretoolError]) -> Wanted | None:
    parts = [] if ask.filter is None else [ask.filter]
    if ask.port is not None:
        parts.append(any_of([Port("local", "=", ask.port), Port("remote", "=", ask.port)]))
    return wanted(source, all_of(parts), errors) if parts else None


def _tables(
    source: Source, ask: Ask, filtered: Wanted | None, errors: list[SretoolError]
) -> list[diag.Table]:
    tables = []
    info = ask.info or (filtered is not None and filtered.info)
    for protocol, states in (("tcp", ask.tcp_states), ("udp", ask.udp_states)):
        mask = states if filtered is None else filtered.mask(states)
        for family in ask.families:
            if not mask:
                continue
            request = diag.request(protocol, family, mask, info=info, memory=ask.memory, details=ask.details)
            try:
                table = _table(source, request, diag.Table(protocol, family, []), mask, filtered, errors)
            except Missing:
                # no handler for it, and none could be loaded: never "no sockets"
                errors.append(
                    Unsupported(
                        request.key,
                        "this kernel cannot list these sockets",
                        f"the modules are inet_diag and {protocol}_diag",
                    )
                )
                continue
            except (SourceError, ParseError) as error:
                errors.append(error)
                continue
            table.records.sort(key=diag.order)
            tables.append(table)
    return tables


def _table(
    source: Source,
    request: Dump,
    empty: diag.Table,
    mask: int,
    filtered: Wanted | None,
    errors: list[SretoolError],
) -> diag.Table:
    found, narrowed = (source.netlink(request), False) if filtered is None else filtered.read(source, request)
    frames = netlink.noted(found, request.key, errors)
    table = empty._replace(records=diag.decode(frames, empty.protocol, empty.family, mask))
    return table if filtered is None else table._replace(records=filtered.early(table, narrowed=narrowed))


def _owners(
    source: Source, ask: Ask, records: list[diag.Record], errors: list[SretoolError]
) -> Owners | None:
    inodes = {values[16] for values, _, _ in records}
    inodes.discard(0)
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
    """Paths by cgroup id, for the sockets whose process was not seen."""
    ids = set()
    for record in records if found.missing else ():
        if record[0][16] in found.missing:
            try:
                number = diag.cgroup_id(diag.attributes(record, "inet-diag"))
            except ParseError:
                continue
            if number is not None:
                ids.add(number)
    return owners.cgroups(source, ids) if ids else {}
