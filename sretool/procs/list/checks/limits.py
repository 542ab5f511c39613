"""What a process, a user or the host may have, and how near they are to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator

from msgspec import UnsetType

from sretool.procs.list.checks.subject import SHOWN_LIMIT, called, closer, subject
from sretool.procs.list.model import Process, Processes
from sretool.report.answer import Evidence, Finding, Severity, Subject
from sretool.report.check import Rule, Threshold, Unknown, check, others


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
            f"{called(row)} has {row.fds} of {row.fd_limit} file descriptors open"
            + others(len(near), "process"),
            subject=subject(row),
            evidence=[
                Evidence(
                    "open",
                    row.fds if isinstance(row.fds, int) else None,
                    "descriptors",
                    source="/proc/PID/fd",
                ),
                Evidence(
                    "share of the limit", round(share * 100, 1), "%", rule[severity], "/proc/PID/limits"
                ),
            ],
            next=[
                closer(row.pid),
                "sretool procs list --sort fds --fields pid,user,fds,fd_limit,command",
            ],
        )
    if unread:
        raise Unknown(
            f"descriptors or limits of {unread} of {len(model.processes)} processes could not be read"
        )


@check(
    id="process.thread-limit",
    title="no more processes or threads can be started soon",
    reads="threads of the host in /proc/loadavg against /proc/sys/kernel/pid_max and threads-max; threads of "
    "each user (stat field 20) against Max processes of /proc/PID/limits",
    window="now",
    thresholds={
        "warning": Threshold(80, "%", "risu, check for the number of processes"),
        "critical": Threshold(95, "%", "netdata active_processes (pid space in use)"),
    },
    remedy="find what starts them and whether it ever ends them; if they are needed, raise the limit that "
    "is near",
    refs=("man:getrlimit(2)", "man:proc_sys_kernel(5)"),
)
def thread_limit(model: Processes, rule: Rule[Processes]) -> Iterator[Finding]:
    """At any of these limits fork(2) and clone(2) fail with EAGAIN ("Resource temporarily
    unavailable", "unable to create native thread"): of the host kernel.pid_max (each thread takes a
    pid) and kernel.threads-max; of a user RLIMIT_NPROC, which counts the threads of all processes of
    that user, and is held against the soft limit of each of them. Root is not bound by it. Limits of a
    cgroup (pids.max, TasksMax=) have a check of their own.

    warning: above `warning` percent of a limit. critical: above `critical` percent.
    """
    yield from _host(model, rule)
    unread = yield from _users(model, rule)
    if unread:
        raise Unknown(f"owner or limits of {unread} of {len(model.processes)} processes could not be read")
    if isinstance(model.capacity, UnsetType) or None in (model.capacity.pid_max, model.capacity.threads_max):
        raise Unknown("kernel.pid_max or kernel.threads-max could not be read")


def _severity(share: float, rule: Rule[Processes]) -> Severity | None:
    percent = share * 100
    return "critical" if percent > rule["critical"] else "warning" if percent > rule["warning"] else None


def _host(model: Processes, rule: Rule[Processes]) -> Iterator[Finding]:
    if isinstance(model.capacity, UnsetType):
        return
    limits = {"kernel.pid_max": model.capacity.pid_max, "kernel.threads-max": model.capacity.threads_max}
    known = {name: limit for name, limit in limits.items() if limit}
    if not known:
        return
    name = min(known, key=lambda name: known[name])
    threads = model.capacity.threads or sum(row.threads for row in model.processes)
    share = threads / known[name]
    severity = _severity(share, rule)
    if severity is None:
        return
    most = max(model.processes, key=lambda row: row.threads, default=None)
    told = [] if most is None else [closer(most.pid)]
    yield rule.finding(
        severity,
        f"the host has {threads} of at most {known[name]} threads ({name})"
        + (f", {most.threads} of them in {called(most)}" if most is not None else ""),
        subject=Subject("host", name),
        evidence=[
            Evidence("threads", threads, "threads", None, "/proc/loadavg field 4"),
            Evidence("share of the limit", round(share * 100, 1), "%", rule[severity], name),
        ],
        next=["sretool procs list --sort threads --fields pid,user,threads,unit,command", *told],
    )


def _users(model: Processes, rule: Rule[Processes]) -> Generator[Finding, None, int]:
    """Yields what is near; returns of how many processes it is not known."""
    threads: Counter[int] = Counter()
    nearest: dict[int, tuple[int, Process]] = {}
    unread = 0
    for row in model.processes:
        if row.kernel:
            continue
        if not isinstance(row.uid, int):
            unread += 1
            continue
        threads[row.uid] += row.threads
        if row.uid == 0 or not isinstance(row.threads_limit, int) or row.threads_limit <= 0:
            continue
        if row.uid not in nearest or row.threads_limit < nearest[row.uid][0]:
            nearest[row.uid] = row.threads_limit, row
    for uid, (limit, row) in nearest.items():
        severity = _severity(threads[uid] / limit, rule)
        if severity is None:
            continue
        most = max(
            (one for one in model.processes if one.uid == uid), key=lambda one: (one.threads, -one.pid)
        )
        user = _name(model, uid)
        yield rule.finding(
            severity,
            f"user {user} has {threads[uid]} threads, and {called(row)} may have no more than {limit} "
            f"(RLIMIT_NPROC)",
            subject=Subject("user", str(uid), user, row.unit if isinstance(row.unit, str) else "", row.pid),
            evidence=[
                Evidence("threads of the user", threads[uid], "threads", None, "/proc/PID/stat field 20"),
                Evidence(
                    "share of the limit",
                    round(threads[uid] / limit * 100, 1),
                    "%",
                    rule[severity],
                    "/proc/PID/limits Max processes",
                ),
                Evidence(f"most in {called(most)}", most.threads, "threads", None, "/proc/PID/stat field 20"),
            ],
            next=[
                f"sretool procs list --user {user} --sort threads --fields pid,threads,threads_limit,command",
                closer(most.pid),
            ],
            remedy="find what starts them; if they are needed, raise the limit (LimitNPROC= of the unit, "
            "nproc in limits.conf)",
        )
    return unread


def _name(model: Processes, uid: int) -> str:
    names = {} if isinstance(model.capacity, UnsetType) else model.capacity.users
    return names.get(str(uid), str(uid))
