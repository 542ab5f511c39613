"""The attributes of one sock_diag message. One that is damaged or not known costs itself."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from typing import Any

from sretool.errors import ParseError
from sretool.host import netlink
from sretool.host.tcp_keys import ENTRY_BYTES
from sretool.sockets.read import diag
from sretool.sockets.show.model import Bbr, Congestion, Dctcp, Memory, Mptcp, Options, Tls, Vegas

# include/uapi/linux/inet_diag.h
VEGASINFO, CONG, TOS, TCLASS, SKMEMINFO, SHUTDOWN, DCTCPINFO = 3, 4, 5, 6, 7, 8, 9
PROTOCOL, SKV6ONLY, PAD, MARK, BBRINFO, CLASS_ID, MD5SIG = 10, 11, 14, 15, 16, 17, 18
ULP_INFO, CGROUP_ID, SOCKOPT = 19, 21, 22
_ELSEWHERE = (1, diag.INET_DIAG_INFO, PROTOCOL, PAD, CGROUP_ID)  # 1: MEMINFO, never asked for

# struct inet_diag_sockopt: two bytes of bits, in this order
_SOCKOPT = (
    ("recverr", "is_icsk", "freebind", "hdrincl", "mc_loop", "transparent", "mc_all", "nodefrag"),
    ("bind_address_no_port", "recverr_rfc4884", "defer_connect"),
)
# include/uapi/linux/tls.h
_TLS_VERSIONS = {0x0303: "1.2", 0x0304: "1.3"}
_TLS_CIPHERS = {
    51: "aes-gcm-128",
    52: "aes-gcm-256",
    53: "aes-ccm-128",
    54: "chacha20-poly1305",
    55: "sm4-gcm",
    56: "sm4-ccm",
    57: "aria-gcm-128",
    58: "aria-gcm-256",
}
_TLS_CONF = {1: "none", 2: "sw", 3: "hw", 4: "hw-record"}
# include/uapi/linux/mptcp.h
_SUBFLOW_FLAGS = (
    "mcap-rem",
    "mcap-loc",
    "join-rem",
    "join-loc",
    "bkup-rem",
    "bkup-loc",
    "fully-established",
    "connected",
    "mapvalid",
)


class Attributes:
    """What the attributes say. `unknown` names those that are of a type or length not known."""

    def __init__(self, found: dict[int, bytes]) -> None:
        self.unknown: list[str] = []
        self._found = found
        known = {*_ELSEWHERE, VEGASINFO, CONG, TOS, TCLASS, SKMEMINFO, SHUTDOWN, DCTCPINFO, SKV6ONLY, MARK}
        known |= {BBRINFO, CLASS_ID, MD5SIG, ULP_INFO, SOCKOPT}
        self._strange(*(kind for kind in sorted(found) if kind not in known))
        self.memory = self._read(SKMEMINFO, _memory)
        self.congestion = self._congestion()
        self.options = self._options()

    def _strange(self, *kinds: int) -> None:
        self.unknown += [f"unknown-{kind}" for kind in kinds]

    def _read(self, kind: int, decode: Callable[[bytes], Any]) -> Any:
        raw = self._found.get(kind)
        if raw is None:
            return None
        try:
            return decode(raw)
        except (ParseError, struct.error):
            self._strange(kind)
            return None

    def _congestion(self) -> Congestion | None:
        algorithm = self._read(CONG, netlink.name)
        vegas, dctcp = self._read(VEGASINFO, _vegas), self._read(DCTCPINFO, _dctcp)
        bbr = self._read(BBRINFO, _bbr)
        if not algorithm and vegas is dctcp is bbr is None:
            return None
        return Congestion(algorithm or None, vegas, dctcp, bbr)

    def _options(self) -> Options:
        shut = self._read(SHUTDOWN, _byte)
        v6only = self._read(SKV6ONLY, _byte)
        upper, tls, mptcp = self._read(ULP_INFO, _upper_layer) or (None, None, None)
        return Options(
            tos=self._read(TOS, _byte),
            tclass=self._read(TCLASS, _byte),
            class_id=self._read(CLASS_ID, _word),
            mark=self._read(MARK, _word),
            v6only=None if v6only is None else bool(v6only),
            # net/ipv4/inet_diag.c: RCV_SHUTDOWN 1, SEND_SHUTDOWN 2
            shut_read=None if shut is None else bool(shut & 1),
            shut_write=None if shut is None else bool(shut & 2),
            flags=self._read(SOCKOPT, _sockopt),
            upper_layer=upper,
            tls=tls,
            mptcp=mptcp,
            md5_keys=self._read(MD5SIG, lambda raw: len(raw) // ENTRY_BYTES),
            unknown=self.unknown,
        )


def decode(record: diag.Record) -> Attributes:
    """The attributes of one socket; without any when their framing is damaged."""
    try:
        return Attributes(diag.attributes(record, "inet-diag"))
    except ParseError:
        found = Attributes({})
        found.unknown.append("damaged")
        return found


def _unpack(code: str, raw: bytes) -> tuple[int, ...]:
    """Fields of native order from the start of `raw`.

    Raises:
        struct.error: it is too short.
    """
    return struct.unpack_from(f"={code}", raw)


def _byte(raw: bytes) -> int:
    return _unpack("B", raw)[0]


def _short(raw: bytes) -> int:
    return _unpack("H", raw)[0]


def _word(raw: bytes) -> int:
    return _unpack("I", raw)[0]


def _long(raw: bytes) -> int:
    return _unpack("Q", raw)[0]


def _memory(raw: bytes) -> Memory:
    """SK_MEMINFO_* of include/uapi/linux/sock_diag.h; backlog came with 3.10, drops with 4.6."""
    count = min(len(raw) // 4, 9)
    words: list[int | None] = [*_unpack(f"{count}I", raw), *[None] * (9 - count)]
    received, receive_limit, transmitting, send_limit, reserved, queued, options, backlog, drops = words
    return Memory(
        receive_bytes=received,
        receive_limit_bytes=receive_limit,
        receive_limit_max_bytes=None,
        send_bytes=queued,
        send_limit_bytes=send_limit,
        send_limit_max_bytes=None,
        transmitting_bytes=transmitting,
        reserved_bytes=reserved,
        options_bytes=options,
        backlog_bytes=backlog,
        drops=drops,
    )


def _vegas(raw: bytes) -> Vegas:
    enabled, count, rtt, least = _unpack("4I", raw)
    return Vegas(bool(enabled), count, rtt / 1000, least / 1000)


def _dctcp(raw: bytes) -> Dctcp:
    enabled, ce_state, alpha, marked, total = _unpack("2H3I", raw)
    # DCTCP_MAX_ALPHA is 1024, net/ipv4/tcp_dctcp.c
    return Dctcp(bool(enabled), ce_state, alpha / 1024, marked, total)


def _bbr(raw: bytes) -> Bbr:
    low, high, least, pacing, window = _unpack("5I", raw)
    return Bbr(high << 32 | low, least / 1000, pacing / 256, window / 256)  # BBR_UNIT, net/ipv4/tcp_bbr.c


def _sockopt(raw: bytes) -> list[str]:
    found = []
    for byte, names in zip(_unpack("2B", raw), _SOCKOPT):
        for bit, name in enumerate(names):
            # bit fields fill a byte from the low end on little-endian machines, from the high end on others
            if byte >> (bit if sys.byteorder == "little" else 7 - bit) & 1:
                found.append(name)
    return found


def _nested(raw: bytes) -> dict[int, bytes]:
    return dict(netlink.attributes(raw, 0, "inet-diag"))


def _upper_layer(raw: bytes) -> tuple[str | None, Tls | None, Mptcp | None]:
    found = _nested(raw)
    tls = _tls(_nested(found[2])) if 2 in found else None
    mptcp = _mptcp(_nested(found[3])) if 3 in found else None
    return (netlink.name(found[1]) if 1 in found else None), tls, mptcp


def _tls(found: dict[int, bytes]) -> Tls:
    def word(kind: int, names: dict[int, str]) -> str | None:
        if kind not in found:
            return None
        number = _short(found[kind])
        return names.get(number, f"unknown-{number}")

    return Tls(
        version=word(1, _TLS_VERSIONS),
        cipher=word(2, _TLS_CIPHERS),
        send=word(3, _TLS_CONF),
        receive=word(4, _TLS_CONF),
        zerocopy_sendfile=5 in found,
        no_pad_receive=6 in found,
    )


def _mptcp(found: dict[int, bytes]) -> Mptcp:
    def number(kind: int, decode: Callable[[bytes], int]) -> int | None:
        return decode(found[kind]) if kind in found else None

    remote, ours, flags = number(1, _word), number(2, _word), number(8, _word) or 0
    return Mptcp(
        token=None if ours is None else f"{ours:08x}",
        remote_token=None if remote is None else f"{remote:08x}",
        address_id=number(10, _byte),
        remote_address_id=number(9, _byte),
        flags=[
            _SUBFLOW_FLAGS[bit] if bit < len(_SUBFLOW_FLAGS) else f"unknown-{bit}"
            for bit in range(32)
            if flags >> bit & 1
        ],
        map_sequence=number(4, _long),
        map_subflow_sequence=number(5, _word),
        map_bytes=number(7, _short),
        offset=number(6, _word),
    )
