"""What is wrong with this host's queues."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.net.qdisc.model import Qdisc, Qdiscs
from sretool.report.answer import Evidence, Finding, Subject
from sretool.report.check import Rule, Threshold, Unknown, check
from sretool.report.units import count_text

_WHY = {
    "tbf": "more is sent than its rate and limit let through",
    "htb": "more is sent than the rates of its classes let through",
    "netem": "it simulates loss or delay, and somebody made it so",
    "ingress": "its filters police or drop what arrives",
    "clsact": "its filters (of tc or BPF) drop",
    "pfifo_fast": "the device does not send as fast as packets come",
    "fq_codel": "it keeps its delay short by dropping, or is full",
    "fq": "a flow has more packets in the queue than it may, or it is full",
}


@check(
    id="qdisc.drops",
    title="queue drops packets",
    reads="drops and packets of every queueing discipline (RTM_GETQDISC TCA_STATS2)",
    window="the sample",
    thresholds={
        "ratio": Threshold(0.02, "ratio", "netdata outbound_packets_dropped_ratio"),
        "packets": Threshold(10, "packets", "judgement: fewer drops than this prove nothing"),
    },
    remedy="see what sends so much (sretool sockets list), whether the rate or limit of a shaper is what it "
    "should be, and whether the device keeps up (sretool net links)",
    refs=("man:tc(8)", "kernel:Documentation/networking/gen_stats.rst"),
)
def drops(model: Qdiscs, rule: Rule[Qdiscs]) -> Iterator[Finding]:
    """A queue on the way out (or a filter on the way in) drops packets: more come than leave.

    Found when drops over the sample are more than the ratio of what passed and was dropped. A few are
    normal: TCP finds its rate by them, and fq_codel drops to keep delay short. Of disciplines one under
    the other that drop, the lowest is named, where the packets were.
    """
    if model.window_s is None:
        raise Unknown("it takes two readings, and there was one")
    dropping = [row for row in model.qdiscs if row.drops_per_s]
    below = {(row.dev, row.parent.partition(":")[0]) for row in dropping if ":" in row.parent}
    for row in dropping:
        # what is above counts a child's drops again (net/sched/sch_api.c qdisc_tree_reduce_backlog)
        if (row.dev, row.handle.partition(":")[0]) in below and row.handle != "0:":
            continue
        found = round((row.drops_per_s or 0) * model.window_s)
        passed = round((row.packets_per_s or 0) * model.window_s)
        share = found / (found + passed)
        if found >= rule["packets"] and share > rule["ratio"]:
            yield _of(row, found, share, model.window_s, rule)
    if any(row.drops is None for row in model.qdiscs):
        raise Unknown("a queue without counters")


def _of(row: Qdisc, found: int, share: float, window_s: float, rule: Rule[Qdiscs]) -> Finding:
    why = f": {_WHY[row.kind]}" if row.kind in _WHY else ""
    rate = row.options.get("rate_bytes_per_s")
    return rule.finding(
        "warning",
        f"{row.name} dropped {count_text(found, 'packet')} in {window_s:.3g} s, "
        f"{share * 100:.3g}% of what came{why}",
        subject=Subject("qdisc", f"{row.dev} {row.handle} {row.parent}", row.kind),
        evidence=[
            Evidence("dropped", found, "packets", rule["packets"], "TCA_STATS_QUEUE drops, over the sample"),
            Evidence("of what came", round(share, 4), "ratio", rule["ratio"], "TCA_STATS2 drops, packets"),
            Evidence("waiting now", row.backlog_packets, "packets", source="TCA_STATS_QUEUE qlen"),
            *([Evidence("its rate", rate, "bytes/s", source="TCA_OPTIONS")] if isinstance(rate, int) else []),
        ],
        next=[f"sretool net qdisc --dev {row.dev}", f"sretool net links --dev {row.dev}"],
    )


CHECKS = (drops,)
