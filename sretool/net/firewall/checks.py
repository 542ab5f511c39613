"""What the firewall does to packets now."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.net.firewall.model import Firewall
from sretool.net.firewall.model import Rule as Row
from sretool.report.answer import Evidence, Finding, Subject
from sretool.report.check import NotApplicable, Rule, Threshold, Unknown, check
from sretool.report.units import count_text


@check(
    id="firewall.dropping",
    title="firewall drops packets",
    reads="counters of the rules that drop or reject (nft -j list ruleset, iptables-save -c)",
    window="the sample",
    thresholds={
        "warning_per_s": Threshold(
            100, "1/s", "judgement: what scans an address on the Internet makes is a few a second"
        )
    },
    remedy="when it is traffic that you miss, allow it in front of that rule; when it is an attack, drop it "
    "earlier (ingress, prerouting); when it is noise, nothing",
    refs=("man:nft(8)", "man:iptables(8)"),
)
def dropping(model: Firewall, rule: Rule[Firewall]) -> Iterator[Finding]:
    """Rules dropped or rejected packets during the sample. That is what a firewall is for, and so it is
    information: but who looks for lost packets, or for a service that cannot be reached, wants to know
    which rule it was. A warning above the threshold.

    Rules without a counter of their own, and policies of nftables, are not seen: their number is in the
    evidence.
    """
    rows = [row for row in model.rules if row.dropped]
    if rows:
        yield _finding(model, rows, rule)
    if model.window_s is None and (model.rules or model.nftables is None):
        raise Unknown("it takes two readings, and there was one")
    if model.nftables is None or model.iptables is None:
        raise Unknown("the rules could not be read")
    if not model.rules:
        raise NotApplicable("no rule here drops or rejects")


def _finding(model: Firewall, rows: list[Row], rule: Rule[Firewall]) -> Finding:
    first, rest = rows[0], sum(row.dropped or 0 for row in rows[1:])
    rate = sum(row.dropped_per_s or 0 for row in rows)
    packets = count_text(first.dropped or 0, "packet")
    more = f"; {count_text(len(rows) - 1, 'more rule')} {count_text(rest, 'packet')}" if rest else ""
    did = "rejected" if first.verdict == "reject" else "dropped"
    return rule.finding(
        "warning" if rate > rule["warning_per_s"] else "info",
        f"{first.place}: `{first.rule}` {did} {packets} in {model.window_s or 0:.3g} s{more}",
        subject=Subject("firewall", f"{first.place} {first.handle or first.rule}", first.rule),
        evidence=[
            Evidence(
                "all rules", round(rate, 2), "1/s", rule["warning_per_s"], "counters of all rules that drop"
            ),
            *(
                Evidence(f"{row.place}: {row.rule}", row.dropped, "packets", None, f"{row.backend} counter")
                for row in rows[:5]
            ),
            Evidence("without a counter", model.uncounted, "rules", None, "nft -j list ruleset"),
        ],
        next=["sretool net firewall --sample 10"],
    )


CHECKS = (dropping,)
