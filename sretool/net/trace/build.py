"""From what a tracer knows to a Path: hops, statistics, and why the path ends. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sretool.net.trace import loss
from sretool.net.trace.engine import Tracer
from sretool.net.trace.model import Change, EndReason, Hop, Host, Path, PortState, Stray, Trace
from sretool.net.trace.round import Round, words
from sretool.net.trace.tally import HopTally, HostTally, Who
from sretool.probe import icmp
from sretool.probe.live import Flow, Method, Transport
from sretool.probe.stats import Samples, wilson
from sretool.report.times import rfc3339

LOOP_CYCLES = 2
"""A sequence of routers seen twice over is a loop; Linux routers answer no third time in a burst."""
LOOP_OF_ONE = 4
"""One router at this many TTLs in a row; two are what a router that forwards TTL 0 looks like."""
FIRST_TTLS = (64, 128, 255)
"""What hosts and routers put into the packets they make (Vanaubel et al. 2013, fingerprints of routers)."""


class Asked(NamedTuple):
    """What the user asked for and what the network is, as far as the engine has no use for it."""

    target: str
    source_address: str
    interface: str | None = None
    protocol: Transport = "udp"
    port: int = 33434
    method: Method = "udp-recverr"
    flow: Flow = "per-probe"
    cannot_see: tuple[str, ...] = ()
    source_port: int | None = None


class _End(NamedTuple):
    reason: EndReason
    ttl: int | None
    address: str | None
    answer: str | None
    exact: bool | None = None


def build(
    tracer: Tracer, asked: Asked, now: float, stopped: EndReason | None = None, wall_offset_s: float = 0.0
) -> Path:
    """The answer so far. `stopped` says what cut the first burst short, if anything did; the wall clock
    is `wall_offset_s` ahead of the network's.
    """
    plan = tracer.plan
    told = tracer.told(now)
    stopped = stopped if told.number == 1 and not tracer.finished else None
    circle = loop(told)
    end = _end(told, circle, stopped)
    farthest = max(tracer.hops, default=plan.first_ttl - 1)
    path_ends = end.ttl is not None and end.reason in ("reached", "unreachable", "prohibited")
    last = end.ttl if path_ends and end.ttl is not None else farthest
    hops = [_hop(tracer, ttl, now, asked.flow) for ttl in range(plan.first_ttl, last + 1)]
    for hop, verdict in zip(hops, loss.verdicts([_asked(hop) for hop in hops])):
        hop.loss_verdict = verdict
    answered = []
    if end.reason == "reached" and end.ttl is not None:
        answered = [bool(shot.replies) for shot in told.shots if shot.ttl >= end.ttl and not shot.again]
    started = tracer.started_at if tracer.started_at is not None else now
    return Path(
        target=asked.target,
        address=plan.target,
        source_address=asked.source_address,
        interface=asked.interface,
        protocol=asked.protocol,
        port=None if asked.protocol == "icmp" else asked.port,
        method=asked.method,
        cannot_see=list(asked.cannot_see),
        flow=asked.flow,
        queries=plan.queries,
        rounds=tracer.round.number,
        first_ttl=plan.first_ttl,
        max_ttl=plan.max_ttl,
        reached=end.reason == "reached",
        end_reason=end.reason,
        end_ttl=end.ttl,
        end_address=end.address,
        end_answer=end.answer,
        end_ttl_exact=end.exact,
        end_round=told.number,
        source_port=asked.source_port,
        port_state=_port_state(asked.protocol, end),
        loop=circle if end.reason == "loop" else [],
        target_answered=answered,
        network_ms=_ms((tracer.ended_at if tracer.finished and tracer.ended_at else now) - started),
        hops=hops,
        total=len(hops),
        # where every probe may go another way, another host is no change of the path
        changes=[
            Change(rfc3339(news.at + wall_offset_s), news.ttl, news.was, news.now, news.round)
            for news in tracer.news
            if asked.flow == "fixed"
        ],
        strays=[Stray(reply.address, words(plan.family, reply)) for reply in tracer.strays],
        stray_replies=tracer.stray_replies,
    )


def whole(paths: Sequence[Path]) -> Trace:
    """The answer to all of a command line: the first path, with the others beside it."""
    first, *others = paths
    trace = Trace(**{name: getattr(first, name) for name in first.__struct_fields__})
    if others:
        trace.others = others
    return trace


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _asked(hop: Hop) -> loss.Asked:
    limited = all(host.answer not in _UNLIMITED for host in hop.hosts)
    return loss.Asked(hop.sent - hop.in_flight, hop.sent - hop.in_flight - hop.received, limited)


_UNLIMITED = {icmp.ECHO_REPLY, "syn-ack", "rst", "datagram"}


def _hop(tracer: Tracer, ttl: int, now: float, flow: Flow) -> Hop:
    tally = tracer.hops.get(ttl, HopTally())
    in_flight = tracer.in_flight(ttl, now)
    settled = tally.sent - in_flight
    lost = settled - tally.answered
    known = bool(settled) and (not in_flight or tracer.round.number > 1)
    low, high = wilson(lost, settled)
    return Hop(
        ttl=ttl,
        hosts=sorted(
            (_host(tracer, ttl, who, host) for who, host in tally.hosts.items()),
            key=lambda host: host.rtt_min_ms or 0.0,
        ),
        sent=tally.sent,
        received=tally.answered,
        duplicates=tally.duplicates,
        in_flight=in_flight,
        **_figures(tally.samples),
        loss_ratio=round(lost / settled, 4) if known or (settled and not in_flight) else None,
        loss_low_ratio=round(low, 4) if known else None,
        loss_high_ratio=round(high, 4) if known else None,
        loss_verdict="unknown",
    )


def _host(tracer: Tracer, ttl: int, who: Who, host: HostTally) -> Host:
    last = host.last
    return Host(
        address=who.address,
        answer=who.said,
        icmp_type=last.icmp_type,
        icmp_code=last.icmp_code,
        replies=len(host.samples),
        rtts_ms=[round(rtt, 3) for _, rtt in sorted(host.rtts)],
        **_figures(host.samples),
        reply_ttl=last.ttl,
        return_hops=_return_hops(last.ttl),
        labels=list(last.labels),
        interfaces=list(last.interfaces),
        nat=last.rewritten,
    )


def _return_hops(ttl: int | None) -> int | None:
    """As many as a packet has lost of the next larger TTL that hosts begin with; its first hop, as in
    our own counting, is the host itself.
    """
    if ttl is None:
        return None
    return next((first - ttl + 1 for first in FIRST_TTLS if first >= ttl), None)


def _figures(samples: Samples) -> dict[str, Any]:
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


def _end(told: Round, circle: list[str], stopped: EndReason | None) -> _End:
    plan, arrival = told.plan, told.arrival
    if arrival is not None:
        reply = next(reply for reply in arrival.replies if told.arrived(reply))
        # Nearer hops were asked too, and the target would have answered them: unless it was silent
        # to the whole burst.
        exact = (
            not arrival.again
            or arrival.ttl == plan.first_ttl
            or any(shot.replies for shot in told.shots if shot.ttl == arrival.ttl - 1)
        )
        return _End("reached", arrival.ttl, reply.address, words(plan.family, reply), exact)
    refusal = told.refusal()
    if refusal is not None and stopped is None:
        shot, reply = refusal
        said = words(plan.family, reply)
        if reply.address == plan.source:  # nobody on the link answers for the next hop
            return _End("local-failure", shot.ttl, reply.address, said)
        return _End("prohibited" if said in icmp.PROHIBITED else "unreachable", shot.ttl, reply.address, said)
    last = max((shot for shot in told.shots if shot.replies), key=lambda shot: shot.ttl, default=None)
    where: tuple[int | None, str | None, str | None] = (None, None, None)
    if last is not None:
        where = (last.ttl, last.replies[0].address, words(plan.family, last.replies[0]))
    if stopped is not None:
        return _End(stopped, *where)
    if circle:
        return _End("loop", *where)
    return _End("ttl-exhausted" if told.exhausted else "silent", *where)


def _port_state(protocol: Transport, end: _End) -> PortState | None:
    if protocol == "icmp":
        return None
    if end.reason == "reached":
        if end.answer in ("syn-ack", "datagram"):
            return "open"
        # of UDP the port's own answer; a TCP segment is refused by RST, an ICMP error is a filter's
        closed = "port-unreachable" if protocol == "udp" else "rst"
        return "closed" if end.answer == closed else "filtered"
    if end.reason == "prohibited" or (end.reason == "silent" and protocol == "tcp"):
        return "filtered"
    return "unknown"


def loop(told: Round) -> list[str]:
    """The routers that pass packets round in a circle at the end of the path, else nothing."""
    routers: dict[int, set[str]] = {}
    for shot in told.shots:
        for reply in shot.replies:
            if words(told.plan.family, reply) == icmp.TIME_EXCEEDED and reply.address is not None:
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
