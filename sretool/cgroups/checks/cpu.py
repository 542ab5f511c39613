"""CPU quotas."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.cgroups.checks.about import SHOWN_LIMIT, show, subject
from sretool.cgroups.model import Cgroup, Cgroups
from sretool.report.answer import Evidence, Finding
from sretool.report.check import NotApplicable, Rule, Threshold, Unknown, check, others


@check(
    id="cgroup.cpu-throttled",
    title="a group is throttled by its CPU quota",
    reads="nr_periods and nr_throttled of every cgroup's cpu.stat, cpu.max (v1: cpu.cfs_quota_us)",
    window="the sample",
    thresholds={
        "throttled": Threshold(25, "%", "kubernetes-mixin CPUThrottlingHigh"),
        "periods": Threshold(5, "periods", "judgement: a share of fewer says nothing"),
    },
    remedy="raise the quota (CPUQuota= of the unit, limits.cpu of the container) or run fewer threads: "
    "many threads use a period's quota up at once and then all wait, at any average load",
    refs=("https://docs.kernel.org/scheduler/sched-bwc.html", "man:systemd.resource-control(5)"),
)
def cpu_throttled(model: Cgroups, rule: Rule[Cgroups]) -> Iterator[Finding]:
    """The share of enforcement periods (100 ms unless set) in which a group used up its quota, so
    that its tasks waited for the next period though a CPU may have been idle. Only periods in which
    the group had work are counted by the kernel.

    warning: more than `throttled` percent of at least `periods` periods. The source asks for 15
    minutes of it; the window here is one sample.
    """
    if model.window_s is None:
        raise Unknown("it takes two readings, and there was one")
    if not any(isinstance(row.cpu_limit_ratio, float) or _periods(row) for row in model.cgroups):
        raise NotApplicable("no group has a CPU quota")
    throttled = [
        row
        for row in model.cgroups
        if _share(row) * 100 > rule["throttled"] and _periods(row) >= rule["periods"]
    ]
    throttled.sort(key=lambda row: (-_share(row), row.path))
    for row in throttled[:SHOWN_LIMIT]:
        quota = f"{row.cpu_limit_ratio:g}" if isinstance(row.cpu_limit_ratio, float) else "?"
        yield rule.finding(
            "warning",
            f"{row.path} used up its quota of {quota} CPUs in {row.throttled_periods} of "
            f"{row.periods} periods" + others(len(throttled), "group"),
            subject=subject(row),
            evidence=[
                Evidence(
                    "throttled periods",
                    round(_share(row) * 100, 1),
                    "%",
                    rule["throttled"],
                    "cpu.stat nr_throttled/nr_periods",
                ),
                Evidence(
                    "quota",
                    row.cpu_limit_ratio if isinstance(row.cpu_limit_ratio, float) else None,
                    "CPUs",
                    None,
                    "cpu.max",
                ),
                Evidence(
                    "used",
                    row.cpu_ratio if isinstance(row.cpu_ratio, float) else None,
                    "CPUs",
                    None,
                    "cpu.stat usage_usec",
                ),
                Evidence(
                    "kept from running",
                    row.throttled_time_ratio if isinstance(row.throttled_time_ratio, float) else None,
                    "CPUs",
                    None,
                    "cpu.stat throttled_usec",
                ),
            ],
            next=[show(row.path), "sretool cgroups tree --sort throttled_ratio"],
        )


def _share(row: Cgroup) -> float:
    return row.throttled_ratio if isinstance(row.throttled_ratio, float) else 0.0


def _periods(row: Cgroup) -> int:
    return row.periods if isinstance(row.periods, int) else 0


CHECKS = (cpu_throttled,)
