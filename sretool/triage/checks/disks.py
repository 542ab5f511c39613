"""Disks: requests that wait, devices that do not answer, tasks stalled on I/O."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.report.answer import Evidence, Finding, Severity, Subject
from sretool.report.check import NotApplicable, Rule, Threshold, check
from sretool.triage.checks.evidence import HOST, percent, stall, stall_evidence
from sretool.triage.read import Host
from sretool.triage.read.disks import Disk

STATS = "/proc/diskstats"
LOOK = ["iostat -xz 1 3", "sretool cgroups tree"]


def _disks(host: Host) -> list[Disk]:
    disks = host.disks.need()
    if not disks:
        raise NotApplicable("no disk of its own is to be seen here")
    return disks


def _subject(disk: Disk) -> Subject:
    return Subject(kind="disk", id=disk.name)


@check(
    id="disk.latency",
    title="a disk answers slowly",
    reads="/proc/diskstats fields 1, 4, 5, 8, 9",
    window="the sample",
    thresholds={
        "await": Threshold(100, "ms", "awesome-prometheus-alerts HostUnusualDiskRead/WriteLatency"),
        "requests": Threshold(5, "requests", "judgement: a mean of fewer is no mean"),
    },
    remedy="see who does the I/O, whether the volume is throttled, and the kernel's log for errors",
    refs=("https://docs.kernel.org/admin-guide/iostats.html", "man:iostat(1)"),
)
def latency(host: Host, rule: Rule[Host]) -> Iterator[Finding]:
    """How long requests took from queueing to completion, on average over those that completed in
    the sample, reads and writes apart. Whole disks only; what is stacked on others (dm, md) is left
    to the disks below it.

    warning: a mean above `await` ms over at least `requests` requests; or requests in flight at both
    ends of the sample and none completed between them.
    """
    for disk in _disks(host):
        slow = [
            (kind, mean)
            for kind, mean, count in (
                ("read", disk.read_await_ms, disk.reads),
                ("write", disk.write_await_ms, disk.writes),
            )
            if mean is not None and mean > rule["await"] and count >= rule["requests"]
        ]
        stuck = not disk.reads and not disk.writes and disk.in_flight and disk.in_flight_before
        if stuck:
            said = f"{disk.name} completed nothing in this sample, with {disk.in_flight} requests in flight"
        elif slow:
            said = f"{disk.name}: " + ", ".join(f"a {kind} takes {mean:.0f} ms" for kind, mean in slow)
        else:
            continue
        yield rule.finding(
            "warning",
            said,
            subject=_subject(disk),
            evidence=[
                Evidence("mean read", _rounded(disk.read_await_ms), "ms", rule["await"], f"{STATS} 4/1"),
                Evidence("mean write", _rounded(disk.write_await_ms), "ms", rule["await"], f"{STATS} 8/5"),
                Evidence("completed", disk.reads + disk.writes, "requests", None, f"{STATS} 1+5"),
                Evidence("in flight", disk.in_flight, "requests", None, f"{STATS} 9"),
                Evidence("busy", percent(disk.utilisation_ratio), "%", None, f"{STATS} 10"),
            ],
            next=["journalctl -k -b -p warning", *LOOK] if stuck else LOOK,
        )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


@check(
    id="disk.saturation",
    title="a disk is saturated",
    reads="/proc/diskstats fields 10, 11",
    window="the sample",
    thresholds={
        "busy": Threshold(98, "%", "netdata health.d/disks.conf 10min_disk_utilization"),
        "queue": Threshold(10, "requests", "node-mixin NodeDiskIOSaturation; awesome-prometheus-alerts"),
    },
    remedy="see who does the I/O; spread it, slow it down (io.max, ionice), or use a faster volume",
    refs=("https://docs.kernel.org/admin-guide/iostats.html",),
)
def saturation(host: Host, rule: Rule[Host]) -> Iterator[Finding]:
    """A device that was busy all the time and had a queue besides. Busy alone is no fault: a device
    that works on many requests at once (NVMe, RAID) is at 100 % long before it is saturated.

    warning: busy more than `busy` percent of the sample, with more than `queue` requests waiting on
    average. The sources ask for 10 to 30 minutes of it; `io.pressure` judges the longer windows.
    """
    for disk in _disks(host):
        if disk.utilisation_ratio * 100 <= rule["busy"] or disk.queue <= rule["queue"]:
            continue
        yield rule.finding(
            "warning",
            f"{disk.name} was busy {disk.utilisation_ratio:.0%} of the sample, "
            f"with {disk.queue:.0f} requests queued",
            subject=_subject(disk),
            evidence=[
                Evidence("busy", percent(disk.utilisation_ratio), "%", rule["busy"], f"{STATS} 10"),
                Evidence("mean queue", round(disk.queue, 1), "requests", rule["queue"], f"{STATS} 11"),
                Evidence("completed", disk.reads + disk.writes, "requests", None, f"{STATS} 1+5"),
            ],
            next=LOOK,
        )


@check(
    id="io.pressure",
    title="tasks wait for I/O",
    reads="/proc/pressure/io",
    window="10 s and 60 s kept by the kernel",
    thresholds={
        "avg10": Threshold(10, "%", "judgement: every runnable task stalled a tenth of the last 10 s"),
        "avg60": Threshold(40, "%", "judgement: and for most of a minute"),
    },
    remedy="find who does the I/O and who waits for it: cgroups by io pressure, processes in state D",
    refs=("https://docs.kernel.org/accounting/psi.html",),
)
def io_pressure(host: Host, rule: Rule[Host]) -> Iterator[Finding]:
    """The share of the time in which all tasks that had work waited for I/O, and no CPU did any of it.
    A single second of it is what every backup does, so only the kernel's longer windows judge.

    warning: more than `avg10` percent of the last 10 s.
    critical: more than `avg60` percent of the last 60 s.
    """
    full = stall(host, "io", "full")
    severity: Severity
    if full.avg60_ratio * 100 > rule["avg60"]:
        severity = "critical"
    elif full.avg10_ratio * 100 > rule["avg10"]:
        severity = "warning"
    else:
        return
    yield rule.finding(
        severity,
        f"all work stood still for I/O {full.avg10_ratio:.0%} of the last 10 s "
        f"and {full.avg60_ratio:.0%} of the last 60 s",
        subject=HOST,
        evidence=[
            *stall_evidence(
                host, "io", "full", "all waited", {"avg10": rule["avg10"], "avg60": rule["avg60"]}
            ),
            *stall_evidence(host, "io", "some", "some waited", {}),
        ],
        next=["sretool procs list --sort state", *LOOK],
    )


CHECKS = (latency, saturation, io_pressure)
