"""On which filesystem a file is that has no name any more."""

from __future__ import annotations

from collections.abc import Mapping

from sretool.errors import ParseError
from sretool.host.mountinfo import Mount, parse_mountinfo, visible
from sretool.host.source import Stat


def mounts_of(raw: bytes | int) -> list[Mount]:
    """The mounts of a mountinfo file. Empty where it could not be read or understood: where a file is, is
    then not known.
    """
    if isinstance(raw, int):
        return []
    try:
        return parse_mountinfo(raw)
    except ParseError:
        return []


def mount_id(raw: bytes | int | None) -> int | None:
    """What a descriptor was opened through: mnt_id of /proc/PID/fdinfo/FD."""
    if not isinstance(raw, bytes):
        return None
    digits = raw.partition(b"mnt_id:")[2].split(None, 1)[:1]
    return int(digits[0]) if digits and digits[0].isdigit() and len(digits[0]) < 12 else None


def device_of(found: Stat | int) -> str:
    """MAJOR:MINOR as mountinfo has it; empty when it is not known."""
    if isinstance(found, int):
        return ""
    # include/linux/kdev_t.h new_decode_dev, as makedev(3) packs it
    major = (found.device >> 8) & 0xFFF | (found.device >> 32) & ~0xFFF
    return f"{major}:{found.device & 0xFF | (found.device >> 12) & ~0xFF}"


class Places:
    """Which filesystem has a file's space: by our own mountinfo, and that of processes that live among
    other mounts, by pid.
    """

    def __init__(self, ours: bytes, theirs: Mapping[str, bytes | int]) -> None:
        every = mounts_of(ours)
        mounts = visible(every)
        self._by_id = {mount.id: mount for mount in every}
        self._points = sorted(mounts, key=lambda mount: -len(mount.point))
        self._by_device: dict[str, Mount] = {}
        for mount in sorted(mounts, key=lambda mount: (mount.root != "/", len(mount.point), mount.point)):
            self._by_device.setdefault(mount.device, mount)
        self._theirs = {pid: {mount.id: mount for mount in mounts_of(raw)} for pid, raw in theirs.items()}

    def of(self, pid: str, fdinfo: bytes | int | None, found: Stat) -> tuple[Mount | None, bool]:
        """The mount, and whether it is one of ours. The id that the descriptor has is sure; a device
        is not: btrfs gives every subvolume its own, overlayfs sometimes that of a layer.
        """
        theirs = self._theirs.get(pid, {})
        id_, device = mount_id(fdinfo), device_of(found)
        mount = self._by_id.get(id_) or theirs.get(id_) if id_ is not None else None
        if mount is None:
            same = (their for their in theirs.values() if their.device == device)
            mount = self._by_device.get(device) or next(same, None)
        if mount is None:
            return None, False
        if (layer := self._layer(mount)) is not None:
            mount = layer
        ours = self._by_device.get(mount.device)
        return (mount, False) if ours is None else (ours, True)

    def _layer(self, mount: Mount) -> Mount | None:
        """An overlay's files are on the filesystem of its upper directory."""
        upper = next((text[9:] for text in mount.super_options if text.startswith("upperdir=/")), None)
        if mount.type != "overlay" or upper is None:
            return None
        below = (m for m in self._points if upper == m.point or upper.startswith(m.point.rstrip("/") + "/"))
        return next((m for m in below if m.type != "overlay"), None)
