"""Processes that take from the others, or are kept from their own memory."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UnsetType

from sretool.procs.list.checks.subject import SHOWN_LIMIT, called, cause, closer, subject
from sretool.procs.list.model import Process, Processes
from sretool.report.answer import Evidence, Finding
from sretool.report.check import NotApplicable, Rule, Threshold, Unknown, check, others
from sretool.report.units import bytes_text

REALTIME = ("fifo", "rr", "deadline")
MIB = 1 << 20
SWAP_FIELDS = "pid,swap_bytes,anon_bytes,major_faults_per_s,unit,command"


@check(
    id="process.realtime-hog",
    title="a process takes a CPU from the others",
    reads="/proc/PID/stat fields 14, 15, 19, 40 and 41; /proc/sys/kernel/sched_rt_runtime_us, "
    "sched_rt_period_us",
    window="the sample",
    thresholds={
        "cpu": Threshold(80, "%", "judgement: of one CPU; realtime throttling only begins at 95 %"),
        "nice": Threshold(
            10, "", "judgement: nice of minus that; it then weighs nine times as much as nice 0"
        ),
    },
    remedy="find out who asked for that priority (CPUSchedulingPolicy= or Nice= of its unit, chrt, renice) "
    "and whether it means to spin; chrt -p and renice change it while it runs",
    refs=("man:sched(7)", "kernel:Documentation/scheduler/sched-rt-group.rst"),
)
def realtime_hog(model: Processes, rule: Rule[Processes]) -> Iterator[Finding]:
    """A process under fifo, rr or deadline runs before every ordinary one: while it spins, nothing
    else gets that CPU but what the kernel keeps back (sched_rt_runtime_us; -1 keeps nothing). A
    negative nice value only weighs more. The policy is that of the main thread.

    warning: a realtime process that used more than `cpu` percent of one CPU over the sample.
    info: one of nice below minus `nice` that did.
    """
    if model.window_s is None:
        raise Unknown("it takes two readings, and there was one")
    hogs = [row for row in model.processes if (row.cpu_ratio or 0) * 100 > rule["cpu"]]
    realtime = [row for row in hogs if row.policy in REALTIME]
    for row in realtime[:SHOWN_LIMIT]:
        kept = _kept_back(model)
        yield rule.finding(
            "warning",
            f"{called(row)} runs under {row.policy}{_priority(row)} and used {row.cpu_ratio:.0%} of a CPU"
            + (", of which the kernel keeps nothing back" if kept == 0 else "")
            + others(len(realtime), "realtime process"),
            subject=subject(row),
            evidence=[
                _used(row, rule["cpu"]),
                Evidence("policy", str(row.policy), source="/proc/PID/stat field 41"),
                Evidence(
                    "kept for ordinary processes",
                    None if kept is None else round(kept * 100, 1),
                    "%",
                    None,
                    "sched_rt_runtime_us / sched_rt_period_us",
                ),
            ],
            next=[cause(row.pid), f"chrt -a -p {row.pid}"],
        )
    nice = [row for row in hogs if row not in realtime and not row.kernel and row.nice < -rule["nice"]]
    for row in nice[:SHOWN_LIMIT]:
        yield rule.finding(
            "info",
            f"{called(row)} has nice {row.nice} and used {row.cpu_ratio:.0%} of a CPU",
            subject=subject(row),
            evidence=[
                _used(row, rule["cpu"]),
                Evidence("nice", row.nice, "", -rule["nice"], "/proc/PID/stat field 19"),
            ],
            next=[cause(row.pid)],
        )
    unread = sum(row.policy is None for row in hogs)
    if unread:
        raise Unknown(f"the scheduling policy of {unread} busy processes could not be read")


def _used(row: Process, threshold: float) -> Evidence:
    used = None if row.cpu_ratio is None else round(row.cpu_ratio * 100, 1)
    return Evidence("CPU used", used, "%", threshold, "/proc/PID/stat fields 14 and 15")


def _priority(row: Process) -> str:
    return f" {row.realtime_priority}" if row.realtime_priority else ""


def _kept_back(model: Processes) -> float | None:
    """The share of a CPU that realtime processes leave; None when it is not known."""
    if isinstance(model.capacity, UnsetType):
        return None
    runtime, period = model.capacity.realtime_runtime_us, model.capacity.realtime_period_us
    if runtime is None or not period or period < 0:
        return None
    return 0.0 if runtime < 0 else max(0.0, 1 - runtime / period)


@check(
    id="process.swapped-hot",
    title="a process works on memory that is in swap",
    reads="VmSwap of /proc/PID/status, /proc/PID/stat field 12, pswpin of /proc/vmstat",
    window="the sample",
    thresholds={
        "faults": Threshold(
            100, "faults/s", "judgement: each takes 0.1 ms (SSD) to 10 ms (disk), so 1 % to all of the time"
        ),
        "swap_mib": Threshold(32, "MiB", "judgement: less is read back within seconds"),
    },
    remedy="its working set does not fit: give it more memory (a limit of its cgroup, memory.swap.max=0, or "
    "less beside it); swappiness does not help while memory is short",
    refs=("man:proc_pid_status(5)", "https://docs.kernel.org/admin-guide/cgroup-v2.html#memory"),
)
def swapped_hot(model: Processes, rule: Rule[Processes]) -> Iterator[Finding]:
    """A process has much in swap, and waits for pages to be read back now. Memory that lies in swap
    untouched harms nobody, and a fault that reads a file is no swapping: both the process must fault
    and the host read from swap, at more than `faults` a second.

    warning: a process with more than `swap_mib` MiB in swap does.
    """
    if model.window_s is None:
        raise Unknown("it takes two readings, and there was one")
    capacity = model.capacity
    if isinstance(capacity, UnsetType) or capacity.swap_total_bytes is None:
        raise Unknown("/proc/meminfo: SwapTotal could not be read")
    if capacity.swap_total_bytes == 0:
        raise NotApplicable("this host has no swap")
    if capacity.swap_ins_per_s is None:
        raise Unknown("/proc/vmstat: pswpin could not be read twice")
    if capacity.swap_ins_per_s <= rule["faults"]:
        return
    faulting = [row for row in model.processes if (row.major_faults_per_s or 0) > rule["faults"]]
    hot = [
        row for row in faulting if isinstance(row.swap_bytes, int) and row.swap_bytes > rule["swap_mib"] * MIB
    ]
    for row in sorted(hot, key=lambda row: -(row.major_faults_per_s or 0))[:SHOWN_LIMIT]:
        assert isinstance(row.swap_bytes, int)
        yield rule.finding(
            "warning",
            f"{called(row)} has {bytes_text(row.swap_bytes)} in swap and reads back "
            f"{row.major_faults_per_s:.0f} pages a second" + others(len(hot), "process"),
            subject=subject(row),
            evidence=[
                Evidence(
                    "major faults",
                    row.major_faults_per_s,
                    "faults/s",
                    rule["faults"],
                    "/proc/PID/stat field 12",
                ),
                Evidence(
                    "in swap", row.swap_bytes, "bytes", rule["swap_mib"] * MIB, "/proc/PID/status VmSwap"
                ),
                Evidence(
                    "pages the host read from swap",
                    capacity.swap_ins_per_s,
                    "pages/s",
                    rule["faults"],
                    "/proc/vmstat pswpin",
                ),
            ],
            next=[
                closer(row.pid),
                f"sretool procs list --sort swap_bytes --fields {SWAP_FIELDS}",
            ],
        )
    unread = sum(row.swap_bytes is None for row in faulting)
    if unread:
        raise Unknown(f"what {unread} faulting processes have in swap could not be read")
