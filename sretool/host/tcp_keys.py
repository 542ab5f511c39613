"""Keys of TCP-MD5 (RFC 2385, between BGP routers): to root the kernel tells them with every socket that
has some, and a recording is passed on.
"""

from __future__ import annotations

import struct

from sretool.host.source import Frames

# include/uapi/linux/inet_diag.h; struct tcp_diag_md5sig of include/uapi/linux/tcp.h: family, prefix
# length, key length, address of 16 bytes, key of 80
INET_DIAG_MD5SIG = 18
ENTRY_BYTES, _KEY_AT, _KEY_BYTES = 100, 20, 80
_MESSAGE_BYTES = 88  # nlmsghdr and struct inet_diag_msg, before the attributes
_LENGTH = struct.Struct("=I")
_ATTRIBUTE = struct.Struct("=HH")
_TYPE = struct.pack("=H", INET_DIAG_MD5SIG)


def blanked(frames: Frames) -> Frames:
    """Frames of a dump of TCP sockets, with zeros for the keys; their lengths stay."""
    return frames._replace(frames=[_blanked(frame) for frame in frames.frames])


def _blanked(frame: bytes) -> bytes:
    found: bytearray | None = None
    at, size = 0, len(frame)
    while at + 4 <= size:
        (length,) = _LENGTH.unpack_from(frame, at)
        if length < 16 or at + length > size:
            break  # damaged: whoever reads it will say so
        # 100,000 sockets pass here, and hardly one has a key
        if frame.find(_TYPE, at + _MESSAGE_BYTES, at + length) >= 0:
            for start, end in _keys(frame, at + _MESSAGE_BYTES, at + length):
                found = found or bytearray(frame)
                found[start:end] = bytes(end - start)
        at += (length + 3) & ~3
    return frame if found is None else bytes(found)


def _keys(frame: bytes, at: int, end: int) -> list[tuple[int, int]]:
    """Where the keys of one message are."""
    found = []
    while at + 4 <= end:
        length, kind = _ATTRIBUTE.unpack_from(frame, at)
        if length < 4 or at + length > end:
            break
        if kind == INET_DIAG_MD5SIG:
            for entry in range(at + 4, at + length, ENTRY_BYTES):
                start = entry + _KEY_AT
                found.append((start, min(start + _KEY_BYTES, at + length)))
        at += (length + 3) & ~3
    return [(start, stop) for start, stop in found if start < stop]
