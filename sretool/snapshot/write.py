"""Record this host: ask every domain for all it can read, at two moments, and keep the bytes."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import tempfile
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from sretool import __version__
from sretool.errors import NotRecorded, SourceError, SretoolError, UsageError
from sretool.host import engines
from sretool.host.recorder import COUNTERS, Packer, Recorder
from sretool.host.recording import Moment
from sretool.host.source import Source, pids
from sretool.report.escape import text
from sretool.snapshot import model, read

# Each has sample(source, ask) and EVERYTHING. The order is that of triage: what can block for ever
# (file systems) comes last.
READERS = (
    "sretool.sockets.read",
    "sretool.sockets.listen.read",
    "sretool.sockets.summary.read",
    "sretool.sockets.show.read",
    "sretool.procs.list.read",
    "sretool.procs.why.read",
    "sretool.cgroups.read",
    "sretool.cgroups.show.read",
    "sretool.net.routes.read",
    "sretool.net.rules.read",
    "sretool.net.nexthops.read",
    "sretool.net.addrs.read",
    "sretool.net.links.read",
    "sretool.net.conntrack.read",
    "sretool.net.firewall.read",
    "sretool.net.softnet.read",
    "sretool.net.neigh.read",
    "sretool.net.qdisc.read",
    "sretool.procs.oom.read",
    "sretool.procs.deleted.read",
    "sretool.procs.show.read",
    "sretool.triage.read",
)
COUNTING = {
    "sretool.sockets.read": "COUNTERS",
    "sretool.sockets.summary.read": "COUNTERS",
    "sretool.net.routes.read": "COUNTERS",
    "sretool.procs.list.read": "COUNTERS",
    "sretool.cgroups.read": "EVERYTHING",
    "sretool.net.links.read": "COUNTERS",
    "sretool.net.neigh.read": "COUNTERS",
    "sretool.net.conntrack.read": "COUNTERS",
    "sretool.net.qdisc.read": "COUNTERS",
    "sretool.net.firewall.read": "COUNTERS",
    "sretool.net.softnet.read": "EVERYTHING",
    "sretool.procs.show.read": "EVERYTHING",
    "sretool.triage.read": "TRIAGE",
}
"""Those whose commands compare two moments, and what they ask for at the first one."""
MANY = 2000
"""Processes from which on the first of two moments is of counters only: whole it would cost as much
again as the second, and on a host of 20,000 the two would lie many seconds apart."""


def record(source: Source) -> tuple[Moment, list[SretoolError]]:
    """Everything every domain can read, now, and what failed. A reader that fails as a whole costs
    its own part of the recording.
    """
    recorder = Recorder(source)
    errors = _record(recorder, dict.fromkeys(READERS, "EVERYTHING"))
    return recorder.moment, errors


def _record(recorder: Recorder, asks: dict[str, str]) -> list[SretoolError]:
    errors: list[SretoolError] = []
    for name, ask in asks.items():
        room: Any = importlib.import_module(name)
        try:
            errors += room.sample(recorder, getattr(room, ask)).errors
        except SretoolError as error:
            errors.append(error)
    if any(key.startswith("engine") for key in recorder.kept.index["facts"]) or any(
        key.startswith("facts engine") for key in recorder.kept.index["errors"]
    ):
        # a room met a container and asked until it had its name; what it did not need, another may
        engines.containers(recorder, [])
    for path in ("/proc/sys/kernel/hostname", "/proc/sys/kernel/random/boot_id"):
        with contextlib.suppress(SourceError):
            recorder.read(path)
    with contextlib.suppress(SourceError):
        recorder.fact("identity")
    return errors


class Saved(NamedTuple):
    """One moment that was written: its line of the summary, the host it is of, what failed."""

    moment: model.Moment
    about: dict[str, Any]
    errors: list[SretoolError]


class Recording:
    """A recording while it is written: each moment goes to the file before the next one is read, or
    two of a large host would not fit into the memory that a tool may take in an incident.
    """

    def __init__(self, file: BinaryIO, moments: int) -> None:
        self._file = file
        self._packer = Packer(file)
        self._moments = moments
        self._saved: list[Saved] = []
        self.left_out: list[str] = []

    def sample(self, source: Source) -> Saved:
        """Read a moment and write it.

        Raises:
            OSError: it cannot be written.
        """
        number = len(self._saved)
        more_follow = number + 1 < self._moments
        counters_only = more_follow and len(pids(source)) > MANY
        recorder = Recorder(source, counters_only=counters_only)
        errors = _record(recorder, COUNTING if counters_only else dict.fromkeys(READERS, "EVERYTHING"))
        # of what the recorder left out, `left_out` tells
        errors = [error for error in errors if not isinstance(error, NotRecorded)]
        if counters_only:
            known = ", ".join(COUNTERS)
            self.left_out.append(f"T{number}: all of processes but {known}, threads and delays: over {MANY}")
        self.left_out += [f"T{number}: {what}" for what in recorder.left_out]
        files = self._packer.add(recorder.kept, recorder.drain())
        summary = read.moment(number, recorder.kept, files)
        self._saved.append(Saved(summary, about(recorder.kept), errors))
        return self._saved[-1]

    def close(self) -> tuple[int, list[model.Moment], dict[str, Any]]:
        """Write the end: the size of the whole in bytes, its moments, and what its manifest says.

        Raises:
            OSError: it cannot be written.
        """
        manifest = {**self._saved[-1].about, "left_out": self.left_out}
        self._packer.close(manifest)
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell(), [saved.moment for saved in self._saved], manifest


@contextlib.contextmanager
def new(path: str, moments: int, force: bool) -> Iterator[Recording]:
    """A recording in `path` of so many moments, written as a whole or not at all.

    Raises:
        UsageError: `path` exists and `force` is not set, or names no place for a file.
        SretoolError: it cannot be written.
    """
    if os.path.lexists(path) and not force:
        raise UsageError(path, "exists", "choose another name, or --force to replace it")
    with _replacing(path) as file:
        yield Recording(file, moments)


def about(moment: Moment) -> dict[str, Any]:
    """What the manifest says of the host, from what was recorded of it."""
    identity = moment.index["facts"].get("identity", {})
    boot_id = moment.files.get("/proc/sys/kernel/random/boot_id", b"").decode().strip()
    return {
        "tool_version": __version__,
        "host": text(moment.files.get("/proc/sys/kernel/hostname", b"")).strip(),
        "kernel": identity.get("kernel", ""),
        "boot_id": boot_id or None,
        "uid": identity.get("uid"),
    }


@contextlib.contextmanager
def _replacing(path: str) -> Iterator[BinaryIO]:
    """A new file beside `path` that takes its name when all went well, and is gone otherwise."""
    folder = os.path.dirname(path) or "."
    try:
        handle, part = tempfile.mkstemp(prefix=f".{os.path.basename(path)}.", suffix=".part", dir=folder)
    except OSError as error:
        raise _cannot_write(path, error) from None
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        os.replace(part, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(part)
        if isinstance(error, OSError):
            raise _cannot_write(path, error) from None
        raise


def _cannot_write(path: str, error: OSError) -> SretoolError:
    message = f"cannot be written: {error.strerror or error}"
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG):
        return UsageError(path, message, "name a file in a folder that exists")
    denied = error.errno in (errno.EACCES, errno.EPERM)
    elsewhere = "in a folder of your own" if denied else "on another file system"
    failure = SretoolError(path, message, f"nothing was left behind; name a file {elsewhere}")
    failure.code = "cannot-write"
    return failure
