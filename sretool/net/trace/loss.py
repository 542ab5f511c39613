"""Whose loss it is: of the way to a hop, or only of that hop's own answers. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sretool.net.trace.model import LossVerdict
from sretool.probe.stats import wilson

SOME = 0.01
"""Less loss than this is not worth a verdict: where TCP throughput begins to collapse (Mathis 1997)."""


class Asked(NamedTuple):
    """Probes of one hop that were answered or given up; `limited`: its answers are ICMP errors, which
    every router and host limits (RFC 1812 4.3.2.8), and no answers of a service.
    """

    sent: int
    lost: int
    limited: bool


def verdicts(hops: Sequence[Asked]) -> list[LossVerdict]:
    """What each hop's loss means, by what the hops behind it lose: a packet that was answered from
    farther out has passed this hop. It is said only where the 95 % intervals tell.
    """
    found = [_verdict(hop, hops[place + 1 :]) for place, hop in enumerate(hops)]
    if found and found[-1] == "unknown" and "forward" in found:
        # the last hop has nobody behind it, and a part of the way to it that loses
        found[-1] = "forward" if wilson(hops[-1].lost, hops[-1].sent)[0] > SOME else "unknown"
    return found


def _verdict(hop: Asked, later: Sequence[Asked]) -> LossVerdict:
    if not hop.sent:
        return "unknown"
    if not hop.lost:
        return "none"
    if hop.lost == hop.sent:
        return "silent"
    low, _ = wilson(hop.lost, hop.sent)
    beyond = [other for other in later if other.lost < other.sent]
    if not beyond:
        # nobody behind it to tell by: an answer that is never limited was lost on the way
        return "forward" if not hop.limited and low > SOME else "unknown"
    together = Asked(sum(other.sent for other in beyond), sum(other.lost for other in beyond), True)
    if any(wilson(other.lost, other.sent)[1] < low for other in [*beyond, together]):
        return "rate-limited"
    least = min(wilson(other.lost, other.sent)[0] for other in beyond)
    return "forward" if low > SOME and least > SOME else "unknown"
