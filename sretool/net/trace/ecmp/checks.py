"""What is wrong with one of several ways."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from msgspec import UnsetType

from sretool.net.trace.ecmp.model import Diamond, Ecmp, Leg
from sretool.report.answer import Evidence, Finding, Severity, Subject
from sretool.report.check import NotApplicable, Rule, Threshold, Unknown, check


class HasWays(Protocol):
    """A path; `ecmp` is there when all its ways were looked for."""

    target: str
    address: str
    protocol: str
    port: int | None
    ecmp: Ecmp | UnsetType


@check(
    id="trace.ecmp-leg-loss",
    title="one of several ways loses packets",
    reads="what of the probes of flows that take each leg the target answers (--ecmp)",
    window="30 to 100 probes a leg, at most 180 a second",
    thresholds={
        "loss": Threshold(0.01, "ratio", "1 %, where TCP throughput collapses (Mathis et al. 1997)"),
        "loss_critical": Threshold(
            0.1,
            "ratio",
            "10 %: the window stays under 4 segments (Mathis), too few for the three duplicate ACKs of "
            "RFC 5681 3.2, so every loss costs a retransmission timeout",
        ),
    },
    remedy="take this leg out of the balancing, at the router before it, until its link or router is mended; "
    "connections whose ports hash onto it suffer, all others are well",
    refs=("rfc:2992", "rfc:5681#section-3.2", "rfc:7680"),
)
def leg_loss(path: HasWays, rule: Rule[HasWays]) -> Iterator[Finding]:
    """The path divides, and the flows of one leg lose what those of the others do not: some connections
    to the same host are slow or dead, always the same ones. Loss is counted by the target's own answers,
    so a router that only limits its ICMP errors is not accused. A leg is named when its loss is beyond
    that of the better half of the legs by more than chance, and over the threshold: a warning, critical
    when even the lower end of its interval is over the second one.
    """
    ecmp = path.ecmp
    if isinstance(ecmp, UnsetType):
        raise NotApplicable("only one way was looked for: --ecmp")
    if not ecmp.diamonds:
        raise NotApplicable("there is one way")
    if all(diamond.balancing == "per-packet" for diamond in ecmp.diamonds):
        raise Unknown("balanced by packet: no probe can be told to take one leg")
    if ecmp.loss_unknown:
        raise Unknown(f"what the legs lose is not known: {ecmp.loss_unknown}")
    for diamond in ecmp.diamonds:
        for leg in diamond.legs:
            if leg.verdict == "loses" and (leg.loss_low_ratio or 0.0) > rule["loss"]:
                yield _finding(path, ecmp, diamond, leg, rule)


def _finding(path: HasWays, ecmp: Ecmp, diamond: Diamond, leg: Leg, rule: Rule[HasWays]) -> Finding:
    worst = (leg.loss_low_ratio or 0.0) > rule["loss_critical"]
    severity: Severity = "critical" if worst else "warning"
    threshold = rule["loss_critical"] if worst else rule["loss"]
    who = leg.address or f"a router that does not answer at hop {leg.ttl}"
    others = [other for other in diamond.legs if other is not leg and other.verdict != "loses"]
    lost = sum(other.sent - other.received for other in others)
    sent = sum(other.sent for other in others)
    share = f" ({leg.share_ratio:.0%} of all flows take it)" if leg.share_ratio is not None else ""
    sockets = leg.sockets or []
    evidence = [
        Evidence(
            "loss, at least", leg.loss_low_ratio, "ratio", threshold, "lower end of the Wilson 95 % interval"
        ),
        Evidence("loss, at most", leg.loss_high_ratio, "ratio", source="upper end of the interval"),
        Evidence("probes through it", leg.sent, source=f"answers of {ecmp.judged_at}"),
        Evidence(
            "lost on the other legs",
            round(lost / sent, 4) if sent else None,
            "ratio",
            source=f"{sent} probes",
        ),
    ]
    if sockets:
        ports = ", ".join(str(socket.local_port) for socket in sockets[:10])
        evidence.append(
            Evidence("local ports that take it", ports, source="INET_DIAG, and probes of their ports")
        )
    return rule.finding(
        severity,
        f"{who}, one of {len(diamond.legs)} legs at hop {leg.ttl} to {path.address}, loses "
        f"{leg.loss_ratio or 0:.0%} of its packets{share}; the others {_rest(lost, sent)}",
        subject=Subject(kind="hop", id=leg.address or f"hop-{leg.ttl}", name=f"hop {leg.ttl} ({who})"),
        evidence=evidence,
        next=_next(path),
    )


def _next(path: HasWays) -> list[str]:
    """Over TCP the connections that suffer are named; then they can be looked at."""
    if path.protocol != "tcp":
        return [f"sretool net trace --ecmp --protocol tcp -p 443 {path.address}"]
    return [f"sretool sockets list --fields local_port,process,retransmits_total 'dst {path.address}'"]


def _rest(lost: int, sent: int) -> str:
    if not sent:
        return "were not measured"
    return "lose nothing" if not lost else f"lose {lost / sent:.1%}"


CHECKS = (leg_loss,)
