"""Findings that no domain can make alone."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sretool.cgroups.model import Cgroup, Cgroups
from sretool.procs.deleted.model import Deleted
from sretool.report.answer import Evidence, Finding
from sretool.report.check import Rule, Threshold, Unknown, check
from sretool.report.units import bytes_text
from sretool.sockets.listen.model import Listener, Listening
from sretool.triage.checks.evidence import percent
from sretool.triage.read import Host

NOT_THE_BACKLOG = "a longer backlog only delays the drops"
OVERFLOW = "tcp.accept-queue-overflow"
SPACE = "fs.space"


@dataclass
class Starved:
    """Listeners whose accept queue overflows, by what the sockets' own check found, and the cgroups
    of the host. `unknown` is why that check could not see all of them.
    """

    host: Host
    cgroups: Cgroups
    listeners: dict[str, Listener]
    overflows: list[Finding] = field(default_factory=list)
    unknown: str = ""


def build_starved(models: Mapping[str, Any], rules: Mapping[str, Rule[Any]]) -> Starved:
    """Ask the sockets' own check which listeners overflow."""
    listening: Listening = models["sockets"]
    rule = rules[OVERFLOW]
    rows = {row.name: row for row in listening.listeners if row.protocol == "tcp"}
    model = Starved(models["host"], models["cgroups"], rows)
    try:
        model.overflows.extend(rule.judge(listening, rule))
    except Unknown as why:
        model.unknown = str(why)
    return model


@check(
    id="join.accept-queue-starved",
    title="accept queue overflow for want of CPU",
    reads=f"what {OVERFLOW} reads; cpu.stat nr_periods and nr_throttled, cpu.max and cpu.pressure of the "
    "cgroup of the listening process and of those above it; /proc/pressure/cpu",
    window="the sample; 10 s kept by the kernel for pressure",
    thresholds={
        "throttled": Threshold(25, "%", "kubernetes-mixin CPUThrottlingHigh; awesome-prometheus-alerts"),
        "pressure": Threshold(60, "%", "judgement: as cpu.saturation's threshold for one sample"),
    },
    remedy=f"give that cgroup more CPU, or its process less to do; {NOT_THE_BACKLOG}",
    refs=("man:listen(2)", "https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu"),
)
def accept_queue_starved(model: Starved, rule: Rule[Starved]) -> Iterator[Finding]:
    """A listener's accept queue overflows because its process does not get to run: the cgroup it is
    in, or one above, is out of CPU quota, or its tasks wait for a CPU. A longer backlog or a higher
    net.core.somaxconn is then the wrong remedy.

    This finding stands in place of `tcp.accept-queue-overflow` for the same listener, with its
    severity. It is made when a cgroup on the way up was throttled in more than `throttled` percent
    of the quota periods of the sample; or when its tasks waited for a CPU more than `pressure`
    percent of the sample and of the last 10 s (where cgroups keep no pressure: the host's tasks).
    """
    unseen = []
    for overflow in model.overflows:
        listener = model.listeners.get(overflow.subject.id)
        if listener is None:
            continue
        chain = model.cgroups.chain(listener.cgroup) if listener.cgroup is not None else []
        if not chain:
            unseen.append(listener.name)
            continue
        cause = _throttled(chain, rule["throttled"]) or _waiting(model.host, chain[0], rule["pressure"])
        if cause is None:
            continue
        why, evidence, remedy = cause
        yield rule.finding(
            overflow.severity,
            f"accept queue of {_whose(listener)} overflows because {why}",
            subject=overflow.subject,
            evidence=[*evidence, *overflow.evidence],
            next=["sretool cgroups tree --sort throttled_ratio", *overflow.next],
            remedy=remedy,
        )
    if unseen:
        raise Unknown(f"the cgroup of {', '.join(unseen)} is not known")
    if model.unknown:
        raise Unknown(model.unknown)


def _whose(listener: Listener) -> str:
    return f"{listener.name} ({listener.process}[{listener.pid}])" if listener.process else listener.name


Cause = tuple[str, list[Evidence], str]


def _throttled(chain: list[Cgroup], threshold: float) -> Cause | None:
    """The group on the way up that was throttled most, if any was enough."""
    throttled = [
        (row.throttled_ratio, row)
        for row in chain
        if isinstance(row.throttled_ratio, float) and row.throttled_ratio * 100 > threshold
    ]
    if not throttled:
        return None
    ratio, row = max(throttled, key=lambda item: item[0])
    quota = row.cpu_limit_ratio
    limit = f", its quota is {quota:g} CPUs" if isinstance(quota, float) else ""
    evidence = [
        Evidence(f"{row.path} throttled", percent(ratio), "%", threshold, "cpu.stat nr_throttled/nr_periods")
    ]
    if isinstance(quota, float):
        evidence.append(Evidence("CPU quota", quota, "CPUs", None, f"{row.path} cpu.max, cpu.cfs_quota_us"))
    return (
        f"its cgroup {row.path} is throttled in {ratio:.0%} of its periods{limit}",
        evidence,
        f"raise the CPU quota of {row.unit or row.path}; {NOT_THE_BACKLOG}",
    )


