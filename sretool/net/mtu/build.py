"""From what was asked and answered to an Mtu. Pure."""

from __future__ import annotations

from typing import NamedTuple

from sretool.net.mtu.engine import Narrowing, Sizer
from sretool.net.mtu.model import Advice, BlackHole, EndReason, Hop, Method, Mtu, Place, Uneven, WayBack
from sretool.net.mtu.probing import Shot


class Asked(NamedTuple):
    """What the engine has no use for."""

    target: str
    source_address: str
    interface: str | None
    methods: list[Method]
    cannot_see: list[str]
    port: int | None
    link_mtu: int | None
    kernel_mtu: int | None


def build(sizer: Sizer, asked: Asked, stopped: EndReason | None = None) -> Mtu:
    """The answer so far. `stopped` says what cut it short, if anything did."""
    ttl, exact = _target(sizer)
    hops = _hops(sizer, ttl)
    holes = [_hole(sizer, found) for found in sizer.narrowings if not _helps(found)]
    return Mtu(
        target=asked.target,
        address=sizer.plan.target,
        source_address=asked.source_address,
        interface=asked.interface,
        methods=asked.methods,
        cannot_see=asked.cannot_see,
        port=asked.port,
        path_mtu_bytes=sizer.path_mtu,
        widest_way_bytes=_widest(sizer),
        reached=bool(sizer.arrivals()),
        end_reason=stopped or sizer.end or "unsettled",
        end_address=_refuser(sizer),
        target_ttl=ttl,
        target_ttl_exact=exact,
        asked_bytes=sizer.plan.big,
        link=None,
        link_mtu_bytes=asked.link_mtu,
        route_mtu_bytes=None,
        kernel_mtu_bytes=asked.kernel_mtu,
        cached_mtu_bytes=None,
        cached_expires_s=None,
        tcp_mtu_probing=None,
        black_hole=holes[0] if holes else None,
        further_black_holes=holes[1:],
        uneven=None if sizer.uneven is None else Uneven(*sizer.uneven),
        way_back=None if sizer.back is None else WayBack(*sizer.back),
        advertised=_advice(sizer),
        connections=[],
        hops=hops,
        total=len(hops),
        probes_sent=len(sizer.shots),
        stray_replies=len(sizer.strays),
        network_ms=round(sizer.network_s * 1000, 3),
    )


def _helps(found: Narrowing) -> bool:
    """An advertised size that was then asked and got through."""
    return found.advertised is not None and found.advertised == found.passes


def _target(sizer: Sizer) -> tuple[int | None, bool | None]:
    arrivals = sizer.arrivals()
    if not arrivals:
        return None, None
    routers = max((shot.ttl for shot in sizer.shots if sizer.expired(shot)), default=0)
    nearest = min(shot.ttl for shot in arrivals)
    if nearest < sizer.plan.max_ttl:
        return nearest, True
    # it answered only what was sent as far as we go
    return min(routers + 1, nearest), routers + 1 == nearest


def _widest(sizer: Sizer) -> int | None:
    largest = max((shot.size_bytes for shot in sizer.arrivals()), default=0)
    return largest if sizer.path_mtu is not None and largest > sizer.path_mtu else None


def _refuser(sizer: Sizer) -> str | None:
    if sizer.end not in ("unreachable", "prohibited"):
        return None
    for shot in sizer.shots:
        if shot.reply is not None and sizer.denied(shot):
            return shot.reply.address
    return None


def _advice(sizer: Sizer) -> list[Advice]:
    said: dict[tuple[str | None, int], list[Shot]] = {}
    for shot in sizer.shots:
        if shot.reply is not None and sizer.refused(shot):
            said.setdefault((shot.reply.address, shot.reply.mtu or 0), []).append(shot)
    found = []
    for (address, mtu), shots in said.items():
        place = sizer.place(shots[0])
        found.append(
            Advice(address, place, mtu, min(shot.size_bytes for shot in shots), sizer.largest_to(place + 1))
        )
    return sorted(found, key=lambda one: (one.ttl or 0, one.mtu_bytes))


def _hops(sizer: Sizer, target: int | None) -> list[Hop]:
    advertised: dict[int, int] = {}
    for one in _advice(sizer):
        if one.ttl is not None:
            advertised[one.ttl] = min(one.mtu_bytes, advertised.get(one.ttl, one.mtu_bytes))
    last = target
    if last is None:
        answered = [shot.ttl for shot in sizer.shots if sizer.expired(shot)]
        last = max([*answered, *advertised], default=0)
    return [_hop(sizer, ttl, target, advertised.get(ttl)) for ttl in range(1, last + 1)]


def _hop(sizer: Sizer, ttl: int, target: int | None, advertised: int | None) -> Hop:
    if ttl == target:
        shots = sizer.arrivals()
        addresses = [sizer.plan.target]
        largest = max((shot.size_bytes for shot in shots), default=None)
    else:
        shots = [shot for shot in sizer.shots if shot.ttl == ttl and sizer.expired(shot)]
        addresses = sizer.routers(ttl)
        largest = sizer.largest_to(ttl) if shots else None
    rtts = [shot.rtt_s for shot in shots if shot.reply is not None]
    return Hop(
        ttl=ttl,
        address=addresses[0] if addresses else None,
        addresses=addresses,
        rtt_ms=round(min(rtts) * 1000, 3) if rtts else None,
        mtu_bytes=largest,
        advertised_mtu_bytes=advertised,
    )


def _hole(sizer: Sizer, found: Narrowing) -> BlackHole:
    target, _ = _target(sizer)
    before = None
    if found.before is not None:
        ttl = target if target is not None and found.before >= target else found.before
        addresses = [sizer.plan.target] if ttl == target else sizer.routers(ttl)
        before = Place(ttl, addresses[0] if addresses else None)
    addresses = sizer.routers(found.after)
    return BlackHole(
        after=Place(found.after, addresses[0] if addresses else None),
        before=before,
        passes_bytes=found.passes,
        fails_bytes=found.fails,
        exact=found.exact,
        direction="forward" if found.forward else "unknown",
        advertised_mtu_bytes=found.advertised,
    )
