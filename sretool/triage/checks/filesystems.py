"""Filesystems: space, inodes, read-only where they should not be, dead."""

from __future__ import annotations

import errno
import shlex
from collections.abc import Iterator

from sretool.errors import Missing, from_errno
from sretool.host.mountinfo import Mount, visible
from sretool.report.answer import Evidence, Finding, Severity, Subject
from sretool.report.check import NotApplicable, Rule, Threshold, Unknown, check
from sretool.report.units import bytes_text, duration_text
from sretool.triage.checks.evidence import percent
from sretool.triage.read import STATVFS_TIMEOUT_S, Host
from sretool.triage.read.filesystems import IMAGES, PSEUDO, Filesystems, Space

GIB = 1024**3
# ext4's emergency_ro and shutdown: fs/ext4/super.c _ext4_show_options, Linux 6.15
NO_WRITES = {"ro", "emergency_ro", "shutdown"}
LATER = "mounts that could not be asked: "


def _subject(mount: Mount) -> Subject:
    return Subject(kind="mount", id=mount.point, name=mount.source)


def _writable(found: Filesystems) -> list[Space]:
    """Filesystems with a size that can be written: a read-only one does not fill up."""
    return [
        space
        for space in found.spaces
        if space.total_bytes and "ro" not in space.mount.options and "ro" not in space.mount.super_options
    ]


def _unasked(found: Filesystems, *numbers: int) -> None:
    """Raise Unknown for the mounts that gave no figures (of `numbers`: for those reasons only); dead
    ones are `fs.hung`'s to report.
    """
    unread = [(mount, number) for mount, number in found.unread if not numbers or number in numbers]
    if unread:
        said = ", ".join(
            f"{mount.point} ({from_errno(number, mount.point).message})" for mount, number in unread[:3]
        )
        raise Unknown(LATER + said)


@check(
    id="fs.space",
    title="a filesystem is almost full",
    reads="statvfs(3) of every mount in /proc/self/mountinfo",
    window="now",
    thresholds={
        "warning": Threshold(5, "%", "node-mixin NodeFilesystemAlmostOutOfSpace"),
        "critical": Threshold(3, "%", "node-mixin NodeFilesystemAlmostOutOfSpace"),
        "critical_gib": Threshold(5, "GiB", "netdata health.d/disks.conf: critical only below 5 GB"),
    },
    remedy="find what grew (du -xh); remove it, truncate logs that are still open, or grow the filesystem",
    refs=("man:statvfs(3)",),
)
def space(host: Host, rule: Rule[Host]) -> Iterator[Finding]:
    """Blocks an ordinary user may still use, of each filesystem once. tmpfs counts: full, it fails
    writes like a disk, and it eats memory. Left out: read-only mounts, images (squashfs, iso9660),
    interfaces of the kernel, and an overlay whose own filesystem is seen as well.

    warning: less than `warning` percent available.
    critical: less than `critical` percent available, and less than `critical_gib` GiB.
    """
    found = host.spaces.need()
    for item in _writable(found):
        ratio = item.available_bytes / item.total_bytes
        severity: Severity = "warning"
        if ratio * 100 < rule["critical"] and item.available_bytes < rule["critical_gib"] * GIB:
            severity = "critical"
        elif ratio * 100 >= rule["warning"]:
            continue
        mount = item.mount
        yield rule.finding(
            severity,
            f"{mount.point} ({mount.type}): {bytes_text(item.available_bytes)} of "
            f"{bytes_text(item.total_bytes)} available ({ratio:.1%})",
            subject=_subject(mount),
            evidence=[
                Evidence("available", percent(ratio), "%", rule[severity], "statvfs f_bavail/f_blocks"),
                Evidence("available", item.available_bytes, "bytes", None, "statvfs f_bavail"),
                Evidence("filesystem", f"{mount.source} ({mount.type})", "", None, "/proc/self/mountinfo"),
            ],
            next=[
                f"du -xh -d1 {shlex.quote(mount.point)} | sort -h | tail",
                f"sretool procs deleted --mount {shlex.quote(mount.point)}",
            ],
            remedy="remove what fills it; it holds memory (tmpfs) as long as it stays"
            if mount.type == "tmpfs"
            else "",
        )
    _unasked(found)


@check(
    id="fs.inodes",
    title="a filesystem runs out of inodes",
    reads="statvfs(3) of every mount in /proc/self/mountinfo",
    window="now",
    thresholds={
        "warning": Threshold(5, "%", "node-mixin NodeFilesystemAlmostOutOfFiles"),
        "critical": Threshold(3, "%", "node-mixin NodeFilesystemAlmostOutOfFiles"),
    },
    remedy="find the directory with the many small files (sessions, caches, mail spools) and remove them",
    refs=("man:statvfs(3)",),
)
def inodes(host: Host, rule: Rule[Host]) -> Iterator[Finding]:
    """Inodes left. A filesystem without any cannot create a file, whatever space it has. Those that
    make inodes as they need them (btrfs, vfat) report none and are left out.

    warning, critical: less than that many percent left.
    """
    found = host.spaces.need()
    for item in _writable(found):
        if item.inodes == 0:
            continue
        ratio = item.inodes_available / item.inodes
        severity: Severity
        if ratio * 100 < rule["critical"]:
            severity = "critical"
        elif ratio * 100 < rule["warning"]:
            severity = "warning"
        else:
            continue
        point = item.mount.point
        yield rule.finding(
            severity,
            f"{point}: {item.inodes_available} of {item.inodes} inodes left ({ratio:.1%})",
            subject=_subject(item.mount),
            evidence=[
                Evidence("inodes left", percent(ratio), "%", rule[severity], "statvfs f_favail/f_files"),
                Evidence("inodes left", item.inodes_available, "inodes", None, "statvfs f_favail"),
            ],
            next=[f"du -x --inodes -d2 {shlex.quote(point)} | sort -n | tail"],
        )
    _unasked(found)