def _waiting(host: Host, row: Cgroup, threshold: float) -> Cause | None:
    """The process's own group waits for a CPU; the host does, where groups keep no pressure."""
    sampled, avg10 = row.cpu_some_ratio, row.cpu_some_avg10_ratio
    who, source = f"cgroup {row.path}", f"{row.path} cpu.pressure some"
    if not isinstance(avg10, float):
        pressure = host.pressure["cpu"].value
        if pressure is None or pressure.some is None:
            return None
        sampled, avg10 = host.stalled("cpu", "some"), pressure.some.avg10_ratio
        who, source = "the host", "/proc/pressure/cpu some"
    if not isinstance(sampled, float) or min(sampled, avg10) * 100 <= threshold:
        return None
    return (
        f"the tasks of {who} waited for a CPU {avg10:.0%} of the last 10 s",
        [
            Evidence("waited for a CPU, this sample", percent(sampled), "%", threshold, f"{source} total"),
            Evidence("waited for a CPU, last 10 s", percent(avg10), "%", threshold, f"{source} avg10"),
        ],
        f"find what takes the CPU, or give this cgroup a larger share (CPUWeight=); {NOT_THE_BACKLOG}",
    )


@dataclass
class Full:
    """Filesystems that are almost full, by what `fs.space` found, and what deleted files hold."""

    deleted: Deleted
    full: list[Finding] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    unknown: str = ""


def build_held(models: Mapping[str, Any], rules: Mapping[str, Rule[Any]]) -> Full:
    """Ask the host's own check which filesystems are almost full."""
    host: Host = models["host"]
    rule = rules[SPACE]
    model = Full(models["deleted"])
    if host.spaces.value is not None:
        model.sizes = {item.mount.point: item.total_bytes for item in host.spaces.value.spaces}
    try:
        model.full.extend(rule.judge(host, rule))
    except Unknown as why:
        model.unknown = str(why)
    return model


@check(
    id="join.space-deleted",
    title="a filesystem is almost full of deleted files",
    reads=f"what {SPACE} and process.deleted-files read",
    window="now",
    thresholds={
        "share": Threshold(1, "%", "judgement: giving back less does not end the want of space"),
    },
    remedy="restart what holds them, or empty them in place",
    refs=("man:unlink(2)", "man:proc_pid_fd(5)"),
)
def space_held(model: Full, rule: Rule[Full]) -> Iterator[Finding]:
    """An almost full filesystem, part of which deleted files hold that are still open: du(1) does not
    see them, and removing more files may not help.

    This finding stands in place of `fs.space` for the same filesystem, with its severity, when
    deleted files hold more than `share` percent of it.
    """
    for full in model.full:
        total = model.sizes.get(full.subject.id)
        holders = [row for row in model.deleted.holders if row.mount == full.subject.id]
        held = next((row for row in model.deleted.filesystems if row.mount == full.subject.id), None)
        if not total or held is None or held.held_bytes / total * 100 <= rule["share"]:
            continue
        first = holders[0]
        others = f" and {len(holders) - 1} more" if len(holders) > 1 else ""
        yield rule.finding(
            full.severity,
            f"{full.summary}; {bytes_text(held.held_bytes)} ({held.held_bytes / total:.1%}) is held by "
            f"deleted files of {first.called}{others}",
            subject=full.subject,
            evidence=[
                *full.evidence,
                Evidence(
                    "held by deleted files",
                    percent(held.held_bytes / total),
                    "%",
                    rule["share"],
                    "/proc/PID/fd, st_blocks",
                ),
                Evidence(
                    "the largest", f"{first.path}, {bytes_text(first.path_space_bytes)}", "", None, first.link
                ),
            ],
            next=[f"sretool procs deleted --mount {shlex.quote(full.subject.id)}", *full.next[:1]],
            remedy=first.remedy,
        )
    if model.unknown:
        raise Unknown(model.unknown)
    if model.full and model.deleted.unseen:
        raise Unknown(f"/proc/PID/fd: files of {model.deleted.unseen} processes could not be looked at")


CHECKS = (accept_queue_starved, space_held)
REPLACES = {accept_queue_starved.id: OVERFLOW, space_held.id: SPACE}
"""Whose finding gives way to the join's, for the same subject."""
