"""What `triage --probe` judges: the way out of this host, and to the targets that were named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

from sretool.net.mtu.checks import black_hole
from sretool.net.trace.diff import checks as diff
from sretool.probe.stats import wilson
from sretool.report.answer import Evidence, Finding, Subject
from sretool.report.check import NotApplicable, Rule, Threshold, Unknown, check, judge
from sretool.report.units import ms_text
from sretool.triage.probe.model import Asked, Changes, Gateways, Sizes

_WINDOW = "10 probes over the sample"
_SILENT = ("failed", "incomplete")
_NO_ECHO = "run with sudo, or let this group send echo requests: net.ipv4.ping_group_range"


def _each(found: Gateways, judged: Callable[[Asked], Iterator[Finding]]) -> Iterator[Finding]:
    if found.unread:
        raise Unknown(found.unread)
    if not found.asked:
        raise NotApplicable("no default route has a gateway")
    unknown = []
    for one in found.asked:
        try:
            yield from judged(one)
        except Unknown as why:
            unknown.append(f"{one.gateway.name} {why}")
    if unknown:
        raise Unknown("; ".join(unknown))


def _subject(one: Asked) -> Subject:
    return Subject(kind="neighbour", id=f"{one.gateway.address} dev {one.gateway.dev}", name=one.gateway.name)


def _steps(one: Asked) -> list[str]:
    return [f"sretool net neigh --dev {one.gateway.dev}", f"sretool net links --dev {one.gateway.dev}"]


def _silent(one: Asked) -> Unknown:
    """Why there is nothing to go by."""
    if one.failed:
        return Unknown(f"could not be asked: {one.failed}")
    entry = "has no neighbour entry" if one.neighbour is None else f"is {one.neighbour} as a neighbour"
    return Unknown(f"answers no probe and {entry}: it may only be told not to answer")


@check(
    id="path.gateway-loss",
    title="loss to the gateway",
    reads="echo requests to the next hop of every default route (UDP where those are not allowed), and its "
    "neighbour entry (RTM_GETNEIGH)",
    window=_WINDOW,
    thresholds={
        "loss": Threshold(0.01, "ratio", "1 %, where TCP throughput collapses (Mathis et al. 1997)"),
        "lost": Threshold(2, "probes", "judgement: one lost echo request proves nothing"),
    },
    remedy="look at the link to it: cable, radio, switch port, a queue that is full, duplicate addresses; "
    "and at whether the gateway itself is overloaded",
    refs=("man:icmp(7)", "rfc:4861#section-7.3.2", "rfc:7680"),
)
def gateway_loss(found: Gateways, rule: Rule[Gateways]) -> Iterator[Finding]:
    """The first hop of all that leaves this host loses packets, or is not there.

    critical: it answers no probe, and ARP or neighbour discovery asked for it and got no answer either.
    warning: it lost at least so many probes, and even the lower end of the loss's 95 % interval is over
    the threshold. Routers may answer echo requests late or not at all when they are busy: what passes them
    may fare better. A gateway that answers no probe and is alive as a neighbour is unknown, never critical.
    Nor is loss known from UDP probes: the ICMP errors that answer them are limited (Linux: six at once,
    then one a second).
    """

    def judged(one: Asked) -> Iterator[Finding]:
        if not one.answered:
            if not one.sent or one.neighbour not in _SILENT:
                raise _silent(one)
            yield rule.finding(
                "critical",
                f"gateway {one.gateway.name} does not answer: none of {one.sent} probes, and as a neighbour "
                f"it is {one.neighbour}",
                subject=_subject(one),
                evidence=[
                    Evidence("neighbour", one.neighbour, source="RTM_GETNEIGH ndm_state"),
                    Evidence("answered", 0, "probes", source=one.method or ""),
                ],
                next=_steps(one),
                remedy="see whether the gateway is up and in the same layer 2 network (VLAN, bond, switch "
                "port, cloud route table), and whether the address is right",
            )
            return
        if one.lost < rule["lost"]:
            return
        if one.method == "udp-recverr":
            raise Unknown(
                f"answered {one.answered} of {one.sent} UDP probes, by ICMP errors, which are limited; "
                f"{_NO_ECHO}"
            )
        low, high = wilson(one.lost, one.sent)
        if low <= rule["loss"]:
            return
        yield rule.finding(
            "warning",
            f"gateway {one.gateway.name} did not answer {one.lost} of {one.sent} echo requests",
            subject=_subject(one),
            evidence=[
                Evidence("loss, at least", round(low, 4), "ratio", rule["loss"], "Wilson 95 % interval"),
                Evidence("loss, at most", round(high, 4), "ratio", source="upper end of the interval"),
                Evidence("lost", one.lost, "probes", rule["lost"], one.method or ""),
                Evidence("neighbour", one.neighbour, source="RTM_GETNEIGH ndm_state"),
            ],
            next=_steps(one),
        )

    yield from _each(found, judged)


@check(
    id="path.gateway-latency",
    title="slow way to the gateway",
    reads="round-trip times of the same probes",
    window=_WINDOW,
    thresholds={
        "least": Threshold(5, "ms", "CoDel, RFC 8289: no good queue is always over it"),
        "answers": Threshold(3, "answers", "judgement: fewer may all be unlucky"),
    },
    remedy="find what fills the queue of the link (a transfer, a shaper); of a radio or tunnel that is slow "
    "by nature raise the threshold",
    refs=("rfc:8289",),
)
def gateway_latency(found: Gateways, rule: Rule[Gateways]) -> Iterator[Finding]:
    """Even the quickest of the answers of the gateway takes longer than a queue on one link should:
    it is the smallest of a second, so one late answer does not count, nor what ARP took. A mobile network,
    a satellite or a tunnel may be so by nature.
    """

    def judged(one: Asked) -> Iterator[Finding]:
        if not one.answered:
            raise _silent(one)
        if len(one.rtts_ms) < rule["answers"]:
            raise Unknown(f"answered {len(one.rtts_ms)} probes after its first answer: too few for its delay")
        least = min(one.rtts_ms)
        if least <= rule["least"]:
            return
        yield rule.finding(
            "warning",
            f"gateway {one.gateway.name} takes at least {ms_text(least)} ms to answer, mostly "
            f"{ms_text(median(one.rtts_ms))} ms",
            subject=_subject(one),
            evidence=[
                Evidence("quickest answer", least, "ms", rule["least"], f"{len(one.rtts_ms)} answers"),
                Evidence("median", median(one.rtts_ms), "ms", source=one.method or ""),
            ],
            next=[f"sretool net qdisc --dev {one.gateway.dev}", *_steps(one)],
        )

    yield from _each(found, judged)


@check(
    id="path.mtu-black-hole",
    title="large packets are lost on the way",
    reads="which sizes get to which hop of the way to each --probe-target (DF set), as net mtu",
    window="one second of probes",
    remedy=black_hole.remedy,
    refs=black_hole.refs,
)
def mtu_black_hole(found: Sizes, rule: Rule[Sizes]) -> Iterator[Finding]:
    """Packets above some size do not get to a target, and nobody says so to the sender: handshakes work,
    transfers hang. critical, as mtu.black-hole of `net mtu`, which judges it.
    """
    if not found.wanted:
        raise NotApplicable("no --probe-target was given")
    unknown = list(found.problems)
    for mtu in found.found:
        for verdict, findings in judge([black_hole], mtu):
            for one in findings:
                yield _as(rule, one, f"sretool net mtu {mtu.target}")
            if verdict.outcome == "unknown":
                unknown.append(f"{mtu.target}: {verdict.reason}")
    if unknown:
        raise Unknown("; ".join(unknown))


def _as(rule: Rule[Any], one: Finding, *more: str) -> Finding:
    """The finding of another check, told by this one."""
    return rule.finding(
        one.severity,
        one.summary,
        subject=one.subject,
        evidence=[*one.evidence, Evidence("judged by", one.id, source="sretool checks explain")],
        next=[*more, *one.next],
        remedy=one.remedy,
        title=one.title,
    )


@check(
    id="path.changed",
    title="another path than in the baseline",
    reads="a trace to each --probe-target that the baseline has, by the baseline's method",
    window="one burst of probes, beside the saved trace",
    remedy="look at both: sretool snapshot diff BASELINE AFTER",
    refs=("rfc:2992", "rfc:9406#section-4.2"),
)
def changed(found: Changes, rule: Rule[Changes]) -> Iterator[Finding]:
    """The way to a target is not what it was when it was traced with `net trace --json`: another end,
    loss that began, longer times, other routers, a leg that is gone. Each is judged by the check of
    `snapshot diff` (trace.end-changed, trace.loss-began, trace.rtt-shifted, trace.path-changed,
    trace.leg-lost), and is as severe as there.
    """
    if not found.wanted:
        raise NotApplicable("no --baseline was given")
    unknown = list(found.problems)
    for verdict, findings in judge(diff.CHECKS, found.diffs) if found.diffs else ():
        for one in findings:
            yield _as(rule, one)
        # a target's limit of ICMP errors often hides its loss: that alone makes the path no riddle
        if verdict.outcome == "unknown" and verdict.id != diff.loss_began.id:
            unknown.append(verdict.reason)
    if unknown:
        raise Unknown("; ".join(dict.fromkeys(unknown)))


GATEWAYS = (gateway_loss, gateway_latency)
SIZES = (mtu_black_hole,)
PATHS = (changed,)
CHECKS = (*GATEWAYS, *SIZES, *PATHS)
