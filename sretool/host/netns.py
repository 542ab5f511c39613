"""Network namespaces as this one numbers them (nsid): an interface's other end names its namespace so.

The kernel tells the nsid of a process's namespace (RTM_GETNSID with NETNSA_PID), which needs no right;
which namespaces have a name is seen in the folders of `ip netns` and of docker.

Shapes: include/uapi/linux/net_namespace.h.
"""

from __future__ import annotations

import os
import re
import struct
import sys

from sretool.errors import SourceError
from sretool.host import netlink
from sretool.host.source import Dump

RTM_NEWNSID, RTM_GETNSID = 88, 90
NETNSA_NSID, NETNSA_PID, NETNSA_FD = 1, 2, 3
RTGENMSG = bytes(4)
FOLDERS = ("/run/netns", "/run/docker/netns")
MOST = 4096


_INODE = re.compile(r"net:\[(\d+)\]")


def inode(target: str) -> int | None:
    """Which namespace a /proc/PID/ns/net points to."""
    match = _INODE.fullmatch(target)
    return int(match[1]) if match else None


def request(pid: int) -> Dump:
    """Asks for the nsid of the namespace that a process is in."""
    return _request(f"route/nsid/{pid}", NETNSA_PID, pid)


def _request(key: str, kind: int, value: int) -> Dump:
    attribute = struct.pack("=HHI", 8, kind, value)
    return Dump(key, netlink.NETLINK_ROUTE, RTM_GETNSID, 0, RTGENMSG + attribute)


def number(frame: bytes) -> int | None:
    """The nsid in an answer; None where that namespace has none.

    Raises:
        ParseError: it is no such answer.
    """
    for kind, _, payload in netlink.messages(frame, "route/nsid"):
        if kind == RTM_NEWNSID:
            values = dict(netlink.attributes(payload, len(RTGENMSG), "route/nsid"))
            raw = values.get(NETNSA_NSID, b"")
            if len(raw) == 4 and (found := int.from_bytes(raw, sys.byteorder, signed=True)) >= 0:
                return found
    return None


def named() -> list[dict[str, object]]:
    """Namespaces that are bound to a name: `path`, `inode` and `nsid` (null where it has none)."""
    found: list[dict[str, object]] = []
    for folder in FOLDERS:
        try:
            names = sorted(os.listdir(folder))[:MOST]
        except OSError:
            continue
        for name in names:
            path = f"{folder}/{name}"
            try:
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            except OSError:
                continue
            try:
                asked = _request(path, NETNSA_FD, fd)
                answer = netlink.answers([asked])[path]
                nsid = None if isinstance(answer, int) else number(answer)
                # a name may be any bytes
                shown = os.fsencode(path).decode("utf-8", "backslashreplace")
                found.append({"path": shown, "inode": os.fstat(fd).st_ino, "nsid": nsid})
            except SourceError:
                continue
            finally:
                os.close(fd)
    return found
