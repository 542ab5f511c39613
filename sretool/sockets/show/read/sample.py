"""What `sockets show` reads: the sockets that are meant at one moment, and what stands around them."""

from __future__ import annotations

import sys
from typing import NamedTuple

from sretool.errors import Missing, ParseError, SourceError, SretoolError
from sretool.host import interfaces, netlink
from sretool.host.source import Source
from sretool.net.routes.model import Decision
from sretool.net.routes.read import Flow
from sretool.sockets import read as sockets
from sretool.sockets.show import target
from sretool.sockets.show.read import netns, route
from sretool.sockets.show.target import Wanted

_SYSCTLS = (
    "net/ipv4/tcp_rmem",
    "net/ipv4/tcp_wmem",
    "net/core/rmem_max",
    "net/core/wmem_max",
    "net/ipv4/tcp_retries2",
    "net/ipv4/tcp_syn_retries",
    "net/ipv4/tcp_keepalive_probes",
)
_IFLA_MTU = 4  # include/uapi/linux/if_link.h
ROUTES = 64
"""Sockets of which the route is asked, two questions to the kernel each."""


SELECTED = 32
"""Sockets that the kernel is asked for by their ends; for more it is asked for all."""


class Ask(NamedTuple):
    """What to read; without `wanted` only what stands around sockets. `owners`: whose they are."""

    wanted: Wanted | None = None
    owners: bool = True


EVERYTHING = Ask()


class Sample(NamedTuple):
    """One reading: the sockets that are meant, what could not be read, and the network namespace they
    are in, None for ours.
    """

    sockets: sockets.Sample
    errors: list[SretoolError]
    netns: str | None = None

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(len(table.records) for table in self.sockets.tables)


class Around(NamedTuple):
    """What stands around them: limits by the name of the sysctl (its last number), routes by cookie,
    MTUs by interface.
    """

    limits: dict[str, int]
    routes: dict[int, Decision | None]
    mtus: dict[str, int]
    errors: list[SretoolError]


def sample(source: Source, ask: Ask) -> Sample:
    """The sockets that `ask` means; what could not be read is in `errors`.

    Raises:
        Ambiguous, SourceError: see `target.select`.
    """
    if ask.wanted is None:  # for a recording; the sockets are recorded by `sockets list`
        around = _around(source, [])
        nothing = sockets.Sample(source.clock(), [], None, {}, {}, {}, None, around.errors)
        return Sample(nothing, around.errors)
    place = netns.place(source, ask.wanted)
    if place is None:
        return _sample(source, ask, ask.wanted, None)
    there = _sample(source, ask, ask.wanted._replace(kind="pid"), place)
    if ask.wanted.kind == "pid":
        return there
    here = _sample(source, ask, ask.wanted._replace(kind="inode"), None)
    if here.total and there.total:
        raise target.ambiguous(ask.wanted, there.total)
    return here if here.total else there


def _sample(source: Source, ask: Ask, wanted: Wanted, place: str | None) -> Sample:
    source = netns.within(source, place)
    wants = sockets.Ask(filter=wanted.filter, info=True, memory=True, details=True)
    if wants.filter is None:
        # of 100,000 sockets it takes but one: first those that fit, without what only they are asked for
        bare = sockets.sample(source, sockets.Ask(owners=False, users=False))
        tables = target.select(source, bare.tables, wanted)
        count = sum(len(table.records) for table in tables)
        if not count:
            return Sample(bare._replace(tables=tables), bare.errors, place)
        if count <= SELECTED:
            wants = wants._replace(filter=target.exactly(tables))
    found = sockets.sample(source, wants._replace(owners=False, users=False))
    found = found._replace(tables=target.select(source, found.tables, wanted), keeps=None)
    if ask.owners:
        found = sockets.attributed(source, found, wants)
    return Sample(found, found.errors, place)


def first(source: Source, ask: Ask) -> Sample:
    """The earlier of two readings, which is only compared with.

    Raises:
        SretoolError: as `sample`; and on a live host, where there is nothing to wait for, what is meant is
            not there.
    """
    found = sample(source, ask._replace(owners=False))
    if source.live and not found.total and ask.wanted is not None:
        raise target.nothing(source, ask.wanted, found.errors)
    return found


def around(source: Source, now: Sample) -> Around:
    """Limits, and the routes of the first ROUTES connections."""
    found = _around(netns.within(source, now.netns), route.flows(now.sockets, ROUTES))
    # /proc/sys/net is that of who reads it
    return found if now.netns is None else found._replace(limits={})


def _around(source: Source, flows: list[tuple[int, Flow | None]]) -> Around:
    errors: list[SretoolError] = []
    limits = {}
    for name in _SYSCTLS:
        try:
            limits[name.rpartition("/")[2]] = int(source.read(f"/proc/sys/{name}").split()[-1])
        except Missing:
            continue
        except (ValueError, IndexError):
            errors.append(ParseError(f"/proc/sys/{name}", "no number"))
        except SourceError as error:
            errors.append(error)
    return Around(limits, route.ask(source, flows, errors), _mtus(source, errors), errors)


def _mtus(source: Source, errors: list[SretoolError]) -> dict[str, int]:
    """MTU by interface name, from the dump that also names them."""
    found = {}
    try:
        for frame in source.netlink(interfaces.LINKS).frames:
            for kind, _, payload in netlink.messages(frame, interfaces.LINKS.key):
                if kind != interfaces.RTM_NEWLINK:
                    continue
                values = dict(netlink.attributes(payload, interfaces.IFINFOMSG.size, interfaces.LINKS.key))
                name, mtu = values.get(interfaces.IFLA_IFNAME), values.get(_IFLA_MTU, b"")
                if name is not None and len(mtu) == 4:
                    found[netlink.name(name)] = int.from_bytes(mtu, sys.byteorder)
    except (SourceError, ParseError) as error:
        errors.append(error)
    return found
