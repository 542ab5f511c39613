"""Mounts: which can be seen, which should be writable, how full they are."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import NamedTuple

from sretool.errors import ParseError
from sretool.host.mountinfo import unescape
from sretool.host.source import Source, StatVfs
from sretool.report.escape import text

# Interfaces that look like filesystems: no capacity that a person could run out of. ramfs has no
# limit; efivarfs reports a few KiB of firmware variables.
PSEUDO = frozenset(
    {
        *("autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "efivarfs"),
        *("fusectl", "fuse.gvfsd-fuse", "fuse.lxcfs", "fuse.portal", "hugetlbfs", "mqueue", "nfsd", "nsfs"),
        *("proc", "pstore", "ramfs", "resctrl", "rpc_pipefs", "securityfs", "selinuxfs", "sysfs", "tracefs"),
    }
)
# Never writable, and full by construction.
IMAGES = frozenset(
    {"cramfs", "erofs", "fuse.snapfuse", "fuse.squashfuse", "iso9660", "romfs", "squashfs", "udf"}
)


class Mount(NamedTuple):
    """A line of /proc/self/mountinfo (proc_pid_mountinfo(5)). `options` belong to the mount,
    `super_options` to the filesystem below it.
    """

    id: int
    parent: int
    device: str
    root: str
    point: str
    options: frozenset[str]
    type: str
    source: str
    super_options: frozenset[str]


class Expected(NamedTuple):
    """A line of /etc/fstab."""

    point: str
    type: str
    options: frozenset[str]


class Space(NamedTuple):
    """A filesystem at one mount point: statvfs(3)."""

    mount: Mount
    total_bytes: int
    available_bytes: int
    inodes: int
    inodes_available: int


class Filesystems(NamedTuple):
    """Each filesystem once, and the mount points that gave no answer."""

    spaces: list[Space]
    hung: list[Mount]
    unread: list[tuple[Mount, int]]


def parse_mountinfo(raw: bytes) -> list[Mount]:
    """/proc/self/mountinfo, in its order.

    Raises:
        ParseError: a line is not of the documented form, or there is none.
    """
    mounts = []
    for line in raw.splitlines():
        head, separator, tail = line.partition(b" - ")
        left, right = head.split(b" "), tail.split(b" ")
        try:
            if not separator or len(right) < 2:
                raise ValueError
            mounts.append(
                Mount(
                    int(left[0]),
                    int(left[1]),
                    text(left[2]),
                    text(unescape(left[3])),
                    text(unescape(left[4])),
                    _options(left[5]),
                    text(right[0]),
                    text(unescape(right[1])),
                    _options(right[2] if len(right) > 2 else b""),
                )
            )
        except (ValueError, IndexError):
            raise ParseError("/proc/self/mountinfo", f"not a mount: {text(line[:80])}") from None
    if not mounts:
        raise ParseError("/proc/self/mountinfo", "not one mount")
    return mounts


def parse_fstab(raw: bytes) -> list[Expected]:
    """/etc/fstab; a line of fewer than four fields is passed over, as mount(8) does."""
    found = []
    for line in raw.splitlines():
        words = line.split()
        if len(words) >= 4 and not words[0].startswith(b"#"):
            found.append(Expected(text(unescape(words[1])), text(words[2]), _options(words[3])))
    return found


def _options(raw: bytes) -> frozenset[str]:
    return frozenset(text(raw).split(","))


def visible(mounts: list[Mount]) -> list[Mount]:
    """Mounts that a path still reaches: a mount stacked on another one, or on a directory above
    it, hides it. A reachable mount has every mount on its way among its ancestors.
    """
    by_id = {mount.id: mount for mount in mounts}
    tops: dict[str, Mount] = {}

    def below(mount: Mount) -> set[int]:
        chain: set[int] = set()
        while mount.id not in chain:
            chain.add(mount.id)
            mount = by_id.get(mount.parent, mount)
        return chain

    chains = {mount.id: below(mount) for mount in mounts}
    # from the root down; at one mount point the lowest of the stack first
    for mount in sorted(mounts, key=lambda m: (m.point.rstrip("/").count("/"), len(chains[m.id]))):
        chain = chains[mount.id]
        on_the_way = (tops[path] for path in _prefixes(mount.point) if path in tops)
        if all(top.id in chain for top in on_the_way):
            tops[mount.point] = mount
    shown = {mount.id for mount in tops.values()}
    return [mount for mount in mounts if mount.id in shown]


def _prefixes(point: str) -> Iterable[str]:
    yield "/"
    parts = point.strip("/").split("/")
    for depth in range(1, len(parts) + 1):
        yield "/" + "/".join(parts[:depth])


def with_capacity(mounts: Iterable[Mount]) -> list[Mount]:
    """Mounts worth a statvfs: no interfaces, no images, each filesystem once (at its own root if
    that is mounted, else at its shortest path).
    """
    best: dict[str, Mount] = {}
    for mount in mounts:
        if mount.type in PSEUDO or mount.type in IMAGES:
            continue
        other = best.get(mount.device)
        if other is None or _rank(mount) < _rank(other):
            best[mount.device] = mount
    return list(best.values())


def _rank(mount: Mount) -> tuple[bool, bool, int, str]:
    return ("ro" in mount.options, mount.root != "/", len(mount.point), mount.point)


def ask_space(source: Source, mounts: Iterable[Mount], timeout_s: float) -> dict[str, StatVfs | int]:
    """Statvfs of each mount point. A server that is dead costs one wait: its other mounts are not
    asked, and get EHOSTDOWN.

    Raises:
        SourceError: the source cannot be asked at all.
    """
    by_server: dict[str, list[str]] = {}
    for mount in mounts:
        by_server.setdefault(_server(mount.source), []).append(mount.point)
    found = source.statvfs(by_server.pop("", []), timeout_s)
    for first, *others in by_server.values():
        found.update(source.statvfs([first], timeout_s))
        if found.get(first) == errno.ETIMEDOUT:
            found.update(dict.fromkeys(others, errno.EHOSTDOWN))
        elif others:
            found.update(source.statvfs(others, timeout_s))
    return found


def _server(source: str) -> str:
    """Whom a network mount depends on: `filer:/export`, `user@host:dir`, `//server/share`; empty for
    what is local.
    """
    if source.startswith("//"):
        return source[2:].partition("/")[0]
    host, colon, _ = source.rpartition(":")
    return host if colon and not source.startswith("/") else ""


def spaces(mounts: list[Mount], answers: dict[str, StatVfs | int]) -> Filesystems:
    """Put statvfs answers beside their mounts. An overlay reports the numbers of the filesystem
    that holds its upper directory: where that one is visible too, the overlay is left out.
    """
    found = Filesystems([], [], [])
    for mount in mounts:
        answer = answers.get(mount.point, errno.ENODATA)
        if isinstance(answer, StatVfs):
            unit = answer.block_bytes
            found.spaces.append(
                Space(
                    mount,
                    answer.blocks * unit,
                    answer.blocks_available * unit,
                    answer.inodes,
                    answer.inodes_available,
                )
            )
        elif answer == errno.ETIMEDOUT:
            found.hung.append(mount)
        elif answer != errno.ENOENT:
            found.unread.append((mount, answer))
    solid = {(space.total_bytes, space.inodes) for space in found.spaces if space.mount.type != "overlay"}
    kept, seen = [], set(solid)
    for space in found.spaces:
        size = (space.total_bytes, space.inodes)
        if space.mount.type == "overlay":
            if size in seen:
                continue
            seen.add(size)
        kept.append(space)
    return found._replace(spaces=kept)
