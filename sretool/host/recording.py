"""A recording of a host: what the kernel said, as it said it, at two or more moments.

A recording is a `.tar.gz` of plain files:

    manifest.json              format, tool version, boot id, who recorded, the moments' clocks, what was
                               left out because the host is so large
    T0/files/proc/loadavg      files as read
    T0/netlink/3.bin           receive buffers, one after another; their sizes are in the index
    T0/runs/0.out, 0.err       what stock commands printed
    T0/index.json              listings, links, stats, facts, and the errno of all that failed
    T1/…

It holds raw bytes and never our own models, so next year's parser reads this year's incident. What
nobody asked for replays as `not-recorded`, never as absent. A recording is untrusted: sizes and
names are bounded here, and nothing in it is executed.
"""

from __future__ import annotations

import errno
import gzip
import io
import json
import os
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from sretool.errors import SourceError, Unsupported, UsageError, from_errno
from sretool.host import archive
from sretool.host.shape import SECTIONS, sound
from sretool.host.source import (
    READ_LIMIT_BYTES,
    Bulk,
    Clock,
    Completed,
    Dump,
    Frames,
    Source,
    Stat,
    StatVfs,
    Subscription,
    changed,
)

FORMAT = "sretool.recording/1"
MEMBERS_LIMIT = 2_000_000
TOTAL_LIMIT_BYTES = 2 * 1024 * 1024 * 1024
_BUFFER_BYTES = 1 << 18
LATEST_S = 253_402_300_799.0  # the end of the year 9999: the last second that has a date


