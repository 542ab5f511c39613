"""CPU: who waits for one, load that is not CPU, and time the hypervisor took."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.report.answer import Evidence, Finding, Severity, Subject
from sretool.report.check import Rule, Threshold, Unknown, check
from sretool.triage.checks.evidence import HOST, NO_PRESSURE, percent, stall_evidence
from sretool.triage.read import Host
from sretool.triage.read.cpu import Stat, use

CPU = Subject(kind="cpu", id="all")
HELD_BACK = "find the group whose CPU quota, cpuset or affinity is too small for what it runs"
LOOK = ["sretool procs list --sort cpu_ratio", "sretool cgroups tree"]


@check(
    id="cpu.saturation",
    title="tasks wait for a CPU",
    reads="/proc/pressure/cpu, /proc/stat procs_running, /proc/loadavg",
    window="10 s and 5 min kept by the kernel; the sample's own second warns at most",
    thresholds={
        "avg10": Threshold(
            25, "%", "judgement: a quarter of the last 10 s (Documentation/accounting/psi.rst)"
        ),
        "sample": Threshold(60, "%", "judgement: PSI over one sample, together with the run queue"),
        "avg300": Threshold(60, "%", "judgement: sustained for five minutes is critical"),
        "queue": Threshold(1, "tasks/CPU", "Gregg, USE method: runnable tasks above the number of CPUs"),
        "busy": Threshold(70, "%", "judgement: below it, tasks do not wait because the CPUs are taken"),
    },
    remedy="find what runs: stop it, give it fewer threads or a CPU quota, or add CPUs",
    refs=("https://docs.kernel.org/accounting/psi.html", "https://www.brendangregg.com/usemethod.html"),
)
def saturation(host: Host, rule: Rule[Host]) -> Iterator[Finding]:
    """There are more tasks that could run than CPUs to run them on, so some wait.

    Pressure says for which share of the time at least one task waited; the kernel averages it over
    10 s and 5 min. The load average says the same much later: six spinning tasks on two CPUs show a
    load of 0.2 after two seconds, while pressure is at 100 %. So pressure and the run queue judge,
    and the load average stands beside them as evidence.

    warning: tasks waited more than `avg10` percent of the last 10 s; or more than `sample` percent of
    the sample, with more than `queue` runnable tasks a CPU at both its ends.
    critical: tasks waited more than `avg300` percent of the last five minutes.
    info: tasks wait while the CPUs are less than `busy` percent busy. Pressure counts a task that its
    quota or cpuset holds back as waiting too; more CPUs would not help it.
    On a kernel without pressure the run queue alone judges, and only warns.
    """
    stat = host.stat.need()
    queue = _queue(host, stat)
    long_queue = queue is not None and queue > rule["queue"] * stat.cpus
    some = None if host.pressure["cpu"].value is None else host.pressure["cpu"].value.some
    sampled = host.stalled("cpu", "some")
    severity: Severity | None = None
    if some is None:
        if queue is None:
            raise Unknown(f"{host.pressure['cpu'].why}, and a run queue needs two readings")
        severity = "warning" if long_queue else None
        said = f"{queue} tasks want to run on {stat.cpus} CPUs ({NO_PRESSURE})"
    else:
        when = f"{some.avg10_ratio:.0%} of the last 10 s"
        if some.avg300_ratio * 100 > rule["avg300"]:
            severity = "critical"
            when = f"{some.avg300_ratio:.0%} of the last 5 min, {when}"
        elif some.avg10_ratio * 100 > rule["avg10"] or (
            long_queue and sampled is not None and sampled * 100 > rule["sample"]
        ):
            severity = "warning"
        now = "" if sampled is None else f" and {sampled:.0%} of this sample"
        said = f"tasks waited for a CPU {when}{now}"
        if long_queue:
            said += f"; {queue} want to run on {stat.cpus} CPUs"
    if severity is None:
        return
    remedy, look = "", LOOK
    busy = use(stat, host.stat_before)
    if (
        sampled is not None
        and sampled * 100 > rule["avg10"]
        and busy
        and busy.busy_ratio * 100 < rule["busy"]
    ):
        severity, remedy, look = "info", HELD_BACK, ["sretool cgroups tree --sort throttled_ratio"]
        said += f", though the CPUs are only {busy.busy_ratio:.0%} busy"
    evidence = (
        []
        if some is None
        else stall_evidence(
            host, "cpu", "some", "waited", {name: rule[name] for name in ("sample", "avg10", "avg300")}
        )
    )
    evidence += _queue_evidence(host, stat, queue, rule["queue"] * stat.cpus)
    yield rule.finding(severity, said, subject=CPU, evidence=evidence, next=look, remedy=remedy)


def _queue(host: Host, stat: Stat) -> int | None:
    """Runnable tasks at both ends of the sample, the smaller count, without the reader itself."""
    if host.stat_before is None:
        return None
    return max(0, min(stat.running, host.stat_before.running) - 1)


def _queue_evidence(host: Host, stat: Stat, queue: int | None, threshold: float) -> list[Evidence]:
    long = queue is not None and queue > threshold
    rows = [Evidence("runnable", queue, "tasks", threshold if long else None, "/proc/stat procs_running")]
    if host.load.value is not None:
        rows.append(Evidence("load, 1 min", host.load.value.one, "", None, "/proc/loadavg"))
    return rows


@check(
    id="cpu.load",
    title="load is high, but not for want of CPU",
    reads="/proc/loadavg, /proc/pressure/cpu, /proc/stat procs_blocked",
    window="1, 5 and 15 min kept by the kernel",
    thresholds={
        "load1": Threshold(8, "per CPU", "netdata health.d/load.conf: 1 min above 8 times the CPUs"),
        "load5": Threshold(4, "per CPU", "netdata health.d/load.conf: 5 min above 4 times the CPUs"),
        "load15": Threshold(2, "per CPU", "netdata health.d/load.conf; node-mixin NodeSystemSaturation"),
        "avg60": Threshold(25, "%", "judgement: CPU pressure above it explains the load"),
    },
    remedy="look for tasks in state D and for what they wait: a disk, a network filesystem, a lock",
    refs=("man:proc_loadavg(5)", "https://www.brendangregg.com/blog/2017-08-08/linux-load-averages.html"),
)
def load(host: Host, rule: Rule[Host]) -> Iterator[Finding]:
    """Linux counts tasks in uninterruptible sleep as load, so a dead NFS server raises it as well as
    a busy CPU does. A high load that CPU pressure explains belongs to `cpu.saturation`, and this
    check says nothing of it.

    info: the load is above a threshold and CPU pressure is not: tasks wait for something else.
    warning: the same on a kernel that keeps no pressure, where the load cannot be taken apart.
    """
    averages, stat = host.load.need(), host.stat.need()
    rows = [
        Evidence(
            f"load, {minutes} min",
            value,
            "",
            rule[f"load{minutes}"] * stat.cpus,
            "/proc/loadavg",
        )
        for minutes, value in ((1, averages.one), (5, averages.five), (15, averages.fifteen))
    ]
    high = [row for row, value in zip(rows, averages) if value > float(row.threshold or 0)]
    if not high:
        return
    pressure = host.pressure["cpu"].value
    some = None if pressure is None else pressure.some
    if some is not None and some.avg60_ratio * 100 > rule["avg60"]:
        return
    if some is None:
        severity: Severity = "warning"
        because = "this kernel does not say whether for want of CPU"
    else:
        severity = "info"
        because = f"CPUs are not short ({some.avg60_ratio:.0%} pressure): tasks wait for something else"
        rows.append(
            Evidence(
                "waited for a CPU, last 60 s",
                percent(some.avg60_ratio),
                "%",
                rule["avg60"],
                "/proc/pressure/cpu",
            )
        )
    rows.append(Evidence("tasks blocked on I/O", stat.blocked, "tasks", None, "/proc/stat procs_blocked"))
    yield rule.finding(
        severity,
        f"load is {' '.join(f'{value:.1f}' for value in averages)} on {stat.cpus} CPUs; {because}",
        subject=HOST,
        evidence=rows,
        next=["sretool procs list --sort state", "sretool triage --only io.pressure"],
    )


@check(
    id="cpu.steal",
    title="the hypervisor takes CPU time",
    reads="/proc/stat cpu steal",
    window="the sample",
    thresholds={
        "steal": Threshold(10, "%", "netdata health.d/cpu.conf 20min_steal_cpu; awesome-prometheus-alerts")
    },
    remedy="this guest gets less CPU than it was promised: look at burst credits, resize it, or move it",
    refs=("man:proc_stat(5)",),
)
def steal(host: Host, rule: Rule[Host]) -> Iterator[Finding]:
    """Time in which a virtual CPU had work and the hypervisor ran something else.

    warning: more than `steal` percent of all CPU time of the sample. The sources ask for 10 to 20
    minutes of it; one sample can only warn. Use -w to see whether it lasts.
    """
    host.stat.need()
    use = host.cpu
    if use is None:
        raise Unknown("/proc/stat: a rate needs two readings of one boot")
    if use.steal_ratio * 100 <= rule["steal"]:
        return
    yield rule.finding(
        "warning",
        f"the hypervisor took {use.steal_ratio:.0%} of the CPU time",
        subject=CPU,
        evidence=[
            Evidence("stolen", percent(use.steal_ratio), "%", rule["steal"], "/proc/stat cpu steal"),
            Evidence("busy", percent(use.busy_ratio), "%", None, "/proc/stat cpu"),
        ],
        next=["sretool triage --only cpu.steal -w --sample 10"],
    )


CHECKS = (saturation, load, steal)
