"""`sretool cgroups top`."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from sretool.cgroups.top.model import SHOWN, Top
from sretool.command import How, Run, command
from sretool.report.answer import Answer


@command(
    "cgroups.top",
    view="sretool.cgroups.top.view:top",
    options=("passive", "list", "sampled"),
    rows="groups",
    default_fields=SHOWN,
    how=(
        How("systemd-cgtop -b -n 2", "use of each unit, without who waits"),
        How("grep -H some $(find /sys/fs/cgroup -name '*.pressure')", "who waits, on v2; total= grows"),
        How("grep -H usage_usec $(find /sys/fs/cgroup -name cpu.stat)", "who uses the CPU"),
        How("cat /proc/pressure/cpu /proc/pressure/memory /proc/pressure/io", "what the host waits for"),
    ),
    examples=(
        ("sretool cgroups top -w", "every second: who waits, and who makes them"),
        ("sretool cgroups top --sample 10 --fields name,role,why", "over ten seconds, in words"),
        ("sretool cgroups top --sort memory_growth_bytes_per_s", "what grows fastest"),
    ),
)
def top(
    run: Run,
    every: Annotated[
        bool, typer.Option("--all", help="Every group with processes, also within a unit or container.")
    ] = False,
) -> Answer[Top]:
    """Show units and containers by what matters now: who waits, and who makes them wait."""
    from sretool.cgroups import read
    from sretool.cgroups.top.build import build

    first = partial(read.populated, ask=read.TOP.compared)
    now, before = run.pair(partial(read.populated, ask=read.TOP), first=first)
    data = build(read.build(now, before, empty=False), every=every)
    run.errors += now.errors
    return Answer(data=data)
