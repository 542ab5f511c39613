"""What a process holds: files, sockets, threads."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from sretool.sockets.model import Socket


class OpenFile(Struct):
    """One descriptor of a file, directory or device."""

    fd: Annotated[int, Meta(description="its number; fd/N")]
    path: Annotated[str, Meta(description="what it is of; where fd/N points")]
    kind: Annotated[str, Meta(description="file, directory, device or memfd")]
    deleted: Annotated[bool, Meta(description="it has no name any more, its space is held by this")]
    size_bytes: Annotated[int | None, Meta(description="its length; stat(2) of fd/N; null: not looked at")]
    space_bytes: Annotated[int | None, Meta(description="what it takes on the file system; stat(2) blocks")]
    position_bytes: Annotated[
        int | None, Meta(description="where it reads or writes next; fdinfo/N pos; null: not looked at")
    ]
    mount: Annotated[str | None, Meta(description="the file system; fdinfo/N mnt_id; null: not known")]


class Files(Struct):
    """What it has open."""

    total: Annotated[int, Meta(description="descriptors; entries of fd")]
    kinds: Annotated[
        dict[str, int],
        Meta(description="how many are a file, socket, pipe, device, memfd, eventpoll, …; most first"),
    ]
    deleted: Annotated[int, Meta(description="of them deleted files")]
    deleted_bytes: Annotated[
        int | None, Meta(description="space they hold, each file once; null when it was not looked at")
    ]
    open: Annotated[
        list[OpenFile],
        Meta(description="deleted ones first, then the largest, at most 1000; no sockets, pipes"),
    ]


class Sockets(Struct):
    """Its TCP and UDP sockets, in its own network namespace."""

    total: Annotated[int, Meta(description="sockets of any family it has open; entries of fd")]
    states: Annotated[dict[str, int], Meta(description="how many are `tcp listen`, `udp unconnected`, …")]
    sockets: Annotated[
        list[Socket], Meta(description="listeners first, then those with something queued, at most 1000")
    ]
    host_namespace: Annotated[
        bool | None, Meta(description="its network namespace is ours; null when that is not known")
    ]


class Waiting(Struct):
    """Threads that wait at the same place."""

    wchan: Annotated[str, Meta(description="function of the kernel; task/*/wchan")]
    state: Annotated[str, Meta(description="task/*/stat field 3")]
    threads: Annotated[int, Meta(description="how many")]


class Thread(Struct):
    """One thread."""

    tid: Annotated[int, Meta(description="thread id; its name in task")]
    comm: Annotated[str, Meta(description="its name; task/TID/stat field 2")]
    state: Annotated[str, Meta(description="task/TID/stat field 3")]
    wchan: Annotated[str | None, Meta(description="where in the kernel it waits; task/TID/wchan")]
    cpu_ratio: Annotated[
        float | None, Meta(description="CPU time over the sample, 1.0 = one core; task/TID/schedstat")
    ]
    run_delay_ratio: Annotated[
        float | None, Meta(description="of the sample it waited for a CPU; task/TID/schedstat")
    ]
    stuck: Annotated[
        bool | None,
        Meta(
            description="in D state at both readings and not switched between; task/TID/status; null with "
            "one reading"
        ),
    ]


class Threads(Struct):
    """Its threads."""

    total: Annotated[int, Meta(description="stat field 20")]
    looked_at: Annotated[int, Meta(description="of them; at most 4096")]
    states: Annotated[dict[str, int], Meta(description="how many are sleeping, running, …; most first")]
    waiting: Annotated[list[Waiting], Meta(description="where they wait, most first")]
    blocked: Annotated[list[Thread], Meta(description="those in D state, at most 50")]
    busiest: Annotated[list[Thread], Meta(description="those that used the CPU over the sample, at most 10")]
