"""/proc/PID/mountinfo (proc_pid_mountinfo(5)), and how it and fstab write a path."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from sretool.errors import ParseError

_OCTAL = re.compile(rb"\\([0-7]{3})")


def unescape(raw: bytes) -> bytes:
    r"""Undo \ooo, which stands for space, tab, newline and backslash."""
    return _OCTAL.sub(lambda found: bytes([int(found[1], 8) & 0xFF]), raw)


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
                    _text(left[2]),
                    _text(unescape(left[3])),
                    _text(unescape(left[4])),
                    options(left[5]),
                    _text(right[0]),
                    _text(unescape(right[1])),
                    options(right[2] if len(right) > 2 else b""),
                )
            )
        except (ValueError, IndexError):
            raise ParseError("/proc/self/mountinfo", f"not a mount: {_text(line[:80])}") from None
    if not mounts:
        raise ParseError("/proc/self/mountinfo", "not one mount")
    return mounts


def options(raw: bytes) -> frozenset[str]:
    """A comma-separated list of options."""
    return frozenset(_text(raw).split(","))


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


def hides_processes(raw: bytes) -> bool:
    """Whether /proc shows an ordinary user only their own processes (proc(5), hidepid)."""
    for line in raw.splitlines():
        head, _, tail = line.partition(b" - ")
        if head.split()[4:5] == [b"/proc"] and b"hidepid=" in tail:
            return b"hidepid=0" not in tail and b"hidepid=off" not in tail
    return False


def _prefixes(point: str) -> Iterable[str]:
    yield "/"
    parts = point.strip("/").split("/")
    for depth in range(1, len(parts) + 1):
        yield "/" + "/".join(parts[:depth])


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")
