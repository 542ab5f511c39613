"""Two saved traces: their paths target by target, and every difference as a row. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from sretool.errors import UsageError
from sretool.net.trace.diff import words
from sretool.net.trace.diff.compare import compare
from sretool.net.trace.diff.model import Limits, PathDiff, Step, addresses
from sretool.net.trace.model import Hop, Path
from sretool.probe.origins import Origin
from sretool.report.answer import Severity
from sretool.snapshot.diff.model import Change

KINDS = (
    *("end", "loss", "rtt", "path-length", "hop-replaced", "hop-gone", "hop-came", "leg-lost", "leg-came"),
    *("mtu", "nat", "as-path", "hops-moved", "hop-silent", "hop-answers", "target-gone", "target-came"),
)
Pairs = list[tuple[Path, Path]]


def pairs(before: Sequence[Path], after: Sequence[Path]) -> tuple[Pairs, list[Path], list[Path]]:
    """Paths to one target: by its name, else by its address; then those that have no partner.

    Raises:
        UsageError: they have no target in common.
    """
    found: Pairs = []
    old, new = list(before), list(after)
    same: tuple[Callable[[Path], Any], ...] = (
        lambda path: (path.target, path.address),
        lambda path: path.target,
        lambda path: path.address,
    )
    for key in same:
        rest: dict[Any, list[Path]] = {}
        for path in new:
            rest.setdefault(key(path), []).append(path)
        left = []
        for path in old:
            if rest.get(key(path)):
                found.append((path, rest[key(path)].pop(0)))
            else:
                left.append(path)
        old = left
        taken = {id(path) for _, path in found}
        new = [path for path in new if id(path) not in taken]
    if not found:
        raise UsageError(
            "the two traces",
            f"have no target in common: {_names(before)} and {_names(after)}",
            "trace the same host twice",
        )
    places = {id(path): number for number, path in enumerate(after)}
    return sorted(found, key=lambda pair: places[id(pair[1])]), old, new


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(path.target for path in paths[:3]) + (" and more" if len(paths) > 3 else "")


def compared(
    before: Sequence[Path], after: Sequence[Path], limits: Limits, hosts: tuple[str, str]
) -> tuple[list[PathDiff], list[Change]]:
    """Every two paths to one target, and all differences, those of most impact first.

    Raises:
        UsageError: they have no target in common.
    """
    both, gone, came = pairs(before, after)
    diffs = [compare(old, new, limits, hosts) for old, new in both]
    found = [change for diff in diffs for change in rows(diff)]
    found += [Change("target-gone", "info", path.target, "", words.end(path), None) for path in gone]
    found += [Change("target-came", "info", path.target, "", None, words.end(path)) for path in came]
    rank = {"critical": 0, "warning": 1, "info": 2}
    found.sort(key=lambda change: (rank[change.impact], KINDS.index(change.kind)))
    return diffs, found


def rows(diff: PathDiff) -> Iterator[Change]:
    """Every difference of two paths."""
    target = diff.after.target
    yield from _ends(diff)
    yield from _quality(diff)
    by = words.longer(diff)
    path_impact: Severity = (
        "warning" if not diff.spoilt("path") and diff.path_chance <= diff.limits.path_chance else "info"
    )
    if by:
        yield Change("path-length", "info", target, "", diff.before.end_ttl, diff.after.end_ttl)
    for step in diff.steps:
        yield from _hop(step, target, path_impact, diff.path_chance)
        yield from _details(step, target)
    yield from _moved(diff)
    for leg in diff.legs:
        matters = leg.lost and leg.chance <= diff.limits.path_chance and not diff.spoilt("legs")
        yield Change(
            "leg-lost" if leg.lost else "leg-came",
            "warning" if matters else "info",
            target,
            words.place(leg.step),
            leg.address if leg.lost else None,
            None if leg.lost else leg.address,
            round(leg.chance, 6),
        )
    yield from _origins(diff)


def _ends(diff: PathDiff) -> Iterator[Change]:
    change = words.end_change(diff)
    if change is not None:
        impact = "info" if diff.spoilt("end") else change.severity
        old, new = words.end(diff.before), words.end(diff.after)
        yield Change("end", impact, diff.after.target, "", old, new)


def _quality(diff: PathDiff) -> Iterator[Change]:
    target, loss, shift = diff.after.target, diff.loss, diff.shift
    if loss is not None and (loss.began or loss.ended):
        matters = loss.began and not diff.spoilt("loss")
        yield Change(
            "loss",
            "warning" if matters else "info",
            target,
            words.place(loss.step),
            round(loss.before[0], 4),
            round(loss.after[0], 4),
        )
    if shift is not None:
        sure = shift.chance <= diff.limits.rtt_chance
        matters = sure and shift.far_after_ms > shift.far_before_ms and not diff.spoilt("rtt")
        yield Change(
            "rtt",
            "warning" if matters else "info",
            target,
            words.place(shift.step),
            round(shift.before_ms, 3),
            round(shift.after_ms, 3),
            round(shift.chance, 6),
        )


def _hop(step: Step, target: str, impact: Severity, chance: float) -> Iterator[Change]:
    old, new = step
    where = words.place(step)
    if step.other:
        kind = "hop-came" if old is None else "hop-gone" if new is None else "hop-replaced"
        yield Change(kind, impact, target, where, _who(old), _who(new), round(chance, 6))
    elif old is not None and new is not None and addresses(old) != addresses(new) and not step.shared:
        kind = "hop-silent" if addresses(old) else "hop-answers"
        yield Change(kind, "info", target, where, _who(old), _who(new))


def _who(hop: Hop | None) -> list[str] | None:
    return None if hop is None else sorted(addresses(hop))


def _moved(diff: PathDiff) -> Iterator[Change]:
    """Hops that are the same and at another TTL, one row for each run of them."""
    run: list[tuple[int, int]] = []
    for step in [*diff.steps, None]:
        old, new = step if step is not None else (None, None)
        pair = (old.ttl, new.ttl) if old is not None and new is not None and old.ttl != new.ttl else None
        if run and (pair is None or pair[1] - pair[0] != run[-1][1] - run[-1][0]):
            (first, now), (last, now_last) = run[0], run[-1]
            where = f"hop {first}" if first == last else f"hops {first} to {last}"
            yield Change("hops-moved", "info", diff.after.target, where, [first, last], [now, now_last])
            run = []
        if pair is not None:
            run.append(pair)


def _details(step: Step, target: str) -> Iterator[Change]:
    """MTUs that routers tell of their interfaces, and NAT, of hosts that are in both traces."""
    if step.before is None or step.after is None:
        return
    for address in sorted(step.shared):
        old, new = (
            [host for host in hop.hosts if host.address == address] for hop in (step.before, step.after)
        )
        where = f"{words.place(step)}, {address}"
        mtus = [
            sorted({one.mtu_bytes for host in hosts for one in host.interfaces if one.mtu_bytes is not None})
            for hosts in (old, new)
        ]
        if all(mtus) and mtus[0] != mtus[1]:
            less = min(mtus[1]) < min(mtus[0])
            yield Change("mtu", "warning" if less else "info", target, where, mtus[0], mtus[1])
        nats = [{host.nat for host in hosts if host.nat is not None} for hosts in (old, new)]
        if all(nats) and nats[0] != nats[1]:
            yield Change("nat", "info", target, where, True in nats[0], True in nats[1])


def _origins(diff: PathDiff) -> Iterator[Change]:
    old, new = (_as_path(hops) for hops in zip(*diff.steps)) if diff.steps else ([], [])
    if old and new and old != new:
        yield Change("as-path", "info", diff.after.target, "", old, new)


def _as_path(hops: Iterable[Hop | None]) -> list[int]:
    found: list[int] = []
    for hop in hops:
        for host in hop.hosts if hop is not None else ():
            asn = host.origin.asn if isinstance(host.origin, Origin) else None
            if asn is not None and (not found or found[-1] != asn):
                found.append(asn)
    return found
