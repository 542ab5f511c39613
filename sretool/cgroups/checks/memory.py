"""Memory: kills, limits near and reached, stalls."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.cgroups.checks.about import (
    SHOWN_LIMIT,
    deepest,
    number,
    percent,
    processes,
    show,
    some,
    subject,
    two_readings,
)
from sretool.cgroups.model import Cgroup, Cgroups, lineage
from sretool.report.answer import Evidence, Finding, Severity
from sretool.report.check import NotApplicable, Rule, Threshold, check, others
from sretool.report.units import bytes_text, count_text

_DOC = "https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files"
_UNITS = "man:systemd.resource-control(5)"
_NO_PSI = "groups have no pressure files here (they are of cgroup v2, and psi=0 turns them off)"


@check(
    id="cgroup.oom-kill",
    title="a group's processes are killed for want of memory",
    reads="oom_kill and oom of every cgroup's memory.events and memory.events.local (v1: memory.oom_control, "
    "memory.failcnt)",
    window="the sample",
    remedy="raise the limit that was hit (MemoryMax= of the unit, limits.memory of the container) or mend "
    "the leak; a limit above it in the tree is not raised by raising its own",
    refs=(_DOC, _UNITS),
)
def oom_kill(model: Cgroups, rule: Rule[Cgroups]) -> Iterator[Finding]:
    """The kernel killed processes of a group within the sample, and whose limit was the cause: its
    own, that of a group above it, or the host's memory. The kernel counts `oom` at the group whose
    limit could not be kept and `oom_kill` where the victim was; the counters of memory.events hold
    those below as well, those of memory.events.local do not.

    critical: a kill within the sample. Kills before it stand in `sretool cgroups show`, and those of
    the last 30 minutes in `memory.oom-kill`.
    """
    two_readings(model.window_s)
    some(model.cgroups, "oom_kills", "no group has the memory controller")
    owners: dict[str, tuple[Cgroup, bool, float]] = {}
    for row in model.cgroups:
        if row.path != "/" and number(row.ooms_local_in_sample) and number(row.oom_kills_in_sample):
            owners[row.path] = (row, True, number(row.oom_kills_in_sample))
    for row in model.cgroups:
        local = row.oom_kills_local_in_sample
        killed = number(row.oom_kills_in_sample if local is None else local)
        if row.path != "/" and killed and not owners.keys() & set(lineage(row.path)):
            owners[row.path] = (row, number(row.memory_max_hits_in_sample) > 0 and local is None, killed)
    found = sorted(owners.values(), key=lambda item: (-item[2], item[0].path))
    for row, own, killed in found[:SHOWN_LIMIT]:
        count = count_text(int(killed), "process")
        cause = (
            f"at the limit of {row.path}{_limit(row)}"
            if own
            else f"in {row.path}, at a limit above it or for want of the host's memory"
        )
        yield rule.finding(
            "critical",
            f"{count} killed {cause}" + others(len(found), "group"),
            subject=subject(row),
            evidence=[
                Evidence("killed in the sample", int(killed), "kills", 0, "memory.events oom_kill"),
                Evidence("killed since it was made", _known(row.oom_kills), "kills", None, "memory.events"),
                Evidence(
                    "its own limit was hit", _known(row.ooms_local_in_sample), "times", None,
                    "memory.events.local oom",
                ),
                *_victims(model, row),
            ],
            next=[show(row.path), "sretool procs oom"],
        )  # fmt: skip


def _victims(model: Cgroups, owner: Cgroup) -> list[Evidence]:
    """The groups below that the victims were in; one that went with its victim is not among them."""
    prefix = owner.path.rstrip("/") + "/"
    below = [
        row for row in model.cgroups if row.path.startswith(prefix) and number(row.oom_kills_local_in_sample)
    ]
    return [
        Evidence(
            f"victims in {row.path}", _known(row.oom_kills_local_in_sample), "kills", None,
            "memory.events.local oom_kill",
        )
        for row in below[:SHOWN_LIMIT]
    ]  # fmt: skip


def _limit(row: Cgroup) -> str:
    return f" ({bytes_text(row.memory_limit_bytes)})" if isinstance(row.memory_limit_bytes, int) else ""


def _known(value: object) -> float | None:
    return value if isinstance(value, (int, float)) else None


@check(
    id="cgroup.memory-high",
    title="a group is held back at memory.high",
    reads="high of every cgroup's memory.events.local and memory.events; memory.pressure; memory.high",
    window="the sample; 10 s kept by the kernel for pressure",
    thresholds={
        "stalled": Threshold(10, "%", "judgement: as memory.pressure of the host, some avg10"),
    },
    remedy="raise memory.high (MemoryHigh= of the unit) or make it use less; above the mark the kernel "
    "makes its tasks reclaim and sleep, so it looks hung while nothing is killed",
    refs=(_DOC, _UNITS),
)
def memory_high(model: Cgroups, rule: Rule[Cgroups]) -> Iterator[Finding]:
    """A group went over its memory.high within the sample: its tasks had to reclaim, and to sleep for
    longer the further they were over.

    warning: it did, and its tasks waited for memory more than `stalled` percent of the last 10 s.
    info: it did, and they waited less: reclaim keeps up, as it does with much page cache.
    """
    two_readings(model.window_s)
    some(model.cgroups, "memory_high_hits", "no group counts them (memory.high is of cgroup v2)")
    found = [row for row in model.cgroups if _held_back(row) > 0]
    if any(row.memory_high_hits_local is not None for row in found):
        found = [row for row in found if row.memory_high_hits_local is not None]
    found.sort(key=lambda row: (-number(row.memory_some_avg10_ratio), row.path))
    for row in found[:SHOWN_LIMIT]:
        stalled = percent(row.memory_some_avg10_ratio)
        severity: Severity = "warning" if stalled is None or stalled > rule["stalled"] else "info"
        waited = "" if stalled is None else f"; its tasks waited for memory {stalled:g} % of the last 10 s"
        mark = f" ({bytes_text(row.memory_high_bytes)})" if isinstance(row.memory_high_bytes, int) else ""
        yield rule.finding(
            severity,
            f"{row.path} went over its memory.high{mark} {_held_back(row):.0f} times in the sample{waited}"
            + others(len(found), "group"),
            subject=subject(row),
            evidence=[
                Evidence("over it", int(_held_back(row)), "times", 0, "memory.events.local high"),
                Evidence("waited, last 10 s", stalled, "%", rule["stalled"], "memory.pressure some avg10"),
                Evidence("holds", _known(row.memory_current_bytes), "bytes", None, "memory.current"),
            ],
            next=[show(row.path), processes(row, "rss_bytes")],
        )


def _held_back(row: Cgroup) -> float:
    local = row.memory_high_hits_local_in_sample
    return number(row.memory_high_hits_in_sample if local is None else local)


@check(
    id="cgroup.memory-pressure",
    title="a group's tasks all wait for memory",
    reads="memory.pressure of every cgroup",
    window="10 s and 60 s, kept by the kernel",
    thresholds={
        "full": Threshold(10, "%", "judgement: every task stalled a tenth of the last 10 s"),
        "critical": Threshold(60, "%", "systemd oomd.conf DefaultMemoryPressureLimit (60 % for 30 s)"),
        "critical60": Threshold(20, "%", "avg60 of a stall of 60 % that began 30 s ago is 24 %"),
    },
    remedy="see which limit it runs against (`sretool cgroups show`): its own, one above, or the host's "
    "memory; raise that one, or make the group smaller",
    refs=("https://docs.kernel.org/accounting/psi.html", _DOC),
)
def memory_pressure(model: Cgroups, rule: Rule[Cgroups]) -> Iterator[Finding]:
    """Every task of a group that had work waited for memory at once: for reclaim, for swap, or for
    pages that had just been taken away. Of groups within one another the innermost is named.

    warning: more than `full` percent of the last 10 s. critical: more than `critical` percent, and
    more than `critical60` percent of the last 60 s.
    """
    some(model.cgroups, "memory_full_avg10_ratio", _NO_PSI)
    stalled = [row for row in model.cgroups if row.path != "/" and _full(row, "avg10") > rule["full"]]
    found = sorted(deepest(stalled), key=lambda row: (-_full(row, "avg10"), row.path))
    for row in found[:SHOWN_LIMIT]:
        ten, sixty = _full(row, "avg10"), _full(row, "avg60")
        lasting = ten > rule["critical"] and sixty > rule["critical60"]
        yield rule.finding(
            "critical" if lasting else "warning",
            f"all tasks of {row.path} waited for memory {ten:g} % of the last 10 s"
            + others(len(found), "group"),
            subject=subject(row),
            evidence=[
                Evidence(
                    "all waited, last 10 s", ten, "%", rule["critical" if lasting else "full"],
                    "memory.pressure full avg10",
                ),
                Evidence(
                    "all waited, last 60 s", sixty, "%", rule["critical60"], "memory.pressure full avg60"
                ),
                Evidence("some waited", percent(row.memory_some_avg10_ratio), "%", None, "memory.pressure"),
                Evidence("its limit was reached", _known(row.memory_max_hits_in_sample), "times", None,
                         "memory.events max, in the sample"),
            ],
            next=[show(row.path), "sretool cgroups top"],
        )  # fmt: skip


def _full(row: Cgroup, average: str) -> float:
    return percent(getattr(row, f"memory_full_{average}_ratio")) or 0.0


@check(
    id="cgroup.memory-near-limit",
    title="a group's memory is nearly at its limit",
    reads="memory.current, memory.stat and memory.max of every cgroup with a limit (v1: "
    "memory.usage_in_bytes, memory.limit_in_bytes)",
    window="now",
    thresholds={
        "warning": Threshold(90, "%", "netdata health.d/cgroups.conf cgroup_ram_in_use"),
        "critical": Threshold(98, "%", "netdata health.d/cgroups.conf cgroup_ram_in_use"),
        "hard": Threshold(50, "%", "judgement: page cache in use (kubernetes#43916) can still be dropped"),
    },
    remedy="raise the limit (MemoryMax= of the unit, limits.memory of the container) before the kernel "
    "kills, or find what grows",
    refs=(_DOC, _UNITS),
)
def memory_near_limit(model: Cgroups, rule: Rule[Cgroups]) -> Iterator[Finding]:
    """The working set of a group, which is what it holds without the page cache that is easily
    dropped, against its own limit. A limit further up is judged at the group that has it.

    warning: above `warning` percent, where what cannot be dropped at all is more than `hard` percent.
    critical: above `critical` percent, where what cannot be dropped is more than `warning` percent.
    """
    limited = [row for row in model.cgroups if isinstance(row.memory_limit_bytes, int)]
    if not limited:
        raise NotApplicable("no group has a memory limit")
    near = [
        row
        for row in limited
        if _of_limit(row, row.memory_working_set_bytes) > rule["warning"]
        and _of_limit(row, row.memory_hard_bytes) > rule["hard"]
    ]
    near.sort(key=lambda row: (-_of_limit(row, row.memory_working_set_bytes), row.path))
    for row in near[:SHOWN_LIMIT]:
        used, hard = (
            _of_limit(row, value) for value in (row.memory_working_set_bytes, row.memory_hard_bytes)
        )
        severity: Severity = "critical" if used > rule["critical"] and hard > rule["warning"] else "warning"
        yield rule.finding(
            severity,
            f"{row.path} holds {used:.0f} % of its {bytes_text(number(row.memory_limit_bytes))} of memory"
            + others(len(near), "group"),
            subject=subject(row),
            evidence=[
                Evidence("working set", round(used, 1), "%", rule[severity], "memory.current, memory.stat"),
                Evidence("cannot be dropped", round(hard, 1), "%", rule["hard"], "memory.stat"),
                Evidence("limit", _known(row.memory_limit_bytes), "bytes", None, "memory.max"),
            ],
            next=[show(row.path), processes(row, "rss_bytes")],
        )


def _of_limit(row: Cgroup, value: object) -> float:
    limit = number(row.memory_limit_bytes)
    return 100 * number(value) / limit if limit else 0.0


CHECKS = (oom_kill, memory_high, memory_pressure, memory_near_limit)
