"""What is wrong with how the CPUs receive packets."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.net.softnet.model import Cpu, Softnet
from sretool.report.answer import Evidence, Finding, Subject
from sretool.report.check import Rule, Threshold, Unknown, check

_STAT = "/proc/net/softnet_stat"


@check(
    id="softnet.drops",
    title="packets dropped before the protocols saw them",
    reads="/proc/net/softnet_stat, second column",
    window="the sample",
    thresholds={"warning_per_s": Threshold(10, "1/s", "netdata 1min_netdev_backlog_exceeded, in one minute")},
    remedy="spread the load: more receive queues, RPS over more CPUs (rps_cpus); find what keeps that CPU "
    "busy in softirq (many firewall rules, one large flow); for bursts raise net.core.netdev_max_backlog",
    refs=("kernel:Documentation/networking/scaling.rst", "kernel:Documentation/admin-guide/sysctl/net.rst"),
)
def drops(model: Softnet, rule: Rule[Softnet]) -> Iterator[Finding]:
    """Packets steered to a CPU (by RPS, from tunnels, veth or lo, from old drivers) wait in its backlog.
    When net.core.netdev_max_backlog of them wait, the next are dropped, and no interface counts them.
    """
    rows, window = _read(model)
    worst = max(rows, key=lambda row: row.dropped or 0)
    count, rate = _sum(rows, "dropped"), _sum(rows, "dropped") / window
    if rate <= rule["warning_per_s"]:
        return
    limit = model.limits.netdev_max_backlog
    yield rule.finding(
        "warning",
        f"{count} packets were dropped in {window:.3g} s because a CPU's backlog was full, {worst.dropped} "
        f"of them on CPU {worst.cpu}",
        subject=Subject("cpu", str(worst.cpu)),
        evidence=[
            Evidence("dropped, all CPUs", round(rate, 2), "1/s", rule["warning_per_s"], f"{_STAT} column 2"),
            Evidence(f"dropped on CPU {worst.cpu}", worst.dropped, "packets", None, f"{_STAT} column 2"),
            Evidence("waiting there now", worst.backlog, "packets", limit, f"{_STAT} column 12"),
        ],
        next=["sretool net softnet --sample 10"],
    )


@check(
    id="softnet.squeezed",
    title="receiving stopped with packets left",
    reads="/proc/net/softnet_stat, third column",
    window="the sample",
    thresholds={"warning_per_s": Threshold(10, "1/s", "netdata 1min_netdev_budget_ran_outs, in one minute")},
    remedy="spread the load over more receive queues or CPUs (RSS, RPS); when one CPU has to do, raise "
    "net.core.netdev_budget and net.core.netdev_budget_usecs",
    refs=("kernel:Documentation/admin-guide/sysctl/net.rst", "kernel:Documentation/networking/napi.rst"),
)
def squeezed(model: Softnet, rule: Rule[Softnet]) -> Iterator[Finding]:
    """A CPU receives in rounds of at most net.core.netdev_budget packets and netdev_budget_usecs. A round
    that ends with packets left is counted; they wait for the next one, which adds latency, and when it
    happens all the time the network card's ring fills and drops.
    """
    rows, window = _read(model)
    worst = max(rows, key=lambda row: row.squeezed or 0)
    count, rate = _sum(rows, "squeezed"), _sum(rows, "squeezed") / window
    if rate <= rule["warning_per_s"]:
        return
    yield rule.finding(
        "warning",
        f"receiving stopped {count} times in {window:.3g} s with packets left, {worst.squeezed} times on CPU "
        f"{worst.cpu}",
        subject=Subject("cpu", str(worst.cpu)),
        evidence=[
            Evidence("squeezed, all CPUs", round(rate, 2), "1/s", rule["warning_per_s"], f"{_STAT} column 3"),
            Evidence(f"squeezed on CPU {worst.cpu}", worst.squeezed, "times", None, f"{_STAT} column 3"),
            Evidence("net.core.netdev_budget", model.limits.netdev_budget, "packets", None, "sysctl"),
            Evidence("net.core.netdev_budget_usecs", model.limits.netdev_budget_us, "us", None, "sysctl"),
        ],
        next=["sretool net softnet --sample 10"],
    )


def _read(model: Softnet) -> tuple[list[Cpu], float]:
    if not model.cpus:
        raise Unknown(f"{_STAT} could not be read")
    rows = [row for row in model.cpus if row.dropped is not None]
    if not model.window_s or not rows:
        raise Unknown("it takes two readings, and there was one")
    return rows, model.window_s


def _sum(rows: list[Cpu], name: str) -> int:
    return sum(getattr(row, name) or 0 for row in rows)


CHECKS = (drops, squeezed)
