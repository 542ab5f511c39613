"""Neighbours, their tables, and which of them routes depend on."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from typing import NamedTuple, Union

from sretool.errors import ParseError, SourceError, SretoolError
from sretool.host import interfaces, netlink, netstat
from sretool.host.identity import identity
from sretool.host.source import Clock, Source, attempt
from sretool.net.neigh import decode
from sretool.net.neigh.decode import Counters
from sretool.net.neigh.model import Gateway, Neighbour, Neighbours, NeighbourTable
from sretool.net.routes.read import decode as routes
from sretool.net.routes.read.dump import dump_of
from sretool.net.routes.read.names import TableNames
from sretool.net.routes.read.names import tables as table_names

# a second question is sent after net.ipv4.neigh.*.retrans_time_ms, 1000 unless set
UNANSWERED_S = 1.0
HIDDEN = ("noarp", "none")  # as `ip neigh`: nobody is asked there
_STAT = {"inet": "/proc/net/stat/arp_cache", "inet6": "/proc/net/stat/ndisc_cache"}
_DEAD = {"dead", "linkdown"}

Prefix = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


class Ask(NamedTuple):
    """What to read: `gateways`, whether routes lead over neighbours that do not answer."""

    gateways: bool = True


EVERYTHING = Ask()
COUNTERS = Ask(gateways=False)
"""All that is compared with a second reading."""


class Served(NamedTuple):
    """What a next hop is for: how many routes, whether a default of table main, and one of them."""

    routes: int
    default: bool
    example: str


class Sample(NamedTuple):
    """One reading; None where a dump failed. `served` are routes by (device, next hop), read only
    when a neighbour does not answer: there may be a million.
    """

    clock: Clock
    neighbours: list[Neighbour] | None
    tables: dict[str, Counters] | None
    discards: dict[str, int]
    served: dict[tuple[str | None, str], Served] | None
    errors: list[SretoolError]


class Wanted(NamedTuple):
    """Which neighbours to show; None: any. Without `everyone` those of HIDDEN are left out."""

    family: str | None = None
    dev: str | None = None
    states: frozenset[str] | None = None
    prefix: Prefix | None = None
    everyone: bool = False

    def about(self, row: Neighbour) -> bool:
        """Whether it is one of those asked about, in whatever state."""
        return (
            self.family in (None, row.family)
            and self.dev in (None, row.dev)
            and (self.prefix is None or ipaddress.ip_address(row.dst) in self.prefix)
        )

    def keeps(self, row: Neighbour) -> bool:
        """Whether it is shown."""
        if not self.about(row):
            return False
        if self.states is not None:
            return row.state in self.states
        return self.everyone or row.state not in HIDDEN or decode.PROXY in row.flags


def sample(source: Source, ask: Ask = EVERYTHING) -> Sample:
    """Read what `ask` needs; what could not be read is in `errors`."""
    errors: list[SretoolError] = []
    clock = source.clock()
    found = tables = served = None
    try:
        devices = interfaces.read(source)
        ticks = identity(source).clock_ticks_per_s
        frames = netlink.noted(source.netlink(decode.NEIGHBOURS), decode.NEIGHBOURS.key, errors)
        found = list(decode.neighbours(frames, devices, ticks))
        if ask.gateways:
            served = _served(source, devices, found, errors)
    except (SourceError, ParseError) as error:
        errors.append(error)
    try:
        tables = decode.tables(source.netlink(decode.TABLES).frames)
    except (SourceError, ParseError) as error:
        errors.append(error)
    discards = {}
    for family, path in _STAT.items():
        # only the first network namespace has it
        raw = attempt(errors, source.read, path)
        try:
            count = decode.per_cpu(raw, path).get("unresolved_discards") if raw is not None else None
        except ParseError as error:
            errors.append(error)
            continue
        if count is not None:
            discards[family] = count
    return Sample(clock, found, tables, discards, served, errors)


def _served(
    source: Source, devices: dict[int, str], found: Iterable[Neighbour], errors: list[SretoolError]
) -> dict[tuple[str | None, str], Served] | None:
    """Routes of both families by next hop: an IPv4 route may have an IPv6 one. None, noted, where
    they could not be read.
    """
    if not any(_unanswered(row) for row in found):
        return {}
    named = table_names(source)
    hops: dict[tuple[str | None, str], Served] = {}
    try:
        for family in ("inet", "inet6"):
            request = dump_of(family)
            frames = netlink.noted(source.netlink(request), request.key, errors)
            _serve(hops, frames, family, devices, named)
    except (SourceError, ParseError) as error:
        errors.append(error)
        return None
    return hops


def _serve(
    hops: dict[tuple[str | None, str], Served],
    frames: list[bytes],
    family: str,
    devices: dict[int, str],
    named: TableNames,
) -> None:
    for route in routes.decode(frames, family, devices, named):
        if route.type != "unicast":
            continue
        legs = [(leg.dev, leg.gateway, leg.flags) for leg in route.nexthops]
        for dev, gateway, flags in legs or [(route.dev, route.gateway, route.flags)]:
            if gateway is None or not _DEAD.isdisjoint(flags):
                continue
            count, default, example = hops.get((dev, gateway), Served(0, False, route.dst))
            this = route.dst == "default" and route.table == "main"
            hops[dev, gateway] = Served(count + 1, default or this, route.dst if this else example)


def _unanswered(row: Neighbour) -> bool:
    return row.state in ("failed", "incomplete")


def build(now: Sample, before: Sample | None = None, wanted: Wanted = Wanted()) -> Neighbours:
    """The neighbours that are wanted, and the tables of their families. Entries of the two samples
    are matched by interface and address.
    """
    window = now.clock.mono - before.clock.mono if before is not None else None
    if window is not None and window <= 0:  # another boot: no rates
        before = window = None
    rows = list(filter(wanted.about, now.neighbours or []))
    gone = None
    if before is not None and before.neighbours is not None:
        earlier = {key(row): row for row in filter(wanted.about, before.neighbours)}
        rows = [_compared(row, earlier.pop(key(row), None)) for row in rows]
        gone = sorted(f"{row.dst} dev {row.dev}" for row in earlier.values() if wanted.keeps(row))
    rows.sort(key=_place)
    shown = list(filter(wanted.keeps, rows))
    return Neighbours(
        shown,
        len(shown),
        gone,
        window,
        _tables(now, before, window, wanted.family),
        _gateways(rows, now.served),
    )


def key(row: Neighbour) -> tuple[str, str, bool]:
    """What tells neighbours apart."""
    return row.dev, row.dst, decode.PROXY in row.flags


def _place(row: Neighbour) -> tuple[str, str, bytes]:
    family = socket.AF_INET if row.family == "inet" else socket.AF_INET6
    return row.family, row.dev, socket.inet_pton(family, row.dst)


def _compared(row: Neighbour, earlier: Neighbour | None) -> Neighbour:
    if earlier is None:
        row.changed = ["new"]
        return row
    row.state_before, row.lladdr_before = earlier.state, earlier.lladdr
    row.changed = ["state"] if row.state != earlier.state else []
    # not yet known, or no longer, is no other address
    if row.lladdr != earlier.lladdr and None not in (row.lladdr, earlier.lladdr):
        row.changed.append("lladdr")
    return row


def _gateways(
    rows: Iterable[Neighbour], served: dict[tuple[str | None, str], Served] | None
) -> list[Gateway] | None:
    if served is None:
        return None
    found = []
    for row in rows:
        hop = served.get((row.dev, row.dst))
        if hop is None or not _unanswered(row):
            continue
        # one that was only just asked may still answer
        waited = row.state_before in ("failed", "incomplete") or (row.updated_s or 0) > UNANSWERED_S
        if row.state == "failed" or waited:
            found.append(Gateway(row.family, row.dst, row.dev, row.state, row.updated_s, *hop))
    return found


def _tables(
    now: Sample, before: Sample | None, window: float | None, family: str | None
) -> list[NeighbourTable]:
    rows = []
    for name, table in (now.tables or {}).items():
        if family not in (None, name):
            continue
        earlier = (before.tables or {}).get(name) if before is not None else None
        here = None if now.neighbours is None else [row for row in now.neighbours if row.family == name]
        exempt = None if here is None else sum(map(_exempt, here))

        def grown(counter: str, stats: Counters = table, earlier: Counters | None = earlier) -> int | None:
            return None if earlier is None else netstat.increase(stats.stats, earlier.stats, counter)

        discards = None if before is None else netstat.increase(now.discards, before.discards, name)
        rows.append(
            NeighbourTable(
                name,
                table.name,
                table.entries,
                None if here is None else len(here),
                exempt,
                *table.thresholds,
                window,
                table.stats.get("table_fulls"),
                grown("table_fulls"),
                table.stats.get("res_failed"),
                grown("res_failed"),
                table.stats.get("forced_gc_runs"),
                grown("forced_gc_runs"),
                now.discards.get(name),
                discards,
            )
        )
    return sorted(rows, key=lambda row: row.family)


def _exempt(row: Neighbour) -> bool:
    return row.state == "permanent" or decode.EXTERN_LEARN in row.flags
