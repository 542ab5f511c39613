"""Mounts: which can be seen, which should be writable, how full they are."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable
from typing import NamedTuple

from sretool.host.mountinfo import Mount, options, unescape
from sretool.host.oom import kernel_time
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

# fs/ext4/super.c ext4_handle_error, __ext4_fill_super, ext4_put_super
_ABORTED = b"Remounting filesystem read-only"
_EXT4 = re.compile(rb"EXT4-fs \(([^)]+)\): (Remounting filesystem read-only|mounted |unmounting )")


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


def parse_aborted(log: bytes, diskstats: bytes) -> dict[str, float]:
    """Devices (`major:minor`) whose ext4 stopped all writes on an error, and when on the log's clock,
    of /dev/kmsg records; a later mount or unmount ends it. /proc/diskstats gives the names numbers.
    """
    since: dict[bytes, float] = {}
    for line in log.splitlines() if _ABORTED in log else ():
        prefix, _, message = line.partition(b";")
        if (said := _EXT4.match(message)) and (at_s := kernel_time(prefix)) is not None:
            since.pop(said[1], None)
            if said[2] == _ABORTED:
                since[said[1]] = at_s
    words = [line.split(None, 3) for line in diskstats.splitlines()] if since else []
    return {text(b":".join(word[:2])): since[word[2]] for word in words if word[2:3] and word[2] in since}


def parse_fstab(raw: bytes) -> list[Expected]:
    """/etc/fstab; a line of fewer than four fields is passed over, as mount(8) does."""
    found = []
    for line in raw.splitlines():
        words = line.split()
        if len(words) >= 4 and not words[0].startswith(b"#"):
            found.append(Expected(text(unescape(words[1])), text(words[2]), options(words[3])))
    return found


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
