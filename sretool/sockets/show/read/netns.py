"""A process in another network namespace than ours, as most in containers are: its sockets, interfaces
and routes are read there.
"""

from __future__ import annotations

from typing import Any, cast

from sretool.errors import SretoolError
from sretool.host.source import Dump, Frames, Source
from sretool.sockets.show.target import Wanted


def place(source: Source, wanted: Wanted) -> str | None:
    """The namespace of the process that may be meant; None when it is ours, or of no process, and for a
    recording, which holds one namespace.
    """
    if not source.live or wanted.kind not in ("number", "pid"):
        return None
    path = f"/proc/{wanted.number}/ns/net"
    try:
        return None if source.readlink(path) == source.readlink("/proc/self/ns/net") else path
    except SretoolError:  # no such process, or not ours to look into: its sockets will say which
        return None


def within(source: Source, path: str | None) -> Source:
    """The host with the netlink tables of that namespace."""
    return source if path is None else cast("Source", _Within(source, path))


class _Within:
    def __init__(self, source: Source, path: str) -> None:
        self._source, self._path = source, path

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def netlink(self, request: Dump, netns: str | None = None) -> Frames:
        return self._source.netlink(request, self._path)