@check(
    id="fs.read-only",
    title="a filesystem became read-only",
    reads="/proc/self/mountinfo, /etc/fstab, ext4's lines in /dev/kmsg",
    window="now",
    remedy="read the kernel's log for the error, save what you can, then check filesystem and device",
    refs=("man:proc_pid_mountinfo(5)", "man:ext4(5)", "man:fstab(5)"),
)
def read_only(host: Host, rule: Rule[Host]) -> Iterator[Finding]:
    """On an error ext4 (errors=remount-ro), btrfs and others turn the filesystem read-only below a
    mount that still says rw: the two option lists of mountinfo then disagree. ext4 of Linux 6.12 to
    6.14 refuses writes while both lists say rw, and tells only the kernel's log, which an ordinary
    user may not read; later it says emergency_ro. `mount -o remount,ro` changes both lists; then
    /etc/fstab says what was meant.

    critical: the filesystem is ro below an rw mount; or both are ro and fstab wants the mount rw.
    """
    mounts = host.mounts.need()
    wanted = {line.point: line for line in host.fstab.value or []}
    fstab_unread = host.fstab.value is None and not isinstance(host.fstab.error, Missing)
    unsure: list[str] = []
    seen: set[str] = set()
    for mount in visible(mounts):
        aborted_s = host.aborted.get(mount.device)
        if mount.type in PSEUDO or mount.type in IMAGES:
            continue
        if aborted_s is None and not mount.super_options & NO_WRITES:
            continue
        line = wanted.get(mount.point)
        if "rw" in mount.options:
            said = (
                f"{mount.point}: the filesystem is read-only below a mount that is rw (an error made it so)"
            )
        elif line is not None and line.type in (mount.type, "auto") and "ro" not in line.options:
            said = f"{mount.point} is read-only; /etc/fstab wants it rw"
        else:
            unsure += [mount.point] if fstab_unread else []
            continue
        if mount.device in seen:
            continue
        seen.add(mount.device)
        yield rule.finding(
            "critical",
            said,
            subject=_subject(mount),
            evidence=[
                Evidence(
                    "mount", "rw" if "rw" in mount.options else "ro", "", None, "/proc/self/mountinfo options"
                ),
                Evidence("filesystem", "ro", "", "rw", "/proc/self/mountinfo super options")
                if aborted_s is None
                else Evidence(
                    "writes stopped",
                    f"{duration_text(max(0.0, host.log_now_s - aborted_s))} ago",
                    "",
                    None,
                    "/dev/kmsg",
                ),
                Evidence(
                    "fstab",
                    None
                    if host.fstab.value is None
                    else "no entry"
                    if line is None
                    else ",".join(sorted(line.options)),
                    "",
                    None,
                    "/etc/fstab",
                ),
                Evidence("device", f"{mount.source} ({mount.type})", "", None, "/proc/self/mountinfo"),
            ],
            next=["journalctl -k -b -g 'remount|I/O error|EXT4-fs|XFS|BTRFS'"],
        )
    if unsure:
        raise Unknown(f"whether {', '.join(unsure[:3])} should be read-only: {host.fstab.why}")


@check(
    id="fs.hung",
    title="a filesystem does not answer",
    reads="statvfs(3) of every mount, in a child that may hang",
    window="now",
    remedy="reach the server or device again; `umount -f -l MOUNT` frees what does not yet wait on it",
    refs=("man:statvfs(3)", "man:umount(8)"),
)
def hung(host: Host, rule: Rule[Host]) -> Iterator[Finding]:
    """A mount whose server or device is gone: every process that touches it stays in state D, and
    cannot be killed.

    critical: statvfs(3) gave no answer within two seconds.
    """
    found = host.spaces.need()
    if not found.spaces and not found.hung and not found.unread:
        raise NotApplicable("no mount with a capacity is to be seen here")
    for mount in found.hung:
        yield rule.finding(
            "critical",
            f"{mount.point} ({mount.type} from {mount.source}) does not answer",
            subject=_subject(mount),
            evidence=[
                Evidence("statvfs", "no answer", "", f"{STATVFS_TIMEOUT_S:g} s", f"statvfs {mount.point}"),
                Evidence("source", mount.source, "", None, "/proc/self/mountinfo"),
            ],
            next=["sretool procs list --sort state", "journalctl -k -b -g 'not responding'"],
        )
    _unasked(found, errno.ENODATA)


CHECKS = (space, inodes, read_only, hung)
