"""What `sretool procs show` answers."""

from __future__ import annotations

from typing import Annotated, Union

from msgspec import UNSET, Meta, Struct, UnsetType

from sretool.procs.show.model.group import Group, Kill, LogLine
from sretool.procs.show.model.held import Files, OpenFile, Sockets, Thread, Threads, Waiting
from sretool.procs.show.model.identity import Ancestor, Capabilities, Identity, Namespace, Security, Signals
from sretool.procs.show.model.use import Cpu, Delay, Io, Limit, Memory
from sretool.report.answer import Severity

__all__ = [
    "Ancestor",
    "Capabilities",
    "Cpu",
    "Delay",
    "Files",
    "Group",
    "Identity",
    "Io",
    "Kill",
    "Limit",
    "LogLine",
    "Memory",
    "Namespace",
    "Note",
    "OpenFile",
    "Security",
    "Shown",
    "Signals",
    "Sockets",
    "Thread",
    "Threads",
    "Waiting",
]


class Note(Struct):
    """Something about it that stands out."""

    severity: Annotated[Severity, Meta(description="how much it matters")]
    text: Annotated[str, Meta(description="one sentence with the figures")]
    source: Annotated[str, Meta(description="file and field it was read from")]


class Shown(Struct):
    """One process. Files without a folder are of /proc/PID. What could not be read is null, and
    `errors` says why.
    """

    notes: Annotated[list[Note], Meta(description="what stands out, worst first")]
    process: Annotated[Identity, Meta(description="who it is")]
    group: Annotated[Group | None, Meta(description="its control group; null when it was not read")]
    limits: Annotated[
        list[Limit] | None,
        Meta(description="its resource limits and the kernel's, those nearest first; null: not read"),
    ]
    memory: Annotated[Memory, Meta(description="its memory")]
    cpu: Annotated[Cpu, Meta(description="its CPU time and scheduling")]
    io: Annotated[Io | None, Meta(description="its input and output; null when io was not read")]
    delays: Annotated[
        list[Delay] | None,
        Meta(description="what it waited for; taskstats, for root; null when that was not read"),
    ]
    threads: Annotated[Threads, Meta(description="its threads")]
    files: Annotated[Files | None, Meta(description="what it has open; null when fd was not read")]
    sockets: Annotated[
        Sockets | None, Meta(description="its TCP and UDP sockets; null when they could not be listed")
    ]
    security: Annotated[Security, Meta(description="what it may do, and what confines it")]
    kills: Annotated[
        list[Kill] | None,
        Meta(description="OOM kills of it, its group or unit, latest first; null: the log was not read"),
    ]
    log: Annotated[
        list[LogLine] | None,
        Meta(
            description="the unit's last lines at warning or worse this boot; journalctl; null: not read, "
            "which it never is for a recording; empty also when it is of no unit"
        ),
    ]
    window_s: Annotated[
        float | None, Meta(description="seconds between the two readings; null when there was one")
    ]
    environment: Annotated[
        Union[dict[str, str], UnsetType, None],
        Meta(description="as it was at the start, secrets masked; environ; only with --env"),
    ] = UNSET
