"""Processes that cannot run, and those that are over and still there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sretool.procs.list.checks.subject import SHOWN_LIMIT, called, cause, closer, subject
from sretool.procs.list.model import Process, Processes
from sretool.report.answer import Evidence, Finding, Severity, Subject
from sretool.report.check import Rule, Threshold, Unknown, check, others
from sretool.report.units import count_text

STAT = "/proc/PID/stat field 3"


@check(
    id="process.disk-sleep",
    title="a process is stuck in the kernel",
    reads="/proc/PID/stat field 3, voluntary_ctxt_switches of /proc/PID/status, /proc/PID/wchan; the same "
    "of its threads where /proc/loadavg says that more wait than is seen without them",
    window="the sample: in uninterruptible sleep (D) at both readings, not switched in between",
    remedy="look at what it waits for (wchan): a dead NFS server, a failing disk, a lock whose holder "
    "waits too; such a process cannot be killed until the wait ends",
    refs=(
        "man:proc_pid_stat(5)",
        "kernel:Documentation/admin-guide/sysctl/kernel.rst hung_task_timeout_secs",
    ),
)
def disk_sleep(model: Processes, rule: Rule[Processes]) -> Iterator[Finding]:
    """A process in uninterruptible sleep at both readings that was not switched in between waits for
    one and the same thing. One that does much I/O is often in D too, but moves: it is no finding.

    The state of a process is that of its main thread. Its other threads are looked at when the load
    average, which counts every thread in D, is not explained by what runs and by main threads in D;
    that is so once a thread has been stuck for most of a minute.

    warning: a process, or threads of one. info: a kernel thread, since some drivers' threads idle in
    D by design.
    """
    if model.window_s is None:
        raise Unknown("it takes two readings, and there was one")
    stuck = [row for row in model.processes if row.stuck is True or row.stuck_threads]
    for row in sorted(stuck, key=lambda row: (row.kernel, -row.age_s))[:SHOWN_LIMIT]:
        whole = row.stuck is True
        wchan = row.wchan if whole else row.thread_wchan
        where = f" in {wchan}" if isinstance(wchan, str) else ""
        count = row.stuck_threads if isinstance(row.stuck_threads, int) else 0
        what = called(row) if whole else f"{count_text(count, 'thread')} of {called(row)}"
        source = "/proc/PID" if whole else "/proc/PID/task/TID"
        yield rule.finding(
            "info" if row.kernel else "warning",
            f"{what} did not move{where}, in D state at both readings" + others(len(stuck), "process"),
            subject=subject(row),
            evidence=[
                Evidence("state at both readings", "D", source=STAT if whole else f"{source}/stat field 3"),
                Evidence("context switches between", 0, "switches", 0, f"{source}/status"),
                Evidence("waits in", wchan if isinstance(wchan, str) else None, source=f"{source}/wchan"),
                Evidence("stuck threads beside the main one", count, "threads", None, "/proc/PID/task"),
                Evidence("stuck processes", len(stuck), "processes", None, STAT),
            ],
            next=[
                closer(row.pid),
                f"sudo sh -c 'cat /proc/{row.pid}/task/*/stack'",
                "sretool procs list --state D --fields pid,wchan,age_s,unit,command",
            ],
        )
    unread = sum(
        row.state == row.state_before == "disk-sleep" and row.stuck is None for row in model.processes
    )
    if unread:
        raise Unknown(f"context switches of {unread} processes in D state could not be read twice")


@check(
    id="process.zombies",
    title="zombies pile up",
    reads="/proc/PID/stat fields 3 and 4",
    window="the sample: dead and not waited for at both readings",
    thresholds={
        "warning": Threshold(5, "processes", "risu, check for zombie processes"),
        "critical": Threshold(20, "processes", "risu, check for zombie processes"),
    },
    remedy="restart or mend the parent, which does not wait(2) for its children; zombies hold a pid each, "
    "and vanish with their parent",
    refs=("man:wait(2)",),
)
def zombies(model: Processes, rule: Rule[Processes]) -> Iterator[Finding]:
    """Zombies at both readings, so that a child which just ended and is about to be waited for does
    not count. The parent with the most of them is named.

    warning: at least `warning` of them. critical: at least `critical`.
    """
    if model.window_s is None:
        raise Unknown("it takes two readings, and there was one")
    dead = [row for row in model.processes if row.state == row.state_before == "zombie"]
    if len(dead) < rule["warning"]:
        return
    by_pid = {row.pid: row for row in model.processes}
    parents = Counter(row.ppid for row in dead).most_common(SHOWN_LIMIT)
    pid, most = parents[0]
    parent: Process | None = by_pid.get(pid)
    severity: Severity = "critical" if len(dead) >= rule["critical"] else "warning"
    name = called(parent) if parent is not None else f"process {pid}"
    yield rule.finding(
        severity,
        f"{len(dead)} zombies, {most} of them children of {name}, which does not wait for them",
        subject=subject(parent) if parent is not None else Subject("process", str(pid), pid=pid),
        evidence=[
            Evidence("zombies", len(dead), "processes", rule[severity], STAT),
            *(
                Evidence(
                    f"children of {called(by_pid[ppid]) if ppid in by_pid else ppid}",
                    count,
                    "processes",
                    None,
                    "/proc/PID/stat field 4",
                )
                for ppid, count in parents
            ),
        ],
        next=[cause(pid), "sretool procs list --state zombie --tree"],
    )
