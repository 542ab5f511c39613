"""What is wrong with the table of tracked connections."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.net.conntrack.model import Conntrack
from sretool.report.answer import Evidence, Finding, Severity, Subject
from sretool.report.check import NotApplicable, Rule, Threshold, Unknown, check
from sretool.report.units import count_text

TABLE = Subject("host", "conntrack")
_STAT = "/proc/net/stat/nf_conntrack"


@check(
    id="conntrack.near-full",
    title="conntrack table nearly full",
    reads="nf_conntrack_count and nf_conntrack_max (/proc/sys/net/netfilter), drop and early_drop of "
    "/proc/net/stat/nf_conntrack",
    window="now; the sample for drops",
    thresholds={
        "warning": Threshold(75, "%", "node-mixin NodeHighNumberConntrackEntriesUsed"),
        "critical": Threshold(95, "%", "netdata netfilter_conntrack_full"),
    },
    remedy="see below who fills it: a client that opens too many connections, answers that do not come, "
    "timeouts that are too long (nf_conntrack_*_timeout_*); else raise net.netfilter.nf_conntrack_max, or do "
    "not track what needs no tracking (notrack)",
    refs=("kernel:Documentation/networking/nf_conntrack-sysctl.rst", "man:conntrack(8)"),
)
def near_full(model: Conntrack, rule: Rule[Conntrack]) -> Iterator[Finding]:
    """Every connection that this namespace tracks (for stateful firewall rules or NAT) takes an entry. When
    there are nf_conntrack_max of them the kernel throws out one without an answer to make room
    (early_drop), and where it finds none drops the packet: new connections fail, at random, while old ones
    work.

    Critical above `critical` percent, or when the kernel dropped or threw out anything in the sample.
    """
    if not model.tracking:
        raise NotApplicable("this kernel tracks no connections")
    dropped, thrown_out = _for_room(model)
    lost, fill = dropped + thrown_out, model.fill_ratio
    if lost or (fill is not None and fill * 100 > rule["warning"]):
        severity: Severity = "critical" if lost or (fill or 0) * 100 > rule["critical"] else "warning"
        yield rule.finding(
            severity,
            _summary(model),
            subject=TABLE,
            evidence=_evidence(model, rule),
            next=["sretool net conntrack", "sretool net conntrack --state unreplied"],
        )
    if fill is None and model.max != 0:
        raise Unknown("nf_conntrack_count or nf_conntrack_max could not be read")


def _for_room(model: Conntrack) -> tuple[int, int]:
    """Packets dropped and entries thrown out because the table was full. The kernel counts in `drop` also
    what it dropped for a failed insertion (net/netfilter/nf_conntrack_core.c nf_ct_resolve_clash).
    """
    counts = model.counts
    if counts is None:
        return 0, 0
    return max(0, (counts.drop or 0) - (counts.insert_failed or 0)), counts.early_drop or 0


def _summary(model: Conntrack) -> str:
    share = "" if model.fill_ratio is None else f" ({model.fill_ratio:.0%})"
    full = f"{model.count} of {model.max} connections are tracked{share}"
    dropped, thrown_out = _for_room(model)
    if not dropped and not thrown_out:
        return full
    over = f" in {model.window_s:.3g} s" if model.window_s is not None else ""
    packets = count_text(dropped, "packet")
    return f"{full}; for want of room {packets} dropped, {thrown_out} entries thrown out{over}"


def _evidence(model: Conntrack, rule: Rule[Conntrack]) -> list[Evidence]:
    fill = None if model.fill_ratio is None else round(model.fill_ratio * 100, 1)
    dropped, thrown_out = _for_room(model) if model.counts is not None else (None, None)
    return [
        Evidence("table used", fill, "%", rule["warning"], "nf_conntrack_count / nf_conntrack_max"),
        Evidence("entries", model.count, "entries", None, "/proc/sys/net/netfilter/nf_conntrack_count"),
        Evidence("dropped", dropped, "packets", 0, f"{_STAT} drop - insert_failed"),
        Evidence(
            "thrown out",
            thrown_out,
            "entries",
            0,
            f"{_STAT} early_drop",
        ),
        *(
            Evidence(f"entries from {row.source}", row.entries, "entries", None, "CTNETLINK dump")
            for row in model.sources[:3]
        ),
    ]


@check(
    id="conntrack.insert-failed",
    title="connections could not be tracked",
    reads="insert_failed of /proc/net/stat/nf_conntrack",
    window="the sample",
    thresholds={"failures": Threshold(0, "entries", "judgement: each is a packet dropped")},
    remedy="with NAT: too few ports for that many connections to one destination (more source addresses, "
    "fewer or longer connections), or two packets of one flow at the same instant, as the A and AAAA "
    "questions of a resolver (options single-request-reopen, a local cache, notrack for DNS)",
    refs=("kernel:Documentation/networking/nf_conntrack-sysctl.rst", "man:conntrack(8)"),
)
def insert_failed(model: Conntrack, rule: Rule[Conntrack]) -> Iterator[Finding]:
    """An entry could not be added because one with the same addresses and ports was there, so the packet
    was dropped. Its sender tries again, a DNS resolver after five seconds.
    """
    if not model.tracking:
        raise NotApplicable("this kernel tracks no connections")
    if model.window_s is None:
        raise Unknown("it takes two readings, and there was one")
    counts = model.counts
    if counts is None or counts.insert_failed is None:
        raise Unknown(f"{_STAT} could not be read twice")
    if counts.insert_failed <= rule["failures"]:
        return
    yield rule.finding(
        "warning",
        f"{counts.insert_failed} connections could not be tracked in {model.window_s:.3g} s: their packets "
        "were dropped",
        subject=TABLE,
        evidence=[
            Evidence(
                "insert failures", counts.insert_failed, "entries", rule["failures"], f"{_STAT} insert_failed"
            ),
            Evidence("source translated", model.snat, "entries", None, "CTNETLINK dump, IPS_SRC_NAT"),
        ],
        next=["sretool net conntrack --sample 10"],
    )


CHECKS = (near_full, insert_failed)
