"""What is wrong with this host's processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sretool.procs.model import Process, Processes
from sretool.report.answer import Evidence, Finding, Severity, Subject
from sretool.report.check import Rule, Threshold, Unknown, check

SHOWN_LIMIT = 5
STAT = "/proc/PID/stat field 3"


def _subject(row: Process) -> Subject:
    unit = row.container or row.unit
    return Subject("process", str(row.pid), row.comm, unit if isinstance(unit, str) else "", row.pid)


def _called(row: Process) -> str:
    return f"{row.comm}[{row.pid}]"


@check(
    id="process.disk-sleep",
    title="a process is stuck in the kernel",
    reads="/proc/PID/stat field 3, voluntary_ctxt_switches of /proc/PID/status, /proc/PID/wchan",
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
    Only the main thread of a process is looked at.

    warning: a process. info: a kernel thread, since some drivers' threads idle in D by design.
    """
    if model.window_s is None:
        raise Unknown("it takes two readings, and there was one")
    stuck = [row for row in model.processes if row.state == "disk-sleep" and row.stuck is True]
    for row in sorted(stuck, key=lambda row: (row.kernel, -row.age_s))[:SHOWN_LIMIT]:
        where = f" in {row.wchan}" if isinstance(row.wchan, str) else ""
        yield rule.finding(
            "info" if row.kernel else "warning",
            f"{_called(row)} did not move{where}, in D state at both readings"
            + (f"; {len(stuck) - 1} more are stuck" if len(stuck) > 1 else ""),
            subject=_subject(row),
            evidence=[
                Evidence("state at both readings", "D", source=STAT),
                Evidence("context switches between", 0, "switches", 0, "/proc/PID/status"),
                Evidence(
                    "waits in", row.wchan if isinstance(row.wchan, str) else None, source="/proc/PID/wchan"
                ),
                Evidence("stuck processes", len(stuck), "processes", None, STAT),
            ],
            next=[f"sudo cat /proc/{row.pid}/stack", "sretool procs list --sort state"],
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
    parent = by_pid.get(pid)
    severity: Severity = "critical" if len(dead) >= rule["critical"] else "warning"
    name = _called(parent) if parent is not None else f"process {pid}"
    yield rule.finding(
        severity,
        f"{len(dead)} zombies, {most} of them children of {name}, which does not wait for them",
        subject=_subject(parent) if parent is not None else Subject("process", str(pid), pid=pid),
        evidence=[
            Evidence("zombies", len(dead), "processes", rule[severity], STAT),
            *(
                Evidence(
                    f"children of {_called(by_pid[ppid]) if ppid in by_pid else ppid}",
                    count,
                    "processes",
                    None,
                    "/proc/PID/stat field 4",
                )
                for ppid, count in parents
            ),
        ],
        next=["sretool procs list --sort state --fields pid,ppid,state,age_s,comm"],
    )


@check(
    id="process.fd-limit",
    title="a process runs out of file descriptors",
    reads="size of /proc/PID/fd, Max open files of /proc/PID/limits",
    window="now",
    thresholds={
        "warning": Threshold(80, "%", "awesome-prometheus-alerts"),
        "critical": Threshold(95, "%", "netdata; awesome-prometheus-alerts"),
    },
    remedy="find out whether it leaks (does the number grow?); if it needs them, raise the soft limit "
    "(LimitNOFILE= of its unit, ulimit -n)",
    refs=("man:getrlimit(2)", "man:systemd.exec(5)"),
)
def fd_limit(model: Processes, rule: Rule[Processes]) -> Iterator[Finding]:
    """Open descriptors against the soft limit of the same process: at the limit open(2), accept(2)
    and socket(2) fail with EMFILE.

    warning: above `warning` percent of the limit. critical: above `critical` percent.
    """
    near: list[tuple[float, Process]] = []
    unread = 0
    for row in model.processes:
        if not isinstance(row.fds, int) or not isinstance(row.fd_limit, int):
            # neither a zombie nor a kernel thread can open anything
            unread += not row.kernel and row.state not in ("zombie", "dead")
        elif row.fd_limit > 0 and row.fds / row.fd_limit * 100 > rule["warning"]:
            near.append((row.fds / row.fd_limit, row))
    near.sort(key=lambda found: (-found[0], found[1].pid))
    for share, row in near[:SHOWN_LIMIT]:
        severity: Severity = "critical" if share * 100 > rule["critical"] else "warning"
        yield rule.finding(
            severity,
            f"{_called(row)} has {row.fds} of {row.fd_limit} file descriptors open"
            + (f"; {len(near) - 1} more processes are near their limit" if len(near) > 1 else ""),
            subject=_subject(row),
            evidence=[
                Evidence(
                    "open",
                    row.fds if isinstance(row.fds, int) else None,
                    "descriptors",
                    source="/proc/PID/fd",
                ),
                Evidence("of the limit", round(share * 100, 1), "%", rule[severity], "/proc/PID/limits"),
            ],
            next=[
                f"sudo ls -l /proc/{row.pid}/fd",
                "sretool procs list --sort fds --fields pid,user,fds,fd_limit,command",
            ],
        )
    if unread:
        raise Unknown(
            f"descriptors or limits of {unread} of {len(model.processes)} processes could not be read"
        )


CHECKS = (disk_sleep, zombies, fd_limit)
