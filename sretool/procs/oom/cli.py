"""`sretool procs oom`."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from sretool.command import How, Run, command
from sretool.procs.oom.model import Oom
from sretool.report.answer import Answer

_SHOWN = (
    *("points_bytes", "oom_score", "oom_score_adj", "rss_bytes", "swap_bytes", "pgtables_bytes"),
    *("pid", "process", "unit"),
)
LEAST = 5


@command(
    "procs.oom",
    view="sretool.procs.oom.view:oom",
    options=("passive", "list"),
    rows="processes",
    default_fields=_SHOWN,
    how=(
        How("grep -H . /proc/[0-9]*/oom_score | sort -t: -k2 -n | tail", "the kernel's own ranking"),
        How("choom -p $$", "score and adjustment of one process"),
        How("grep oom_kill /proc/vmstat", "how many were killed since boot"),
        How("dmesg -T | grep -iE 'oom-kill|Killed process|invoked oom'", "who was killed, and whose limit"),
        How("grep -H oom_kill $(find /sys/fs/cgroup -name memory.events)", "kills by group"),
    ),
    examples=(
        ("sretool procs oom", "who is next, which group is near its limit, who was killed and why"),
        ("sretool procs oom --cgroup app.service", "who is next in one unit, by its own limit"),
        ("sretool procs oom --json --limit 5 | jq .data.kills", "the kills, for a script"),
    ),
)
def oom(
    run: Run,
    cgroup: Annotated[
        Optional[str],
        typer.Option("--cgroup", help="Only in this group: a path, a unit or a container.", metavar="GROUP"),
    ] = None,
) -> Answer[Oom]:
    """Show who would be killed next for want of memory, and who was."""
    from functools import partial

    from sretool.procs.oom import read

    now = run.one(partial(read.sample, ask=read.Ask()))
    data = read.build(now, cgroup)
    run.errors += now.errors
    options = run.options
    lines = run.terminal.lines
    if lines is not None and options.limit is None and options.sort is None and not options.json:
        # a quarter of the screen: the past, below it, belongs on the same one
        data.processes = data.processes[: max(LEAST, lines // 4)]
    return Answer(data=data)
