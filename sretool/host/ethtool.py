"""What an interface's driver says: the ethtool ioctl, which needs no right for this. Standard library
only, like `live`.

Shapes: include/uapi/linux/ethtool.h, `struct ethtool_drvinfo`, `ethtool_gstrings`, `ethtool_stats`.
"""

from __future__ import annotations

import array
import errno
import fcntl
import os
import socket
import struct

SIOCETHTOOL = 0x8946
GDRVINFO, GSTRINGS, GSTATS = 0x03, 0x1B, 0x1D
ETH_SS_STATS = 1
NAME_BYTES = 32
_DRVINFO_BYTES = 196
_N_STATS_AT = 180
MOST = 1 << 16
# The kernel writes as many as the driver has by then (net/ethtool/ioctl.c ethtool_get_stats), which
# may be more than it said before: a channel was added meanwhile.
_SLACK = 4096


def driver(index: str) -> dict[str, object]:
    """Driver and counters of the interface with this index in the caller's network namespace:
    `ifname`, `driver`, `version`, `firmware`, `bus` (null where it says none), `stats` as pairs of
    name and value in the driver's order.

    Raises:
        OSError: no such interface (ENXIO), or its driver refuses.
    """
    name = os.fsencode(socket.if_indextoname(int(index)))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        found: dict[str, object] = {"ifname": _text(name), "stats": []}
        try:
            info = _ask(sock, name, struct.pack("=I", GDRVINFO), _DRVINFO_BYTES)
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise
            return {**found, **dict.fromkeys(("driver", "version", "firmware", "bus"))}
        for at, key in enumerate(("driver", "version", "firmware", "bus")):
            start = 4 + NAME_BYTES * at
            found[key] = _text(info[start : start + NAME_BYTES]) or None
        (count,) = struct.unpack_from("=I", info, _N_STATS_AT)
        if 0 < count <= MOST:
            found["stats"] = _stats(sock, name, count)
        return found


def _stats(sock: socket.socket, name: bytes, count: int) -> list[tuple[str, int]]:
    room = count + _SLACK
    strings = _ask(sock, name, struct.pack("=III", GSTRINGS, ETH_SS_STATS, count), 12 + room * NAME_BYTES)
    values = _ask(sock, name, struct.pack("=II", GSTATS, count), 8 + room * 8)
    named, counted = struct.unpack_from("=8xI", strings)[0], struct.unpack_from("=4xI", values)[0]
    if named != counted or named > room:
        return []  # they changed in between: names and values no longer pair
    texts = [_text(strings[12 + NAME_BYTES * at :][:NAME_BYTES]) for at in range(named)]
    return list(zip(texts, struct.unpack_from(f"={named}Q", values, 8)))


def _ask(sock: socket.socket, name: bytes, head: bytes, size: int) -> bytes:
    buffer = array.array("B", head + bytes(size - len(head)))
    # struct ifreq: 16 bytes of name, then a union of 24 with the address of our buffer
    request = struct.pack(
        "=16sQ16x" if struct.calcsize("P") == 8 else "=16sI12x", name, buffer.buffer_info()[0]
    )
    fcntl.ioctl(sock, SIOCETHTOOL, request)
    return buffer.tobytes()


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("utf-8", "backslashreplace")
