"""Nexthop objects with what their fate depends on: links and neighbours."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import NamedTuple

from sretool.errors import ParseError, SretoolError
from sretool.host import netlink
from sretool.host.interfaces import LINKS
from sretool.host.source import Clock, Source
from sretool.net.nexthops.model import Leg, NexthopRow, Nexthops
from sretool.net.routes.read import around, names, nexthops
from sretool.net.routes.read.around import SILENT, LinkState
from sretool.net.routes.read.decode import FAMILIES
from sretool.net.routes.read.nexthops import Nexthop

_FAMILIES: dict[int, str] = {number: name for name, number in FAMILIES.items()}


class Ask(NamedTuple):
    """What to read: all of it is small."""


EVERYTHING = Ask()


class Sample(NamedTuple):
    """One reading; None where a dump failed."""

    clock: Clock
    nexthops: list[bytes] | None
    links: list[bytes] | None
    neighbours: list[bytes] | None
    errors: list[SretoolError]


def sample(source: Source, ask: Ask = EVERYTHING) -> Sample:
    """The three dumps; what could not be read is in `errors`."""
    errors: list[SretoolError] = []
    clock = source.clock()
    return Sample(
        clock,
        netlink.attempted(source, nexthops.NEXTHOPS, errors),
        netlink.attempted(source, LINKS, errors),
        netlink.attempted(source, around.NEIGHBOURS, errors),
        errors,
    )


class Known(NamedTuple):
    """What is known of links and neighbours; None where it could not be read."""

    links: Mapping[int, LinkState] | None
    neighbours: Mapping[tuple[str, bytes], str] | None

    def dev(self, index: int) -> str | None:
        """The name of an interface; `if7` where it is not known."""
        if not index:
            return None
        link = (self.links or {}).get(index)
        return link.name if link is not None else f"if{index}"

    def neighbour(self, nexthop: Nexthop) -> str | None:
        """The state of its gateway."""
        link = (self.links or {}).get(nexthop.ifindex)
        if nexthop.gateway is None or link is None or not link.asks or self.neighbours is None:
            return None
        return self.neighbours.get((link.name, ipaddress.ip_address(nexthop.gateway).packed), "none")

    def trouble(self, nexthop: Nexthop) -> str | None:
        """Why nothing sent through it arrives."""
        link = (self.links or {}).get(nexthop.ifindex)
        flags = names.flag_names(nexthop.flags)
        if link is not None and link.trouble is not None:
            return f"{link.name}: {link.trouble}"
        if self.links is not None and nexthop.ifindex and link is None:
            return f"if{nexthop.ifindex} is not there"
        if "dead" in flags or "linkdown" in flags:
            return "the kernel marks it " + ("dead" if "dead" in flags else "linkdown")
        state = self.neighbour(nexthop)
        return f"{nexthop.gateway} does not answer ({state})" if state in SILENT else None


def build(now: Sample, dev: str | None = None, dead: bool = False) -> Nexthops:
    """Objects with their legs, of one interface (itself or by a leg) and with trouble only where asked.
    Damaged frames cost their own part and are noted in `now.errors`.
    """
    links = neighbours = None
    objects: list[Nexthop] = []
    try:
        links = None if now.links is None else around.links(now.links)
        neighbours = None if now.neighbours is None else around.neighbours(now.neighbours, links or {})
    except ParseError as error:
        now.errors.append(error)
    try:
        objects = nexthops.read(now.nexthops or [])
    except ParseError as error:
        now.errors.append(error)
    known = Known(links, neighbours)
    by_id = {one.id: one for one in objects}
    rows = [_row(one, by_id, known) for one in objects]
    if dev is not None:
        rows = [row for row in rows if dev in (row.dev, *(leg.dev for leg in row.legs))]
    if dead:
        rows = [row for row in rows if row.trouble is not None]
    return Nexthops(rows, len(rows))


def _row(nexthop: Nexthop, by_id: Mapping[int, Nexthop], known: Known) -> NexthopRow:
    legs = [_leg(id_, weight, nexthop, by_id, known) for id_, weight in nexthop.members]
    dead = sum(leg.trouble is not None for leg in legs)
    table = nexthop.resilient
    kind = nexthop.group_type or ("blackhole" if nexthop.blackhole else "fdb" if nexthop.fdb else "nexthop")
    trouble = known.trouble(nexthop) if nexthop.group_type is None else _of_group(len(legs), dead)
    return NexthopRow(
        id=nexthop.id,
        type=kind,
        family=_FAMILIES.get(nexthop.family),
        gateway=nexthop.gateway,
        dev=known.dev(nexthop.ifindex),
        scope=names.of(names.SCOPES, nexthop.scope),
        protocol=names.of(names.PROTOCOLS, nexthop.protocol),
        flags=names.flag_names(nexthop.flags),
        fdb=nexthop.fdb,
        encap=nexthop.encap,
        encap_to=nexthop.encap_to,
        neighbour=known.neighbour(nexthop),
        legs=legs,
        legs_dead=dead,
        buckets=None if table is None else table.buckets,
        idle_timer_s=None if table is None else table.idle_timer_s,
        unbalanced_timer_s=None if table is None else table.unbalanced_timer_s,
        unbalanced_time_s=None if table is None else table.unbalanced_s,
        trouble=trouble,
    )


def _leg(id_: int, weight: int, group: Nexthop, by_id: Mapping[int, Nexthop], known: Known) -> Leg:
    nexthop = by_id.get(id_)
    share = round(weight / sum(each for _, each in group.members), 4)
    if nexthop is None:
        return Leg(id_, weight, share, None, None, None, f"nexthop {id_} is not there")
    return Leg(
        id_,
        weight,
        share,
        nexthop.gateway,
        known.dev(nexthop.ifindex),
        known.neighbour(nexthop),
        known.trouble(nexthop),
    )


def _of_group(legs: int, dead: int) -> str | None:
    if not dead:
        return None
    return "no leg works" if dead == legs else f"{dead} of {legs} legs dead"
