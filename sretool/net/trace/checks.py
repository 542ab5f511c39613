"""What is wrong with a path. A silent hop on the way is never a problem of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from sretool.net.trace.ecmp.checks import CHECKS as _OF_WAYS
from sretool.net.trace.model import Hop, Path
from sretool.probe.icmp import PROHIBITED
from sretool.probe.stats import wilson
from sretool.report.answer import Evidence, Finding, Subject
from sretool.report.check import NotApplicable, Rule, Threshold, Unknown, check
from sretool.report.units import count_text

_WINDOW = "one burst of probes"


def _source(trace: Path) -> str:
    """Where answers were read from."""
    return "raw socket" if trace.method.endswith("-raw") else "error queue of the socket (IP_RECVERR)"


def _port(trace: Path) -> str:
    """`UDP port 33434`, `ICMP echo`."""
    return "ICMP echo" if trace.port is None else f"{trace.protocol.upper()} port {trace.port}"


def _judged(trace: Path) -> None:
    if trace.end_reason in ("interrupted", "deadline"):
        raise Unknown("the trace was cut short")


def _target(trace: Path) -> Subject:
    return Subject(kind="host", id=trace.address, name=trace.target)


def _place(trace: Path) -> str:
    """`hop 5 (10.0.5.1)`: where an address first answered, which is the hop it is."""
    ttl = next(
        (hop.ttl for hop in trace.hops if any(host.address == trace.end_address for host in hop.hosts)),
        trace.end_ttl,
    )
    return f"hop {ttl} ({trace.end_address or 'unknown address'})"


def _who(trace: Path) -> Subject:
    return Subject(kind="hop", id=trace.end_address or "unknown", name=_place(trace))


def _otherwise(trace: Path) -> list[str]:
    """The same path with packets of another kind."""
    if trace.protocol == "tcp":
        return [f"sretool net trace --protocol icmp {trace.address}"]
    return [f"sretool net trace --protocol tcp -p 443 {trace.address}"]


def _again(trace: Path) -> list[str]:
    return [f"sretool net route {trace.address}"]


@check(
    id="trace.target-unreachable",
    title="target unreachable",
    reads="ICMP destination-unreachable from a router on the way",
    window=_WINDOW,
    remedy="look at the routes of the router that says so, and at whether the target is up behind it",
    refs=("rfc:1812#section-4.3.3.1", "rfc:4443#section-3.1", "man:ip(7)"),
)
def unreachable(trace: Path, rule: Rule[Path]) -> Iterator[Finding]:
    """A router on the path says that it cannot deliver: it has no route, or nobody answers for the
    target on its last link. The packets end there.
    """
    _judged(trace)
    if trace.end_reason == "local-failure":
        yield rule.finding(
            "critical",
            f"this host itself says {trace.end_answer} for {trace.address}: nobody on the link answers for "
            "the next hop",
            subject=_target(trace),
            evidence=[Evidence("answer", trace.end_answer, source=_source(trace))],
            remedy="check the gateway and the link: the neighbour does not answer ARP or ND",
            next=[*_again(trace), "sretool net neigh"],
        )
    if trace.end_reason != "unreachable":
        return
    yield rule.finding(
        "critical",
        f"{_place(trace)} says {trace.end_answer} for {trace.address}",
        subject=_who(trace),
        evidence=[Evidence("answer", trace.end_answer, source=_source(trace))],
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
def prohibited(trace: Path, rule: Rule[Path]) -> Iterator[Finding]:
    """A firewall answers that it may not pass the packets on. When the target itself says so the
    path is whole and only this port is closed to us: then it is told, and no more.
    """
    _judged(trace)
    by_target = trace.end_reason == "reached" and trace.end_answer in PROHIBITED
    if trace.end_reason != "prohibited" and not by_target:
        return
    evidence = [
        Evidence("answer", trace.end_answer, source=_source(trace)),
        Evidence("probes", _port(trace), source="what was sent"),
    ]
    if by_target:
        yield rule.finding(
            "info",
            f"{trace.address} is reached and rejects {_port(trace)} itself ({trace.end_answer})",
            subject=_target(trace),
            evidence=evidence,
            remedy="nothing to do for the path; the target's own firewall rejects this port",
            next=[],
        )
        return
    yield rule.finding(
        "critical",
        f"{_place(trace)} filters: {trace.end_answer} for {trace.address} {_port(trace)}",
        subject=_who(trace),
        evidence=evidence,
        next=_otherwise(trace),
    )


@check(
    id="trace.target-silent",
    title="target silent",
    reads="the absence of any answer beyond some hop",
    window="the whole timeout, with two later attempts",
    remedy="look at the router after the last hop, the target, and its firewall, which may drop probes",
    refs=("rfc:1122#section-3.2.2.1",),
)
def silent(trace: Path, rule: Rule[Path]) -> Iterator[Finding]:
    """Nothing came from the target, and nobody said why. It is down, or its answers or our packets
    are dropped without a word. Packets of another kind may pass: applications use TCP.
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
        evidence.insert(0, Evidence("last hop that answered", trace.end_ttl, source=_source(trace)))
    yield rule.finding(
        "critical",
        f"{trace.address} does not answer {_port(trace)}; {where}",
        subject=_target(trace),
        evidence=evidence,
        next=[*_otherwise(trace), f"sretool net trace --timeout 4 {trace.address}", *_again(trace)],
    )


