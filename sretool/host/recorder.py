"""Making a recording: a Source that keeps a copy of all that passes, and the file it becomes."""

from __future__ import annotations

import errno
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from sys import intern
from typing import Any, BinaryIO, TypeVar

import msgspec

from sretool.errors import SourceError, Unsupported, from_errno
from sretool.host import tcp_keys
from sretool.host.archive import Writer
from sretool.host.recording import FORMAT, Moment, netlink_key
from sretool.host.secrets import mask, mask_lines
from sretool.host.source import (
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

T = TypeVar("T")


COUNTERS = ("stat", "status", "io", "schedstat", "wchan")
"""Files of a process that rates and changes of state are made of."""
GUARDED_S = 3.0
_GUARDED_CHUNK = 512
_EACH_ITS_OWN = ("stat", "status", "io", "schedstat", "smaps_rollup")  # seldom alike


class Recorder:
    """A Source that hands everything through from another one and keeps a copy. What it has, it does
    not read again: of one moment there is one reading, whoever asks.

    Args:
        inner: where it reads.
        counters_only: of processes only COUNTERS, their threads and delays; the rest is not recorded.
    """

    def __init__(self, inner: Source, *, counters_only: bool = False) -> None:
        self._inner = inner
        self.name = inner.name
        self.live = inner.live
        self.earlier: Source | None = None
        self.kept = Moment(inner.clock())
        self.left_out: list[str] = []
        self._counters_only = counters_only
        self._alike: dict[Any, Any] = {}
        # what `bulk` read, by parent and file, then by entry: paths of 400,000 files are long
        self._columns: dict[tuple[str, str], dict[str, bytes | int]] = {}

    @property
    def moment(self) -> Moment:
        """All that was recorded."""
        self.kept.files.update(self.drain())
        return self.kept

    def drain(self) -> Iterator[tuple[str, bytes]]:
        """The files that `kept` lacks, by path, each once; they are forgotten here. `kept` is complete
        but for them when all were taken.
        """
        files, errors = self.kept.files, self.kept.index["errors"]
        elsewhere = set()
        while self._columns:
            (parent, file), column = self._columns.popitem()
            for entry, item in column.items():
                path = f"{parent}/{entry}/{file}"
                if isinstance(item, int):
                    errors[f"files {path}"] = item
                elif path not in files and path not in elsewhere:
                    if parent != "/proc":  # control groups are read from more than one parent
                        elsewhere.add(path)
                    yield path, item

    def _one(self, value: T) -> T:
        """The first value that was equal: of 20,000 processes most have the same limits."""
        found: T = self._alike.setdefault(value, value)
        return found

    def _once(self, section: str, path: str, verb: Callable[[str], T]) -> T:
        """What was recorded of `path`, else `verb(path)`; a failure is recorded too, and replays as
        the same errno.
        """
        kept: dict[str, Any] = self.kept.files if section == "files" else self.kept.index[section]
        if path in kept:
            known: T = kept[path]
            return known
        errors, key = self.kept.index["errors"], f"{section} {path}"
        if key in errors:
            raise from_errno(errors[key], path)
        if self._counters_only and _of_a_process(path):
            raise from_errno(errno.ENODATA, path)
        found = self._noting(section, path, verb, path)
        kept[path] = found
        return found

    def _noting(self, section: str, key: str, verb: Callable[..., T], *args: Any) -> T:
        try:
            return verb(*args)
        except SourceError as error:
            self.kept.index["errors"][f"{section} {key}"] = error.errno or errno.EIO
            raise

    def clock(self) -> Clock:
        return self._inner.clock()

    def read(self, path: str) -> bytes:
        return self._once("files", path, lambda path: _masked(path, self._inner.read(path)))

    def listdir(self, path: str) -> list[str]:
        # a process that began after /proc was listed was read by no one
        return list(self._once("dirs", path, self._inner.listdir))

    def walk(self, path: str) -> list[str]:
        return list(self._once("walks", path, self._inner.walk))

    def readlink(self, path: str) -> str:
        return self._once("links", path, lambda path: self._one(self._inner.readlink(path)))

    def stat(self, path: str) -> Stat:
        return self._once("stats", path, lambda path: self._one(self._inner.stat(path)))

    def stats(self, paths: Sequence[str], timeout_s: float = 1.0) -> dict[str, Stat | int]:
        found = self._inner.stats(paths, timeout_s)
        for path, item in found.items():
            if isinstance(item, int):
                self.kept.index["errors"][f"stats {path}"] = item
            else:
                self.kept.index["stats"][path] = item
        return found

    def statvfs(self, paths: Sequence[str], timeout_s: float = 2.0) -> dict[str, StatVfs | int]:
        found = self._inner.statvfs(paths, timeout_s)
        self.kept.index["statvfs"].update(found)
        return found

    def bulk(
        self, parent: str, entries: Sequence[str], files: Sequence[str], *, guarded: bool = False
    ) -> Bulk:
        columns = [self._columns.setdefault((parent, file), {}) for file in files]
        unread: dict[tuple[str, ...], list[str]] = {}
        if not self._counters_only or parent != "/proc" or any(file in COUNTERS for file in files):
            for entry in entries:
                lacking = tuple([file for file, column in zip(files, columns) if entry not in column])
                if lacking:
                    unread.setdefault(lacking, []).append(entry)
        for lacking, some in unread.items():
            if self._counters_only and parent == "/proc":
                lacking = tuple(file for file in lacking if file in COUNTERS)
            if lacking:
                self._read_many(parent, some, lacking, guarded)
        items = [[column.get(entry, errno.ENODATA) for entry in entries] for column in columns]
        return dict(zip(entries, zip(*items))) if columns else dict.fromkeys(entries, ())

    def _read_many(self, parent: str, entries: list[str], files: tuple[str, ...], guarded: bool) -> None:
        """A guarded read may wait for each process, so all of them together have GUARDED_S."""
        step = _GUARDED_CHUNK if guarded else len(entries)
        end = time.monotonic() + GUARDED_S
        for start in range(0, len(entries), step):
            if guarded and time.monotonic() > end:
                left = len(entries) - start
                self.left_out.append(f"{', '.join(files)} of {left} of {len(entries)} processes, for time")
                return
            found = self._inner.bulk(parent, entries[start : start + step], files, guarded=guarded)
            for at, file in enumerate(files):
                column = self._columns[parent, file]
                for entry, items in found.items():
                    column[entry] = self._kept(file, items[at])

    def _kept(self, file: str, item: bytes | int) -> bytes | int:
        if isinstance(item, int):
            return item
        data = _masked(f"/{file}", item)
        return data if file in _EACH_ITS_OWN else self._one(data)

    def links(self, parent: str, entries: Sequence[str], directory: str) -> dict[str, dict[str, str] | int]:
        kept = self.kept.index["link_dirs"]
        if self._counters_only and parent == "/proc":
            entries_read: list[str] = []
        else:
            entries_read = [entry for entry in entries if f"{parent}/{entry}/{directory}" not in kept]
        for entry, targets in self._inner.links(parent, entries_read, directory).items():
            if isinstance(targets, dict):
                targets = {intern(name): intern(target) for name, target in targets.items()}
                targets = self._alike.setdefault(tuple(targets.items()), targets)
            kept[f"{parent}/{entry}/{directory}"] = targets
        return {entry: kept.get(f"{parent}/{entry}/{directory}", errno.ENODATA) for entry in entries}

    def netlink(self, request: Dump, netns: str | None = None) -> Frames:
        key = netlink_key(request, netns)
        found = self._noting("netlink", key, self._inner.netlink, request, netns)
        if request.key.startswith("inet-diag/"):
            found = tcp_keys.blanked(found)
        self._keep_frames(key, found)
        return found

    def _keep_frames(self, key: str, found: Frames) -> None:
        known = self.kept.index["netlink"].get(key)
        blob = known["blob"] if known else f"netlink/{len(self.kept.index['netlink'])}.bin"
        self.kept.blobs[blob] = b"".join(found.frames)
        self.kept.index["netlink"][key] = {
            "blob": blob,
            "sizes": [len(frame) for frame in found.frames],
            "consistent": found.consistent,
        }

    def stream(self, request: Dump) -> Iterator[bytes]:
        found = self.netlink(request)
        yield from found.frames
        if not found.consistent:
            raise changed(request.key)

    def subscribe(self, protocol: int, groups: Sequence[int]) -> Subscription:
        raise Unsupported("netlink groups", "what is recorded does not change")

    def answers(self, requests: Sequence[Dump]) -> dict[str, bytes | int]:
        index, errors = self.kept.index["netlink"], self.kept.index["errors"]
        unread = [one for one in requests if one.key not in index and f"netlink {one.key}" not in errors]
        for key, answer in self._inner.answers(unread).items():
            if isinstance(answer, int):
                errors[f"netlink {key}"] = answer
            else:
                self._keep_frames(key, Frames([answer], True))
        found: dict[str, bytes | int] = {}
        for one in requests:
            known = index.get(one.key)
            found[one.key] = (
                errors.get(f"netlink {one.key}", errno.ENODATA)
                if known is None
                else self.kept.blobs[known["blob"]]
            )
        return found

    def run(self, argv: Sequence[str], timeout_s: float = 5.0) -> Completed:
        key = json.dumps(list(argv))
        found = self._noting("runs", key, self._inner.run, argv, timeout_s)
        blob = f"runs/{len(self.kept.index['runs'])}"
        self.kept.blobs[f"{blob}.out"] = found.stdout
        self.kept.blobs[f"{blob}.err"] = found.stderr
        self.kept.index["runs"][key] = {"exit_code": found.exit_code, "blob": blob}
        return found

    def fact(self, name: str, *args: str) -> bytes:
        key = " ".join((name, *args))
        found = self._noting("facts", key, self._inner.fact, name, *args)
        self.kept.index["facts"][key] = json.loads(found)
        return found


def _of_a_process(path: str) -> bool:
    """Whether it is in /proc/PID, and neither a counter nor a thread."""
    pid, _, inside = path.removeprefix("/proc/").partition("/")
    if not path.startswith("/proc/") or not pid.isdigit():
        return False
    return inside not in COUNTERS and inside.partition("/")[0] != "task"


def _masked(path: str, data: bytes) -> bytes:
    if path.endswith(("/cmdline", "/environ")):
        return mask(data)
    if path.startswith(("/etc/cron", "/var/spool/cron")):
        return mask_lines(data)
    return data


class Packer:
    """Writes a recording, one moment after another; none of them is kept."""

    def __init__(self, out: BinaryIO) -> None:
        self._archive = Writer(out)
        self._clocks: list[Clock] = []
        self._members = 0

    def add(self, moment: Moment, more: Iterable[tuple[str, bytes]] = ()) -> int:
        """The next moment, and `more` of its files; how many it has then.

        Raises:
            OSError: writing failed; what stands in the file is then no recording.
        """
        number, when, count = len(self._clocks), moment.clock.wall, 0
        self._clocks.append(moment.clock)
        for path, data in chain(moment.files.items(), more):
            self._archive.add(f"T{number}/files{path}", data, when)
            count += 1
        self._archive.add(f"T{number}/index.json", _json(moment.index), when)
        for name, data in moment.blobs.items():
            self._archive.add(f"T{number}/{name}", data, when)
        self._members += 1 + count + len(moment.blobs)
        return count

    def close(self, about: dict[str, Any]) -> None:
        """Write the manifest, which makes it whole.

        Raises:
            OSError: as `add`.
        """
        clocks = [list(clock) for clock in self._clocks]
        manifest = {"format": FORMAT, **about, "members": self._members, "moments": clocks}
        self._archive.add("manifest.json", json.dumps(manifest, indent=1).encode(), self._clocks[0].wall)
        self._archive.close()


def _json(index: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(index)
    except UnicodeEncodeError:  # a name that is no UTF-8, as surrogates (PEP 383): it escapes them
        return json.dumps(index).encode()


def pack(moments: Sequence[Moment], about: dict[str, Any], out: BinaryIO) -> None:
    """Write a recording of these moments.

    Raises:
        OSError: as `Packer.add`.
    """
    packer = Packer(out)
    for moment in moments:
        packer.add(moment)
    packer.close(about)
