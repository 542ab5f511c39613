"""Memory: how much is left, who waits for it, swap traffic, and the OOM killer."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.host.oom import OomKill
from sretool.report.answer import Evidence, Finding, Severity
from sretool.report.check import NotApplicable, Rule, Threshold, Unknown, check
from sretool.report.units import bytes_text, count_text, duration_text
from sretool.triage.checks.evidence import HOST, percent, stall, stall_evidence
from sretool.triage.read import Host

MIB = 1024 * 1024
LOOK = ["sretool procs list --sort rss_bytes", "sretool cgroups tree"]


@check(
    id="memory.available",
    title="little memory is left",
    reads="/proc/meminfo MemAvailable",
    window="now",
    thresholds={
        "warning": Threshold(
            10, "%", "node-mixin NodeMemoryHighUtilization (90 % used); netdata ram_available"
        ),
        "critical": Threshold(3, "%", "hotsos system memory scenario"),
        "critical_mib": Threshold(100, "MiB", "Kubernetes node-pressure eviction, memory.available<100Mi"),
    },
    remedy="find what grows (a process, a cgroup, a tmpfs); stop or limit it before the OOM killer does",
    refs=(
        "man:proc_meminfo(5)",
        "https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/",
    ),
)
def available(host: Host, rule: Rule[Host]) -> Iterator[Finding]:
    """The kernel's own estimate of what new work can get without swapping. Page cache that can be
    dropped counts as available; "used" is never judged.

    warning: less than `warning` percent of MemTotal.
    critical: less than `critical` percent, or less than `critical_mib` MiB.
    """
    memory = host.memory.need()
    if memory.available_bytes is None:
        raise Unknown("/proc/meminfo: this kernel gives no MemAvailable")
    ratio = memory.available_bytes / memory.total_bytes
    severity: Severity
    if ratio * 100 < rule["critical"] or memory.available_bytes < rule["critical_mib"] * MIB:
        severity = "critical"
    elif ratio * 100 < rule["warning"]:
        severity = "warning"
    else:
        return
    yield rule.finding(
        severity,
        f"{bytes_text(memory.available_bytes)} of {bytes_text(memory.total_bytes)} memory "
        f"available ({ratio:.1%})",
        subject=HOST,
        evidence=[
            Evidence("available", percent(ratio), "%", rule[severity], "/proc/meminfo MemAvailable/MemTotal"),
            Evidence("available", memory.available_bytes, "bytes", None, "/proc/meminfo MemAvailable"),
            Evidence("free swap", memory.swap_free_bytes, "bytes", None, "/proc/meminfo SwapFree"),
        ],
        next=LOOK,
    )


@check(
    id="memory.pressure",
    title="tasks wait for memory",
    reads="/proc/pressure/memory",
    window="10 s and 60 s kept by the kernel",
    thresholds={
        "some": Threshold(10, "%", "judgement: some task stalled a tenth of the last 10 s"),
        "full": Threshold(60, "%", "systemd oomd.conf DefaultMemoryPressureLimit (60 % for 30 s)"),
        "full60": Threshold(20, "%", "avg60 of a stall of 60 % that began 30 s ago is 24 %"),
    },
    remedy="the working set does not fit: stop or limit what grows, or add memory",
    refs=("https://docs.kernel.org/accounting/psi.html", "man:oomd.conf(5)"),
)
def pressure(host: Host, rule: Rule[Host]) -> Iterator[Finding]:
    """Tasks stall on reclaim, on refaults of pages that were just dropped, and on swapping in.

    warning: some task stalled more than `some` percent of the last 10 s.
    critical: every task that wanted to run stalled more than `full` percent of the last 10 s and more
    than `full60` percent of the last 60 s; systemd-oomd kills at about that point.
    """
    some, full = stall(host, "memory", "some"), stall(host, "memory", "full")
    severity: Severity
    if full.avg10_ratio * 100 > rule["full"] and full.avg60_ratio * 100 > rule["full60"]:
        severity = "critical"
    elif some.avg10_ratio * 100 > rule["some"]:
        severity = "warning"
    else:
        return
    yield rule.finding(
        severity,
        f"tasks waited for memory {some.avg10_ratio:.0%} of the last 10 s, all {full.avg10_ratio:.0%}",
        subject=HOST,
        evidence=[
            *stall_evidence(host, "memory", "some", "some waited", {"avg10": rule["some"]}),
            *stall_evidence(
                host, "memory", "full", "all waited", {"avg10": rule["full"], "avg60": rule["full60"]}
            ),
        ],
        next=LOOK,
    )


@check(
    id="memory.swapping",
    title="memory moves to swap and back",
    reads="/proc/vmstat pswpin, pswpout",
    window="the sample",
    thresholds={
        "out": Threshold(10, "pages/s", "atop(1): above 10 pages/s swapped out is critical"),
    },
    remedy="memory does not suffice for what runs: find what grows; stop or limit it",
    refs=("man:atop(1)", "man:vmstat(8)"),
)
def swapping(host: Host, rule: Rule[Host]) -> Iterator[Finding]:
    """Pages written to swap between the two readings. How full swap is says little: what lies there
    untouched costs nothing.

    warning: more than `out` pages a second. One sample alone is never critical; when tasks wait for
    it, `memory.pressure` says so over a longer window.
    """
    if host.memory.need().swap_total_bytes == 0:
        raise NotApplicable("this host has no swap")
    pages = host.pages.need()
    old = host.pages_before
    if old is None or host.elapsed_s is None:
        raise Unknown("/proc/vmstat: a rate needs two readings of one boot")
    if pages.swapped_out is None or old.swapped_out is None:
        raise NotApplicable("this kernel counts no swap traffic")
    out = _per_s(pages.swapped_out, old.swapped_out, host.elapsed_s)
    if out is None:
        raise Unknown("/proc/vmstat: pswpout went backwards")
    if out <= rule["out"]:
        return
    back = _per_s(pages.swapped_in, old.swapped_in, host.elapsed_s)
    yield rule.finding(
        "warning",
        f"{out:.0f} pages a second go to swap" + ("" if back is None else f", {back:.0f} come back"),
        subject=HOST,
        evidence=[
            Evidence("swapped out", round(out, 1), "pages/s", rule["out"], "/proc/vmstat pswpout"),
            Evidence(
                "swapped in", None if back is None else round(back, 1), "pages/s", None, "/proc/vmstat pswpin"
            ),
            Evidence(
                "free swap", host.memory.need().swap_free_bytes, "bytes", None, "/proc/meminfo SwapFree"
            ),
        ],
        next=["sretool procs list --sort rss_bytes", "sretool triage --only memory.pressure"],
    )


def _per_s(now: int | None, before: int | None, elapsed_s: float) -> float | None:
    """None when it was not read twice, or went backwards."""
    return None if now is None or before is None or now < before else (now - before) / elapsed_s


@check(
    id="memory.oom-kill",
    title="the kernel killed for want of memory",
    reads="/proc/vmstat oom_kill; /dev/kmsg",
    window="the sample, and the last 30 min of the kernel's log",
    thresholds={
        "minutes": Threshold(30, "min", "netdata health.d/ram.conf oom_kill; awesome-prometheus-alerts")
    },
    remedy="see whose limit was hit: raise it or mend the leak; the victim is often not the culprit",
    refs=("man:proc_vmstat(5)", "https://docs.kernel.org/admin-guide/mm/concepts.html#oom-killer"),
)
def oom_kill(host: Host, rule: Rule[Host]) -> Iterator[Finding]:
    """The OOM killer ended a process, because the host or a cgroup ran out of memory.

    warning: a kill within the sample, or one in the kernel's log within `minutes` minutes.
    info: kills since boot whose time is not known, because the log could not be read (it needs root
    where kernel.dmesg_restrict is 1), or no longer reaches back that far. Kills that the log shows to
    be older are not reported.
    """
    pages = host.pages.need()
    if pages.oom_kills is None:
        raise NotApplicable("this kernel counts no OOM kills (before 4.13)")
    old = None if host.pages_before is None else host.pages_before.oom_kills
    fresh = 0 if old is None else max(0, pages.oom_kills - old)
    since = host.log_now_s - rule["minutes"] * 60
    logged = [kill for kill in host.oom_kills.value or [] if kill.at_s >= since]
    evidence = [
        Evidence(
            "kills in this sample",
            None if old is None else fresh,
            "kills",
            0 if fresh else None,
            "/proc/vmstat oom_kill",
        ),
        Evidence(
            "kills since boot",
            pages.oom_kills,
            "kills",
            None if fresh or logged else 0,
            "/proc/vmstat oom_kill",
        ),
    ]
    for kill in logged[-5:]:
        ago = duration_text(max(0.0, host.log_now_s - kill.at_s))
        said = f"{_victim(kill)} because of {kill.whose_limit}"
        evidence.append(Evidence(f"killed {ago} ago", said, "", None, "/dev/kmsg"))
    if logged:
        window = f"in the last {rule['minutes']:g} min"
        evidence.append(Evidence(f"kills {window}", len(logged), "kills", 0, "/dev/kmsg"))
    look = ["sretool procs oom", *LOOK]
    count = max(fresh, len(logged))
    if count:
        last = f"; the last was {_victim(logged[-1])}, because of {logged[-1].whose_limit}" if logged else ""
        window = f"in the last {rule['minutes']:g} min" if logged else "in this sample"
        yield rule.finding(
            "warning",
            f"{_killed(count)} for want of memory {window}{last}",
            subject=HOST,
            evidence=evidence,
            next=look,
        )
    elif pages.oom_kills and (unseen := _unseen(host, since)):
        yield rule.finding(
            "info",
            f"{_killed(pages.oom_kills)} for want of memory since boot; when is unknown ({unseen})",
            subject=HOST,
            evidence=evidence,
            next=look,
        )


def _victim(kill: OomKill) -> str:
    return f"{kill.name}[{kill.pid}]" + (f" of {kill.owner}" if kill.owner else "")


def _unseen(host: Host, since: float) -> str:
    """Why a kill after `since` may not be in the log we have; empty when it would be."""
    start = host.log_start_s.value
    if start is None:
        return host.log_start_s.why
    if start <= max(0.0, since):
        return ""
    if start > host.log_now_s:
        return "/dev/kmsg: the log is empty"
    return f"/dev/kmsg: the log holds the last {duration_text(host.log_now_s - start)} only"


def _killed(count: int) -> str:
    return f"the kernel killed {count_text(count, 'process')}"


CHECKS = (available, pressure, swapping, oom_kill)
