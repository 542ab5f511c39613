"""What is wrong with a path. A silent hop on the way is never a problem of its own."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.net.trace.model import Trace
from sretool.probe.icmp import PROHIBITED
from sretool.probe.stats import wilson
from sretool.report.answer import Evidence, Finding, Subject
from sretool.report.check import NotApplicable, Rule, Threshold, Unknown, check

_WINDOW = "one burst of probes"
_SOURCE = "ICMP errors, from IP_RECVERR"


def _judged(trace: Trace) -> None:
    if trace.end_reason in ("interrupted", "deadline"):
        raise Unknown("the trace was cut short")


def _target(trace: Trace) -> Subject:
    return Subject(kind="host", id=trace.address, name=trace.target)


def _place(trace: Trace) -> str:
    """`hop 5 (10.0.5.1)`: where an address first answered, which is the hop it is."""
    ttl = next(
        (hop.ttl for hop in trace.hops if any(host.address == trace.end_address for host in hop.hosts)),
        trace.end_ttl,
    )
    return f"hop {ttl} ({trace.end_address or 'unknown address'})"


def _who(trace: Trace) -> Subject:
    return Subject(kind="hop", id=trace.end_address or "unknown", name=_place(trace))


def _again(trace: Trace) -> list[str]:
    return [f"sretool net route {trace.address}"]


@check(
    id="trace.target-unreachable",
    title="target unreachable",
    reads="ICMP destination-unreachable from a router on the way",
    window=_WINDOW,
    remedy="look at the routes of the router that says so, and at whether the target is up behind it",
    refs=("rfc:1812#section-4.3.3.1", "rfc:4443#section-3.1", "man:ip(7)"),
)
def unreachable(trace: Trace, rule: Rule[Trace]) -> Iterator[Finding]:
    """A router on the path says that it cannot deliver: it has no route, or nobody answers for the
    target on its last link. The packets end there.
    """
    _judged(trace)
    if trace.end_reason != "unreachable":
        return
    if trace.end_address == trace.source_address:
        yield rule.finding(
            "critical",
            f"this host itself says {trace.end_answer} for {trace.address}: nobody on the link answers for "
            "the next hop",
            subject=_target(trace),
            evidence=[Evidence("answer", trace.end_answer, source=_SOURCE)],
            remedy="check the gateway and the link: the neighbour does not answer ARP or ND",
            next=_again(trace),
        )
        return
    yield rule.finding(
        "critical",
        f"{_place(trace)} says {trace.end_answer} for {trace.address}",
        subject=_who(trace),
        evidence=[Evidence("answer", trace.end_answer, source=_SOURCE)],
        next=_again(trace),
    )


@check(
    id="trace.prohibited",
    title="packets filtered on the way",
    reads="ICMP administratively-prohibited from a router, or from the target itself",
    window=_WINDOW,
    remedy="a firewall there rejects the probes: let them pass, or trace with a port it allows",
    refs=("rfc:1812#section-5.2.7.1", "rfc:4443#section-3.1"),
)
def prohibited(trace: Trace, rule: Rule[Trace]) -> Iterator[Finding]:
    """A firewall answers that it may not pass the packets on. When the target itself says so the
    path is whole and only this port is closed to us: then it is told, and no more.
    """
    _judged(trace)
    by_target = trace.end_reason == "reached" and trace.end_answer in PROHIBITED
    if trace.end_reason != "prohibited" and not by_target:
        return
    evidence = [
        Evidence("answer", trace.end_answer, source=_SOURCE),
        Evidence("destination port", trace.port, source="UDP header of the probes"),
    ]
    if by_target:
        yield rule.finding(
            "info",
            f"{trace.address} is reached and rejects UDP port {trace.port} itself ({trace.end_answer})",
            subject=_target(trace),
            evidence=evidence,
            remedy="nothing to do for the path; the target's own firewall rejects this port",
            next=[],
        )
        return
    yield rule.finding(
        "critical",
        f"{_place(trace)} filters: {trace.end_answer} for {trace.address} UDP port {trace.port}",
        subject=_who(trace),
        evidence=evidence,
        next=[f"sretool net trace --port 53 {trace.address}"],
    )


@check(
    id="trace.target-silent",
    title="target silent",
    reads="the absence of any answer beyond some hop",
    window="the whole timeout, with two later attempts",
    remedy="look at the router after the last hop, the target's firewall (it may drop UDP), and the target",
    refs=("rfc:1122#section-3.2.2.1",),
)
def silent(trace: Trace, rule: Rule[Trace]) -> Iterator[Finding]:
    """Nothing came from the target, and nobody said why. It is down, or its answers or our UDP
    packets are dropped without a word; which of them UDP alone cannot tell.
    """
    _judged(trace)
    if trace.end_reason != "silent":
        return
    evidence = [
        Evidence("probes sent", sum(hop.sent for hop in trace.hops), source="send(2)"),
        Evidence("waited", round(trace.network_ms), "ms", source="network_ms"),
    ]
    if trace.end_ttl is None:
        where = "nor did any router on the way"
    else:
        where = f"the last answer is from {_place(trace)}"
        evidence.insert(0, Evidence("last hop that answered", trace.end_ttl, source=_SOURCE))
    yield rule.finding(
        "critical",
        f"{trace.address} does not answer UDP port {trace.port}; {where}",
        subject=_target(trace),
        evidence=evidence,
        next=[f"sretool net trace --timeout 4 {trace.address}", *_again(trace)],
    )


@check(
    id="trace.loop",
    title="routing loop",
    reads="the same routers answering again at growing TTLs",
    window=_WINDOW,
    remedy="one of these routers has the wrong next hop for this destination: compare their routes",
    refs=("rfc:1812#section-5.3.1",),
)
def loop(trace: Trace, rule: Rule[Trace]) -> Iterator[Finding]:
    """Packets go round between the same routers until their TTL runs out: the sequence was seen
    twice over, and the target did not answer.
    """
    _judged(trace)
    if trace.end_reason != "loop":
        return
    first = next(hop.ttl for hop in trace.hops if any(host.address in trace.loop for host in hop.hosts))
    circle = " > ".join([*trace.loop, trace.loop[0]]) if len(trace.loop) > 1 else trace.loop[0]
    yield rule.finding(
        "critical",
        f"packets for {trace.address} go in a circle from hop {first} on: {circle}",
        subject=Subject(kind="hop", id=trace.loop[0], name=f"hop {first}"),
        evidence=[
            Evidence("routers in the circle", len(trace.loop), source=_SOURCE),
            Evidence("last TTL answered from the circle", trace.end_ttl, source=_SOURCE),
        ],
        next=_again(trace),
    )


@check(
    id="trace.ttl-exhausted",
    title="farther than the last TTL",
    reads="a time-exceeded at the last TTL asked",
    window=_WINDOW,
    remedy="ask farther with --max-ttl",
    refs=("rfc:791#section-3.2",),
)
def exhausted(trace: Trace, rule: Rule[Trace]) -> Iterator[Finding]:
    """A router still answered at the last TTL: the target, if it is there, is farther."""
    _judged(trace)
    if trace.end_reason != "ttl-exhausted":
        return
    yield rule.finding(
        "warning",
        f"{trace.address} is more than {trace.max_ttl} hops away; the last of them is {trace.end_address}",
        subject=_target(trace),
        evidence=[Evidence("last TTL", trace.max_ttl, source="--max-ttl")],
        next=[f"sretool net trace --max-ttl {min(255, trace.max_ttl * 2)} {trace.address}"],
    )


@check(
    id="trace.target-loss",
    title="loss on the way to the target",
    reads="which of the probes that went far enough the target answered",
    window=_WINDOW,
    thresholds={
        "loss": Threshold(0.01, "ratio", "1 %, where TCP throughput collapses (Mathis et al. 1997)"),
    },
    remedy="find the hop from which on all later hops lose: loss that begins and stops is a rate limit",
    refs=("rfc:6298", "rfc:7680"),
)
def target_loss(trace: Trace, rule: Rule[Trace]) -> Iterator[Finding]:
    """The target answered some probes and not others, and the unanswered ones lie between answered
    ones. When it answered the first few and then fell silent, that is what an ICMP rate limit looks
    like (Linux answers six at once), and nothing is known about loss. It fires when even the lower
    end of the 95 % interval is over the threshold.
    """
    _judged(trace)
    if not trace.reached:
        raise NotApplicable("the target did not answer")
    row = next(hop for hop in trace.hops if hop.ttl == trace.end_ttl)
    if row.received == row.sent:
        return
    answers = trace.target_answered
    if not any(answers):
        raise Unknown("the target answered only later, one probe: its ICMP rate limit hides any loss")
    trailing = answers[::-1].index(True)
    if trailing and (2 * trailing >= len(answers) or len(answers) < 8):
        raise Unknown(
            f"the target answered {sum(answers)} of the first {len(answers) - trailing} probes and none of "
            f"the {trailing} after: its ICMP rate limit, or loss"
        )
    lost = answers.count(False)
    low, high = wilson(lost, len(answers))
    if low <= rule["loss"]:
        return
    yield rule.finding(
        "warning",
        f"{lost} of {len(answers)} probes to {trace.address} were not answered",
        subject=_target(trace),
        evidence=[
            Evidence(
                "loss, at least",
                round(low, 4),
                "ratio",
                rule["loss"],
                "lower end of the Wilson 95 % interval",
            ),
            Evidence("loss, at most", round(high, 4), "ratio", source="upper end of the interval"),
        ],
        next=[f"sretool net trace --queries 6 {trace.address}"],
    )


CHECKS = (unreachable, prohibited, silent, loop, exhausted, target_loss)