@check(
    id="trace.loop",
    title="routing loop",
    reads="the same routers answering again at growing TTLs",
    window=_WINDOW,
    remedy="one of these routers has the wrong next hop for this destination: compare their routes",
    refs=("rfc:1812#section-5.3.1",),
)
def loop(trace: Path, rule: Rule[Path]) -> Iterator[Finding]:
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
            Evidence("routers in the circle", len(trace.loop), source=_source(trace)),
            Evidence("last TTL answered from the circle", trace.end_ttl, source=_source(trace)),
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
def exhausted(trace: Path, rule: Rule[Path]) -> Iterator[Finding]:
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
    id="trace.port-closed",
    title="nothing listens on the port",
    reads="a TCP RST from the target",
    window=_WINDOW,
    remedy="start the service, or name the port that it listens on",
    refs=("rfc:9293#section-3.5.2",),
)
def port_closed(trace: Path, rule: Rule[Path]) -> Iterator[Finding]:
    """The path is whole and the target refuses connections to this port: applications get `connection
    refused`. It is told and no more, as nothing is wrong with the path. Only of TCP; a closed UDP port is
    how a trace ends.
    """
    _judged(trace)
    if trace.protocol != "tcp":
        raise NotApplicable("the probes are no TCP")
    if trace.port_state != "closed":
        return
    yield rule.finding(
        "info",
        f"{trace.address} is reached and refuses connections to {_port(trace)}",
        subject=_target(trace),
        evidence=[Evidence("answer", trace.end_answer, source=_source(trace))],
        next=[],
    )


