"""Policy rules, from an RTM_GETRULE dump.

Shapes: include/uapi/linux/fib_rules.h, `struct fib_rule_hdr` and FRA_*.
"""

from __future__ import annotations

import struct
import sys
from typing import NamedTuple

from sretool.errors import ParseError
from sretool.host import netlink
from sretool.host.source import Dump
from sretool.net.routes.read.decode import FAMILIES
from sretool.net.routes.read.names import TableNames

RTM_NEWRULE, RTM_GETRULE = 32, 34
_HEADER = struct.Struct("=BBBBBxxBI")
FRA_DST, FRA_SRC, FRA_IIFNAME, FRA_GOTO, FRA_PRIORITY = 1, 2, 3, 4, 6
FRA_FWMARK, FRA_TUN_ID, FRA_SUPPRESS_PREFIXLEN, FRA_TABLE = 10, 12, 14, 15
FRA_FWMASK, FRA_OIFNAME, FRA_L3MDEV, FRA_UID_RANGE = 16, 17, 19, 20
FRA_IP_PROTO, FRA_SPORT_RANGE, FRA_DPORT_RANGE, FRA_DSCP = 22, 23, 24, 25
FR_ACT_TO_TBL, FR_ACT_GOTO, FR_ACT_NOP = 1, 2, 3
ERRORS = {6: "blackhole", 7: "unreachable", 8: "prohibit"}
FIB_RULE_INVERT = 0x2
# what a packet of no known protocol, port or tunnel never matches
_NARROWING = (FRA_OIFNAME, FRA_TUN_ID, FRA_L3MDEV, FRA_IP_PROTO, FRA_SPORT_RANGE, FRA_DPORT_RANGE, FRA_DSCP)


class Rule(NamedTuple):
    """One rule as the lookup needs it. `narrow` says that it asks for something a bare address does
    not have (a port, a protocol, an outgoing device): such a rule does not match.
    """

    priority: int
    action: int
    table: str
    dst: bytes
    dst_len: int
    src: bytes
    src_len: int
    iif: str | None
    mark: int
    mask: int
    goto: int
    suppress_prefix_length: int | None
    uids: tuple[int, int] | None
    narrow: bool
    invert: bool


def request(family: str) -> Dump:
    """Every rule of one family."""
    return Dump(
        f"route/rules/{4 if family == 'inet' else 6}",
        netlink.NETLINK_ROUTE,
        RTM_GETRULE,
        netlink.NLM_F_DUMP,
        _HEADER.pack(FAMILIES[family], 0, 0, 0, 0, 0, 0),
    )


def decode(frames: list[bytes], family: str, tables: TableNames) -> list[Rule]:
    """Rules in the order they are tried.

    Raises:
        ParseError: a message that is cut, or of another family.
    """
    what = f"route/rules/{family}"
    found = []
    for frame in frames:
        for kind, _flags, payload in netlink.messages(frame, what):
            if kind != RTM_NEWRULE:
                continue
            if len(payload) < _HEADER.size:
                raise ParseError(what, f"a rule message of {len(payload)} bytes")
            af, dst_len, src_len, tos, table, action, flags = _HEADER.unpack_from(payload)
            if af != FAMILIES[family]:
                raise ParseError(what, f"a rule of address family {af}")
            values = dict(netlink.attributes(payload, _HEADER.size, what))
            found.append(_rule(values, dst_len, src_len, tos, table, action, flags, tables))
    found.sort(key=lambda rule: rule.priority)
    return found


def _rule(
    values: dict[int, bytes],
    dst_len: int,
    src_len: int,
    tos: int,
    table: int,
    action: int,
    flags: int,
    tables: TableNames,
) -> Rule:
    def number(kind: int, default: int = 0) -> int:
        return int.from_bytes(values[kind][:4], sys.byteorder) if kind in values else default

    suppress = number(FRA_SUPPRESS_PREFIXLEN, 0xFFFFFFFF)
    uids = values.get(FRA_UID_RANGE, b"")
    mark = number(FRA_FWMARK)
    return Rule(
        priority=number(FRA_PRIORITY),
        action=action,
        table=tables[number(FRA_TABLE, table)],
        dst=values.get(FRA_DST, b""),
        dst_len=dst_len,
        src=values.get(FRA_SRC, b""),
        src_len=src_len,
        iif=netlink.name(values[FRA_IIFNAME]) if FRA_IIFNAME in values else None,
        mark=mark,
        mask=number(FRA_FWMASK, 0xFFFFFFFF if mark else 0),
        goto=number(FRA_GOTO),
        suppress_prefix_length=None if suppress == 0xFFFFFFFF else suppress,
        uids=struct.unpack("=II", uids) if len(uids) == 8 else None,
        narrow=bool(tos) or any(kind in values for kind in _NARROWING),
        invert=bool(flags & FIB_RULE_INVERT),
    )
