"""Everything the socket commands read from a source, at one moment."""

from __future__ import annotations

from typing import NamedTuple

from sretool.errors import Missing, ParseError, SourceError, SretoolError, Unsupported
from sretool.host import engines, interfaces, netlink, netstat, owners
from sretool.host.attribution import attribute
from sretool.host.engines import Container
from sretool.host.netstat import Counters
from sretool.host.owners import Owners
from sretool.host.source import Clock, Source
from sretool.host.users import names as user_names
from sretool.sockets.read import diag


class Ask(NamedTuple):
    """What to read. State masks of 0 leave the protocol out."""

    tcp_states: int = diag.ALL_STATES
    udp_states: int = diag.ALL_STATES
    families: tuple[str, ...] = ("inet", "inet6")
    port: int | None = None
    info: bool = False
    memory: bool = False
    details: bool = False
    owners: bool = True
    users: bool = True
    counters: bool = False
    pid: int | None = None
    process: str | None = None
    every_process: bool = False


TRIAGE = Ask(tcp_states=1 << diag.LISTEN, udp_states=0, memory=True, users=False, counters=True)
LISTENERS = Ask(tcp_states=1 << diag.LISTEN, udp_states=1 << diag.CLOSED, memory=True, counters=True)
EVERYTHING = Ask(info=True, memory=True, details=True, counters=True, every_process=True)
COUNTERS = EVERYTHING._replace(owners=False, users=False)
"""All that is compared with a second reading."""


class Sample(NamedTuple):
    """One reading. `owners` is None when they were not asked for or could not be read; `containers`
    are by short id, as far as the owners are in any.
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


def sample(source: Source, ask: Ask) -> Sample:
    """Read what `ask` needs; what could not be read is in `errors`."""
    errors: list[SretoolError] = []
    clock = source.clock()
    counters = netstat.read(source, errors) if ask.counters else None
    tables = _tables(source, ask, errors)
    return attributed(source, Sample(clock, tables, None, {}, {}, {}, counters, errors), ask)


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
    names: dict[int, str] = {}
    if any(values[10] for values, _, _ in records) or ask.every_process:
        try:
            names = interfaces.read(source)
        except (SourceError, ParseError) as error:
            errors.append(error)
    return bare._replace(owners=found, cgroups=cgroups, users=users, interfaces=names, containers=containers)


def _tables(source: Source, ask: Ask, errors: list[SretoolError]) -> list[diag.Table]:
    tables = []
    for protocol, states in (("tcp", ask.tcp_states), ("udp", ask.udp_states)):
        for family in ask.families:
            if not states:
                continue
            request = diag.request(
                protocol, family, states, info=ask.info, memory=ask.memory, details=ask.details
            )
            try:
                frames = netlink.noted(source.netlink(request), request.key, errors)
                records = diag.decode(frames, protocol, family, states, ask.port)
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
            records.sort(key=diag.order)
            tables.append(diag.Table(protocol, family, records))
    return tables


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
