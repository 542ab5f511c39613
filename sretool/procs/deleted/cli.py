"""`sretool procs deleted`."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Optional

import typer

from sretool.command import How, Run, command
from sretool.procs.deleted.model import Deleted
from sretool.report.answer import Answer

_SHOWN = ("space_bytes", "files", "mount", "pid", "process", "unit", "processes", "fd", "path")


@command(
    "procs.deleted",
    view="sretool.procs.deleted.view:deleted",
    options=("passive", "list"),
    rows="holders",
    default_fields=_SHOWN,
    how=(
        How("lsof -nP +L1", "open files without a name left (link count below 1)"),
        How("ls -l /proc/self/fd", "what one process has open; what is deleted ends in (deleted)"),
        How("stat -L /proc/self/fd/0", "links, blocks and inode of one of them"),
        How("findmnt --df", "how full each filesystem is"),
    ),
    examples=(
        ("sudo sretool procs deleted", "who holds space that du does not see"),
        ("sudo sretool procs deleted --mount /var", "on one filesystem"),
        ("sudo sretool procs deleted --mapped", "also old libraries that are still in use"),
    ),
)
def deleted(
    run: Run,
    mount: Annotated[
        Optional[str], typer.Option("--mount", help="Only on the filesystem mounted here.", metavar="POINT")
    ] = None,
    mapped: Annotated[
        bool, typer.Option("--mapped", help="Also files only mapped: reads each process's memory map.")
    ] = False,
) -> Answer[Deleted]:
    """Show space held by deleted files that are still open."""
    from sretool.procs.deleted import read

    now = run.one(partial(read.sample, ask=read.Ask(mapped)))
    run.errors += now.errors
    return Answer(data=read.build(now, mount))
