"""Netlink dumps as raw frames. Standard library only: this part is meant to travel."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from typing import overload

from sretool.errors import (
    Inconsistent,
    ParseError,
    SourceError,
    SretoolError,
    Stalled,
    Unreadable,
    from_errno,
)
from sretool.host.inside import inside
from sretool.host.source import Dump, Frames, Source, changed

# include/uapi/linux/netlink.h
NETLINK_ROUTE = 0
NETLINK_SOCK_DIAG = 4
NETLINK_GENERIC = 16
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP_INTR, NLM_F_DUMP = 0x1, 0x4, 0x10, 0x300
NLMSG_HEADER = struct.Struct("=IHHII")
ATTRIBUTE_HEADER = struct.Struct("=HH")
_MESSAGE_HEAD = struct.Struct("=IHH")
_ERRNO = struct.Struct("=i")
NLA_TYPE_MASK = 0x3FFF

RECEIVE_BYTES = 1 << 18
TRIES = 3
TIMEOUT_S = 10.0
# An answer that finds the receive buffer full is lost; 64 of a page each fit the default of 212,992
# bytes (net.core.rmem_default), and larger batches are no faster.
BATCH = 64
KEPT_BYTES = 1 << 20  # at most net.core.rmem_max is given
_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, _NETLINK_GET_STRICT_CHK = 270, 1, 12


def dump(request: Dump, netns: str | None = None) -> Frames:
    """Send one request and collect its frames; a dump the kernel interrupted (the table changed
    under it) is tried again, at most TRIES times.

    Raises:
        SourceError: the kernel refused, or did not answer within TIMEOUT_S.
    """
    for _ in range(TRIES):
        frames, interrupted = _exchange(request, netns)
        if not interrupted:
            return Frames(frames, True)
    return Frames(frames, False)


def answers(requests: Sequence[Dump]) -> dict[str, bytes | int]:
    """The frame that answers each request, by its key, or the errno the kernel gave: one socket,
    BATCH requests a send. All are of one protocol, and none asks for a dump.

    Raises:
        SourceError: no socket, or no answer within TIMEOUT_S.
    """
    found: dict[str, bytes | int] = {}
    if not requests:
        return found
    what = requests[0].key
    buffer = bytearray(RECEIVE_BYTES)
    view = memoryview(buffer)
    with _socket(requests[0].protocol, None) as sock:
        sock.settimeout(TIMEOUT_S)
        try:
            for start in range(0, len(requests), BATCH):
                batch = requests[start : start + BATCH]
                sock.send(b"".join(_request(request, number) for number, request in enumerate(batch)))
                waiting = set(range(len(batch)))
                while waiting:
                    size, _, _, sender = sock.recvmsg_into([buffer])
                    if sender[0] != 0 or size < NLMSG_HEADER.size:
                        continue
                    _, kind, _, number, _ = NLMSG_HEADER.unpack_from(buffer)
                    if number not in waiting:
                        continue
                    waiting.remove(number)
                    refused = kind == NLMSG_ERROR and size >= 20
                    found[batch[number].key] = (
                        -_ERRNO.unpack_from(buffer, 16)[0] if refused else bytes(view[:size])
                    )
        except TimeoutError:
            raise Stalled(what, f"no answer from the kernel in {TIMEOUT_S:g} s") from None
        except OSError as error:
            raise from_errno(error.errno or errno.EIO, what) from None
    return found


class Groups:
    """Multicast groups of one netlink protocol, heard from now on: a `Subscription`."""

    def __init__(self, protocol: int, groups: Sequence[int], netns: str | None = None) -> None:
        self._what = "netlink groups"
        self._socket = _socket(protocol, netns)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KEPT_BYTES)
            self._socket.bind((0, 0))
            for group in groups:
                self._socket.setsockopt(_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, group)
        except OSError as error:
            self._socket.close()
            raise from_errno(error.errno or errno.EIO, self._what) from None

    def receive(self, timeout_s: float | None) -> bytes | None:
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            left = None if end is None else max(0.0, end - time.monotonic())
            if not select.select([self._socket], [], [], left)[0]:
                return None
            try:
                frame, _, flags, sender = self._socket.recvmsg(RECEIVE_BYTES)
            except OSError as error:
                if error.errno == errno.ENOBUFS:
                    message = "more changes came than the kernel could keep for us: some are not told"
                    raise Inconsistent(self._what, message) from None
                raise from_errno(error.errno or errno.EIO, self._what) from None
            if sender[0] == 0 and not flags & socket.MSG_TRUNC:  # 0 is the kernel
                return frame

    def close(self) -> None:
        self._socket.close()


def _request(request: Dump, number: int) -> bytes:
    size = NLMSG_HEADER.size + len(request.payload)
    message = NLMSG_HEADER.pack(size, request.type, request.flags | NLM_F_REQUEST, number, 0)
    return message + request.payload + bytes(-size % 4)


def noted(frames: Frames, what: str, errors: list[SretoolError]) -> list[bytes]:
    """The frames; that the table changed under them is noted in `errors`."""
    if not frames.consistent:
        message = f"the table changed during each of {TRIES} readings: a row may be missing, or twice"
        errors.append(Inconsistent(what, message))
    return frames.frames


def stream(request: Dump, netns: str | None = None) -> Iterator[bytes]:
    """The frames of one dump as they come, one try.

    Raises:
        SourceError: as `dump`; at the end Inconsistent, when the table changed under the dump.
    """
    interrupted = False
    for frame, changing in _received(request, netns):
        interrupted = interrupted or changing
        yield frame
    if interrupted:
        raise changed(request.key)


def attempted(source: Source, request: Dump, errors: list[SretoolError]) -> list[bytes] | None:
    """The frames of a dump; None where it failed. That, and that the table changed under it, is noted."""
    try:
        return noted(source.netlink(request), request.key, errors)
    except SourceError as error:
        errors.append(error)
        return None


def _exchange(request: Dump, netns: str | None) -> tuple[list[bytes], bool]:
    frames, interrupted = [], False
    for frame, changing in _received(request, netns):
        interrupted = interrupted or changing
        frames.append(frame)
    return frames, interrupted


def _received(request: Dump, netns: str | None) -> Iterator[tuple[bytes, bool]]:
    """Every frame of the answer, and whether the kernel said in it that the table changed."""
    multipart = request.flags & NLM_F_DUMP == NLM_F_DUMP
    buffer = bytearray(RECEIVE_BYTES)
    view = memoryview(buffer)
    with _socket(request.protocol, netns) as sock:
        sock.settimeout(TIMEOUT_S)
        if request.strict:
            with contextlib.suppress(OSError):  # before Linux 4.20; the reader filters again
                sock.setsockopt(_SOL_NETLINK, _NETLINK_GET_STRICT_CHK, 1)
        try:
            sock.send(_request(request, 1))
            while True:
                size, _, flags, sender = sock.recvmsg_into([buffer])
                if sender[0] != 0:  # port 0 is the kernel; anyone else has nothing to say here
                    continue
                if flags & socket.MSG_TRUNC:
                    raise Unreadable(request.key, "the kernel sent a frame larger than our buffer")
                frame = bytes(view[:size])
                done, changing = _status(frame, request.key)
                yield frame, changing
                if done or not multipart:
                    return
        except TimeoutError:
            raise Stalled(request.key, f"no answer from the kernel in {TIMEOUT_S:g} s") from None
        except OSError as error:
            raise from_errno(error.errno or errno.EIO, request.key) from None


def _status(frame: bytes, what: str) -> tuple[bool, bool]:
    """(this frame ends the answer, the kernel said that the table changed under the dump).

    100,000 sockets pass through here: headers only, nothing is copied.

    Raises:
        SourceError: the kernel refused, with the errno it gave.
        ParseError: a length that does not fit the frame.
    """
    done = interrupted = False
    at, size = 0, len(frame)
    head = _MESSAGE_HEAD.unpack_from
    while at + 16 <= size:
        length, kind, flags = head(frame, at)
        if length < 16 or at + length > size:
            raise ParseError(what, f"netlink message of {length} bytes at {at} in a frame of {size}")
        if flags & NLM_F_DUMP_INTR:
            interrupted = True
        if kind <= NLMSG_DONE:
            # both carry an errno, negative; DONE only when the dump failed half-way
            if kind in (NLMSG_ERROR, NLMSG_DONE) and length >= 20:
                number = -_ERRNO.unpack_from(frame, at + 16)[0]
                if number > 0:
                    raise from_errno(number, what)
            done = done or kind in (NLMSG_ERROR, NLMSG_DONE)
        at += (length + 3) & ~3
    return done, interrupted


def _socket(protocol: int, netns: str | None) -> socket.socket:
    try:
        with inside(netns):
            return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
    except OSError as error:
        raise from_errno(error.errno or errno.EIO, netns or "netlink socket") from None


def split(frame: bytes, what: str = "netlink") -> Iterator[tuple[int, int, bytes]]:
    """(type, flags, the whole message, header included) of every message in one frame.

    Raises:
        ParseError: a length that does not fit the frame.
    """
    at = 0
    for kind, flags, payload in messages(frame, what):
        length = NLMSG_HEADER.size + len(payload)
        yield kind, flags, frame[at : at + length]
        at += (length + 3) & ~3


def messages(frame: bytes, what: str = "netlink") -> Iterator[tuple[int, int, bytes]]:
    """(type, flags, payload) of every message in one frame.

    Raises:
        ParseError: a length that does not fit the frame.
    """
    at, size = 0, len(frame)
    while at + 16 <= size:
        length, kind, flags, _, _ = NLMSG_HEADER.unpack_from(frame, at)
        if length < 16 or at + length > size:
            raise ParseError(what, f"netlink message of {length} bytes at {at} in a frame of {size}")
        yield kind, flags, frame[at + 16 : at + length]
        at += (length + 3) & ~3
    if at < size:
        raise ParseError(what, f"{size - at} bytes too many at the end of a frame")


def attributes(payload: bytes, at: int, what: str = "netlink") -> Iterator[tuple[int, bytes]]:
    """(type, value) of every attribute in `payload` from offset `at`; flags of the type masked off.

    Raises:
        ParseError: a length that does not fit the payload.
    """
    size = len(payload)
    while at + 4 <= size:
        length, kind = ATTRIBUTE_HEADER.unpack_from(payload, at)
        if length < 4 or at + length > size:
            raise ParseError(what, f"attribute of {length} bytes at {at} in a payload of {size}")
        yield kind & NLA_TYPE_MASK, payload[at + 4 : at + length]
        at += (length + 3) & ~3
    if at < size:
        raise ParseError(what, f"{size - at} bytes too many after the last attribute")


def name(value: bytes) -> str:
    r"""A zero-terminated string attribute; bytes that are no UTF-8 become \xNN."""
    return value.partition(b"\0")[0].decode("utf-8", "backslashreplace")


@overload
def number(value: bytes) -> int: ...
@overload
def number(value: bytes | None) -> int | None: ...
def number(value: bytes | None) -> int | None:
    """An unsigned number attribute of any width, in the machine's order; None for one that is not there."""
    return None if value is None else int.from_bytes(value, sys.byteorder)
