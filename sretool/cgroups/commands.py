"""`sretool cgroups`."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from sretool.cgroups.model import Cgroup, Cgroups
from sretool.command import How, Run, command
from sretool.report.answer import Answer

_SHOWN = (
    "name",
    "processes_total",
    "cpu_ratio",
    "throttled_ratio",
    "memory_current_bytes",
    "memory_limit_bytes",
    "cpu_some_avg10_ratio",
    "memory_full_avg10_ratio",
    "io_full_avg10_ratio",
    "oom_kills",
)


@command(
    "cgroups.tree",
    view="sretool.cgroups.view:tree",
    options=("passive", "list", "sampled"),
    rows="cgroups",
    default_fields=_SHOWN,
    how=(
        How("grep cgroup /proc/self/mountinfo", "which hierarchies are mounted where"),
        How("find /sys/fs/cgroup -name cgroup.procs", "the groups, and who is in them"),
        How("find /sys/fs/cgroup -name cpu.stat", "CPU time and throttled periods of each group"),
        How("find /sys/fs/cgroup -name '*.pressure'", "stalls of each group, on v2"),
    ),
    examples=(
        ("sretool cgroups tree", "what each unit and container uses, and what holds it back"),
        ("sretool cgroups tree --sort memory_current_bytes --limit 10", "the ten largest groups"),
        ("sretool cgroups tree --json --sample 5", "for a script, rates over five seconds"),
    ),
)
def tree(
    run: Run,
    everything: Annotated[bool, typer.Option("--all", help="Also groups without any process.")] = False,
) -> Answer[Cgroups]:
    """Show the tree of control groups."""
    from sretool.cgroups import read

    ask = read.ask_for(run.wanted(_SHOWN, Cgroup.__struct_fields__))
    sample = read.sample if everything else read.populated
    first = partial(sample, ask=ask.compared)
    now, before = run.pair(partial(sample, ask=ask), first=first)
    data = read.build(now, before, empty=everything)
    run.errors += now.errors
    return Answer(data=data)
