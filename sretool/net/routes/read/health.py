"""What checks judge: of many routes the few that something may be wrong with, picked as rows go by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

from sretool.host.netstat import increase
from sretool.net.routes.model import Decision, Hop, NextHop, Route, WayBack
from sretool.net.routes.read.sample import Sample
from sretool.net.routes.read.wanted import EVERY, Wanted

T = TypeVar("T")
MOST = 1000
"""So many routes with one fault are kept; the rest is counted."""
DEFAULTS = {"inet": ("default", "0.0.0.0/1"), "inet6": ("default", "::/1", "2000::/3")}
"""Prefixes that lead out of here; VPN clients lay two halves over the default route."""
_GLOBAL = ("2", "3")  # of IPv6 (RFC 4291, 2000::/3)
_RP_FILTER = "TcpExt.IPReversePathFilter"


class Legs(NamedTuple):
    """A multipath route and those of its next hops that do not work, each with why."""

    route: Route
    dead: list[tuple[Hop | NextHop, str]]
    total: int


class Down(NamedTuple):
    """A route out of a link through which nothing leaves."""

    route: Route
    why: str


class TooLarge(NamedTuple):
    """A route that takes packets larger than its link."""

    route: Route
    dev: str
    mtu_bytes: int
    link_mtu_bytes: int
    source: str


class Filtered(NamedTuple):
    """What the reverse path filter drops: packets of one flow, or since the earlier reading so many.

    `strict` are interfaces in strict mode that no default route leads out of: what comes in there from
    anywhere but their own prefixes is dropped.
    """

    dropped: int | None
    window_s: float | None
    strict: list[str]
    flow: tuple[str, str, WayBack] | None = None


class Health:
    """The facts behind the checks of routes. `partly` says why not all routes were looked at ("" when
    all were).
    """

    def __init__(self, now: Sample, partly: str = "", wanted: Wanted = EVERY) -> None:
        self.wanted = wanted
        self.partly = partly or ("only some routes were asked for" if wanted.narrow else "")
        self._frames = now.frames
        self.defaults: dict[str, int] = {}
        self.addressed: set[str] = set()
        self.legs: list[Legs] = []
        self.down: list[Down] = []
        self.too_large: list[TooLarge] = []
        self.more: dict[str, int] = {}
        self.filtered = Filtered(None, None, [])
        self._default_devs: set[str] = set()
        self._links = None if now.links is None else {link.name: link for link in now.links.values()}
        self.links_read = self._links is not None

    @property
    def families(self) -> tuple[str, ...]:
        """Those whose routes could be read to their end."""
        return tuple(self._frames)

    def see(self, routes: Iterable[Route]) -> Iterator[Route]:
        """The same routes, looked at on their way."""
        for route in routes:
            if (
                route.flags
                or route.metrics
                or route.nexthops
                or route.dst == "default"
                or route.type != "unicast"
                or route.dst in DEFAULTS[route.family]
            ):
                self._look(route)
            yield route

    def _look(self, route: Route) -> None:
        if route.type == "local":
            if route.dev != "lo" and (route.family == "inet" or route.dst.startswith(_GLOBAL)):
                self.addressed.add(route.family)
            return
        if route.type != "unicast":
            return
        devs = [dev for dev in (route.dev, *(leg.dev for leg in route.nexthops)) if dev is not None]
        if route.dst in DEFAULTS[route.family]:
            self.defaults[route.family] = self.defaults.get(route.family, 0) + 1
            self._default_devs.update(devs)
        dead = [
            (leg, why) for leg in route.nexthops if (why := self._trouble(leg.dev, leg.flags)) is not None
        ]
        if dead:
            self._keep(self.legs, "legs", Legs(route, list(dead), len(route.nexthops)))
        # what the kernel made of an address on the link is there as long as the address is, unplugged or
        # not: an unused port, a container bridge without containers
        elif route.protocol != "kernel" and (why := self._trouble(route.dev, route.flags)) is not None:
            self._keep(self.down, "down", Down(route, why))
        mtu = route.metrics.get("mtu")
        if isinstance(mtu, int):
            self._larger(route, devs, mtu, "RTA_METRICS RTAX_MTU")

    def _trouble(self, dev: str | None, flags: list[str]) -> str | None:
        if "linkdown" not in flags and "dead" not in flags:
            return None
        link = (self._links or {}).get(dev or "")
        if link is not None and link.trouble is not None:
            return link.trouble
        return f"the kernel marks it {'dead' if 'dead' in flags else 'linkdown'}"

    def _larger(self, route: Route, devs: list[str], mtu: int, source: str) -> None:
        for dev in devs:
            link = (self._links or {}).get(dev)
            if link is not None and link.mtu is not None and mtu > link.mtu:
                self._keep(self.too_large, "too_large", TooLarge(route, dev, mtu, link.mtu, source))

    def _keep(self, kept: list[T], name: str, one: T) -> None:
        if len(kept) < MOST:
            kept.append(one)
        else:
            self.more[name] = self.more.get(name, 0) + 1

    def compare(self, now: Sample, before: Sample | None) -> None:
        """Counters of two readings."""
        strict = []
        if now.settings is not None:
            for name, link in (self._links or {}).items():
                if link.up and not link.loopback and now.settings.rp_filter.get(name) == 1:
                    strict.append(name)
        dropped = window = None
        if before is not None and now.counters is not None and before.counters is not None:
            dropped = increase(now.counters, before.counters, _RP_FILTER)
            window = now.clock.mono - before.clock.mono
        self.filtered = Filtered(dropped, window, [name for name in strict if name not in self._default_devs])

    def decided(self, decision: Decision) -> None:
        """What one decision says."""
        route = decision.route
        if decision.way_back is not None and decision.iif is not None and decision.from_address is not None:
            flow = (decision.from_address, decision.iif, decision.way_back)
            self.filtered = Filtered(None, None, [], flow)
        if route is None or not decision.hops:
            return
        dead: list[tuple[Hop | NextHop, str]] = [(hop, hop.trouble) for hop in decision.hops if hop.trouble]
        if len(decision.hops) > 1 and dead:
            self.legs.append(Legs(route, dead, len(decision.hops)))
        elif len(decision.hops) == 1:
            link = (self._links or {}).get(decision.hops[0].dev or "")
            if link is not None and link.trouble is not None:
                self.down.append(Down(route, link.trouble))
        if decision.mtu is not None and decision.mtu_source in ("path", "route"):
            source = "RTM_GETROUTE RTAX_MTU" if decision.mtu_source == "path" else "RTA_METRICS RTAX_MTU"
            devs = list(dict.fromkeys(hop.dev for hop in decision.hops if hop.dev is not None))
            self._larger(route, devs, decision.mtu, source)
