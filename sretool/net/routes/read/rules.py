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
from sretool.net.routes.read import names
from sretool.net.routes.read.decode import FAMILIES
from sretool.net.routes.read.names import TableNames

RTM_NEWRULE, RTM_GETRULE = 32, 34
_HEADER = struct.Struct("=BBBBBxxBI")
FRA_DST, FRA_SRC, FRA_IIFNAME, FRA_GOTO, FRA_PRIORITY = 1, 2, 3, 4, 6
FRA_FWMARK, FRA_FLOW, FRA_TUN_ID, FRA_SUPPRESS_IFGROUP, FRA_SUPPRESS_PREFIXLEN = 10, 11, 12, 13, 14
FRA_TABLE, FRA_FWMASK, FRA_OIFNAME, FRA_L3MDEV, FRA_UID_RANGE, FRA_PROTOCOL = 15, 16, 17, 19, 20, 21
FRA_IP_PROTO, FRA_SPORT_RANGE, FRA_DPORT_RANGE, FRA_DSCP = 22, 23, 24, 25
FRA_FLOWLABEL, FRA_FLOWLABEL_MASK, FRA_SPORT_MASK, FRA_DPORT_MASK, FRA_DSCP_MASK = 26, 27, 28, 29, 30
FR_ACT_TO_TBL, FR_ACT_GOTO, FR_ACT_NOP = 1, 2, 3
ERRORS = {6: "blackhole", 7: "unreachable", 8: "prohibit"}
ACTIONS = {0: "unspec", FR_ACT_TO_TBL: "lookup", FR_ACT_GOTO: "goto", FR_ACT_NOP: "nop", **ERRORS}
FIB_RULE_INVERT, FIB_RULE_UNRESOLVED = 0x2, 0x4
# FIB_RULE_*; invert is a field of its own
FLAGS = {0x1: "permanent", FIB_RULE_UNRESOLVED: "unresolved", 0x8: "iif_detached", 0x10: "oif_detached"}
NONE = 0xFFFFFFFF


class Ports(NamedTuple):
    """A range of ports; `mask` where the rule compares bits of one port instead."""

    first: int
    last: int
    mask: int | None = None


class Masked(NamedTuple):
    """A number that is compared in the bits of `mask`."""

    value: int
    mask: int


class Rule(NamedTuple):
    """One rule: what it asks of a packet (None and 0: nothing), and what it does with one."""

    priority: int
    action: int
    table: str
    dst: bytes = b""
    dst_len: int = 0
    src: bytes = b""
    src_len: int = 0
    tos: int = 0
    iif: str | None = None
    oif: str | None = None
    mark: int = 0
    mask: int = 0
    goto: int = 0
    suppress_prefix_length: int | None = None
    suppress_group: int | None = None
    uids: tuple[int, int] | None = None
    ip_proto: int = 0
    sport: Ports | None = None
    dport: Ports | None = None
    dscp: Masked | None = None
    flowlabel: Masked | None = None
    tun_id: int = 0
    l3mdev: bool = False
    realms: int = 0
    protocol: int = 0
    flags: int = 0
    invert: bool = False


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
            head = _HEADER.unpack_from(payload)
            if head[0] != FAMILIES[family]:
                raise ParseError(what, f"a rule of address family {head[0]}")
            found.append(_rule(dict(netlink.attributes(payload, _HEADER.size, what)), head, tables, what))
    found.sort(key=lambda rule: rule.priority)
    return found


def _rule(values: dict[int, bytes], head: tuple[int, ...], tables: TableNames, what: str) -> Rule:
    def number(kind: int, default: int = 0) -> int:
        return int.from_bytes(values[kind][:4], sys.byteorder) if kind in values else default

    def big(kind: int) -> int:
        """A number in network order."""
        return int.from_bytes(values.get(kind, b""), "big")

    def pair(kind: int, form: str) -> tuple[int, int] | None:
        raw = values.get(kind)
        if raw is None:
            return None
        if len(raw) != struct.calcsize(form):
            raise ParseError(what, f"a range of {len(raw)} bytes in attribute {kind}")
        first, last = struct.unpack(form, raw)
        return first, last

    def ports(kind: int, mask: int) -> Ports | None:
        found = pair(kind, "=HH")
        if found is None:
            return None
        return Ports(*found, number(mask) if mask in values and number(mask) != 0xFFFF else None)

    def masked(kind: int, mask: int, every: int) -> Masked | None:
        if kind not in values:
            return None
        # one byte, or a word in network order
        return Masked(big(kind), big(mask) if mask in values else every)

    for kind in (FRA_DST, FRA_SRC):
        bits = head[1] if kind == FRA_DST else head[2]
        if bits > 8 * len(values.get(kind, b"")):
            raise ParseError(what, f"a prefix of {bits} bits in {len(values.get(kind, b''))} bytes")
    _, dst_len, src_len, tos, table, action, flags = head
    suppressed = number(FRA_SUPPRESS_PREFIXLEN, NONE), number(FRA_SUPPRESS_IFGROUP, NONE)
    mark = number(FRA_FWMARK)
    return Rule(
        priority=number(FRA_PRIORITY),
        action=action,
        table=tables[number(FRA_TABLE, table)],
        dst=values.get(FRA_DST, b""),
        dst_len=dst_len,
        src=values.get(FRA_SRC, b""),
        src_len=src_len,
        tos=tos,
        iif=netlink.name(values[FRA_IIFNAME]) if FRA_IIFNAME in values else None,
        oif=netlink.name(values[FRA_OIFNAME]) if FRA_OIFNAME in values else None,
        mark=mark,
        mask=number(FRA_FWMASK, NONE if mark else 0),
        goto=number(FRA_GOTO),
        suppress_prefix_length=None if suppressed[0] == NONE else suppressed[0],
        suppress_group=None if suppressed[1] == NONE else suppressed[1],
        uids=pair(FRA_UID_RANGE, "=II"),
        ip_proto=number(FRA_IP_PROTO),
        sport=ports(FRA_SPORT_RANGE, FRA_SPORT_MASK),
        dport=ports(FRA_DPORT_RANGE, FRA_DPORT_MASK),
        dscp=masked(FRA_DSCP, FRA_DSCP_MASK, 0x3F),
        flowlabel=masked(FRA_FLOWLABEL, FRA_FLOWLABEL_MASK, 0xFFFFF),
        tun_id=big(FRA_TUN_ID),
        l3mdev=bool(number(FRA_L3MDEV)),
        realms=number(FRA_FLOW),
        protocol=number(FRA_PROTOCOL),
        flags=flags,
        invert=bool(flags & FIB_RULE_INVERT),
    )


def flag_names(bits: int) -> list[str]:
    """The flags that are set, but for invert; bits without a name as unknown-0x…."""
    found = [name for bit, name in FLAGS.items() if bits & bit]
    rest = bits & ~(sum(FLAGS) | FIB_RULE_INVERT)
    return [*found, f"unknown-{rest:#x}"] if rest else found


def action_name(number: int) -> str:
    """lookup, goto, nop, or a refusal; one we do not know stays visible."""
    return names.of(ACTIONS, number)
