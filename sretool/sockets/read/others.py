"""Dumps of the families that are no inet: UNIX, packet, netlink and vsock sockets.

There are few of them, so they are rows at once. Shapes: include/uapi/linux/unix_diag.h, packet_diag.h,
netlink_diag.h and vm_sockets_diag.h.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from sretool.errors import ParseError
from sretool.host import netlink
from sretool.host.source import Dump
from sretool.sockets.model import Socket
from sretool.sockets.read.diag import SOCK_DIAG_BY_FAMILY
from sretool.sockets.states import CLOSED, ESTABLISHED, LISTEN, TCP_STATES

UNIX_DIAG_NAME, UNIX_DIAG_PEER, UNIX_DIAG_RQLEN, UNIX_DIAG_UID = 0, 2, 4, 7
PACKET_DIAG_INFO, PACKET_DIAG_UID, PACKET_DIAG_MEMINFO = 0, 5, 6
NETLINK_DIAG_MEMINFO = 0
_NETLINK_CONNECTED = 1  # net/netlink/af_netlink.c
_ANY_CID = 0xFFFFFFFF
_AF_VSOCK = 40
_NO_COOKIE = (0xFFFFFFFF, 0xFFFFFFFF)
# socket(2) types
_TYPES = {1: "stream", 2: "dgram", 3: "raw", 5: "seqpacket"}
# include/uapi/linux/netlink.h
NETLINK = (
    *("route", "unused", "usersock", "firewall", "sock_diag", "nflog", "xfrm", "selinux", "iscsi", "audit"),
    *("fib_lookup", "connector", "netfilter", "ip6_fw", "dnrtmsg", "kobject_uevent", "generic", "unknown-17"),
    *("scsitransport", "ecryptfs", "rdma", "crypto", "smc"),
)
# include/uapi/linux/if_ether.h, those that programs listen to
_ETHERTYPES = {
    0: "none",
    0x0003: "all",
    0x0004: "802.2",
    0x0800: "ip",
    0x0806: "arp",
    0x8035: "rarp",
    0x8100: "802.1q",
    0x86DD: "ipv6",
    0x8809: "slow",
    0x8847: "mpls",
    0x8863: "ppp_disc",
    0x8864: "ppp_ses",
    0x888E: "802.1x",
    0x88CC: "lldp",
    0x88F7: "ptp",
}


class Kind(NamedTuple):
    """One family: the module that lists it, its request (of the states in a mask), the fixed part of its
    messages, and what makes a row of one.
    """

    module: str
    request: Callable[[int], bytes]
    fixed: struct.Struct
    row: Callable[[tuple[Any, ...], dict[int, bytes], Mapping[int, str]], Socket]


def request(kind: str, mask: int) -> Dump:
    """The dump of one family, narrowed to `mask` where the kernel can."""
    return Dump(
        f"{kind}-diag",
        netlink.NETLINK_SOCK_DIAG,
        SOCK_DIAG_BY_FAMILY,
        netlink.NLM_F_DUMP,
        KINDS[kind].request(mask),
    )


def decode(kind: str, frames: Iterable[bytes], mask: int, interfaces: Mapping[int, str]) -> list[Socket]:
    """Rows without owners, in order of address, port and inode.

    Raises:
        ParseError: a message that is cut.
    """
    what, (_, _, fixed, row) = f"{kind}-diag", KINDS[kind]
    rows = []
    for frame in frames:
        for number, _, payload in netlink.messages(frame, what):
            if number != SOCK_DIAG_BY_FAMILY:
                continue
            if len(payload) < fixed.size:
                raise ParseError(what, f"a socket message of {len(payload)} bytes")
            made = row(
                fixed.unpack_from(payload), dict(netlink.attributes(payload, fixed.size, what)), interfaces
            )
            if made.state not in _BITS or mask >> _BITS[made.state] & 1:
                rows.append(made)
    if kind == "unix":
        _name_peers(rows)
    if kind == "netlink":  # one that listens to a group comes again with those of the group
        rows = list({(row.local_address, row.local_port, row.inode): row for row in rows}.values())
    rows.sort(key=lambda row: (row.local_address or "", row.local_port or 0, row.inode or 0))
    return rows


_BITS = {"unconnected": CLOSED, **{name: number for number, name in enumerate(TCP_STATES)}}


def _state(number: int) -> str:
    if number == CLOSED:
        return "unconnected"
    return TCP_STATES[number] if 0 < number < len(TCP_STATES) else f"unknown-{number}"


def _type(kind: str, number: int) -> str:
    return f"{kind}-{_TYPES.get(number, f'unknown-{number}')}"


def _words(raw: bytes | None, count: int) -> tuple[int | None, ...]:
    """The first `count` 32-bit numbers; None where the attribute is too short, or not there."""
    found = struct.unpack(f"={len(raw) // 4}I", raw[: len(raw) & ~3]) if raw else ()
    return (*found[:count], *[None] * (count - len(found)))


def _row(
    protocol: str,
    family: str,
    state: str,
    *,
    inode: int,
    queues: tuple[int | None, ...],
    uid: int | None = None,
    local: tuple[str | None, int | None] = (None, None),
    remote: tuple[str | None, int | None] = (None, None),
    interface: str | None = None,
) -> Socket:
    listening = state == "listen"
    received, sent = queues
    nobody = (None,) * 6
    return Socket(
        protocol,
        family,
        state,
        None if listening else received,
        None if listening else sent,
        received if listening else None,
        sent if listening else None,
        *local,
        *remote,
        interface,
        None,
        inode or None,
        uid,
        None,
        *nobody,
    )


def _unix(fixed: tuple[Any, ...], found: dict[int, bytes], names: Mapping[int, str]) -> Socket:
    _, type_, state, inode, _ = fixed
    (uid,) = _words(found.get(UNIX_DIAG_UID), 1)
    (peer,) = _words(found.get(UNIX_DIAG_PEER), 1)
    # of a listener: connections that wait, and its backlog (net/unix/diag.c sk_diag_show_rqlen)
    queues = _words(found.get(UNIX_DIAG_RQLEN), 2)
    name = _unix_name(found.get(UNIX_DIAG_NAME, b""))
    row = _row(
        _type("unix", type_), "unix", _state(state), inode=inode, queues=queues, uid=uid, local=(name, None)
    )
    row.peer_inode = peer or None
    row.peer_pid = row.peer_process = None
    return row


def _unix_name(raw: bytes) -> str | None:
    """A path, or @name of the abstract namespace, whose zero bytes are shown as @ too, as in ss."""
    if raw.startswith(b"\0"):
        return raw.replace(b"\0", b"@").decode("utf-8", "backslashreplace")
    return netlink.name(raw) or None


def _name_peers(rows: list[Socket]) -> None:
    names = {row.inode: row.local_address for row in rows}
    for row in rows:
        if isinstance(row.peer_inode, int):
            row.remote_address = names.get(row.peer_inode)


def _packet(fixed: tuple[Any, ...], found: dict[int, bytes], interfaces: Mapping[int, str]) -> Socket:
    _, type_, ethertype, inode = fixed
    (index,) = _words(found.get(PACKET_DIAG_INFO), 1)
    (uid,) = _words(found.get(PACKET_DIAG_UID), 1)
    received, _, sent = _words(found.get(PACKET_DIAG_MEMINFO), 3)
    return _row(
        _type("packet", type_),
        "packet",
        "unconnected",
        inode=inode,
        queues=(received, sent),
        uid=uid,
        local=(_ETHERTYPES.get(ethertype, f"{ethertype:#06x}"), None),
        interface=interfaces.get(index, f"if{index}") if index else None,
    )


def _netlink(fixed: tuple[Any, ...], found: dict[int, bytes], names: Mapping[int, str]) -> Socket:
    _, _, protocol, state, port, peer, group, inode = fixed
    received, _, sent = _words(found.get(NETLINK_DIAG_MEMINFO), 3)
    connected = state == _NETLINK_CONNECTED
    # the kernel's own end of a protocol has an inode too, and no process
    inode = inode if port else 0
    return _row(
        "netlink",
        "netlink",
        _state(ESTABLISHED if connected else CLOSED),
        inode=inode,
        queues=(received, sent),
        local=(NETLINK[protocol] if protocol < len(NETLINK) else f"unknown-{protocol}", port),
        remote=(f"group-{group}" if group else "unicast", peer) if connected else (None, None),
    )


def _vsock(fixed: tuple[Any, ...], found: dict[int, bytes], names: Mapping[int, str]) -> Socket:
    _, type_, state, cid, port, peer_cid, peer_port, inode = fixed
    peerless = state in (CLOSED, LISTEN)
    return _row(
        _type("vsock", type_),
        "vsock",
        _state(state),
        inode=inode,
        queues=(None, None),
        local=("*" if cid == _ANY_CID else str(cid), port),
        remote=(None, None) if peerless else (str(peer_cid), peer_port),
    )


KINDS = {
    # show: name, peer, queues, uid
    "unix": Kind(
        "unix_diag",
        lambda mask: struct.pack("=BBHIIIII", socket.AF_UNIX, 0, 0, mask, 0, 0b1010101, *_NO_COOKIE),
        struct.Struct("=BBBxIQ"),
        _unix,
    ),
    # show: info, memory
    "packet": Kind(
        "af_packet_diag",
        lambda _: struct.pack("=BBHIIII", socket.AF_PACKET, 0, 0, 0, 0b10001, *_NO_COOKIE),
        struct.Struct("=BBHI8x"),
        _packet,
    ),
    # NDIAG_PROTO_ALL; show: memory
    "netlink": Kind(
        "netlink_diag",
        lambda _: struct.pack("=BBHIIII", socket.AF_NETLINK, 255, 0, 0, 0b1, *_NO_COOKIE),
        struct.Struct("=BBBBIIII8x"),
        _netlink,
    ),
    "vsock": Kind(
        "vsock_diag",
        lambda mask: struct.pack("=BBHIIIII", _AF_VSOCK, 0, 0, mask, 0, 0, *_NO_COOKIE),
        struct.Struct("=BBBxIIIII8x"),
        _vsock,
    ),
}
