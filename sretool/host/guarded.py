"""Work that may block for ever, in a child with a deadline. Standard library only, like `live`."""

from __future__ import annotations

import errno
import os
import selectors
import signal
import struct
import time
from collections.abc import Callable, Iterator, Sequence

_BATCH = struct.Struct("=Q")  # bytes that follow
_ITEM = struct.Struct("=iI")  # errno or 0, bytes that follow


def in_child(
    work: Callable[[str], bytes], paths: Sequence[str], timeout_s: float, batch: int = 1
) -> Iterator[bytes | int]:
    """`work(path)` for each path in a child, results in order; errno where it failed, ETIMEDOUT
    where it did not end in `timeout_s`. A child that hangs (a dead mount holds it in D state, where
    even SIGKILL waits) is abandoned and another one goes on with the next path.

    batch: so many results travel together, at a quarter of the cost for small ones. A batch that is
    not there in `timeout_s` is done again one by one, so the path that hangs takes twice as long.
    """
    done = suspect = 0  # paths before `suspect` are of a batch that did not come
    while done < len(paths):
        size, end = (1, suspect) if done < suspect else (batch, len(paths))
        for items in _child(work, paths[done:end], timeout_s, size):
            yield from items
            done += len(items)
        if size > 1 and done < end:
            suspect = min(done + size, end)


def _child(
    work: Callable[[str], bytes], paths: Sequence[str], timeout_s: float, batch: int
) -> Iterator[list[bytes | int]]:
    """Results, `batch` at a time. It ends early where the child hangs: a single path has ETIMEDOUT
    then, of a batch nothing is known.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.close(reader)
            with os.fdopen(writer, "wb") as out:
                for start in range(0, len(paths), batch):
                    data = b"".join(_packed(work, path) for path in paths[start : start + batch])
                    out.write(_BATCH.pack(len(data)) + data)
                    out.flush()
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    hung = False
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(reader, selectors.EVENT_READ)
            for _ in range(0, len(paths), batch):
                head = _exactly(reader, selector, _BATCH.size, timeout_s)
                size = 0 if head is None else int(_BATCH.unpack(head)[0])
                came = None if head is None else _exactly(reader, selector, size, timeout_s)
                if came is None:  # what comes after it cannot be told apart any more
                    hung = True
                    if batch == 1:
                        yield [errno.ETIMEDOUT]
                    return
                yield _unpacked(came)
    finally:
        os.close(reader)
        if hung:
            os.kill(pid, signal.SIGKILL)
        # a child in D state cannot be waited for; init reaps it when we are gone
        for _ in range(50):
            if os.waitpid(pid, os.WNOHANG)[0]:
                break
            time.sleep(0.001)


def _packed(work: Callable[[str], bytes], path: str) -> bytes:
    try:
        data = work(path)
    except OSError as error:
        return _ITEM.pack(error.errno or errno.EIO, 0)
    return _ITEM.pack(0, len(data)) + data


def _unpacked(data: bytes) -> list[bytes | int]:
    items: list[bytes | int] = []
    at = 0
    while at < len(data):
        number, size = _ITEM.unpack_from(data, at)
        at += _ITEM.size + size
        items.append(number or data[at - size : at])
    return items


def _exactly(fd: int, selector: selectors.BaseSelector, size: int, timeout_s: float) -> bytes | None:
    """`size` bytes, or None when they do not come in `timeout_s` (or the child died)."""
    parts = b""
    end = time.monotonic() + timeout_s
    while len(parts) < size:
        if not selector.select(max(0.0, end - time.monotonic())):
            return None
        chunk = os.read(fd, size - len(parts))
        if not chunk:
            return None
        parts += chunk
    return parts
