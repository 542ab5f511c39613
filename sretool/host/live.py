"""This host, now. Standard library only: this part is meant to travel over ssh."""

from __future__ import annotations

import errno
import json
import os
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence

from sretool.errors import Missing, Stalled, Unsupported, from_errno
from sretool.host.guarded import in_child
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
)

GUARD_TIMEOUT_S = 1.0
GUARD_BATCH = 64
COMMAND_ENV = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C",
    "SYSTEMD_COLORS": "0",
    "SYSTEMD_PAGER": "",
}
COMMAND_OUTPUT_LIMIT_BYTES = 16 * 1024 * 1024
HUNG_LIMIT = 3
_CHUNK = 1 << 16
_STAT = struct.Struct("=6QdQ")  # Stat


class Live:
    """The host this process runs on."""

    name = "live"
    live = True
    earlier: Source | None = None

    def clock(self) -> Clock:
        return Clock(
            time.time(), time.clock_gettime(time.CLOCK_MONOTONIC), time.clock_gettime(time.CLOCK_BOOTTIME)
        )

    def read(self, path: str) -> bytes:
        try:
            return _read(path)
        except OSError as error:
            raise from_errno(error.errno or errno.EIO, path) from None

    def listdir(self, path: str) -> list[str]:
        try:
            return sorted(os.listdir(path))
        except OSError as error:
            raise from_errno(error.errno or errno.EIO, path) from None

    def walk(self, path: str) -> list[str]:
        if not os.path.isdir(path):
            raise Missing(path, "no such directory", errno=errno.ENOENT)
        found = []
        pending = [""]
        counted = False
        while pending:
            parent = pending.pop()
            found.append(parent or ".")
            place = f"{path}/{parent}"
            try:
                links = os.stat(place).st_nlink
                # 2: none below; to list a control group's forty files only to find no directory costs
                # six times as much
                if counted and links == 2:
                    continue
                with os.scandir(place) as entries:
                    names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
            except OSError:  # removed, or not ours to enter
                continue
            if not parent:  # kernfs counts (fs/kernfs/inode.c), lxcfs says 2 for all and btrfs 1
                counted = links == 2 + len(names)
            names.sort(reverse=True)
            pending += [f"{parent}/{name}" for name in names] if parent else names
        return found

    def readlink(self, path: str) -> str:
        try:
            return os.readlink(path)
        except OSError as error:
            raise from_errno(error.errno or errno.EIO, path) from None

    def stat(self, path: str) -> Stat:
        try:
            return _stat(path)
        except OSError as error:
            raise from_errno(error.errno or errno.EIO, path) from None

    def stats(self, paths: Sequence[str], timeout_s: float = GUARD_TIMEOUT_S) -> dict[str, Stat | int]:
        found: dict[str, Stat | int] = dict.fromkeys(paths, errno.ETIMEDOUT)
        hung = 0
        for path, raw in zip(paths, in_child(lambda path: _STAT.pack(*_stat(path)), paths, timeout_s)):
            found[path] = raw if isinstance(raw, int) else Stat(*_STAT.unpack(raw))
            hung += found[path] == errno.ETIMEDOUT
            if hung == HUNG_LIMIT:
                break
        return found

    def statvfs(self, paths: Sequence[str], timeout_s: float = 2.0) -> dict[str, StatVfs | int]:
        def one(path: str) -> bytes:
            found = os.statvfs(path)
            return struct.pack(
                "=8Q",
                found.f_frsize,
                found.f_blocks,
                found.f_bfree,
                found.f_bavail,
                found.f_files,
                found.f_ffree,
                found.f_favail,
                found.f_flag,
            )

        return {
            path: raw if isinstance(raw, int) else StatVfs(*struct.unpack("=8Q", raw))
            for path, raw in zip(paths, in_child(one, paths, timeout_s))
        }

    def bulk(
        self, parent: str, entries: Sequence[str], files: Sequence[str], *, guarded: bool = False
    ) -> Bulk:
        if guarded:
            paths = [f"{parent}/{entry}/{file}" for entry in entries for file in files]
            batch = GUARD_BATCH if len(paths) > GUARD_BATCH else 1
            items = list(in_child(_read, paths, GUARD_TIMEOUT_S, batch))
            step = len(files)
            return {entry: tuple(items[i * step : i * step + step]) for i, entry in enumerate(entries)}
        found: Bulk = {}
        # The loop that 20,000 processes go through: local names, no exceptions on the good path.
        open_, read, close = os.open, os.read, os.close
        flags = os.O_RDONLY | os.O_CLOEXEC
        for entry in entries:
            items_of: list[bytes | int] = []
            for file in files:
                try:
                    fd = open_(f"{parent}/{entry}/{file}", flags)
                except OSError as error:
                    items_of.append(error.errno or errno.EIO)
                    continue
                try:
                    data = read(fd, _CHUNK)
                    # A file of one record comes whole (fs/seq_file.c); one of many comes a page at
                    # a time, cut between records, so a page nearly full may not be the end.
                    if len(data) >= 2048:
                        data = _rest(fd, data)
                    items_of.append(data)
                except OSError as error:
                    items_of.append(error.errno or errno.EIO)
                finally:
                    close(fd)
            found[entry] = tuple(items_of)
        return found

    def links(self, parent: str, entries: Sequence[str], directory: str) -> dict[str, dict[str, str] | int]:
        found: dict[str, dict[str, str] | int] = {}
        readlink = os.readlink
        for entry in entries:
            try:
                fd = os.open(f"{parent}/{entry}/{directory}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except OSError as error:
                found[entry] = error.errno or errno.EIO
                continue
            try:
                targets, denied = {}, 0
                for name in os.listdir(fd):
                    try:
                        # relative to the directory: 100,000 times /proc/PID/fd is not looked up
                        targets[name] = readlink(name, dir_fd=fd)
                    except OSError as error:
                        # a security module may let us list what it does not let us follow;
                        # anything else was closed in between
                        if error.errno in (errno.EACCES, errno.EPERM):
                            denied = error.errno
                found[entry] = targets or denied or {}
            except OSError as error:
                found[entry] = error.errno or errno.EIO
            finally:
                os.close(fd)
        return found

    def netlink(self, request: Dump, netns: str | None = None) -> Frames:
        from sretool.host import netlink  # sockets and ctypes cost 4 ms that most commands need not pay

        return netlink.dump(request, netns)

    def stream(self, request: Dump) -> Iterator[bytes]:
        from sretool.host import netlink

        return netlink.stream(request)

    def subscribe(self, protocol: int, groups: Sequence[int]) -> Subscription:
        from sretool.host import netlink

        return netlink.Groups(protocol, groups)

    def answers(self, requests: Sequence[Dump]) -> dict[str, bytes | int]:
        from sretool.host import netlink

        return netlink.answers(requests)

    def run(self, argv: Sequence[str], timeout_s: float = 5.0) -> Completed:
        try:
            done = subprocess.run(
                list(argv),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=COMMAND_ENV,
                timeout=timeout_s,
                check=False,
                start_new_session=True,
            )
        except subprocess.TimeoutExpired:
            raise Stalled(argv[0], f"no end after {timeout_s:g} s", errno=errno.ETIMEDOUT) from None
        except OSError as error:
            raise from_errno(error.errno or errno.EIO, argv[0]) from None
        return Completed(done.returncode, done.stdout[:COMMAND_OUTPUT_LIMIT_BYTES], done.stderr[:_CHUNK])

    def fact(self, name: str, *args: str) -> bytes:
        provider = FACTS.get(name)
        if provider is None:
            raise Unsupported(name, "no such fact")
        try:
            return json.dumps(provider(*args)).encode()
        except OSError as error:
            raise from_errno(error.errno or errno.EIO, f"fact {name}") from None


def _stat(path: str) -> Stat:
    found = os.stat(path)
    return Stat(
        found.st_mode,
        found.st_ino,
        found.st_dev,
        found.st_uid,
        found.st_size,
        found.st_blocks,
        found.st_mtime,
        found.st_nlink,
    )


def _read(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return _rest(fd, b"")
    finally:
        os.close(fd)


def _rest(fd: int, data: bytes) -> bytes:
    parts, size = [data], len(data)
    while True:
        try:
            chunk = os.read(fd, _CHUNK)
        except BlockingIOError:  # /dev/kmsg has no end of file, only nothing more for now
            break
        except BrokenPipeError:  # its oldest records were overwritten meanwhile: the next read goes on
            continue
        if not chunk:
            break
        parts.append(chunk)
        size += len(chunk)
        if size > READ_LIMIT_BYTES:
            raise OSError(errno.EFBIG, "file too large")
    return b"".join(parts)


def _identity() -> dict[str, object]:
    """Who we are and on what."""
    system = os.uname()
    return {
        "uid": os.geteuid(),
        "capabilities": _effective_capabilities(),
        "kernel": system.release,
        "machine": system.machine,
        "hostname": system.nodename,
        "clock_ticks_per_s": os.sysconf("SC_CLK_TCK"),
        "page_bytes": os.sysconf("SC_PAGE_SIZE"),
        "cpus": os.sysconf("SC_NPROCESSORS_ONLN"),
    }


def _effective_capabilities() -> int:
    for line in _read("/proc/self/status").splitlines():
        if line.startswith(b"CapEff:"):
            return int(line.split()[1], 16)
    return 0


def _user(uid: str) -> str | None:
    """The name NSS gives a uid, None when it has none."""
    import pwd

    try:
        return pwd.getpwuid(int(uid)).pw_name
    except KeyError:
        return None


def _adjtimex() -> dict[str, int]:
    """The kernel clock's state: adjtimex(2) with no modes set, which needs no right."""
    import ctypes

    # struct timex, include/uapi/linux/timex.h: longs on 64-bit kernels, padded to 208 bytes
    buffer = ctypes.create_string_buffer(208)
    libc = ctypes.CDLL(None, use_errno=True)
    state = libc.adjtimex(buffer)
    if state < 0:
        raise OSError(ctypes.get_errno(), "adjtimex")
    _modes, offset, _freq, maxerror, esterror, status = struct.unpack_from("=I4xqqqqi", buffer.raw)
    return {
        "state": state,
        "offset": offset,
        "max_error_us": maxerror,
        "estimated_error_us": esterror,
        "status": status,
    }


def _engine(name: str, path: str) -> object:
    from sretool.host import engine

    return engine.listing(name, path)


def _engine_files(kind: str, root: str = "") -> object:
    """What is in a home directory in a child: it may lie on a mount that is dead."""
    from sretool.host import engine

    if not root or root.startswith("/var/"):
        return engine.files(kind, root)

    def one(root: str) -> bytes:
        return json.dumps(engine.files(kind, root)).encode()

    found = next(in_child(one, [root], GUARD_TIMEOUT_S * 2))
    if isinstance(found, int):
        raise OSError(found, root)
    return json.loads(found)


def _ethtool_stats(index: str) -> object:
    from sretool.host import ethtool

    return ethtool.driver(index)


def _netns_names() -> object:
    from sretool.host import netns

    return netns.named()


FACTS: dict[str, Callable[..., object]] = {
    "identity": _identity,
    "user": _user,
    "adjtimex": _adjtimex,
    "engine": _engine,
    "engine-files": _engine_files,
    "ethtool-stats": _ethtool_stats,
    "netns-names": _netns_names,
}
