"""Who would be killed next, and who was, as a person sees it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sretool.command import Look
from sretool.procs.oom.model import Kill, Limited, Oom
from sretool.report.table import Block, Column, Line, Lines, Table, columns_for
from sretool.report.units import UNKNOWN, bytes_text, count_text, duration_text, ratio_text

NEAR_RATIO = 0.8
SHOWN = 5


def oom(data: Oom, look: Look) -> list[Block]:
    """The ranking, the groups near their limit, and the past."""
    columns = columns_for(
        look.fields,
        titles={"oom_score_adj": "ADJ", "oom_score": "SCORE", "points_bytes": "POINTS", "process": "PROCESS"},
        cells={
            "unit": lambda row: row.whose or UNKNOWN,
            "points_bytes": lambda row: bytes_text(row.points_bytes) if row.killable else "never",
        },
        right=("pid", "oom_score", "oom_score_adj"),
        flexible=("process", "unit", "cgroup", "takes"),
        drop=("pgtables_bytes", "oom_score", "unit", "swap_bytes"),
        styles={"points_bytes": lambda row: "" if row.killable else "dim"},
    )
    hidden = max(look.hidden, data.total - len(data.processes))
    blocks: list[Block] = [
        Lines(list(_next(data)), indent=2),
        Table(columns, data.processes, empty="no process can be killed here", hidden=hidden),
        Lines([[(EXPLAINED, "dim")]], indent=2),
    ]
    blocks += _groups(data, look.verbose)
    return [
        *blocks,
        Lines(list(_past(data, look.verbose, 2 if 0 < (look.terminal.lines or 0) < 30 else SHOWN)), indent=2),
    ]


EXPLAINED = (
    "The process with the most POINTS is killed first: its RSS, SWAP and page tables, and ADJ thousandths "
    "of all memory and swap."
)


def _next(data: Oom) -> Iterator[Line]:
    first = next((row for row in data.processes if row.killable), None)
    where = f"of {data.cgroup} " if data.cgroup else ""
    if first is None:
        yield [(f"nobody {where}may be killed", "warning")]
    else:
        why = f", {bytes_text(first.rss_bytes + first.swap_bytes)}"
        if first.oom_score_adj:
            why += f", oom_score_adj {first.oom_score_adj}"
        with_it = f"; all of {first.takes} with it (memory.oom.group)" if first.takes else ""
        yield [(f"next {where}to be killed: ", ""), (first.called, "strong"), (why + with_it, "")]
    if data.memory_bytes is not None and not data.cgroup:
        swap = "" if not data.swap_free_bytes else f", {bytes_text(data.swap_free_bytes)} of swap free"
        yield f"{bytes_text(data.available_bytes)} of {bytes_text(data.memory_bytes)} memory available{swap}"
    for killer in data.killers:
        said = f": {'; '.join(killer.says)}" if killer.says else ""
        yield [
            (f"{killer.name}[{killer.pid}] kills before the kernel has to, by its own rules{said}", "warning")
        ]


def _groups(data: Oom, verbose: bool) -> list[Block]:
    near = [row for row in data.groups if verbose or data.cgroup or (row.used_ratio or 0) >= NEAR_RATIO]
    if near:
        columns: list[Column[Limited]] = [
            Column(
                "NEAR ITS LIMIT" if not verbose else "LIMITED", lambda row: row.path, flexible=True, least=20
            ),
            Column("USED", lambda row: bytes_text(row.used_bytes), right=True),
            Column("LIMIT", lambda row: bytes_text(row.limit_bytes), right=True),
            Column("OF IT", lambda row: ratio_text(row.used_ratio), right=True),
            Column("FIRST TO BE KILLED", _victim, flexible=True, least=16),
        ]
        return [
            Table(
                columns,
                near[: None if verbose else SHOWN],
                hidden=0 if verbose else max(0, len(near) - SHOWN),
            )
        ]
    if not data.groups:
        return [Lines(["no group with a process has a memory limit"])]
    first, count = data.groups[0], len(data.groups)
    who = "1 group has" if count == 1 else f"{count} groups have"
    most = f"at most {ratio_text(first.used_ratio)} ({first.path}); -v lists them"
    return [Lines([f"{who} a memory limit, none is near it: {most}"], indent=2)]


def _victim(row: Limited) -> str:
    if row.killer_off:
        return "nobody: its tasks wait (oom_kill_disable)"
    if row.victim_pid is None:
        return "nobody may be killed"
    all_ = f"all of {row.takes}, after " if row.takes else ""
    return f"{all_}{row.victim}[{row.victim_pid}]"


def _past(data: Oom, verbose: bool, last: int) -> Iterator[Line]:
    total, logged = data.kills_total, data.kills_logged
    said = (
        "how often the kernel killed is not known"
        if total is None
        else f"killed since boot: {count_text(total, 'process')}"
    )
    if data.cgroup:
        said = (
            f"killed in {data.cgroup}, as far as the log goes back: {UNKNOWN if logged is None else logged}"
        )
    if data.kills is None:
        yield [(said, "strong"), ("; the kernel's log could not be read", "")]
    elif total == 0 and not data.kills:
        yield [("nobody was killed since boot", "strong")]
    else:
        since = "" if data.log_since is None else f", which goes back to {data.log_since}"
        missing = max(0, (total or 0) - (logged or 0))
        lost = f"; {missing} no longer in the log{since}" if missing and not data.cgroup else ""
        yield [(said, "strong"), (f"{lost} ({data.log})" if data.log else lost, "")]
    groups = _folded(data.kills or [])
    if len(groups) > last and not verbose:
        yield [(f"the last {last} of {len(groups)} (-v shows all):", "dim")]
    for kills in groups if verbose else groups[-last:]:
        yield _killed(kills)
        if len(kills[0].largest) > 1 or verbose:
            yield [("   largest then: ", "dim"), (_largest(kills[0], None if verbose else 3), "")]
    for row in data.lost[: None if verbose else SHOWN]:
        yield f"{row.path} counts {count_text(row.oom_kills, 'kill')}; the log shows {row.logged}"


def _folded(kills: Sequence[Kill]) -> list[list[Kill]]:
    """A group that was killed whole is one event."""
    events: list[list[Kill]] = []
    for kill in kills:
        last = events[-1][0] if events else None
        if kill.group and last is not None and last.group == kill.group and last.ago_s - kill.ago_s < 1:
            events[-1].append(kill)
        else:
            events.append([kill])
    return events


def _killed(kills: Sequence[Kill]) -> Line:
    kill = kills[0]
    whose = kill.container_name or kill.container or kill.unit or kill.cgroup
    name = f"{kill.process}[{kill.pid}]" + (f" of {whose}" if whose else "")
    size = "" if kill.rss_bytes is None else f" ({bytes_text(kill.rss_bytes)})"
    limit = "" if kill.limit_bytes is None else f": {bytes_text(kill.limit_bytes)}"
    more = ""
    if kill.group:
        more = f"; with it {count_text(len(kills) - 1, 'more process')} of {kill.group} (memory.oom.group)"
    asked = f"; {kill.trigger} asked for memory" if kill.trigger and kill.trigger != kill.process else ""
    return [
        (f"{kill.at[:19]}Z, {duration_text(kill.ago_s)} ago: ", "dim"),
        (name + size, "strong"),
        (f" because of {kill.whose}{limit}{asked}{more}", ""),
    ]


def _largest(kill: Kill, limit: int | None) -> str:
    named = [
        f"{task.process}[{task.pid}] {bytes_text(task.rss_bytes)}"
        + (f" (adj {task.oom_score_adj})" if task.oom_score_adj else "")
        for task in kill.largest[:limit]
    ]
    return ", ".join(named) + (f", of {count_text(kill.choices, 'process')}" if kill.choices else "")
