"""Neighbour and neighbour-table messages decoded.

Shapes: include/uapi/linux/neighbour.h, `struct ndmsg`, NDA_*, `struct ndtmsg`, NDTA_*.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from sretool.errors import ParseError
from sretool.host import interfaces, netlink
from sretool.host.source import Dump
from sretool.net.neigh.model import Neighbour
from sretool.net.routes.read import names

RTM_NEWNEIGH, RTM_GETNEIGH = 28, 30
RTM_NEWNEIGHTBL, RTM_GETNEIGHTBL = 64, 66
NDMSG = struct.Struct("=BxxxiHBB")
NDTMSG = struct.Struct("=Bxxx")
NDA_DST, NDA_LLADDR, NDA_CACHEINFO, NDA_PROBES, NDA_PROTOCOL, NDA_FLAGS_EXT = 1, 2, 3, 4, 12, 15
NDTA_NAME, NDTA_THRESH1, NDTA_THRESH2, NDTA_THRESH3, NDTA_CONFIG, NDTA_STATS = 1, 2, 3, 4, 5, 7
FAMILIES: dict[int, str] = {socket.AF_INET: "inet", socket.AF_INET6: "inet6"}
PROXY, EXTERN_LEARN = "proxy", "extern_learn"

NEIGHBOURS = Dump(
    "route/neigh", netlink.NETLINK_ROUTE, RTM_GETNEIGH, netlink.NLM_F_DUMP, NDMSG.pack(0, 0, 0, 0, 0)
)
TABLES = Dump("route/neightbl", netlink.NETLINK_ROUTE, RTM_GETNEIGHTBL, netlink.NLM_F_DUMP, NDTMSG.pack(0))

# NUD_*: one bit each
STATES = {
    0: "none",
    0x01: "incomplete",
    0x02: "reachable",
    0x04: "stale",
    0x08: "delay",
    0x10: "probe",
    0x20: "failed",
    0x40: "noarp",
    0x80: "permanent",
}
# NTF_*, then NTF_EXT_* above the eight bits of the first, by the names ip gives them
FLAGS = {
    0x01: "use",
    0x02: "self",
    0x04: "master",
    0x08: PROXY,
    0x10: EXTERN_LEARN,
    0x20: "offload",
    0x40: "sticky",
    0x80: "router",
    0x100: "managed",
    0x200: "locked",
    0x400: "extern_valid",
}
_CACHEINFO = struct.Struct("=IIII")
_STATS = ("res_failed", "forced_gc_runs", "table_fulls")
# struct ndt_stats: which of its words
_STATS_AT = (3, 9, 10)


class Counters(NamedTuple):
    """One table as the kernel describes it: thresholds, entries of all namespaces, counters."""

    name: str
    entries: int | None
    thresholds: tuple[int | None, int | None, int | None]
    stats: Mapping[str, int]


def neighbours(frames: Iterable[bytes], devices: Mapping[int, str], ticks: int) -> Iterator[Neighbour]:
    """Every entry of IPv4 and IPv6.

    Args:
        frames: of an RTM_GETNEIGH dump.
        devices: names by interface index.
        ticks: clock ticks a second (USER_HZ), the unit of nda_cacheinfo.

    Raises:
        ParseError: a message that is cut, or an address of another family.
    """
    what = NEIGHBOURS.key
    for frame in frames:
        for kind, _, payload in netlink.messages(frame, what):
            if kind != RTM_NEWNEIGH:
                continue
            if len(payload) < NDMSG.size:
                raise ParseError(what, f"a neighbour message of {len(payload)} bytes")
            family, index, state, flags, _ = NDMSG.unpack_from(payload)
            values = dict(netlink.attributes(payload, NDMSG.size, what))
            if family in FAMILIES and NDA_DST in values:
                yield _neighbour(family, devices.get(index, f"if{index}"), state, flags, values, ticks)


def _neighbour(
    family: int, dev: str, state: int, flags: int, values: dict[int, bytes], ticks: int
) -> Neighbour:
    try:
        dst = socket.inet_ntop(family, values[NDA_DST])
    except ValueError:
        raise ParseError(NEIGHBOURS.key, f"an address of {len(values[NDA_DST])} bytes") from None
    cache = values.get(NDA_CACHEINFO, b"")
    ages: list[float | None] = [None] * 3
    refcnt = None
    if len(cache) >= _CACHEINFO.size:
        *jiffies, refcnt = _CACHEINFO.unpack_from(cache)
        ages = [value / ticks for value in jiffies]
    protocol = netlink.number(values.get(NDA_PROTOCOL))
    lladdr = values.get(NDA_LLADDR)
    return Neighbour(
        family=FAMILIES[family],
        dst=dst,
        dev=dev,
        lladdr=interfaces.hardware(lladdr),
        state=STATES.get(state) or f"unknown-{state:#x}",
        flags=_flags(flags | (netlink.number(values.get(NDA_FLAGS_EXT)) or 0) << 8),
        protocol=names.of(names.PROTOCOLS, protocol) if protocol else None,
        probes=netlink.number(values.get(NDA_PROBES)),
        refcnt=refcnt,
        confirmed_s=ages[0],
        used_s=ages[1],
        updated_s=ages[2],
    )


def _flags(bits: int) -> list[str]:
    rest = bits & ~sum(FLAGS)
    return [name for bit, name in FLAGS.items() if bits & bit] + ([f"unknown-{rest:#x}"] if rest else [])


def tables(frames: Iterable[bytes]) -> dict[str, Counters]:
    """The tables by family. A dump also has the settings of each device, which are skipped.

    Raises:
        ParseError: a message that is cut.
    """
    found: dict[str, Counters] = {}
    what = TABLES.key
    for frame in frames:
        for kind, _, payload in netlink.messages(frame, what):
            if kind != RTM_NEWNEIGHTBL:
                continue
            if len(payload) < NDTMSG.size:
                raise ParseError(what, f"a table message of {len(payload)} bytes")
            family = FAMILIES.get(payload[0])
            values = dict(netlink.attributes(payload, NDTMSG.size, what))
            if family is not None and NDTA_CONFIG in values:
                found[family] = _counters(values)
    return found


def _counters(values: dict[int, bytes]) -> Counters:
    config, raw = values[NDTA_CONFIG], values.get(NDTA_STATS, b"")
    words = struct.unpack_from(f"={len(raw) // 8}Q", raw)
    thresholds = (
        netlink.number(values.get(NDTA_THRESH1)),
        netlink.number(values.get(NDTA_THRESH2)),
        netlink.number(values.get(NDTA_THRESH3)),
    )
    return Counters(
        name=netlink.name(values.get(NDTA_NAME, b"")),
        # struct ndt_config: key length and entry size, 16 bits each, then the number of entries
        entries=struct.unpack_from("=HHI", config)[2] if len(config) >= 8 else None,
        thresholds=thresholds,
        stats={name: words[at] for name, at in zip(_STATS, _STATS_AT) if at < len(words)},
    )


def per_cpu(raw: bytes, path: str) -> dict[str, int]:
    """/proc/net/stat/arp_cache: a line of names, then a line of hexadecimal numbers for each CPU,
    here added up. `entries` is of the whole table and stands in every line (net/core/neighbour.c
    neigh_stat_seq_show).

    Raises:
        ParseError: lines that do not pair, or what is no number.
    """
    head, *rows = raw.decode("ascii", "replace").splitlines() or [""]
    labels = head.split()
    found = dict.fromkeys(labels, 0)
    for number, row in enumerate(rows, 2):
        words = row.split()
        if len(words) != len(labels):
            raise ParseError(f"{path} line {number}", f"{len(words)} numbers under {len(labels)} names")
        try:
            for label, word in zip(labels, words):
                found[label] = int(word, 16) + (found[label] if label != "entries" else 0)
        except ValueError:
            raise ParseError(f"{path} line {number}", "a value is not a number") from None
    return found
