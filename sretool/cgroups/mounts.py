"""Where the control group hierarchies are mounted (proc_pid_mountinfo(5), cgroups(7))."""

from __future__ import annotations

from typing import NamedTuple

from sretool.host.mountinfo import unescape


class Mount(NamedTuple):
    """One hierarchy. `controllers` are those of v1, or {"v2"}; the named hierarchy of systemd is
    "name=systemd". `root` is the group that is seen at `point`.
    """

    point: str
    root: str
    controllers: frozenset[str]

    def path(self, relative: str) -> str:
        """The group's path from its mount-relative name, as walk gives it."""
        parts = [self.root.strip("/"), "" if relative == "." else relative]
        return "/" + "/".join(part for part in parts if part)

    def relative(self, path: str) -> str | None:
        """The other way; None for a group that this mount does not show."""
        root = self.root.rstrip("/")
        if path in (root, self.root):
            return "."
        return path[len(root) + 1 :] if path.startswith(root + "/") else None


def mounts(mountinfo: bytes) -> list[Mount]:
    """One mount for each hierarchy: the one that shows most of it, then the first. Lines that do
    not have the documented form are no cgroup mounts.
    """
    best: dict[frozenset[str], Mount] = {}
    for line in mountinfo.splitlines():
        head, _, tail = line.partition(b" - ")
        fields, types = head.split(b" "), tail.split(b" ")
        if len(fields) < 5 or len(types) < 3 or types[0] not in (b"cgroup", b"cgroup2"):
            continue
        options = types[2].decode("utf-8", "backslashreplace").split(",")
        controllers = frozenset({"v2"} if types[0] == b"cgroup2" else options) - {"rw", "ro", "xattr"}
        found = Mount(_path(fields[4]), _path(fields[3]), controllers)
        known = best.get(controllers)
        if known is None or len(found.root) < len(known.root):
            best[controllers] = found
    return list(best.values())


def _path(raw: bytes) -> str:
    """As os.fsdecode gives it, because it is read from again."""
    return unescape(raw).decode("utf-8", "surrogateescape")
