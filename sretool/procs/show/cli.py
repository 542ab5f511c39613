"""`sretool procs show`."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from sretool.command import How, Run, command
from sretool.procs.show.model import Shown
from sretool.report.answer import Answer

TARGET = "A pid, a name, :PORT, a file's path, a unit or a container; of many workers the main process."


@command(
    "procs.show",
    view="sretool.procs.show.view:shown",
    options=("passive", "sampled"),
    how=(
        How("cat /proc/{pid}/status", "memory, users, signals, capabilities, switches"),
        How("cat /proc/{pid}/limits", "what it may use"),
        How("cat /proc/{pid}/smaps_rollup", "its memory, shared pages divided"),
        How("cat /proc/{pid}/cgroup", "its control group; the limits are in files of that folder"),
        How("ls -l /proc/{pid}/fd", "what it has open"),
        How("ps -L -o tid,stat,pcpu,wchan:32,comm -p {pid}", "its threads, and where they wait"),
        How("ss -tuanp", "its sockets, among all"),
    ),
    examples=(
        ("sretool procs show 4242", "everything about one process, rates over one second"),
        ("sudo sretool procs show 4242 --env", "also its environment, secrets masked"),
        ("sretool procs show :8080", "who listens there"),
        ("sretool procs show 4242 -w --sample 2", "watch it"),
        ("sretool --from incident.tar.gz procs show 4242", "as it was when it was recorded"),
    ),
)
def show(
    run: Run,
    pid: Annotated[str, typer.Argument(metavar="PID", help=TARGET)],
    env: Annotated[bool, typer.Option("--env", help="Also its environment, secrets masked.")] = False,
) -> Answer[Shown]:
    """Show one process: what it is, uses, waits for and may do."""
    from sretool.procs.show import notes, read, target

    ask = read.Ask(target.pid(run.source, pid, run.errors))
    now, before = run.pair(partial(read.sample, ask=ask))
    state = run.one(partial(read.state, now=now, environment=env))
    data = read.build(now, before, state, environment=env)
    data.notes = notes.notes(data)
    run.errors += [*now.errors, *state.errors]
    return Answer(data=data)