@check(
    id="trace.target-loss",
    title="loss on the way to the target",
    reads="which of the probes that went far enough the target answered",
    window="one burst of probes, or all rounds of a watch",
    thresholds={
        "loss": Threshold(0.01, "ratio", "1 %, where TCP throughput collapses (Mathis et al. 1997)"),
    },
    remedy="look at the link before the hop where loss begins; loss that begins and stops is a rate limit",
    refs=("rfc:6298", "rfc:7680"),
)
def target_loss(trace: Path, rule: Rule[Path]) -> Iterator[Finding]:
    """The target answered some probes and not others, and the unanswered ones lie between answered
    ones. When it answered the first few of a burst and then fell silent, that is what an ICMP rate limit
    looks like (Linux answers six at once), and nothing is known about loss. It fires when even the lower
    end of the 95 % interval is over the threshold. Over several rounds it names the hop from which on
    probes are lost.
    """
    _judged(trace)
    if not trace.reached:
        raise NotApplicable("the target did not answer")
    row = next(hop for hop in trace.hops if hop.ttl == trace.end_ttl)
    of_a_leg = trace.ecmp and any(leg.verdict == "loses" for each in trace.ecmp.diamonds for leg in each.legs)
    if row.received == row.sent or of_a_leg:  # trace.ecmp-leg-loss tells whose it is
        return
    lost, sent = (
        _lost(trace, row) if trace.rounds == 1 else (row.sent - row.in_flight - row.received, row.sent)
    )
    low, high = wilson(lost, sent)
    if low <= rule["loss"]:
        return
    begins = next((hop for hop in trace.hops if hop.loss_verdict == "forward"), None)
    if trace.rounds > 1 and begins is None and trace.end_answer in LIMITED:
        raise Unknown(
            f"{lost} of {sent} probes to the target were not answered and no hop before it loses as much: "
            "its ICMP rate limit, or loss on the last link; --protocol tcp or icmp can tell"
        )
    begins = begins or row
    host = f" ({begins.hosts[0].address})" if len(begins.hosts) == 1 else ""
    where = "" if begins is row else f"; it begins at hop {begins.ttl}{host}"
    yield rule.finding(
        "warning",
        f"{lost} of {sent} probes to {trace.address} were not answered{where}",
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
        next=[f"sretool net trace --report -c 60 {trace.address}"],
    )


LIMITED = {"port-unreachable", "protocol-unreachable"}
"""Answers of a target that it sends only so often (RFC 1812 4.3.2.8)."""


def _lost(trace: Path, row: Hop) -> tuple[int, int]:
    """Of the burst that went far enough: lost, sent."""
    answers = trace.target_answered
    if not any(answers):
        raise Unknown("the target answered only later, one probe: its ICMP rate limit hides any loss")
    trailing = answers[::-1].index(True)
    limited = trace.end_answer in LIMITED
    if limited and trailing and (2 * trailing >= len(answers) or len(answers) < 8):
        raise Unknown(
            f"the target answered {sum(answers)} of the first {len(answers) - trailing} probes and none of "
            f"the {trailing} after: its ICMP rate limit, or loss"
        )
    return answers.count(False), len(answers)


@check(
    id="trace.path-flaps",
    title="the path changes",
    reads="which host answers at each hop, from round to round of a watch",
    window="all rounds of a watch or report",
    thresholds={"changes": Threshold(3, "times", "ours: fewer are a reroute, which heals what it follows")},
    remedy="look for a link or a BGP session that goes up and down near the first hop that changed",
    refs=("rfc:2439",),
)
def flaps(trace: Path, rule: Rule[Path]) -> Iterator[Finding]:
    """Other hosts than before answer, again and again, on one and the same flow. Once or twice is a network
    that found another way: `changes` has it, and it is no finding. What changes at several hops at once is
    one change. Not judged where every probe may go its own way.
    """
    if trace.rounds == 1:
        raise NotApplicable("one burst shows no change")
    if trace.flow != "fixed":
        raise NotApplicable("every probe is its own flow and may take its own way")
    if not trace.changes:
        return
    # a change in the middle of a round shows at near hops in the next one
    rounds = sorted(change.round for change in trace.changes)
    times = 1 + sum(after - before > 1 for before, after in itertools.pairwise(rounds))
    if times < rule["changes"]:
        return
    first = min(trace.changes, key=lambda change: change.ttl)
    yield rule.finding(
        "warning",
        f"the path to {trace.address} changed {count_text(times, 'time')}, the nearest at hop {first.ttl}: "
        f"{', '.join(first.was)} before, {', '.join(first.now)} after",
        subject=_target(trace),
        evidence=[Evidence("changes", times, "times", rule["changes"], _source(trace))],
        next=[f"sretool net trace -w {trace.address}"],
    )


CHECKS = (unreachable, prohibited, silent, loop, exhausted, port_closed, target_loss, flaps, *_OF_WAYS)
