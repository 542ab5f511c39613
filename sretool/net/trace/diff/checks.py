"""Which differences of two traces matter. What is better now is told, and is no finding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sretool.net.trace.diff import words
from sretool.net.trace.diff.model import Aspect, Limits, PathDiff
from sretool.report.answer import Evidence, Finding, Subject
from sretool.report.check import NotApplicable, Rule, Threshold, Unknown, check
from sretool.report.units import ms_text

_WINDOW = "two traces"
Paths = Sequence[PathDiff]


def limits(rules: Sequence[Rule[Any]]) -> Limits:
    """The thresholds that decide what is compared, of the rules with those of --set applied."""
    by_id = {rule.id: rule for rule in rules}
    rtt, path = by_id[rtt_shifted.id], by_id[path_changed.id]
    return Limits(rtt["least"], rtt["most"], rtt["share"], rtt["chance"], path["chance"])


def _each(paths: Paths, aspect: Aspect, judge: Callable[[PathDiff], Iterator[Finding]]) -> Iterator[Finding]:
    """Findings of every path of which `aspect` can be compared; what keeps the others from it is told."""
    if not paths:
        raise NotApplicable("no two paths to one target")
    unknown: list[str] = []
    for diff in paths:
        if spoilt := diff.spoilt(aspect):
            unknown.append(f"{diff.after.target}: not comparable, another {spoilt}")
            continue
        try:
            yield from judge(diff)
        except Unknown as why:
            unknown.append(f"{diff.after.target}: {why}")
    if unknown:
        raise Unknown("; ".join(unknown[:3]) + (f"; and {len(unknown) - 3} more" if unknown[3:] else ""))


def _target(diff: PathDiff) -> Subject:
    return Subject(kind="host", id=diff.after.address, name=diff.after.target)


def _again(diff: PathDiff) -> list[str]:
    return [f"sretool net trace {diff.after.address}", f"sretool net route {diff.after.address}"]


@check(
    id="trace.end-changed",
    title="another end of the path",
    reads="how both traces end: reached, the target's answer, who refused, the port's state",
    window=_WINDOW,
    remedy="look at what changed in between: the target, its firewall, the router the path ends at",
    refs=("rfc:1122#section-3.2.2.1",),
)
def end_changed(paths: Paths, rule: Rule[Paths]) -> Iterator[Finding]:
    """The path ends otherwise than it did.

    critical: the target was reached and is not any more, or its port was open and is closed or filtered.
    warning: it was not reached before, and is not now for another reason.
    """

    def judge(diff: PathDiff) -> Iterator[Finding]:
        change = words.end_change(diff)
        if change is None or change.severity == "info":
            return
        old, new = words.end(diff.before), words.end(diff.after)
        yield rule.finding(
            change.severity,
            f"{change.said}: {new}; before {old}",
            subject=_target(diff),
            evidence=[
                Evidence("end now", new, source="end_reason, end_answer, port_state"),
                Evidence("end before", old, source="the same of the earlier trace"),
            ],
            next=_again(diff),
        )

    yield from _each(paths, "end", judge)


@check(
    id="trace.loss-began",
    title="loss that was not there",
    reads="which probes to the target were answered, in both traces",
    window=_WINDOW,
    remedy="look at the hop where it begins, and at the link before it",
    refs=("rfc:7680",),
)
def loss_began(paths: Paths, rule: Rule[Paths]) -> Iterator[Finding]:
    """More probes to the target are lost than before, beyond chance: the two 95 % intervals (Wilson) do
    not overlap. Few probes have wide intervals: trace with --report to see small loss. Where the target's
    ICMP rate limit hides what was lost, nothing is said.
    """

    def judge(diff: PathDiff) -> Iterator[Finding]:
        loss = diff.loss
        if not diff.after.reached or not diff.before.reached:
            return  # trace.end-changed tells
        if loss is None:
            raise Unknown("loss to the target is not known of both traces")
        if not loss.began:
            return
        yield rule.finding(
            "warning",
            f"{loss.after[0]:.0%} of the probes to {words.name(diff.after)} are lost, {loss.before[0]:.0%} "
            f"before; seen from {words.place(loss.step)} on",
            subject=_target(diff),
            evidence=[
                Evidence(
                    "loss now, at least",
                    round(loss.after[1], 4),
                    "ratio",
                    round(loss.before[2], 4),
                    "lower end of the Wilson interval, and its upper end before",
                )
            ],
            next=[f"sretool net trace --report -c 30 {diff.after.address}"],
        )

    yield from _each(paths, "loss", judge)


@check(
    id="trace.rtt-shifted",
    title="answers take longer than before",
    reads="round-trip times of every hop that both traces have, from the farthest back",
    window=_WINDOW,
    thresholds={
        "share": Threshold(
            0.125, "ratio", "of the lower median: the rise that HyStart++ takes for congestion, RFC 9406 4.2"
        ),
        "least": Threshold(4, "ms", "and at least: MIN_RTT_THRESH of RFC 9406 4.3"),
        "most": Threshold(16, "ms", "and at most: MAX_RTT_THRESH of RFC 9406 4.3"),
        "chance": Threshold(0.01, "ratio", "two-sided rank test; our judgement: one false alarm in 100"),
    },
    remedy="look at the link before the hop where it begins: it is longer, or it queues",
    refs=("rfc:9406#section-4.2",),
)
def rtt_shifted(paths: Paths, rule: Rule[Paths]) -> Iterator[Finding]:
    """From some hop on, up to the farthest that both traces have, answers take longer than before: by
    more than the threshold, and by more than chance (Mann and Whitney's rank test over the answers of
    all these hops, van Elteren 1960). A slow hop before which and behind which all is as it was is only
    slow to answer, and is no finding. Two bursts cannot tell a queue of that moment from a longer way.
    """

    def judge(diff: PathDiff) -> Iterator[Finding]:
        shift = diff.shift
        if shift is None or shift.far_after_ms < shift.far_before_ms:
            return
        if shift.chance > rule["chance"]:
            if shift.least_chance > rule["chance"]:
                raise Unknown(
                    f"{ms_text(shift.far_before_ms)} ms before, {ms_text(shift.far_after_ms)} ms now, but "
                    f"{shift.answers[0]} and {shift.answers[1]} answers are too few to tell from chance; "
                    "trace with more --queries or with --report"
                )
            return
        where = words.place(shift.step)
        far = f"; {ms_text(shift.far_before_ms)} and {ms_text(shift.far_after_ms)} ms at the end"
        leg = "; the probes went another way, or another leg of it" if diff.changed else ""
        yield rule.finding(
            "warning",
            f"answers on the way to {words.name(diff.after)} take longer from {where} on: "
            f"{ms_text(shift.before_ms)} ms before, {ms_text(shift.after_ms)} ms now"
            f"{'' if shift.step is shift.far else far}{leg}",
            subject=Subject(kind="hop", id=words.hosts(shift.step.after), name=where),
            evidence=[
                Evidence(
                    "longer by",
                    round(shift.after_ms - shift.before_ms, 3),
                    "ms",
                    round(shift.floor_ms, 3),
                    "difference of the medians",
                ),
                Evidence(
                    "chance",
                    round(shift.chance, 6),
                    "ratio",
                    rule["chance"],
                    f"rank test, {shift.answers[0]} and {shift.answers[1]} answers",
                ),
            ],
            next=_again(diff),
        )

    yield from _each(paths, "rtt", judge)


@check(
    id="trace.path-changed",
    title="another path",
    reads="who answers at every hop, in both traces",
    window=_WINDOW,
    thresholds={
        "chance": Threshold(
            0.05, "ratio", "that only other legs of the same path answered (Fisher's exact test, his level)"
        )
    },
    remedy="find out whose change it was: routing, a link that failed, a provider",
    refs=("rfc:2992",),
)
def path_changed(paths: Paths, rule: Rule[Paths]) -> Iterator[Finding]:
    """Other routers pass the packets on, or there are more or fewer of them. Hops are put side by side
    so that one router more is one difference. Where every probe is its own flow, a load balancer may
    have shown other legs of the same paths, so it fires only when that is unlikely. Traces of one fixed
    flow each (raw sockets) have other ports every time, and cannot tell another path from another leg: that
    is unknown then. Trace with --ecmp, or with --method sockets and --queries 6, for changes that are to be
    noticed.
    """

    def judge(diff: PathDiff) -> Iterator[Finding]:
        changed = diff.changed
        if not changed:
            return
        pieces = words.stretches(changed)
        if diff.path_chance > rule["chance"]:
            raise Unknown(
                f"{words.stretch(pieces[0])}, which may be another leg of a load balancer (chance "
                f"{diff.path_chance:.0%}); to tell, trace with --ecmp, or --method sockets --queries 6, "
                "before and after"
            )
        more = f"; and {len(pieces) - 2} more places" if len(pieces) > 2 else ""
        yield rule.finding(
            "warning",
            f"the path to {words.name(diff.after)} changed: "
            f"{'; '.join(map(words.stretch, pieces[:2]))}{more}{words.length(diff)}",
            subject=_target(diff),
            evidence=[
                Evidence("hops that differ", len(changed), source="addresses that answered"),
                Evidence("hops compared", len(diff.steps), source="addresses that answered"),
                Evidence(
                    "chance of other legs", diff.path_chance, "ratio", rule["chance"], "Fisher's exact test"
                ),
            ],
            next=_again(diff),
        )

    yield from _each(paths, "path", judge)


@check(
    id="trace.leg-lost",
    title="a leg that no packet takes any more",
    reads="the hosts that share a hop, in both traces",
    window=_WINDOW,
    thresholds={"chance": Threshold(0.05, "ratio", "Fisher's exact test, one-sided, his level")},
    remedy="look at the router before this hop: it does not send to that next hop any more",
    refs=("rfc:2992",),
)
def leg_lost(paths: Paths, rule: Rule[Paths]) -> Iterator[Finding]:
    """A host that answered beside others at a hop does not answer there any more, and the probes are
    enough that one should have met it. With three probes a hop that is seldom so: ask with --ecmp, or
    more --queries.
    """

    def judge(diff: PathDiff) -> Iterator[Finding]:
        for leg in diff.legs:
            if not leg.lost or leg.chance > rule["chance"] or leg.step.after is None:
                continue
            yield rule.finding(
                "warning",
                f"{leg.address} answers no probe to {words.name(diff.after)} at {words.place(leg.step)} any "
                f"more; {words.hosts(leg.step.after)} still does",
                subject=Subject(kind="hop", id=leg.address, name=words.place(leg.step)),
                evidence=[
                    Evidence(
                        "chance that none met it", round(leg.chance, 6), "ratio", rule["chance"], "replies"
                    )
                ],
                next=_again(diff),
            )

    yield from _each(paths, "legs", judge)


CHECKS = (end_changed, loss_began, rtt_shifted, path_changed, leg_lost)
