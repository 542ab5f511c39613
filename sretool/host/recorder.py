"""Making a recording: a Source that keeps a copy of all that passes, and the file it becomes."""

from __future__ import annotations

import errno
import gzip
import io
import json
import tarfile
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, TypeVar

from sretool.errors import SourceError
from sretool.host.recording import FORMAT, Moment, netlink_key
from sretool.host.secrets import mask
from sretool.host.source import Bulk, Clock, Completed, Dump, Frames, Source, Stat, StatVfs

T = TypeVar("T")


class Recorder:
    """A Source that hands everything through from another one and keeps a copy."""

    def __init__(self, inner: Source) -> None:
        self._inner = inner
        self.name = inner.name
        self.live = inner.live
        self.earlier: Source | None = None
        self.moment = Moment(inner.clock())

    def _noting(self, section: str, key: str, verb: Callable[..., T], *args: Any) -> T:
        """`verb(*args)`; a failure is recorded too, and replays as the same errno."""
        try:
            return verb(*args)
        except SourceError as error:
            self.moment.index["errors"][f"{section} {key}"] = error.errno or errno.EIO
            raise

    def clock(self) -> Clock:
        return self._inner.clock()

    def read(self, path: str) -> bytes:
        data = self._noting("files", path, self._inner.read, path)
        return self._keep(path, data)

    def _keep(self, path: str, data: bytes) -> bytes:
        data = mask(data) if path.endswith("/cmdline") else data
        self.moment.files[path] = data
        return data

    def listdir(self, path: str) -> list[str]:
        found = self._noting("dirs", path, self._inner.listdir, path)
        self.moment.index["dirs"][path] = found
        return found

    def walk(self, path: str) -> list[str]:
        found = self._noting("walks", path, self._inner.walk, path)
        self.moment.index["walks"][path] = found
        return found

    def readlink(self, path: str) -> str:
        found = self._noting("links", path, self._inner.readlink, path)
        self.moment.index["links"][path] = found
        return found

    def stat(self, path: str) -> Stat:
        found = self._noting("stats", path, self._inner.stat, path)
        self.moment.index["stats"][path] = found
        return found

    def statvfs(self, paths: Sequence[str], timeout_s: float = 2.0) -> dict[str, StatVfs | int]:
        found = self._inner.statvfs(paths, timeout_s)
        self.moment.index["statvfs"].update(found)
        return found

    def bulk(
        self, parent: str, entries: Sequence[str], files: Sequence[str], *, guarded: bool = False
    ) -> Bulk:
        found = self._inner.bulk(parent, entries, files, guarded=guarded)
        errors = self.moment.index["errors"]
        for entry, items in found.items():
            for file, item in zip(files, items):
                path = f"{parent}/{entry}/{file}"
                if isinstance(item, int):
                    errors[f"files {path}"] = item
                else:
                    self._keep(path, item)
        return found

    def links(self, parent: str, entries: Sequence[str], directory: str) -> dict[str, dict[str, str] | int]:
        found = self._inner.links(parent, entries, directory)
        for entry, targets in found.items():
            self.moment.index["link_dirs"][f"{parent}/{entry}/{directory}"] = targets
        return found

    def netlink(self, request: Dump, netns: str | None = None) -> Frames:
        key = netlink_key(request, netns)
        found = self._noting("netlink", key, self._inner.netlink, request, netns)
        known = self.moment.index["netlink"].get(key)
        blob = known["blob"] if known else f"netlink/{len(self.moment.index['netlink'])}.bin"
        self.moment.blobs[blob] = b"".join(found.frames)
        self.moment.index["netlink"][key] = {
            "blob": blob,
            "sizes": [len(frame) for frame in found.frames],
            "consistent": found.consistent,
        }
        return found

    def run(self, argv: Sequence[str], timeout_s: float = 5.0) -> Completed:
        key = json.dumps(list(argv))
        found = self._noting("runs", key, self._inner.run, argv, timeout_s)
        blob = f"runs/{len(self.moment.index['runs'])}"
        self.moment.blobs[f"{blob}.out"] = found.stdout
        self.moment.blobs[f"{blob}.err"] = found.stderr
        self.moment.index["runs"][key] = {"exit_code": found.exit_code, "blob": blob}
        return found

    def fact(self, name: str, *args: str) -> bytes:
        key = " ".join((name, *args))
        found = self._noting("facts", key, self._inner.fact, name, *args)
        self.moment.index["facts"][key] = json.loads(found)
        return found


def pack(moments: Sequence[Moment], about: dict[str, Any], out: BinaryIO) -> None:
    """Write a recording.

    Raises:
        OSError: writing failed; what stands in `out` is then no recording.
    """
    with (
        gzip.GzipFile(fileobj=out, mode="wb", compresslevel=6, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.GNU_FORMAT) as tar,
    ):

        def add(name: str, data: bytes, when: float) -> None:
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = len(data), int(when), 0o600
            tar.addfile(info, io.BytesIO(data))

        held = sum(1 + len(moment.files) + len(moment.blobs) for moment in moments)
        clocks = [list(moment.clock) for moment in moments]
        manifest = {"format": FORMAT, **about, "members": held, "moments": clocks}
        add("manifest.json", json.dumps(manifest, indent=1).encode(), moments[0].clock.wall)
        for number, moment in enumerate(moments):
            when = moment.clock.wall
            add(f"T{number}/index.json", json.dumps(moment.index).encode(), when)
            for path, data in moment.files.items():
                add(f"T{number}/files{path}", data, when)
            for name, data in moment.blobs.items():
                add(f"T{number}/{name}", data, when)
