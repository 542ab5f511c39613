"""RTM_GETROUTE for one destination: the kernel's own decision."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sretool.errors import ParseError, UsageError
from sretool.host import netlink
from sretool.host.source import Dump, Source
from sretool.net.routes.model import Route
from sretool.net.routes.read import decode
from sretool.net.routes.read.lookup import Flow
from sretool.net.routes.read.names import CLONED, TableNames

RTM_F_LOOKUP_TABLE, RTM_F_FIB_MATCH = 0x1000, 0x2000


RTA_IIF, RTA_CACHEINFO, RTA_IP_PROTO, RTA_SPORT, RTA_DPORT = 3, 12, 27, 28, 29
_CACHEINFO = struct.Struct("=IIi")  # struct rta_cacheinfo: clntref, lastuse, expires
USER_HZ = 100.0


class Answer(NamedTuple):
    """A route, and when what was learnt about it (its path MTU) is forgotten: seconds, None for never."""

    route: Route
    expires_s: float | None


def ask(source: Source, flow: Flow, devices: Mapping[int, str], tables: TableNames, *, entry: bool) -> Route:
    """The route of `answer`."""
    return answer(source, flow, devices, tables, entry=entry).route


def answer(
    source: Source, flow: Flow, devices: Mapping[int, str], tables: TableNames, *, entry: bool
) -> Answer:
    """What the kernel would use now; with `entry`, the routing table's entry that it comes from.

    Raises:
        UsageError: the flow names an interface that is not there.
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
    payload += b"".join(_attribute(kind, value) for kind, value in _asked(flow, devices) if value)
    what = decode.address(flow.destination)
    request = Dump(f"route/get/{what}", netlink.NETLINK_ROUTE, decode.RTM_GETROUTE, 0, payload)
    frames = [_uncached(frame) for frame in source.netlink(request).frames]
    expires_s = _expires(frames, request.key)
    for route in decode.decode(frames, family, devices, tables):
        if route.table == "main" and route.type in ("local", "broadcast"):
            # as long as there are no rules of its own the host has one trie for both tables
            # (net/ipv4/fib_frontend.c fib_unmerge), and the kernel names it by the wrong one
            route.table = "local"
        return Answer(route, expires_s)
    raise ParseError(request.key, "the kernel's answer holds no route")


def _asked(flow: Flow, devices: Mapping[int, str]) -> Iterator[tuple[int, bytes]]:
    def index(option: str, name: str | None) -> bytes:
        if name is None:
            return b""
        for number, known in devices.items():
            if known == name:
                return struct.pack("=I", number)
        raise UsageError(option, f"no interface is named {name!r}", "see sretool net addrs")

    yield decode.RTA_DST, flow.destination
    yield decode.RTA_SRC, flow.source
    yield RTA_IIF, index("--iif", flow.iif)
    yield decode.RTA_OIF, index("--oif", flow.oif)
    yield decode.RTA_MARK, struct.pack("=I", flow.mark) if flow.mark else b""
    if not flow.iif:  # a forwarded packet has no user
        yield decode.RTA_UID, struct.pack("=I", flow.uid)
    yield RTA_IP_PROTO, bytes([flow.protocol]) if flow.protocol else b""
    yield RTA_SPORT, struct.pack(">H", flow.sport) if flow.sport else b""
    yield RTA_DPORT, struct.pack(">H", flow.dport) if flow.dport else b""


def _expires(frames: list[bytes], what: str) -> float | None:
    for frame in frames:
        for kind, _flags, payload in netlink.messages(frame, what):
            if kind == decode.RTM_NEWROUTE and len(payload) >= decode.RTMSG.size:
                values = dict(netlink.attributes(payload, decode.RTMSG.size, what))
                cache = values.get(RTA_CACHEINFO, b"")
                if len(cache) >= _CACHEINFO.size and (ticks := _CACHEINFO.unpack_from(cache)[2]) > 0:
                    return float(ticks / USER_HZ)
    return None


def _attribute(kind: int, value: bytes) -> bytes:
    return netlink.ATTRIBUTE_HEADER.pack(4 + len(value), kind) + value + bytes(-len(value) % 4)


def _uncached(frame: bytes) -> bytes:
    """An answer is marked as cached (RTM_F_CLONED), which a listing leaves out."""
    if len(frame) < 28:
        return frame
    flags = struct.unpack_from("=I", frame, 24)[0]
    return frame[:24] + struct.pack("=I", flags & ~CLONED) + frame[28:]
