"""What `sretool procs deleted` answers."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

How = Literal["open", "executable", "mapped"]


class DeletedFile(Struct, gc=False):
    """A file without a name left (st_nlink 0) that a process still holds, so that its space is not
    free.
    """

    path: Annotated[str, Meta(description="its name before it was deleted; the link in /proc/PID/fd")]
    mount: Annotated[
        str | None, Meta(description="mount point of the filesystem that has its space; null: not known")
    ]
    space_bytes: Annotated[int, Meta(description="space it holds; stat(2) st_blocks * 512")]
    size_bytes: Annotated[int, Meta(description="its length; stat(2) st_size")]
    device: Annotated[str, Meta(description="major:minor of stat(2) st_dev")]
    inode: Annotated[int, Meta(description="stat(2) st_ino")]
    how: Annotated[How, Meta(description="how it is held: open, executable or mapped")]
    pids: Annotated[list[int], Meta(description="processes that hold it")]
    fd: Annotated[
        int | None, Meta(description="descriptor of the first of pids; null when it is not open there")
    ]


class Holder(Struct, gc=False):
    """A process, and what it holds on one filesystem. Processes that hold the very same files (a
    server and its workers) are one row: that of the lowest pid.
    """

    pid: Annotated[int, Meta(description="process id; of several the lowest")]
    process: Annotated[str | None, Meta(description="the kernel's name of it; /proc/PID/comm")]
    unit: Annotated[str, Meta(description="systemd unit of its cgroup, empty when in none")]
    container: Annotated[str, Meta(description="container's short id or name, empty when in none")]
    mount: Annotated[str | None, Meta(description="mount point of the filesystem; null: not known")]
    space_bytes: Annotated[int, Meta(description="space of the files, each once; st_blocks * 512")]
    files: Annotated[int, Meta(description="deleted files that it holds there")]
    processes: Annotated[int, Meta(description="processes that hold the very same files")]
    path: Annotated[str, Meta(description="the largest of the files, by the name it had")]
    path_space_bytes: Annotated[int, Meta(description="space of that file; st_blocks * 512")]
    fd: Annotated[int | None, Meta(description="descriptor of that file; null when it is only mapped")]
    cgroup: Annotated[str | None, Meta(description="the cgroup's path; /proc/PID/cgroup")] = None
    container_name: Annotated[
        str | None,
        Meta(description="what its engine calls that container; empty when in none, null: not known"),
    ] = None

    @property
    def whose(self) -> str:
        """The container it is in, else the unit."""
        return self.container_name or self.container or self.unit

    @property
    def called(self) -> str:
        """Name and pid, and whose it is."""
        whose = self.whose
        return f"{self.process or 'process'}[{self.pid}]" + (f" ({whose})" if whose else "")

    @property
    def link(self) -> str:
        """The link that leads to the largest file."""
        return f"/proc/{self.pid}/" + ("exe" if self.fd is None else f"fd/{self.fd}")

    @property
    def remedy(self) -> str:
        """How to free what it holds."""
        who = self.whose or f"{self.process or 'process'}[{self.pid}]"
        if self.fd is None:
            return f"restart {who}: it runs a file that was replaced or removed"
        return (
            f"restart {who}, or have it reopen its files; a log alone can be emptied in place: "
            f"sudo truncate -s 0 {self.link}"
        )


class Held(Struct, gc=False):
    """A filesystem, and how much of it deleted files hold."""

    mount: Annotated[str | None, Meta(description="mount point; null: not known")]
    type: Annotated[str, Meta(description="filesystem type; /proc/PID/mountinfo")]
    device: Annotated[str, Meta(description="major:minor; /proc/PID/mountinfo")]
    here: Annotated[
        bool, Meta(description="mounted in this mount namespace; else mount is as the process sees it")
    ]
    held_bytes: Annotated[int, Meta(description="space of deleted files, each once; st_blocks * 512")]
    files: Annotated[int, Meta(description="deleted files that are held")]
    processes: Annotated[int, Meta(description="processes that hold one")]
    total_bytes: Annotated[int | None, Meta(description="its size; statvfs(3) f_blocks; null: not known")]
    available_bytes: Annotated[
        int | None, Meta(description="what an ordinary user may still use; statvfs(3) f_bavail")
    ]
    held_ratio: Annotated[float | None, Meta(description="held_bytes of total_bytes")]


class Deleted(Struct):
    """Space that deleted files hold, by process and by filesystem."""

    holders: Annotated[list[Holder], Meta(description="by process and filesystem, most space first")]
    total: Annotated[int, Meta(description="holders before --limit")]
    filesystems: Annotated[list[Held], Meta(description="filesystems with deleted files, most space first")]
    files: Annotated[list[DeletedFile], Meta(description="every deleted file once, most space first")]
    memory_files: Annotated[
        int,
        Meta(description="files that never were on a filesystem one can see: memfd, SysV shared memory"),
    ]
    memory_bytes: Annotated[int, Meta(description="memory those hold; st_blocks * 512; not counted above")]
    processes: Annotated[int, Meta(description="processes whose files could be looked at")]
    unseen: Annotated[int, Meta(description="processes whose files could not be looked at")]
    mapped: Annotated[bool, Meta(description="files that are only mapped were looked for too: --mapped")]
