"""Paths that lose what is sent."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.report.answer import Evidence, Finding, Severity, Subject
from sretool.report.check import NotApplicable, Rule, Threshold, Unknown, check
from sretool.report.units import count_text, ms_text
from sretool.sockets.summary.checks import about
from sretool.sockets.summary.model import Group, Summary


@check(
    id="tcp.retransmissions-by-peer",
    title="retransmissions to one peer",
    reads="tcp_info of every TCP socket, two dumps (sock_diag): tcpi_total_retrans, tcpi_data_segs_out",
    window="the sample",
    thresholds={
        "warning_ratio": Threshold(0.01, "ratio", "hotsos, TCP retransmissions"),
        "critical_ratio": Threshold(0.1, "ratio", "judgement: one of ten lost, timeouts set the pace"),
        "segments": Threshold(10, "segments", "judgement: fewer retransmissions than this prove nothing"),
    },
    remedy="one peer alone: look at the path to it (sretool net trace) and at its host; many peers of one "
    "route: its router or link; all of them: this host's own link, queue or firewall",
    refs=("RFC 6298", "RFC 8985", "kernel:include/uapi/linux/tcp.h"),
)
def retransmissions_by_peer(model: Summary, rule: Rule[Summary]) -> Iterator[Finding]:
    """TCP sends a segment again when its acknowledgement does not come. The kernel counts that for each
    connection, so the loss has a place: the connections with one remote address are added up over the
    sample, those that opened within it from their start on, and no packet is sent. What closed within it
    is not counted.

    The ratio is of all segments with data that were sent, those sent again included.
    """
    if model.by != "peer" or not model.fares:
        raise NotApplicable("connections are compared by their peers with --by peer")
    if model.window_s is None:
        raise Unknown(about.ONE_READING)
    busy = [row for row in model.groups if row.segments_sent or row.segments_retransmitted]
    losing = [row for row in busy if _loses(row, rule)]
    for row in losing:
        yield _of_peer(row, rule, len(losing), len(busy))
    about.all_read(model, "tcp")


def _loses(row: Group, rule: Rule[Summary]) -> bool:
    sent, again = row.segments_sent, row.segments_retransmitted
    if not isinstance(sent, int) or not isinstance(again, int):
        return False
    return again >= rule["segments"] and again > sent * rule["warning_ratio"]


def _of_peer(row: Group, rule: Rule[Summary], losing: int, busy: int) -> Finding:
    ratio = row.retransmitted_ratio if isinstance(row.retransmitted_ratio, float) else None
    serious = ratio is None or ratio > rule["critical_ratio"]
    severity: Severity = "critical" if serious else "warning"
    share = "nothing else was sent" if ratio is None else f"{ratio * 100:.1f}% of {row.segments_sent}"
    rtt = row.rtt_ms if isinstance(row.rtt_ms, float) else None
    return rule.finding(
        severity,
        f"{row.segments_retransmitted} segments to {row.remote_address} were sent again ({share}); "
        f"{losing} of {count_text(busy, 'peer')} that data went to lost so many",
        subject=Subject("peer", row.remote_address or "", row.process or "", row.unit or "", row.pid),
        evidence=[
            Evidence(
                "retransmitted of sent",
                ratio,
                "ratio",
                rule["critical_ratio" if serious else "warning_ratio"],
                "sock_diag tcp_info tcpi_total_retrans / tcpi_data_segs_out",
            ),
            Evidence(
                "retransmitted",
                row.segments_retransmitted if isinstance(row.segments_retransmitted, int) else None,
                "segments",
                rule["segments"],
                "sock_diag tcp_info tcpi_total_retrans",
            ),
            Evidence("median round-trip time", ms_text(rtt) + " ms", "", None, "sock_diag tcp_info tcpi_rtt"),
        ],
        next=[
            f"sretool sockets list 'dst {row.remote_address}' --sort retransmits_total",
            "sretool sockets summary --by route",
            f"sretool net trace {row.remote_address}",
        ],
    )
