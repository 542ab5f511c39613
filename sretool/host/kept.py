"""This host, looked at in round after round of a watch. Standard library only, like `live`.

To open /proc/PID/stat and close it again costs twice what the kernel takes to write its line. So it
stays open, and is read from its start, where the kernel writes the line anew (fs/seq_file.c
seq_read_iter). A file that is open holds no process back, and never speaks of another one: once its
own is gone the read fails with ESRCH, also when the pid is in use again (fs/proc/base.c
proc_single_show). Each takes 4 KiB of the kernel's memory for the line.
"""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterable, Sequence

from sretool.host.live import Live
from sretool.host.source import Bulk

KEPT_FILE = "stat"
MOST = 2048
_LINE_BYTES = 4096  # 52 numbers and a name: at most 1.2 KB


class Watched(Live):
    """The host of a watch: what is read of every process in every round is opened once."""

    def __init__(self) -> None:
        self._open: dict[str, int] = {}
        # the lowest free number is given, so a higher one says that few are left, ours or inherited
        self._below = min(MOST, resource.getrlimit(resource.RLIMIT_NOFILE)[0] * 3 // 4)

    def __del__(self) -> None:
        self._close(list(self._open))

    def listdir(self, path: str) -> list[str]:
        names = super().listdir(path)
        if path == "/proc":
            self._close(self._open.keys() - names)
        return names

    def bulk(
        self, parent: str, entries: Sequence[str], files: Sequence[str], *, guarded: bool = False
    ) -> Bulk:
        if parent != "/proc" or guarded or list(files[:1]) != [KEPT_FILE]:
            return super().bulk(parent, entries, files, guarded=guarded)
        found: Bulk = {}
        opened, pread = self._open, os.pread
        for entry in entries:
            try:
                found[entry] = (pread(opened[entry], _LINE_BYTES, 0),)
            except (KeyError, OSError):
                found[entry] = (self._anew(entry),)
        if len(files) == 1:
            return found
        more = super().bulk(parent, entries, files[1:])
        return {entry: found[entry] + more[entry] for entry in entries}

    def _anew(self, entry: str) -> bytes | int:
        """Open and read it; not kept where descriptors are few."""
        self._close([entry])
        try:
            fd = os.open(f"/proc/{entry}/{KEPT_FILE}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            return error.errno or errno.EIO
        try:
            raw = os.pread(fd, _LINE_BYTES, 0)
        except OSError as error:
            os.close(fd)
            return error.errno or errno.EIO
        if fd < self._below:
            self._open[entry] = fd
        else:
            os.close(fd)
        return raw

    def _close(self, entries: Iterable[str]) -> None:
        for entry in entries:
            if (fd := self._open.pop(entry, None)) is not None:
                os.close(fd)
