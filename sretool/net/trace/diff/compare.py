"""Two paths to one target, compared. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Literal

from msgspec import structs

from sretool.net.trace.diff.align import align
from sretool.net.trace.diff.model import (
    Aspect,
    Difference,
    Leg,
    Limits,
    Loss,
    PathDiff,
    Shift,
    Step,
)
from sretool.net.trace.ecmp.model import Ecmp, Node
from sretool.net.trace.model import Hop, Host, Path
from sretool.probe.rank import Stratum, chance, least_chance, split, stratum
from sretool.probe.stats import wilson

# what cannot be compared when two traces differ in this
_FLOW: tuple[Aspect, ...] = ("path", "legs", "rtt")
_SPOILS: dict[str, tuple[Aspect, ...]] = {
    "family": (*_FLOW, "loss", "end"),
    "protocol": (*_FLOW, "loss", "end"),
    "port": ("path", "legs", "end"),
    "address": _FLOW,
    "source_address": _FLOW,
    "interface": _FLOW,
    "flow": ("legs",),
    "method": (),
    "host": _FLOW,
}
Draws = Literal["one", "flows", "probes"]
"""What was sent on ways of its own: nothing, every flow of --ecmp, or every probe."""
CUT_SHORT = ("interrupted", "deadline")


def compare(
    before: Path, after: Path, limits: Limits | None = None, hosts: tuple[str, str] = ("", "")
) -> PathDiff:
    """What is different; `hosts` are those the traces were made on, where they are known."""
    limits = limits or Limits()
    before, after = _widened(before), _widened(after)
    steps = align(before, after)
    return PathDiff(
        before=before,
        after=after,
        differences=list(_differences(before, after, hosts)),
        steps=steps,
        path_chance=_path_chance(before, after, steps),
        legs=[leg for step in steps if step.shared for leg in _legs(step)],
        shift=_shift(steps, limits),
        loss=_loss(before, after, steps),
        limits=limits,
    )


def _widened(path: Path) -> Path:
    """With every host that --ecmp found, and flows where a host has replies: a flow is one draw, however
    many of its probes are answered.
    """
    if not isinstance(path.ecmp, Ecmp):
        return path
    nodes = {hop.ttl: hop.nodes for hop in path.ecmp.hops}
    hops = []
    for hop in path.hops:
        known = {host.address: host for host in hop.hosts}
        hosts = [
            structs.replace(
                known.get(node.address) or _host(node),
                replies=len(node.flows),
            )
            for node in nodes.get(hop.ttl, ())
        ]
        hops.append(structs.replace(hop, hosts=hosts or hop.hosts))
    return structs.replace(path, hops=hops)


def _host(node: Node) -> Host:
    """One that none of the first flows met."""
    nothing = (None,) * 9
    return Host(node.address, node.answer, None, None, 0, [], *nothing)


def _draws(path: Path) -> Draws:
    if isinstance(path.ecmp, Ecmp):
        return "flows"
    return "one" if path.flow == "fixed" else "probes"


def _differences(before: Path, after: Path, hosts: tuple[str, str]) -> Iterator[Difference]:
    pairs: dict[str, tuple[str | int | None, str | int | None]] = {
        name: (getattr(before, name), getattr(after, name))
        for name in ("protocol", "port", "source_address", "interface", "flow", "method")
    }
    families = tuple("IPv6" if ":" in path.address else "IPv4" for path in (before, after))
    pairs = {"family": (families[0], families[1]), "address": (before.address, after.address), **pairs}
    if families[0] != families[1]:
        del pairs["address"], pairs["source_address"]
    if before.protocol != after.protocol:
        del pairs["port"], pairs["method"]
    if all(hosts):
        pairs["host"] = hosts
    for name, (old, new) in pairs.items():
        if old != new:
            yield Difference(after.target, name.replace("_", " "), old, new, list(_SPOILS[name]))
    by_ecmp = [_draws(path) == "flows" for path in (before, after)]
    if by_ecmp[0] != by_ecmp[1]:
        yield Difference(after.target, "--ecmp", by_ecmp[0], by_ecmp[1], ["legs"])
    if {before.end_reason, after.end_reason} & set(CUT_SHORT):
        yield Difference(
            after.target, "how it was ended", before.end_reason, after.end_reason, ["loss", "end"]
        )


def _replies(hop: Hop | None) -> int:
    return 0 if hop is None else sum(max(0, host.replies) for host in hop.hosts)


def _path_chance(before: Path, after: Path, steps: Sequence[Step]) -> float:
    """That balancers with two equal legs or more sent the same paths' probes so. A fixed flow is one draw
    for all its hops, and the same one in two traces only where its ports and addresses are.
    """
    changed = [step for step in steps if step.other]
    if not changed:
        return 0.0
    draws = {_draws(before), _draws(after)}
    if draws == {"one"}:
        return 0.0 if _same_flow(before, after) else split(1, 1, 1)
    if "one" in draws:
        drawn = [_replies(step.after if _draws(before) == "one" else step.before) for step in changed]
        return split(1, 1, max(drawn))
    chances = []
    for step in changed:
        old, new = step.before, step.after
        if old is None and new is not None:
            old = _at(before, new.ttl)
        if new is None and old is not None:
            new = _at(after, old.ttl)
        chances.append(split(min(_replies(old), 10_000), _replies(old), _replies(new)))
    # one flow passes all hops of its leg: what it shows at several of them is seen once
    return min(chances) if "flows" in draws else math.prod(chances)


def _same_flow(before: Path, after: Path) -> bool:
    return before.source_port is not None and all(
        getattr(before, name) == getattr(after, name)
        for name in ("source_port", "port", "protocol", "source_address", "address")
    )


def _at(path: Path, ttl: int) -> Hop | None:
    """What answers probes of that TTL: past its end, the end."""
    return min(path.hops, key=lambda hop: abs(hop.ttl - ttl), default=None)


def _legs(step: Step) -> Iterator[Leg]:
    sides = [Counter[str](), Counter[str]()]
    for hop, count in zip(step, sides):
        for host in hop.hosts if hop is not None else ():
            if host.address:
                count[host.address] += max(0, host.replies)
    old, new = sides
    for one, other, lost in ((old, new, True), (new, old, False)):
        for address in sorted(one.keys() - other.keys()):
            seen = min(one[address], 10_000)
            yield Leg(step, address, lost, split(seen, one.total(), other.total()))


def _rtts(step: Step) -> tuple[list[float], list[float]]:
    """Times of the hosts that answered in both, of all where none did."""
    sides: list[list[float]] = []
    for hop in step:
        hosts = hop.hosts if hop is not None else ()
        sides.append(
            [
                rtt
                for host in hosts
                if not step.shared or host.address in step.shared
                for rtt in host.rtts_ms
                if rtt >= 0
            ]
        )
    return sides[0], sides[1]


def _shift(steps: Sequence[Step], limits: Limits) -> Shift | None:
    strata: list[Stratum] = []
    sizes: list[tuple[int, int]] = []
    begins: list[tuple[Step, float, float]] = []
    for step in reversed(steps):
        old, new = _rtts(step)
        if not old or not new:
            continue
        earlier, later = median(old), median(new)
        moved = later - earlier
        if abs(moved) < limits.floor_ms(min(earlier, later)):
            break
        if begins and (moved > 0) != (begins[0][2] > begins[0][1]):
            break
        begins.append((step, earlier, later))
        strata.append(stratum(old, new))
        sizes.append((len(old), len(new)))
    if not begins:
        return None
    (far, far_before, far_after), (step, earlier, later) = begins[0], begins[-1]
    return Shift(
        step=step,
        before_ms=earlier,
        after_ms=later,
        floor_ms=limits.floor_ms(min(earlier, later)),
        far=far,
        far_before_ms=far_before,
        far_after_ms=far_after,
        answers=(sum(m for m, _ in sizes), sum(n for _, n in sizes)),
        chance=chance(strata),
        least_chance=least_chance(sizes),
    )


Interval = tuple[float, float, float]


def _interval(hop: Hop | None) -> Interval | None:
    if hop is None or None in (hop.loss_ratio, hop.loss_low_ratio, hop.loss_high_ratio):
        return None
    return hop.loss_ratio or 0.0, hop.loss_low_ratio or 0.0, hop.loss_high_ratio or 0.0


def _target_loss(path: Path) -> Interval | None:
    """Of the probes that went far enough; None when the target did not answer, or answered the first
    few and then fell silent, which is what an ICMP rate limit looks like and no loss.
    """
    if not path.reached:
        return None
    row = next((hop for hop in path.hops if hop.ttl == path.end_ttl), None)
    if row is None or path.rounds > 1 or row.received == row.sent or not path.target_answered:
        return _interval(row)
    answers = path.target_answered
    if not any(answers):
        return None
    trailing = answers[::-1].index(True)
    if trailing and (2 * trailing >= len(answers) or len(answers) < 8):
        return None
    lost = answers.count(False)
    return (lost / len(answers), *wilson(lost, len(answers)))


def _loss(before: Path, after: Path, steps: Sequence[Step]) -> Loss | None:
    old, new = _target_loss(before), _target_loss(after)
    if old is None or new is None or not steps:
        return None
    found = Loss(steps[-1], old, new)
    for step in reversed(steps):
        here, there = _interval(step.before), _interval(step.after)
        if here is None or there is None:
            continue
        at = Loss(step, here, there)
        if (found.began and at.began) or (found.ended and at.ended):
            found = found._replace(step=step)
        elif step is not steps[-1]:
            break
    return found
