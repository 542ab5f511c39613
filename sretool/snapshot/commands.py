"""`sretool snapshot`: record this host, and look at a recording."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from sretool.command import How, Run, command
from sretool.report.answer import Answer
from sretool.snapshot.model import Snapshot


@command(
    "snapshot.save",
    view="sretool.snapshot.view:snapshot",
    options=("interval",),
    how=(
        How("tar czf {path} /proc/loadavg /proc/stat", "the idea by hand: files as the kernel gives them"),
        How("tar tzf {path}", "list what a recording holds"),
    ),
    examples=(
        ("sretool snapshot save incident.tar.gz", "record now; replay anywhere with --from incident.tar.gz"),
        (
            "sudo sretool snapshot save --sample 10 web-1.tar.gz",
            "everyone's processes, rates over ten seconds",
        ),
    ),
)
def save(
    run: Run,
    path: Annotated[str, typer.Argument(metavar="FILE", help="The recording to write: NAME.tar.gz.")],
    force: Annotated[bool, typer.Option("--force", help="Replace FILE when it exists.")] = False,
) -> Answer[Snapshot]:
    """Record this host: all that passive commands read, twice."""
    from sretool.snapshot import read, write

    with write.new(path, 2 if run.options.sample else 1, force) as recording:
        now, _ = run.pair(recording.sample)
        run.errors += now.errors
        size, moments, manifest = recording.close()
    return Answer(data=read.describe(path, size, manifest, moments))


@command(
    "snapshot.show",
    view="sretool.snapshot.view:snapshot",
    how=(How("tar tzf {path}", "list what a recording holds"),),
    examples=(("sretool snapshot show incident.tar.gz", "which host, when, as whom, and how much of it"),),
)
def show(
    run: Run,
    path: Annotated[str, typer.Argument(metavar="FILE", help="A recording.")],
) -> Answer[Snapshot]:
    """Show what a recording holds."""
    from sretool.host.recording import load
    from sretool.snapshot import read

    manifest, moments = load(path)
    summary = [read.moment(number, moment, len(moment.files)) for number, moment in enumerate(moments)]
    return Answer(data=read.describe(path, os.path.getsize(path), manifest, summary))
