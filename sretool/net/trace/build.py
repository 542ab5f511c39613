"""From what a tracer knows to a Trace: hops, statistics, and why the path ends. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from sretool.net.trace.engine import Shot, Tracer
from sretool.net.trace.model import EndReason, Hop, Host, Stray, Trace
from sretool.probe import icmp
from sretool.probe.stats import Samples, wilson

LOOP_CYCLES = 2
"""A sequence of routers seen twice over is a loop; Linux routers answer no third time in a burst."""
LOOP_OF_ONE = 4
"""One router at this many TTLs in a row; two are what a router that forwards TTL 0 looks like."""
MOST_STRAYS = 100


class Asked(NamedTuple):
    """What the user asked for, as far as the engine has no use for it."""

    target: str
    source_address: str
    interface: str | None
    port: int


class _End(NamedTuple):
    reason: EndReason
    ttl: int | None
    address: str | None
    answer: str | None
    exact: bool | None = None


def build(tracer: Tracer, asked: Asked, stopped: EndReason | None = None) -> Trace:
    """The answer so far. `stopped` says what cut the trace short, if anything did."""
    plan = tracer.plan
    by_ttl: dict[int, list[Shot]] = {}
    for shot in tracer.shots:
        by_ttl.setdefault(shot.ttl, []).append(shot)
    circle = loop(tracer)
    end = _end(tracer, by_ttl, circle, stopped)
    farthest = max(by_ttl, default=plan.first_ttl - 1)
    path_ends = end.ttl is not None and end.reason in ("reached", "unreachable", "prohibited")
    last = end.ttl if path_ends and end.ttl is not None else farthest
    hops = [
        _hop(tracer, ttl, by_ttl.get(ttl, []), complete=tracer.finished)
        for ttl in range(plan.first_ttl, last + 1)
    ]
    answered = []
    if end.reason == "reached" and end.ttl is not None:
        answered = [bool(shot.replies) for shot in tracer.shots if shot.ttl >= end.ttl and not shot.again]
    return Trace(
        target=asked.target,
        address=plan.target,
        source_address=asked.source_address,
        interface=asked.interface,
        protocol="udp",
        port=asked.port,
        method="udp-recverr",
        cannot_see=[],
        flow="per-probe",
        queries=plan.queries,
        rounds=1,
        first_ttl=plan.first_ttl,
        max_ttl=plan.max_ttl,
        reached=end.reason == "reached",
        end_reason=end.reason,
        end_ttl=end.ttl,
        end_address=end.address,
        end_answer=end.answer,
        end_ttl_exact=end.exact,
        port_state="unknown",
        loop=circle if end.reason == "loop" else [],
        target_answered=answered,
        network_ms=_ms(tracer.network_s),
        hops=hops,
        total=len(hops),
        changes=[],
        strays=[Stray(reply.address, tracer.words(reply)) for reply in tracer.strays[:MOST_STRAYS]],
        stray_replies=len(tracer.strays),
    )


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _hop(tracer: Tracer, ttl: int, shots: list[Shot], *, complete: bool) -> Hop:
    answered = [shot for shot in shots if shot.replies]
    groups: dict[tuple[str | None, str], list[Shot]] = {}
    for shot in answered:
        groups.setdefault((shot.replies[0].address, tracer.words(shot.replies[0])), []).append(shot)
    hosts = [
        Host(
            address,
            answer,
            members[0].replies[0].icmp_type,
            members[0].replies[0].icmp_code,
            len(members),
            [_ms(shot.rtt_s or 0.0) for shot in members],
            **_figures(members),
        )
        for (address, answer), members in groups.items()
    ]
    hosts.sort(key=lambda host: min(host.rtts_ms))
    lost = len(shots) - len(answered)
    known = shots and (complete or not lost)
    low, high = wilson(lost, len(shots))
    return Hop(
        ttl=ttl,
        hosts=hosts,
        sent=len(shots),
        received=len(answered),
        duplicates=sum(len(shot.replies) - 1 for shot in answered),
        in_flight=0 if complete else lost,
        loss_ratio=round(lost / len(shots), 4) if known else None,
        loss_low_ratio=round(low, 4) if known else None,
        loss_high_ratio=round(high, 4) if known else None,
        loss_verdict="unknown" if lost else "none",
        **_figures(answered),
    )


def _figures(shots: list[Shot]) -> dict[str, Any]:
    samples = Samples()
    for shot in shots:
        samples.add((shot.rtt_s or 0.0) * 1000)
    figures = {
        "rtt_min_ms": samples.min,
        "rtt_avg_ms": samples.mean,
        "rtt_max_ms": samples.max,
        "rtt_last_ms": samples.last,
        "rtt_stdev_ms": samples.stdev,
        "rtt_p50_ms": samples.percentile(0.5),
        "rtt_p95_ms": samples.percentile(0.95),
        "rtt_p99_ms": samples.percentile(0.99),
        "jitter_ms": samples.jitter,
    }
    return {name: None if value is None else round(value, 3) for name, value in figures.items()}


def _end(tracer: Tracer, by_ttl: dict[int, list[Shot]], circle: list[str], stopped: EndReason | None) -> _End:
    arrival = tracer.arrival()
    if arrival is not None:
        reply = next(reply for reply in arrival.replies if tracer.arrived(reply))
        # Nearer hops were asked too, and the target would have answered them: unless it was silent
        # to the whole burst.
        before = by_ttl.get(arrival.ttl - 1, [])
        exact = (
            not arrival.again or arrival.ttl == tracer.plan.first_ttl or any(shot.replies for shot in before)
        )
        return _End("reached", arrival.ttl, reply.address, tracer.words(reply), exact)
    refusal = tracer.refusal()
    if refusal is not None and stopped is None:
        shot, reply = refusal
        said = tracer.words(reply)
        return _End("prohibited" if said in icmp.PROHIBITED else "unreachable", shot.ttl, reply.address, said)
    last = max((shot for shot in tracer.shots if shot.replies), key=lambda shot: shot.ttl, default=None)
    where: tuple[int | None, str | None, str | None] = (None, None, None)
    if last is not None:
        where = (last.ttl, last.replies[0].address, tracer.words(last.replies[0]))
    if stopped is not None:
        return _End(stopped, *where)
    if circle:
        return _End("loop", *where)
    return _End("ttl-exhausted" if tracer.exhausted() else "silent", *where)


def loop(tracer: Tracer) -> list[str]:
    """The routers that pass packets round in a circle at the end of the path, else nothing."""
    routers: dict[int, set[str]] = {}
    for shot in tracer.shots:
        for reply in shot.replies:
            if tracer.words(reply) == icmp.TIME_EXCEEDED and reply.address is not None:
                routers.setdefault(shot.ttl, set()).add(reply.address)
    for last in sorted(routers, reverse=True):
        beyond = set().union(*(found for ttl, found in routers.items() if ttl > last))
        for period in range(1, len(routers)):
            cycles = LOOP_OF_ONE if period == 1 else LOOP_CYCLES
            tail = [routers.get(ttl, set()) for ttl in range(last - period * cycles + 1, last + 1)]
            if not all(tail[i] & tail[i - period] for i in range(period, len(tail))):
                continue
            circle = [min(tail[i] & tail[i - period]) for i in range(len(tail) - period, len(tail))]
            # rate limits make holes: who answers farther out must be of the same circle
            if len(set(circle)) == period and beyond <= set(circle):
                return circle
    return []
