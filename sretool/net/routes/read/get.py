"""RTM_GETROUTE for one destination: the kernel's own decision."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from sretool.errors import ParseError
from sretool.host import netlink
from sretool.host.source import Dump, Source
from sretool.net.routes.model import Route
from sretool.net.routes.read import decode
from sretool.net.routes.read.lookup import Flow
from sretool.net.routes.read.names import CLONED, TableNames

RTM_F_LOOKUP_TABLE, RTM_F_FIB_MATCH = 0x1000, 0x2000


def ask(source: Source, flow: Flow, devices: Mapping[int, str], tables: TableNames, *, entry: bool) -> Route:
    """What the kernel would use now; with `entry`, the routing table's entry that it comes from.

    Raises:
        SourceError: it refused; the errno says how (ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL).
        ParseError: the answer is no route.
    """
    bits = len(flow.destination) * 8
    family = "inet" if bits == 32 else "inet6"
    payload = decode.RTMSG.pack(
        decode.FAMILIES[family],
        bits,
        bits if flow.source else 0,
        0,
        0,
        0,
        0,
        0,
        RTM_F_LOOKUP_TABLE | (RTM_F_FIB_MATCH if entry else 0),
    )
    payload += _attribute(decode.RTA_DST, flow.destination)
    if flow.source:
        payload += _attribute(decode.RTA_SRC, flow.source)
    if flow.mark:
        payload += _attribute(decode.RTA_MARK, struct.pack("=I", flow.mark))
    what = decode.address(flow.destination)
    request = Dump(f"route/get/{what}", netlink.NETLINK_ROUTE, decode.RTM_GETROUTE, 0, payload)
    frames = [_uncached(frame) for frame in source.netlink(request).frames]
    for route in decode.decode(frames, family, devices, tables):
        if route.table == "main" and route.type in ("local", "broadcast"):
            # as long as there are no rules of its own the host has one trie for both tables
            # (net/ipv4/fib_frontend.c fib_unmerge), and the kernel names it by the wrong one
            route.table = "local"
        return route
    raise ParseError(request.key, "the kernel's answer holds no route")


def _attribute(kind: int, value: bytes) -> bytes:
    return netlink.ATTRIBUTE_HEADER.pack(4 + len(value), kind) + value


def _uncached(frame: bytes) -> bytes:
    """An answer is marked as cached (RTM_F_CLONED), which a listing leaves out."""
    if len(frame) < 28:
        return frame
    flags = struct.unpack_from("=I", frame, 24)[0]
    return frame[:24] + struct.pack("=I", flags & ~CLONED) + frame[28:]
