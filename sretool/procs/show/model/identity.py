"""Who a process is, what it may do, and where it comes from."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class Ancestor(Struct):
    """A process above it."""

    pid: Annotated[int, Meta(description="process id; stat field 4 of the one below")]
    comm: Annotated[str | None, Meta(description="its name; stat field 2; null when it was not read")]
    unit: Annotated[str, Meta(description="its systemd unit, by its cgroup; empty when in none")]
    started_at: Annotated[
        str | None, Meta(description="when it began, RFC 3339 UTC; stat field 22; null when it was not read")
    ]


class Identity(Struct):
    """Who it is. Paths and command are null for a kernel thread and a zombie, which have none."""

    pid: Annotated[int, Meta(description="process id")]
    comm: Annotated[str, Meta(description="its name, at most 15 bytes; stat field 2")]
    command: Annotated[
        str | None, Meta(description="its arguments, secrets masked, at most 4096 characters; cmdline")
    ]
    exe: Annotated[str | None, Meta(description="the file it executes; exe")]
    exe_deleted: Annotated[
        bool | None, Meta(description="that file has no name any more: upgraded, or removed; exe")
    ]
    cwd: Annotated[str | None, Meta(description="its working directory; cwd")]
    root: Annotated[str | None, Meta(description="its root directory; root")]
    state: Annotated[str, Meta(description="running, sleeping, disk-sleep, zombie, …; stat field 3")]
    state_before: Annotated[
        str | None, Meta(description="the same at the first reading; null with one reading")
    ]
    wchan: Annotated[
        str | None, Meta(description="where in the kernel its main thread waits; wchan; null: not told")
    ]
    kernel: Annotated[bool, Meta(description="a kernel thread; stat field 9")]
    ppid: Annotated[int, Meta(description="its parent; stat field 4")]
    user: Annotated[str | None, Meta(description="name of its effective uid, null when it has none")]
    uids: Annotated[list[int] | None, Meta(description="real, effective, saved, file system uid; status Uid")]
    gids: Annotated[list[int] | None, Meta(description="real, effective, saved, file system gid; status Gid")]
    groups: Annotated[list[int] | None, Meta(description="supplementary groups; status Groups")]
    login_user: Annotated[
        str | None,
        Meta(description="who logged in at its beginning (name, or uid); loginuid; null: nobody, or unread"),
    ]
    started_at: Annotated[str, Meta(description="when it began, RFC 3339 UTC; stat field 22")]
    age_s: Annotated[float, Meta(description="since then")]
    terminal: Annotated[str | None, Meta(description="its terminal; stat field 7; null when it has none")]
    session: Annotated[int, Meta(description="session id; stat field 6")]
    process_group: Annotated[int, Meta(description="process group id; stat field 5")]
    namespace_pids: Annotated[
        list[int] | None,
        Meta(description="its pid here, then in each pid namespace further in; status NSpid"),
    ]
    tracer_pid: Annotated[int | None, Meta(description="who traces it, 0 nobody; status TracerPid")]
    umask: Annotated[str | None, Meta(description="octal; status Umask")]
    ancestors: Annotated[list[Ancestor], Meta(description="its parent, and on up to pid 1")]


class Namespace(Struct):
    """One namespace it is in."""

    name: Annotated[str, Meta(description="cgroup, ipc, mnt, net, pid, time, user or uts; ns/NAME")]
    inode: Annotated[int | None, Meta(description="its number")]
    shared: Annotated[
        bool | None,
        Meta(description="it is init's, or, when those may not be read, ours; null when neither is known"),
    ]


class Capabilities(Struct):
    """Names without CAP_, lower case. Full is all that this kernel has: /proc/sys/kernel/cap_last_cap."""

    effective: Annotated[list[str], Meta(description="what it may do now; status CapEff")]
    permitted: Annotated[list[str], Meta(description="what it may take; status CapPrm")]
    inheritable: Annotated[list[str], Meta(description="status CapInh")]
    ambient: Annotated[list[str], Meta(description="kept over an exec; status CapAmb")]
    dropped: Annotated[
        list[str] | None,
        Meta(description="what it can never have again: full without status CapBnd; null: full not known"),
    ]
    lacking: Annotated[
        list[str] | None,
        Meta(description="full without status CapEff: empty when it may do everything; null: full not known"),
    ]


class Signals(Struct):
    """Names without SIG; realtime ones as RT0 (the kernel's first, 32), RT1, …."""

    pending: Annotated[list[str], Meta(description="of it as a whole, and of its main thread; status ShdPnd")]
    blocked: Annotated[list[str], Meta(description="by its main thread; status SigBlk")]
    ignored: Annotated[list[str], Meta(description="status SigIgn")]
    caught: Annotated[list[str], Meta(description="it has a handler for; status SigCgt")]


class Security(Struct):
    """What it may do, and what confines it."""

    capabilities: Annotated[Capabilities | None, Meta(description="null when status was not read")]
    signals: Annotated[Signals | None, Meta(description="null when status was not read")]
    seccomp: Annotated[str | None, Meta(description="disabled, strict or filter; status Seccomp")]
    seccomp_filters: Annotated[int | None, Meta(description="how many; status Seccomp_filters (5.9)")]
    no_new_privs: Annotated[bool | None, Meta(description="no exec gives it more rights; status NoNewPrivs")]
    label: Annotated[
        str | None,
        Meta(
            description="AppArmor profile or SELinux context; attr/current; null: no such module, or unread"
        ),
    ]
    namespaces: Annotated[list[Namespace] | None, Meta(description="null when ns could not be read")]
