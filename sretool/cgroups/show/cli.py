"""`sretool cgroups show`."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from sretool.cgroups.show.model import Shown
from sretool.command import How, Run, command
from sretool.report.answer import Answer


@command(
    "cgroups.show",
    view="sretool.cgroups.show.view:show",
    options=("passive", "sampled"),
    how=(
        How("cat /proc/self/cgroup", "which group a process is in"),
        How("systemctl status {target}", "what systemd says of the unit"),
        How("find /sys/fs/cgroup -name memory.events", "limits, use and events stand beside it, v2"),
        How("cat /proc/pressure/memory", "pressure; a group's stands in its memory.pressure"),
        How("dmesg -T | grep -E 'oom-kill:|Killed process'", "whom the OOM killer took, and whose limit"),
    ),
    examples=(
        ("sretool cgroups show nginx.service", "a unit: what it may use and uses, what it waits for"),
        ("sretool cgroups show $$", "the group of a process"),
        ("sretool cgroups show /system.slice --json", "a group by its path, for a script"),
        ("sretool cgroups show 4f5c0e8b9a1d -w", "a container by id or name, every second"),
    ),
)
def show(
    run: Run,
    target: Annotated[
        str, typer.Argument(help="A path, unit, container or pid.", metavar="PATH|UNIT|CONTAINER|PID")
    ],
) -> Answer[Shown]:
    """Show one control group on one screen."""
    from sretool.cgroups.checks import CHECKS, about
    from sretool.cgroups.show import read
    from sretool.report.check import judge

    group = read.target(run.source, target, run.errors)
    run.same = about.show(group.path)
    now, before = run.pair(partial(read.counters, wanted=group))
    details = run.one(partial(read.sample, paths=[group.path]))
    data, model = read.build(group, now, before, details)
    run.errors += [*now.errors, *details.errors]
    judged = list(judge(CHECKS, model))
    data.checks = [verdict for verdict, _ in judged]
    return Answer(data=data, findings=[finding for _, found in judged for finding in found])
