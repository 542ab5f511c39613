"""One reading of all that decides where packets go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sretool.errors import Missing, ParseError, SourceError, SretoolError
from sretool.host import netlink, netstat
from sretool.host.identity import identity
from sretool.host.interfaces import LINKS
from sretool.host.source import Clock, Source
from sretool.net.routes.model import NextHop
from sretool.net.routes.read import around, names, nexthops, rules
from sretool.net.routes.read.around import LinkState
from sretool.net.routes.read.dump import dump_of
from sretool.net.routes.read.names import TableNames
from sretool.net.routes.read.nexthops import Nexthop
from sretool.net.routes.read.rules import Rule
from sretool.net.routes.read.wanted import EVERY, Wanted

CONF = "/proc/sys/net/ipv4/conf"
_CONF_FILES = ("rp_filter", "forwarding")
_COMPAT = "/proc/sys/net/ipv4/nexthop_compat_mode"
_HASH_POLICY = "/proc/sys/net/{}/fib_multipath_hash_policy"
_FORWARDING6 = "/proc/sys/net/ipv6/conf/all/forwarding"


class Ask(NamedTuple):
    """What to read: routes of these families (`routes` False: they are streamed later), of which the
    kernel may leave out what is not `wanted`; policy rules; what the fate of a route depends on
    (nexthop objects, neighbours); settings; counters.
    """

    families: tuple[str, ...] = ("inet", "inet6")
    routes: bool = True
    wanted: Wanted = EVERY
    rules: bool = False
    around: bool = False
    settings: bool = False
    counters: bool = False


EVERYTHING = Ask(rules=True, around=True, settings=True, counters=True)
COUNTERS = Ask((), counters=True)


class Settings(NamedTuple):
    """Settings of the kernel that decide over packets; what could not be read is not there, or None.

    `rp_filter` is that of an interface (the larger of its own and that of `all`), `forwarding` of an
    interface for IPv4; `hash_policy` by family.
    """

    rp_filter: Mapping[str, int]
    forwarding: Mapping[str, bool]
    forwarding6: bool | None
    hash_policy: Mapping[str, int]


class Sample(NamedTuple):
    """One reading. Frames stay raw: rows are made of those that are wanted. None is what was not asked,
    or could not be read.
    """

    clock: Clock
    frames: dict[str, list[bytes]]
    rules: dict[str, list[Rule]]
    devices: dict[int, str]
    tables: TableNames
    uid: int
    errors: list[SretoolError]
    links: dict[int, LinkState] | None = None
    neighbours: dict[tuple[str, bytes], str] | None = None
    nexthops: dict[int, Nexthop] | None = None
    settings: Settings | None = None
    counters: netstat.Counters | None = None

    def legs(self) -> dict[int, list[NextHop]]:
        """The next hops that each nexthop object stands for."""
        objects = self.nexthops or {}
        found = {}
        for id_, used in objects.items():
            members = used.members or ((id_, 1),)
            found[id_] = [
                NextHop(
                    one.gateway,
                    self.devices.get(one.ifindex, f"if{one.ifindex}") if one.ifindex else None,
                    weight,
                    names.flag_names(one.flags),
                    one.encap,
                    one.encap_to,
                )
                for member, weight in members
                if (one := objects.get(member)) is not None
            ]
        return found

    def link(self, name: str | None) -> LinkState | None:
        """The state of an interface, by its name."""
        return next((link for link in (self.links or {}).values() if link.name == name), None)


def sample(source: Source, ask: Ask) -> Sample:
    """Read what `ask` needs; what could not be read is in `errors`."""
    errors: list[SretoolError] = []
    clock = source.clock()

    tables = names.tables(source)
    links = neighbours = objects = None
    frames: dict[str, list[bytes]] = {}
    found: dict[str, list[Rule]] = {}
    try:
        if ask.families and (raw := netlink.attempted(source, LINKS, errors)) is not None:
            links = around.links(raw)
        # otherwise the kernel writes the next hops of an object into each route that uses it
        bare = ask.families and _read(source, _COMPAT) == 0
        if (ask.around or bare) and (raw := netlink.attempted(source, nexthops.NEXTHOPS, errors)) is not None:
            objects = {one.id: one for one in nexthops.read(raw)}
        if ask.around and (raw := netlink.attempted(source, around.NEIGHBOURS, errors)) is not None:
            neighbours = around.neighbours(raw, links or {})
    except ParseError as error:
        errors.append(error)
    devices = {index: link.name for index, link in (links or {}).items()}
    for family in ask.families:
        if ask.routes and (raw := _routes(source, family, ask.wanted, devices, errors)) is not None:
            frames[family] = raw
        try:
            if ask.rules and (raw := netlink.attempted(source, rules.request(family), errors)) is not None:
                found[family] = rules.decode(raw, family, tables)
        except ParseError as error:
            errors.append(error)
    return Sample(
        clock,
        frames,
        found,
        devices,
        tables,
        identity(source).uid if ask.rules else 0,
        errors,
        links,
        neighbours,
        objects,
        settings(source, devices.values()) if ask.settings else None,
        netstat.read(source, errors) if ask.counters else None,
    )


def _routes(
    source: Source, family: str, wanted: Wanted, devices: Mapping[int, str], errors: list[SretoolError]
) -> list[bytes] | None:
    request = dump_of(family, wanted, devices)
    try:
        return netlink.noted(source.netlink(request), request.key, errors)
    except Missing as error:
        if request.strict:  # the table that was asked for is not there: it has no routes
            return []
        errors.append(error)
    except SourceError as error:
        errors.append(error)
    return None


def settings(source: Source, devices: Iterable[str]) -> Settings:
    """The settings of these interfaces; one that cannot be read is unknown."""
    found = source.bulk(CONF, ["all", *devices], _CONF_FILES)
    numbers = {name: [_number(raw) for raw in values] for name, values in found.items()}
    every = numbers.pop("all", [None, None])
    policies = {
        "inet": _read(source, _HASH_POLICY.format("ipv4")),
        "inet6": _read(source, _HASH_POLICY.format("ipv6")),
    }
    forwarding6 = _read(source, _FORWARDING6)
    return Settings(
        {
            name: max(own, every[0])  # net.ipv4.conf.*.rp_filter, Documentation/networking/ip-sysctl.rst
            for name, (own, _) in numbers.items()
            if own is not None and every[0] is not None
        },
        {name: bool(own) for name, (_, own) in numbers.items() if own is not None},
        None if forwarding6 is None else bool(forwarding6),
        {family: policy for family, policy in policies.items() if policy is not None},
    )


def _read(source: Source, path: str) -> int | None:
    try:
        return _number(source.read(path))
    except SourceError:
        return None


def _number(raw: bytes | int) -> int | None:
    try:
        return None if isinstance(raw, int) else int(raw)
    except ValueError:
        return None
