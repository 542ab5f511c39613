"""Record this host: ask every domain for all it can read, at two moments, and keep the bytes."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import tempfile
from collections.abc import Iterator
from typing import Any, BinaryIO

from sretool import __version__
from sretool.errors import SourceError, SretoolError, UsageError
from sretool.host.recorder import Recorder, pack
from sretool.host.recording import Moment
from sretool.host.source import Source
from sretool.report.escape import text

# Each has sample(source, ask) and EVERYTHING. The order is that of triage: what can block for ever
# (file systems) comes last.
READERS = (
    "sretool.sockets.read",
    "sretool.procs.read",
    "sretool.cgroups.read",
    "sretool.net.routes.read",
    "sretool.net.addrs.read",
    "sretool.triage.read",
)


def record(source: Source) -> tuple[Moment, list[SretoolError]]:
    """Everything every domain can read, now, and what failed. A reader that fails as a whole costs
    its own part of the recording.
    """
    recorder = Recorder(source)
    errors: list[SretoolError] = []
    for name in READERS:
        room: Any = importlib.import_module(name)
        try:
            errors += room.sample(recorder, room.EVERYTHING).errors
        except SretoolError as error:
            errors.append(error)
    for path in ("/proc/sys/kernel/hostname", "/proc/sys/kernel/random/boot_id"):
        with contextlib.suppress(SourceError):
            recorder.read(path)
    with contextlib.suppress(SourceError):
        recorder.fact("identity")
    return recorder.moment, errors


def save(moments: list[Moment], path: str, force: bool) -> int:
    """Write the recording as a whole or not at all; its size in bytes.

    Raises:
        UsageError: `path` exists and `force` is not set, or names no place for a file.
        SretoolError: it cannot be written.
    """
    if os.path.lexists(path) and not force:
        raise UsageError(path, "exists", "choose another name, or --force to replace it")
    with _replacing(path) as file:
        pack(moments, about(moments[-1]), file)
        file.flush()
        os.fsync(file.fileno())
        return file.tell()


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
