"""What `sretool procs why` answers."""

from __future__ import annotations

from typing import Annotated, Optional

from msgspec import Meta, Struct

from sretool.report.check import Verdict

_Text = Annotated[Optional[str], Meta(description="null where it could not be read")]


class Proof(Struct, frozen=True):
    """Why we say so."""

    what: Annotated[str, Meta(description="what was read")]
    value: Annotated[str, Meta(description="what it says")]
    source: Annotated[str, Meta(description="file, field or command it was read from")]


class Link(Struct):
    """One cause, or one process between the first cause and the target."""

    kind: Annotated[
        str,
        Meta(
            description="init, kernel, unit, timer, socket, path, session, container, supervisor, cron, at, "
            "ssh, login, become (sudo, su), multiplexer, shell, engine, process, gone (a starter that ended)"
        ),
    ]
    name: Annotated[str, Meta(description="what a person calls it")]
    says: Annotated[str, Meta(description="what it does in the chain, in words")]
    pid: Annotated[Optional[int], Meta(description="its process; null when it is none")] = None
    user: Annotated[Optional[str], Meta(description="effective user of its process")] = None
    started_at: Annotated[
        Optional[str], Meta(description="RFC 3339 UTC; null when not known or not a thing that starts")
    ] = None
    age_s: Annotated[Optional[float], Meta(description="seconds since it started")] = None
    evidence: Annotated[list[Proof], Meta(description="what this link was read from")] = []


class Restarts(Struct):
    """How often the unit or container of the target was started again."""

    count: Annotated[
        Optional[int],
        Meta(description="automatic restarts since it was last started by hand; NRestarts, RestartCount"),
    ]
    policy: Annotated[str, Meta(description="when it is restarted: Restart= of the unit; empty if unknown")]
    last_end: Annotated[
        str, Meta(description="how its main process last ended; empty when it runs, or nobody says")
    ]
    waits: Annotated[bool, Meta(description="it waits for its next restart now; SubState auto-restart")]
    run_s: Annotated[Optional[float], Meta(description="seconds since its last start")]


class Why(Struct):
    """One process and the chain of causes above it."""

    target: Annotated[str, Meta(description="what was asked for")]
    target_kind: Annotated[str, Meta(description="pid, name, port, file, unit, container")]
    found_by: Annotated[str, Meta(description="how the process was found by it")]
    pid: Annotated[int, Meta(description="the process")]
    comm: Annotated[str, Meta(description="its name; /proc/PID/stat field 2")]
    command: Annotated[str, Meta(description="its arguments, secrets masked; /proc/PID/cmdline")]
    user: Annotated[Optional[str], Meta(description="effective user; null when it has no name")]
    uid: Annotated[Optional[int], Meta(description="effective user id; owner of /proc/PID")]
    state: Annotated[str, Meta(description="as in procs list; /proc/PID/stat field 3")]
    started_at: Annotated[str, Meta(description="RFC 3339 UTC; stat field 22")]
    age_s: Annotated[float, Meta(description="seconds since it started")]
    unit: Annotated[str, Meta(description="innermost systemd unit of its cgroup, empty when in none")]
    container: Annotated[str, Meta(description="its container's name or short id, empty when in none")]
    cause: Annotated[
        str,
        Meta(
            description="container, ssh, login, multiplexer, shell, cron, at, supervisor, systemd, init, "
            "kernel, unknown: the nearest cause that started it"
        ),
    ]
    because: Annotated[str, Meta(description="the answer in one sentence")]
    starter_gone: Annotated[
        bool, Meta(description="the process that started it has ended; init or a subreaper took it over")
    ]
    login_user: Annotated[
        Optional[str],
        Meta(description="who had logged in, whatever they became since; /proc/PID/loginuid; null: nobody"),
    ]
    workers: Annotated[int, Meta(description="processes below it that the target named too")]
    comes_back: Annotated[
        Optional[bool], Meta(description="something would start it again after a reboot; null: not known")
    ]
    restarts: Annotated[Optional[Restarts], Meta(description="of its unit or container; null without one")]
    exe: Annotated[_Text, Meta(description="the file it runs; /proc/PID/exe")]
    exe_state: Annotated[
        Optional[str],
        Meta(
            description="same, replaced, removed (since it started), memory (memfd): /proc/PID/exe and the "
            "file of that name; null where that could not be told"
        ),
    ]
    exe_writable: Annotated[
        Optional[bool], Meta(description="others may write the directory of that file; its mode")
    ]
    stale_libraries: Annotated[
        Optional[list[str]],
        Meta(description="libraries it has mapped that are deleted since; /proc/PID/maps; null if unread"),
    ]
    public_listeners: Annotated[
        Optional[list[str]],
        Meta(description="addresses beyond loopback that it listens on with TCP; null where unknown"),
    ]
    tracer: Annotated[Optional[str], Meta(description="the process that traces it; TracerPid")]
    links: Annotated[list[Link], Meta(description="the chain: first cause first, the target last")]
    checks: Annotated[list[Verdict], Meta(description="what was judged, and what could not be")] = []
