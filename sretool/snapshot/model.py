"""What `sretool snapshot` answers."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class Moment(Struct):
    """One instant of a recording."""

    name: Annotated[str, Meta(description="its folder in the archive: T0, T1, …")]
    at: Annotated[str, Meta(description="wall clock, RFC 3339 UTC")]
    uptime_s: Annotated[float, Meta(description="seconds since boot, suspended time included")]
    files: Annotated[int, Meta(description="files held")]
    requests: Annotated[int, Meta(description="netlink dumps, commands and facts held")]
    failures: Annotated[int, Meta(description="reads that failed; the errno is held and replays")]


class Snapshot(Struct):
    """One recording."""

    path: Annotated[str, Meta(description="the recording's file")]
    size_bytes: Annotated[int, Meta(description="its size, compressed")]
    host: Annotated[str, Meta(description="host name of what was recorded")]
    kernel: Annotated[str, Meta(description="release of the recorded kernel")]
    boot_id: Annotated[str | None, Meta(description="boot the counters belong to")]
    uid: Annotated[int | None, Meta(description="user it was recorded as: 0 sees all")]
    tool_version: Annotated[str, Meta(description="sretool that wrote it")]
    moments: Annotated[list[Moment], Meta(description="the instants, oldest first")]
    left_out: Annotated[
        list[str],
        Meta(description="by moment, what of so many processes was not recorded; it replays as not-recorded"),
    ] = []
