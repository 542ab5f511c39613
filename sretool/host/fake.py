"""A host made of a dict, for tests."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator, Mapping, Sequence

from sretool.errors import Unsupported, from_errno
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


class Fake:
    """Files by path (bytes, str, or an errno), links by path, netlink frames by request key, facts by
    name, commands by name or by name and first argument. What is not there is ENOENT. Directories
    follow from the paths. Of the fact `identity` only what differs need be given.

    `Fake(files, earlier=Fake(files_before))` is a host of two moments.
    """

    name = "fake"
    live = False

    def __init__(
        self,
        files: Mapping[str, bytes | str | int] | None = None,
        *,
        links: Mapping[str, str] | None = None,
        netlink: Mapping[str, Sequence[bytes] | int] | None = None,
        facts: Mapping[str, object] | None = None,
        runs: Mapping[str, Completed | int] | None = None,
        statvfs: Mapping[str, StatVfs | int] | None = None,
        stats: Mapping[str, Stat] | None = None,
        clock: Clock | None = None,
        earlier: Source | None = None,
    ) -> None:
        self._files = {
            path: data.encode() if isinstance(data, str) else data for path, data in (files or {}).items()
        }
        self._links = dict(links or {})
        self._netlink = dict(netlink or {})
        self._facts = dict(facts or {})
        who = self._facts.get("identity")
        if who is None or isinstance(who, dict):
            self._facts["identity"] = {
                "uid": 0,
                "capabilities": (1 << 41) - 1,
                "kernel": "6.12.0",
                "machine": "x86_64",
                "hostname": "fake",
                "clock_ticks_per_s": 100,
                "page_bytes": 4096,
                "cpus": 2,
                **(who or {}),
            }
        self._runs = dict(runs or {})
        self._statvfs = dict(statvfs or {})
        self._stats = dict(stats or {})
        self._clock = clock or (
            Clock(1_800_000_001.0, 1001.0, 1001.0) if earlier else Clock(1_800_000_000.0, 1000.0, 1000.0)
        )
        self.earlier: Source | None = earlier

    def clock(self) -> Clock:
        return self._clock

    def read(self, path: str) -> bytes:
        found = self._files.get(path, errno.ENOENT)
        if isinstance(found, int):
            raise from_errno(found, path)
        return found

    def _below(self, path: str) -> set[str]:
        prefix = path.rstrip("/") + "/"
        return {name[len(prefix) :] for name in (*self._files, *self._links) if name.startswith(prefix)}

    def listdir(self, path: str) -> list[str]:
        names = sorted({below.partition("/")[0] for below in self._below(path)})
        if not names:
            raise from_errno(errno.ENOENT, path)
        return names

    def walk(self, path: str) -> list[str]:
        found = {"."}
        for below in self._below(path):
            parts = below.split("/")[:-1]
            found.update("/".join(parts[: depth + 1]) for depth in range(len(parts)))
        if found == {"."} and not self._below(path):
            raise from_errno(errno.ENOENT, path)
        return sorted(found, key=lambda name: [] if name == "." else name.split("/"))

    def readlink(self, path: str) -> str:
        if path not in self._links:
            raise from_errno(errno.ENOENT, path)
        return self._links[path]

    def stat(self, path: str) -> Stat:
        if path not in self._stats:
            raise from_errno(errno.ENOENT, path)
        return self._stats[path]

    def stats(self, paths: Sequence[str], timeout_s: float = 1.0) -> dict[str, Stat | int]:
        return {path: self._stats.get(path, errno.ENOENT) for path in paths}

    def statvfs(self, paths: Sequence[str], timeout_s: float = 2.0) -> dict[str, StatVfs | int]:
        return {path: self._statvfs.get(path, errno.ENOENT) for path in paths}

    def bulk(
        self, parent: str, entries: Sequence[str], files: Sequence[str], *, guarded: bool = False
    ) -> Bulk:
        return {
            entry: tuple(self._files.get(f"{parent}/{entry}/{file}", errno.ENOENT) for file in files)
            for entry in entries
        }

    def links(self, parent: str, entries: Sequence[str], directory: str) -> dict[str, dict[str, str] | int]:
        found: dict[str, dict[str, str] | int] = {}
        for entry in entries:
            prefix = f"{parent}/{entry}/{directory}/"
            targets = {
                name[len(prefix) :]: target for name, target in self._links.items() if name.startswith(prefix)
            }
            found[entry] = targets or errno.ENOENT
        return found

    def netlink(self, request: Dump, netns: str | None = None) -> Frames:
        found = self._netlink.get(request.key, errno.EOPNOTSUPP)
        if isinstance(found, int):
            raise from_errno(found, request.key)
        return Frames(list(found), True)

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
            frames = self._netlink.get(request.key, errno.EOPNOTSUPP)
            found[request.key] = frames if isinstance(frames, int) else frames[0]
        return found

    def run(self, argv: Sequence[str], timeout_s: float = 5.0) -> Completed:
        found = self._runs.get(" ".join(argv[:2]), self._runs.get(argv[0], errno.ENOENT))
        if isinstance(found, int):
            raise from_errno(found, argv[0])
        return found

    def fact(self, name: str, *args: str) -> bytes:
        key = " ".join((name, *args))
        if key not in self._facts:
            raise from_errno(errno.ENOENT, f"fact {key}")
        return json.dumps(self._facts[key]).encode()