class Moment:
    """All that was recorded at one instant. Keys are what was asked, values what came."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.files: dict[str, bytes] = {}
        self.index: dict[str, Any] = {section: {} for section in SECTIONS}
        self.blobs: dict[str, bytes] = {}


def netlink_key(request: Dump, netns: str | None) -> str:
    """What a dump is kept under."""
    return request.key if netns is None else f"{request.key} in {netns}"


class Recording:
    """One moment of a recording, as a Source."""

    live = False

    def __init__(self, name: str, moment: Moment, earlier: Source | None) -> None:
        self.name = name
        self.earlier: Source | None = earlier
        self._moment = moment

    def clock(self) -> Clock:
        return self._moment.clock

    def _index(self, section: str, key: str, what: str | None = None) -> Any:
        found = self._moment.index[section].get(key)
        if found is None:
            raise self._failure(section, key, what)
        return found

    def _failure(self, section: str, key: str, what: str | None = None) -> SourceError:
        return from_errno(self._errno(section, key), what or key)

    def _errno(self, section: str, key: str) -> int:
        """Why there is nothing under `key`. A process that was not there when all were listed is gone,
        whoever still names it: the file of a cgroup, the kernel's log.
        """
        number: int | None = self._moment.index["errors"].get(f"{section} {key}")
        if number is not None:
            return number
        pid = key[len("/proc/") :].partition("/")[0] if key.startswith("/proc/") else ""
        gone = pid.isdigit() and self._pids and pid not in self._pids
        return errno.ESRCH if gone else errno.ENODATA

    @cached_property
    def _pids(self) -> frozenset[str]:
        return frozenset(self._moment.index["dirs"].get("/proc", ()))

    def read(self, path: str) -> bytes:
        found = self._moment.files.get(path)
        if found is None:
            raise self._failure("files", path)
        return found

    def listdir(self, path: str) -> list[str]:
        return list(self._index("dirs", path))

    def walk(self, path: str) -> list[str]:
        return list(self._index("walks", path))

    def readlink(self, path: str) -> str:
        return str(self._index("links", path))

    def stat(self, path: str) -> Stat:
        return Stat(*self._index("stats", path))

    def stats(self, paths: Sequence[str], timeout_s: float = 1.0) -> dict[str, Stat | int]:
        known = self._moment.index["stats"]
        return {path: Stat(*known[path]) if path in known else self._errno("stats", path) for path in paths}

    def statvfs(self, paths: Sequence[str], timeout_s: float = 2.0) -> dict[str, StatVfs | int]:
        known = self._moment.index["statvfs"]
        found: dict[str, StatVfs | int] = {}
        for path in paths:
            item = known.get(path, errno.ENODATA)
            found[path] = item if isinstance(item, int) else StatVfs(*item)
        return found

    def bulk(
        self, parent: str, entries: Sequence[str], files: Sequence[str], *, guarded: bool = False
    ) -> Bulk:
        known = self._moment.files
        found: Bulk = {}
        for entry in entries:
            items: list[bytes | int] = []
            for file in files:
                path = f"{parent}/{entry}/{file}"
                data = known.get(path)
                items.append(self._errno("files", path) if data is None else data)
            found[entry] = tuple(items)
        return found

    def links(self, parent: str, entries: Sequence[str], directory: str) -> dict[str, dict[str, str] | int]:
        known = self._moment.index["link_dirs"]
        return {entry: known.get(f"{parent}/{entry}/{directory}", errno.ENODATA) for entry in entries}

    def netlink(self, request: Dump, netns: str | None = None) -> Frames:
        key = netlink_key(request, netns)
        entry = self._index("netlink", key)
        blob = self._blob(entry["blob"], key)
        frames, at = [], 0
        for size in entry["sizes"]:
            frames.append(blob[at : at + size])
            at += size
        return Frames(frames, entry["consistent"])

    def stream(self, request: Dump) -> Iterator[bytes]:
        found = self.netlink(request)
        yield from found.frames
        if not found.consistent:
            raise changed(request.key)

    def subscribe(self, protocol: int, groups: Sequence[int]) -> Subscription:
        raise Unsupported("netlink groups", "what is recorded does not change")

    def answers(self, requests: Sequence[Dump]) -> dict[str, bytes | int]:
        found: dict[str, bytes | int] = {}
        for request in requests:
            try:
                found[request.key] = b"".join(self.netlink(request).frames)
            except SourceError as error:
                found[request.key] = error.errno or errno.EIO
        return found

    def run(self, argv: Sequence[str], timeout_s: float = 5.0) -> Completed:
        key = json.dumps(list(argv))
        entry = self._index("runs", key, argv[0])  # as live names it: the arguments fill a screen
        stdout, stderr = (self._blob(f"{entry['blob']}.{end}", argv[0]) for end in ("out", "err"))
        return Completed(entry["exit_code"], stdout, stderr)

    def _blob(self, name: str, what: str) -> bytes:
        found = self._moment.blobs.get(name)
        if found is None:
            raise from_errno(errno.EIO, what)
        return found

    def fact(self, name: str, *args: str) -> bytes:
        key = " ".join((name, *args))
        if key not in self._moment.index["facts"]:
            raise self._failure("facts", key)
        return json.dumps(self._moment.index["facts"][key]).encode()


def open_recording(path: str) -> Recording:
    """The last moment of the recording in `path`; the ones before it hang on `earlier`.

    Raises:
        UsageError: it cannot be read, is no recording, or breaks its bounds.
    """
    moments = load(path)[1]
    source: Recording | None = None
    for moment in moments:
        source = Recording(f"recording:{path}", moment, source)
    if source is None:
        raise _foreign(path, "it holds no moment")
    return source


def load(path: str) -> tuple[dict[str, Any], list[Moment]]:
    """Manifest and moments of a recording, every bound checked.

    Raises:
        UsageError: as `open_recording`.
    """
    try:
        members = _members(path)
    except gzip.BadGzipFile:
        raise _foreign(path, "it is damaged, or no gzip file") from None
    except OSError as error:
        why = error.strerror or str(error)
        raise UsageError(path or "--from", why, "name a file that snapshot save wrote") from None
    except (EOFError, zlib.error):
        raise _foreign(path, "it is cut short or damaged") from None
    except tarfile.TarError as error:
        raise _foreign(path, f"it is cut short, damaged or no tar archive: {error}") from None
    try:
        return _laid_out(path, members)
    except (KeyError, ValueError, TypeError, IndexError, OverflowError, RecursionError) as error:
        raise _foreign(path, f"it is not laid out as one ({type(error).__name__})") from None


def _laid_out(path: str, members: dict[str, bytes]) -> tuple[dict[str, Any], list[Moment]]:
    manifest = _json(members.pop("manifest.json"))
    if manifest["format"] != FORMAT:
        theirs = str(manifest["format"])[:80]
        raise UsageError(
            path, f"format {theirs!r}, this version reads {FORMAT}", "use the sretool that wrote it"
        )
    if manifest["members"] != len(members):
        raise _foreign(path, f"{manifest['members']} files were recorded, {len(members)} are left")
    moments = []
    for number, clock in enumerate(manifest["moments"]):
        moment = Moment(Clock(*map(float, clock)))
        if not all(0 <= seconds <= LATEST_S for seconds in moment.clock):
            raise _foreign(path, "its clock shows a time that cannot be")
        index = _json(members.pop(f"T{number}/index.json"))
        moment.index = {section: index.get(section, {}) for section in SECTIONS}
        if not sound(moment.index):
            raise _foreign(path, "its index holds values of the wrong kind")
        moments.append(moment)
    for name, data in members.items():
        top, _, rest = name.partition("/")
        moment = moments[int(top[1:])]
        if rest.startswith("files/"):
            moment.files[rest[len("files") :]] = data
        else:
            moment.blobs[rest] = data
    return manifest, moments


def _json(raw: bytes) -> dict[str, Any]:
    """The object in `raw`.

    Raises:
        ValueError: it is none, or holds text that no byte string on any host can have given.
    """
    found = json.loads(raw)
    if not isinstance(found, dict):
        raise ValueError("no object")
    if b"\\ud" in raw.lower():
        # a byte that is no UTF-8 stands as a surrogate of its own (PEP 383); any other is an error
        json.dumps(found, ensure_ascii=False).encode("utf-8", "surrogateescape")
    return found


def _members(path: str) -> dict[str, bytes]:
    total = count = 0

    def admit(info: tarfile.TarInfo) -> None:
        nonlocal total, count
        if info.isdir():
            return
        if not info.isreg():
            raise _foreign(path, f"it holds {info.name[:80]!r}, which is no plain file")
        if info.name.startswith("/") or ".." in info.name.split("/"):
            raise _foreign(path, f"its member {info.name[:80]!r} climbs out of the archive")
        total += info.size
        if info.size > READ_LIMIT_BYTES or total > TOTAL_LIMIT_BYTES or count >= MEMBERS_LIMIT:
            raise _foreign(
                path,
                f"it is larger than the limits ({READ_LIMIT_BYTES >> 20} MiB a file, "
                f"{TOTAL_LIMIT_BYTES >> 30} GiB, {MEMBERS_LIMIT} files)",
            )
        count += 1

    # a FIFO that nobody writes to would block open(2) for ever; one with a writer is as good as a file
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    os.set_blocking(handle, True)
    # tarfile's own "r|gz" checks no CRC, and before Python 3.12 falls over some damaged headers
    with open(handle, "rb") as file, gzip.GzipFile(fileobj=file, mode="rb") as plain:
        return archive.unpack(io.BufferedReader(plain, _BUFFER_BYTES), admit)


def _foreign(path: str, why: str) -> UsageError:
    return UsageError(
        path, f"not a recording that can be read: {why}", "make one with: sretool snapshot save FILE"
    )
