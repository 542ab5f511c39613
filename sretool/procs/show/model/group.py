"""The control group of a process, and what the logs say of it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from sretool.cgroups.model import Binding, Cgroup


class Group(Struct):
    """Where it stands in the tree of control groups, and what holds it there."""

    path: Annotated[str, Meta(description="the group that says whose it is; /proc/PID/cgroup")]
    paths: Annotated[
        dict[str, str],
        Meta(description="by v1 controller where that is another group; empty on v2; /proc/PID/cgroup"),
    ]
    unit: Annotated[str, Meta(description="its systemd unit, empty when in none")]
    slice: Annotated[str, Meta(description="the slice around it, empty when in none")]
    container: Annotated[str, Meta(description="its container's short id or name, empty when in none")]
    container_name: Annotated[
        str, Meta(description="what the engine calls it (in Kubernetes namespace/pod/name); empty: not known")
    ]
    engine: Annotated[str, Meta(description="the container's engine, empty when not known")]
    pod: Annotated[str, Meta(description="its pod's uid, empty when in none")]
    limits: Annotated[
        list[Binding] | None,
        Meta(description="what really limits it: of all limits on the way up the one with the least left"),
    ]
    ancestors_hidden: Annotated[
        bool | None, Meta(description="limits above / cannot be seen (a cgroup namespace); null: not known")
    ]
    row: Annotated[
        Cgroup | None, Meta(description="the group itself as in `cgroups tree`; null when it was not read")
    ]
    rows: Annotated[
        list[Cgroup], Meta(description="the groups above it, and on v1 those of `paths`, innermost first")
    ]


class Kill(Struct):
    """The kernel killed for memory: it (an earlier process of this pid), or one of its group or unit."""

    at: Annotated[str, Meta(description="about when, RFC 3339 UTC; kernel log")]
    pid: Annotated[int, Meta(description="the victim")]
    comm: Annotated[str, Meta(description="its name")]
    cgroup: Annotated[str, Meta(description="where it was, empty when the log does not say")]
    limit: Annotated[str, Meta(description="whose memory ran out, in words")]
    rss_bytes: Annotated[int | None, Meta(description="anonymous, file and shared memory it had")]


class LogLine(Struct):
    """A line of the journal."""

    at: Annotated[str, Meta(description="RFC 3339 UTC")]
    priority: Annotated[str, Meta(description="emerg, alert, crit, err or warning")]
    pid: Annotated[int | None, Meta(description="who wrote it; null when not known")]
    message: Annotated[str, Meta(description="secrets masked, at most 500 characters")]
