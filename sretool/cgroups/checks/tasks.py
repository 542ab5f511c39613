"""Tasks and devices: forks refused, disks held back, groups that stand still or do not go away."""

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
)
from sretool.cgroups.limits import levels_of, tightest
from sretool.cgroups.model import Cgroup, Cgroups, IoDevice
from sretool.report.answer import Evidence, Finding
from sretool.report.check import NotApplicable, Rule, Threshold, Unknown, check, others
from sretool.report.units import bytes_text

_UNITS = "man:systemd.resource-control(5)"


@check(
    id="cgroup.pids-max",
    title="a group may not make more tasks",
    reads="pids.current, pids.max, pids.events and pids.events.local of every cgroup",
    window="now, and the sample for refused forks",
    thresholds={"warning": Threshold(90, "%", "awesome-prometheus-alerts SystemdServiceTasks")},
    remedy="find out whether it leaks threads or processes; if it needs them, raise the limit that binds "
    "(TasksMax= of the unit or slice, pids limit of the container)",
    refs=("https://docs.kernel.org/admin-guide/cgroup-v2.html#pid", _UNITS),
)
def pids_max(model: Cgroups, rule: Rule[Cgroups]) -> Iterator[Finding]:
    """Tasks (processes and threads) of a group against its limit. At the limit fork(2) and clone(2)
    fail with EAGAIN: "Resource temporarily unavailable", "Cannot allocate memory" or "unable to create
    native thread" in its log.

    critical: a fork was refused within the sample; the group whose limit refused it is named.
    warning: a group has more than `warning` percent of its own limit.
    """
    some(model.cgroups, "pids", "no group has the pids controller")
    refused: dict[str, tuple[Cgroup, float]] = {}
    for row in deepest([row for row in model.cgroups if _refused(row)]):
        owner = _owner(model, row)
        refused[owner.path] = (owner, _refused(row) + refused.get(owner.path, (owner, 0.0))[1])
    for row, count in sorted(refused.values(), key=lambda item: (-item[1], item[0].path))[:SHOWN_LIMIT]:
        yield rule.finding(
            "critical",
            f"{count:.0f} forks were refused at the limit of {row.path}{_of(row)}"
            + others(len(refused), "group"),
            subject=subject(row),
            evidence=[
                Evidence("forks refused in the sample", int(count), "forks", 0, "pids.events max"),
                *_evidence(row, rule["warning"]),
            ],
            next=[show(row.path), processes(row, "threads")],
        )
    near = [row for row in model.cgroups if row.path not in refused and _share(row) * 100 > rule["warning"]]
    near.sort(key=lambda row: (-_share(row), row.path))
    for row in near[:SHOWN_LIMIT]:
        yield rule.finding(
            "warning",
            f"{row.path} has {_share(row):.0%} of the tasks it may have{_of(row)}"
            + others(len(near), "group"),
            subject=subject(row),
            evidence=_evidence(row, rule["warning"]),
            next=[show(row.path), processes(row, "threads")],
        )
    if model.window_s is None:
        raise Unknown("refused forks take two readings, and there was one")


def _refused(row: Cgroup) -> float:
    local = row.pids_max_hits_local_in_sample
    return number(row.pids_max_hits_in_sample if local is None else local)


def _owner(model: Cgroups, row: Cgroup) -> Cgroup:
    """Whose limit it was. Before Linux 6.11 the kernel counts where the fork was tried; then it is the
    group on the way up with least room.
    """
    if row.pids_max_hits_local is not None:
        return row
    levels = [level for level in levels_of(model, row.path).get("pids", []) if not level.host]
    at = tightest(levels).path if levels else row.path
    return next((found for found in model.chain(row.path) if found.path == at), row)


def _share(row: Cgroup) -> float:
    return number(row.pids) / row.pids_limit if isinstance(row.pids_limit, int) and row.pids_limit else 0.0


def _of(row: Cgroup) -> str:
    return f" ({number(row.pids):.0f} of {row.pids_limit})" if isinstance(row.pids_limit, int) else ""


def _evidence(row: Cgroup, threshold: float) -> list[Evidence]:
    limit = row.pids_limit if isinstance(row.pids_limit, (int, str)) else None
    return [
        Evidence("tasks", int(number(row.pids)), "tasks", None, "pids.current"),
        Evidence("limit", limit, "tasks", None, "pids.max"),
        Evidence("share of the limit", percent(_share(row)), "%", threshold, "pids.current/pids.max"),
    ]


