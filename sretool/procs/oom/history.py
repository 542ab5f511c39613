"""Who was killed: the kernel's log, and the counters for what it lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sretool.cgroups.model import Cgroup
from sretool.host.attribution import attribute
from sretool.host.decimal import integer
from sretool.host.oom import KernelLog, OomKill, wall_s
from sretool.host.source import Clock
from sretool.procs.oom.model import Kill, Large, Level, Lost
from sretool.report.times import rfc3339


class History(NamedTuple):
    """The fields of `model.Oom` that speak of the past, in its order."""

    kills: list[Kill] | None
    kills_total: int | None
    kills_logged: int | None
    log_since: str | None
    log: str
    lost: list[Lost]


def of(
    log: KernelLog | None, clock: Clock, vmstat: bytes, rows: Mapping[str, Cgroup], within: str
) -> History:
    """What is known of the kills of the host, or of the group `within`."""
    known = log.kills if log is not None else []
    total = None if within else _counter(vmstat)
    kept = [kill for kill in known if not within or _within(kill.cgroup, within)]
    logged = None if log is None else sum(kill.records for kill in kept)
    if total is not None and logged is not None:
        total = max(total, logged)  # the counter was read before the log
    since = None
    if log is not None and 0 < log.start_s <= clock.mono:
        since = rfc3339(max(0.0, wall_s(clock, log.start_s)))
    return History(
        None if log is None else [_kill(kill, clock, rows.get(kill.cgroup)) for kill in kept],
        total,
        logged,
        since,
        "" if log is None else log.source,
        [] if log is None else _lost(rows.values(), known, within),
    )


def _kill(kill: OomKill, clock: Clock, row: Cgroup | None) -> Kill:
    whose = attribute(kill.cgroup)
    sizes = (kill.anon_rss_bytes, kill.file_rss_bytes, kill.shmem_rss_bytes)
    return Kill(
        rfc3339(min(max(0.0, wall_s(clock, kill.at_s)), clock.wall)),
        round(max(0.0, clock.mono - kill.at_s), 3),
        kill.pid,
        kill.name,
        kill.uid,
        kill.cgroup,
        whose.unit,
        whose.container,
        _level(kill),
        kill.limit,
        kill.whose_limit,
        kill.limit_bytes,
        None if None in sizes else sum(size for size in sizes if size is not None),
        kill.oom_score_adj,
        kill.trigger,
        kill.group,
        [
            Large(task.pid, task.name, task.resident_bytes, task.swap_bytes, task.oom_score_adj)
            for task in kill.tasks
        ],
        kill.task_count,
        row.container_name if row is not None else None if whose.container else "",
    )


def _level(kill: OomKill) -> Level:
    if kill.limit is None:
        return "unknown"
    if not kill.limit:
        return "host"
    return "own" if kill.limit == kill.cgroup else "above"


def _lost(rows: Iterable[Cgroup], known: list[OomKill], within: str) -> list[Lost]:
    """By the groups' own counters: v1 has no other, v2 has it beside that of all below."""
    logged: Counter[str] = Counter()
    for kill in known:
        logged[kill.cgroup] += kill.records
    # of a group that was killed whole the log does not say who was in which group below
    whole = {kill.group for kill in known if kill.group}
    found = []
    for row in rows:
        count = row.oom_kills_local if isinstance(row.oom_kills_local, int) else row.oom_kills
        below = any(_within(row.path, group) for group in whole)
        if isinstance(count, int) and count > logged[row.path] and not below:
            found.append(Lost(row.path, count, logged[row.path]))
    return sorted(
        (row for row in found if not within or _within(row.path, within)),
        key=lambda row: (-row.oom_kills, row.path),
    )


def _within(path: str, group: str) -> bool:
    return f"{path}/".startswith(group.rstrip("/") + "/")


def _counter(vmstat: bytes) -> int | None:
    fields = (b"\n" + vmstat).partition(b"\noom_kill ")[2].split(None, 1)[:1]
    try:
        return integer(fields[0]) if fields else None
    except ValueError:
        return None
