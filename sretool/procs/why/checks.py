"""What is wrong, or worth knowing, about one process. `procs why` judges with these."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.procs.why.model import Why
from sretool.report.answer import Evidence, Finding, Severity, Subject
from sretool.report.check import NotApplicable, Rule, Threshold, Unknown, check

_TEMPORARY = ("/tmp/", "/var/tmp/", "/dev/shm/", "/run/user/")  # noqa: S108 - looked for, not written to
_KERNEL = "a thread of the kernel runs no file"


def _subject(why: Why) -> Subject:
    return Subject("process", str(why.pid), why.comm, why.unit, why.pid)


def _called(why: Why) -> str:
    return f"{why.comm}[{why.pid}]"


def _and(more: int) -> str:
    return f" and {more} more" if more else ""


def _again(why: Why) -> list[str]:
    """How its newest version would be started."""
    service = why.unit if why.cause == "systemd" and why.unit.endswith(".service") else ""
    return [f"systemctl restart {service}"] if service else []


@check(
    id="process.deleted-exe",
    title="the program's file is no longer the one that runs",
    reads="/proc/PID/exe, and the file at its path as the process sees it",
    window="now",
    remedy="restart it: what runs is the old program, kept alive by being open",
    refs=("man:proc_pid_exe(5)", "man:needrestart(1)"),
)
def deleted_exe(why: Why, rule: Rule[Why]) -> Iterator[Finding]:
    """The file that a process runs was deleted or replaced since it started.

    info: another file stands at its path: an upgrade, and the process still runs the old version.
    warning: nothing stands there, so it could not be started again; or it runs from memory alone.
    """
    if why.cause == "kernel" and why.exe is None:
        raise NotApplicable(_KERNEL)
    if why.exe_state is None:
        raise Unknown("/proc/PID/exe, or the file at its path, could not be read")
    if why.exe_state == "same":
        return
    says = {
        "replaced": "was replaced since it started",
        "removed": "was deleted since it started",
        "memory": "never was on a disk: it runs from memory",
    }[why.exe_state]
    severity: Severity = "info" if why.exe_state == "replaced" else "warning"
    yield rule.finding(
        severity,
        f"the file that {_called(why)} runs {says}",
        subject=_subject(why),
        evidence=[Evidence("exe", why.exe, "", None, "/proc/PID/exe")],
        next=[f"sudo ls -l /proc/{why.pid}/exe", *_again(why)],
        remedy="find out who started it: few programs do this on purpose (runc does)"
        if why.exe_state == "memory"
        else "",
    )


@check(
    id="process.stale-libraries",
    title="it still runs old libraries",
    reads="/proc/PID/maps: files *.so marked (deleted)",
    window="now",
    remedy="restart it: an upgrade replaced these libraries, and it goes on with the old ones",
    refs=("man:proc_pid_maps(5)", "man:needrestart(1)"),
)
def stale_libraries(why: Why, rule: Rule[Why]) -> Iterator[Finding]:
    """Shared libraries that the process has mapped and that were deleted since, as an upgrade does: a
    security fix in them does not reach it before it is restarted.

    info: there is one.
    """
    if why.cause == "kernel" and why.exe is None:
        raise NotApplicable(_KERNEL)
    if why.stale_libraries is None:
        raise Unknown("/proc/PID/maps could not be read")
    if why.stale_libraries:
        first, more = why.stale_libraries[0], len(why.stale_libraries) - 1
        yield rule.finding(
            "info",
            f"{_called(why)} has {first}{_and(more)} mapped, deleted since",
            subject=_subject(why),
            evidence=[
                Evidence("deleted", one, "", None, "/proc/PID/maps") for one in why.stale_libraries[:8]
            ],
            next=[f"sudo grep deleted /proc/{why.pid}/maps", *_again(why)],
        )


@check(
    id="process.root-public",
    title="root listens beyond this host",
    reads="owner of /proc/PID, its listening TCP sockets",
    window="now",
    remedy="give it a user of its own (User= of its unit, with CAP_NET_BIND_SERVICE for a low port), or let "
    "it listen on loopback",
    refs=("man:systemd.exec(5)", "man:capabilities(7)"),
)
def root_public(why: Why, rule: Rule[Why]) -> Iterator[Finding]:
    """The process is root's and listens on an address that others than this host may reach. Servers
    that hand connections to children without rights (sshd) do so by design.

    info: it does.
    """
    if why.cause == "kernel" and why.exe is None:
        raise NotApplicable(_KERNEL)
    if why.uid is None:
        raise Unknown("the owner of /proc/PID could not be read")
    if why.uid != 0:
        return
    if why.public_listeners is None:
        raise Unknown("its sockets could not be read, or it is in another network namespace")
    if why.public_listeners:
        yield rule.finding(
            "info",
            f"{_called(why)} runs as root and listens on {', '.join(why.public_listeners[:3])}",
            subject=_subject(why),
            evidence=[Evidence("listens on", one, "", None, "sock_diag") for one in why.public_listeners[:8]],
            next=["sretool sockets listen"],
        )


@check(
    id="process.writable-program",
    title="it runs from where anyone may write",
    reads="/proc/PID/exe, the mode of its directory",
    window="now",
    remedy="install the program where only root writes (/usr/local, /opt); if nobody put it there, treat the "
    "host as broken into",
    refs=("man:hier(7)",),
)
def writable_program(why: Why, rule: Rule[Why]) -> Iterator[Finding]:
    """The program's file lies in a directory for temporary files, or in one that others may write.

    warning: it does.
    """
    if why.cause == "kernel" and why.exe is None:
        raise NotApplicable(_KERNEL)
    if why.exe is None:
        raise Unknown("/proc/PID/exe could not be read")
    if why.exe.startswith(_TEMPORARY) or why.exe_writable:
        yield rule.finding(
            "warning",
            f"{_called(why)} runs {why.exe}, where anyone may write",
            subject=_subject(why),
            evidence=[Evidence("exe", why.exe, "", None, "/proc/PID/exe")],
            next=[f"ls -ld {why.exe.rpartition('/')[0] or '/'}"],
        )


@check(
    id="process.restart-loop",
    title="it is restarted over and over",
    reads="systemctl show NRestarts, SubState, ExecMainStartTimestampMonotonic; the engine's restart count",
    window="since it was last started by hand; it counts only while the last restart is fresh",
    thresholds={
        "restarts": Threshold(5, "restarts", "risu; witr"),
        "fresh": Threshold(150, "s", "node-mixin NodeSystemdServiceCrashlooping: more than 2 in 5 minutes"),
    },
    remedy="read why it ends and mend that; whoever restarts it only starts it again",
    refs=("man:systemd.service(5)",),
)
def restart_loop(why: Why, rule: Rule[Why]) -> Iterator[Finding]:
    """As `units.restart-loop`, for the unit or the container of this process.

    warning: at least `restarts` restarts, and it waits for the next or the last is less than `fresh`
    seconds ago.
    """
    found = why.restarts
    if found is None:
        raise NotApplicable("nothing restarts it")
    if found.count is None:
        raise Unknown("the number of restarts is not known")
    fresh = found.waits or (found.run_s is not None and found.run_s < rule["fresh"])
    if found.count >= rule["restarts"] and fresh:
        whose = why.unit if why.cause != "container" else f"container {why.container}"
        yield rule.finding(
            "warning",
            f"{whose} was restarted {found.count} times, the last time {found.run_s or 0:.0f} s ago"
            + (f"; its process {found.last_end}" if found.last_end else ""),
            subject=_subject(why),
            evidence=[
                Evidence("restarts", found.count, "restarts", rule["restarts"], "NRestarts or RestartCount"),
                Evidence("since the last start", found.run_s, "s", rule["fresh"], "its start time"),
            ],
            next=[f"journalctl -b -n 50 -u {why.unit}"] if why.unit else [],
        )


@check(
    id="process.stopped",
    title="it does not run: stopped, or held by a debugger",
    reads="/proc/PID/stat field 3, TracerPid of /proc/PID/status",
    window="now",
    remedy="let it go on (kill -CONT PID, fg in its shell), or detach the debugger",
    refs=("man:signal(7)", "man:ptrace(2)"),
)
def stopped(why: Why, rule: Rule[Why]) -> Iterator[Finding]:
    """A process in state T got SIGSTOP or ^Z; in state t a debugger holds it. It does nothing until
    someone lets it go on.

    warning: it is stopped. info: it runs, and a debugger or strace is attached.
    """
    held = why.state in ("stopped", "tracing-stop")
    if not held and why.tracer is None:
        return
    by = f" by {why.tracer}" if why.tracer else ""
    yield rule.finding(
        "warning" if held else "info",
        f"{_called(why)} is {'stopped' if held else 'traced'}{by}",
        subject=_subject(why),
        evidence=[
            Evidence("state", why.state, "", None, "/proc/PID/stat field 3"),
            Evidence("tracer", why.tracer, "", None, "/proc/PID/status TracerPid"),
        ],
        next=[f"sudo grep -E 'State|Tracer' /proc/{why.pid}/status"],
    )


@check(
    id="process.not-permanent",
    title="nothing would start it again",
    reads="the chain of causes: systemctl show WantedBy, RequiredBy, Triggers, UnitFileState; crontabs",
    window="now",
    remedy="if it has to be there after a reboot, give it a unit and enable it",
    refs=("man:systemd.unit(5)",),
)
def not_permanent(why: Why, rule: Rule[Why]) -> Iterator[Finding]:
    """The process was started by hand (a shell, a login, tmux, at) or by a unit that nothing wants:
    after a reboot, or often once its user logs out, it is gone.

    info: so it is.
    """
    if why.comes_back is None:
        raise Unknown("the chain of causes reaches no unit, crontab or login")
    if not why.comes_back:
        yield rule.finding(
            "info",
            f"nothing would start {_called(why)} again after a reboot",
            subject=_subject(why),
            evidence=[Evidence("cause", why.cause, "", None, "the chain of causes")],
            next=[f"systemctl cat {why.unit}"] if why.unit.endswith(".service") else [],
        )


CHECKS = (deleted_exe, stale_libraries, writable_program, restart_loop, stopped, root_public, not_permanent)