@check(
    id="cgroup.io-max",
    title="a group is held back by its own I/O limit",
    reads="io.max, io.stat and io.pressure of every cgroup (v1: blkio.throttle.*)",
    window="the sample for rates; 10 s kept by the kernel for pressure",
    thresholds={
        "used": Threshold(80, "%", "judgement: a limit is kept over more than one sample"),
        "stalled": Threshold(10, "%", "judgement: some task waited a tenth of the last 10 s"),
    },
    remedy="raise io.max (IOReadBandwidthMax= and its like of the unit), or make it read and write less: "
    "the disk may well be idle",
    refs=("https://docs.kernel.org/admin-guide/cgroup-v2.html#io", _UNITS),
)
def io_max(model: Cgroups, rule: Rule[Cgroups]) -> Iterator[Finding]:
    """A group uses up what io.max allows it on a device, and its tasks wait for a disk.

    warning: more than `used` percent of one of its limits over the sample, and its tasks waited for a
    disk more than `stalled` percent of the last 10 s (v1, which does not tell: the first alone).
    """
    limited = [
        (row, device)
        for row in model.cgroups
        if isinstance(row.io_devices, list)
        for device in row.io_devices
        if device.limited
    ]
    if not limited:
        raise NotApplicable("no group has an I/O limit")
    if model.window_s is None:
        raise Unknown("it takes two readings, and there was one")
    found = []
    for row, device in limited:
        stalled = percent(row.io_some_avg10_ratio)
        used = _most_used(device)
        if used[0] * 100 > rule["used"] and (stalled is None or stalled > rule["stalled"]):
            found.append((row, device, used, stalled))
    found.sort(key=lambda item: (-item[2][0], item[0].path))
    for row, device, (share, what, rate, limit), stalled in found[:SHOWN_LIMIT]:
        yield rule.finding(
            "warning",
            f"{row.path} does {rate} of the {limit} {what} that io.max allows on "
            f"{device.name or device.device}" + others(len(found), "group"),
            subject=subject(row),
            evidence=[
                Evidence(f"{what}, share of the limit", percent(share), "%", rule["used"], "io.stat, io.max"),
                Evidence("waited for a disk, last 10 s", stalled, "%", rule["stalled"], "io.pressure some"),
            ],
            next=[show(row.path)],
        )


_WHAT = ("read a second", "written a second", "reads a second", "writes a second")


def _most_used(device: IoDevice) -> tuple[float, str, str, str]:
    """(share, of what, rate, limit) of the limit that is used most."""
    found = [(0.0, "", "", "")]
    for what, rate, limit in zip(_WHAT, device.rates, device.limits):
        if rate is not None and limit:
            text = bytes_text if what in _WHAT[:2] else "{:.0f}".format
            found.append((rate / limit, what, text(rate), text(limit)))
    return max(found)


@check(
    id="cgroup.frozen",
    title="a group is frozen",
    reads="frozen of every cgroup's cgroup.events (v1: freezer.state)",
    window="now",
    remedy="find out who froze it (systemctl freeze, docker pause, a checkpoint) and thaw it: "
    "systemctl thaw UNIT, docker unpause, echo 0 > cgroup.freeze",
    refs=("https://docs.kernel.org/admin-guide/cgroup-v2.html#core-interface-files", "man:systemctl(1)"),
)
def frozen(model: Cgroups, rule: Rule[Cgroups]) -> Iterator[Finding]:
    """The tasks of a group are stopped by the freezer: they use nothing, answer nothing and, unlike a
    stopped process, do not show it in ps. Of groups within one another the outermost is named.

    warning: it is frozen, and it or one below it has a process.
    """
    some(model.cgroups, "frozen", "no group can be frozen (cgroup v2 from 5.2, v1 freezer)")
    still = {row.path: row for row in model.cgroups if row.frozen is True and row.processes_total != 0}
    tops = [row for path, row in still.items() if not _inside(path, still)]
    for row in tops[:SHOWN_LIMIT]:
        yield rule.finding(
            "warning",
            f"{row.path} is frozen: {_stands_still(row.processes_total)}" + others(len(tops), "group"),
            subject=subject(row),
            evidence=[
                Evidence("frozen", "yes", "", "no", "cgroup.events frozen"),
                Evidence("processes", row.processes_total, "processes", None, "cgroup.procs"),
            ],
            next=[show(row.path)],
        )


def _stands_still(processes: int | None) -> str:
    if processes is None:
        return "its processes stand still"
    return "its 1 process stands still" if processes == 1 else f"its {processes} processes stand still"


def _inside(path: str, groups: dict[str, Cgroup]) -> bool:
    while path not in ("", "/"):
        path = path.rpartition("/")[0] or "/"
        if path in groups:
            return True
    return False


@check(
    id="cgroup.dying",
    title="removed groups are kept in memory",
    reads="nr_dying_descendants of the root's cgroup.stat",
    window="now",
    thresholds={"dying": Threshold(1000, "groups", "judgement: reading memory.stat grows slow with them")},
    remedy="find what still holds their pages: files in tmpfs, shared memory, page cache; "
    "dropping the page cache (echo 3 > /proc/sys/vm/drop_caches) lets go of the last of these",
    refs=("https://docs.kernel.org/admin-guide/cgroup-v2.html#core-interface-files",),
)
def dying(model: Cgroups, rule: Rule[Cgroups]) -> Iterator[Finding]:
    """Groups that were removed and whose memory is still in use. Each costs kernel memory, and time
    whenever memory is accounted or reclaimed; where services and containers come and go they add up.

    warning: more than `dying` of them.
    """
    root = next((row for row in model.cgroups if row.path == "/"), None)
    if root is None or not isinstance(root.dying_descendants, int):
        raise NotApplicable("only cgroup v2 counts them")
    if root.dying_descendants > rule["dying"]:
        yield rule.finding(
            "warning",
            f"{root.dying_descendants} removed groups are still kept, of {model.total} that exist",
            subject=subject(root),
            evidence=[
                Evidence("dying", root.dying_descendants, "groups", rule["dying"], "cgroup.stat"),
                Evidence("existing", model.total, "groups", None, "the tree"),
            ],
            next=["sretool cgroups tree --all --fields name,dying_descendants"],
        )


CHECKS = (pids_max, io_max, frozen, dying)
