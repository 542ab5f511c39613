"""`sretool procs`."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Optional

import typer

from sretool.command import How, Run, command
from sretool.command.options import PATTERN
from sretool.procs.model import Processes
from sretool.report.answer import Answer

_SHOWN = ("pid", "user", "state", "cpu_ratio", "rss_bytes", "threads", "age_s", "unit", "command")


@command(
    "procs.list",
    view="sretool.procs.view:listing",
    options=("passive", "list", "sampled"),
    rows="processes",
    default_fields=_SHOWN,
    how=(
        How("ps -eo pid,user,stat,pcpu,rss,nlwp,etimes,cgroup,args --sort=-pcpu", "one row a process"),
        How("cat /proc/self/stat", "state, CPU ticks, resident pages, threads and start of one process"),
        How("cat /proc/self/cgroup", "the path that names its unit or container"),
    ),
    examples=(
        ("sretool procs list", "who uses the CPU now, over one second"),
        ("sretool procs list --sample 0 --sort rss_bytes --limit 10", "the ten largest, at once"),
        ("sretool procs list --unit 'nginx*' --fields pid,fds,fd_limit,command", "a service's descriptors"),
    ),
)
def list_(
    run: Run,
    user: Annotated[
        Optional[str], typer.Option("--user", help="Only this user's, by name or uid.", metavar="USER")
    ] = None,
    unit: Annotated[
        Optional[str], typer.Option("--unit", help=f"Only of this systemd unit. {PATTERN}", metavar="UNIT")
    ] = None,
    name: Annotated[
        Optional[str],
        typer.Option("--name", help=f"Only with this comm or program name. {PATTERN}", metavar="NAME"),
    ] = None,
    container: Annotated[
        Optional[str],
        typer.Option("--container", help=f"Only of this container, by id or name. {PATTERN}", metavar="ID"),
    ] = None,
) -> Answer[Processes]:
    """List processes, the busiest first."""
    from sretool.procs import read
    from sretool.procs.filters import Selection

    select = Selection(user, unit, name, container)
    ask = read.ask_for(run.wanted(_SHOWN, read.LIGHT_FIELDS) | set(select.fields))
    now, before = run.pair(partial(read.sample, ask=ask))
    data = read.build(now, before, select.keeps if select.fields else None)
    run.errors += now.errors
    return Answer(data=data)
