"""What a route wraps packets in (lightweight tunnels), in the words of `ip route`.

Shapes: include/uapi/linux/lwtunnel.h, mpls_iptunnel.h, seg6_iptunnel.h, seg6_local.h.
"""

from __future__ import annotations

import socket
import struct

from sretool.host import netlink
from sretool.net.routes.read.names import ENCAPS

_SEG6_MODES = ("inline", "encap", "l2encap", "encap.red", "l2encap.red")
_SEG6_LOCAL = (
    "unspec", "End", "End.X", "End.T", "End.DX2", "End.DX6", "End.DX4", "End.DT6", "End.DT4", "End.B6",
    "End.B6.Encaps", "End.BM", "End.S", "End.AS", "End.AM", "End.BPF", "End.DT46",
)  # fmt: skip
_BPF_HOOKS = {1: "in", 2: "out", 3: "xmit"}
_SEG6_HEAD, _SEGMENT_BYTES = 12, 16  # the mode, then struct ipv6_sr_hdr without its segments


def name(number: int) -> str | None:
    """LWTUNNEL_ENCAP_*; None for none."""
    if not number:
        return None
    return ENCAPS[number] if number < len(ENCAPS) else f"unknown-{number}"


def words(number: int, raw: bytes, what: str) -> str | None:
    """The tunnel's parameters, where we know how they are laid out.

    Raises:
        ParseError: lengths that do not fit.
    """
    describe = _DESCRIBE.get(number)
    if describe is None:
        return None
    return describe(dict(netlink.attributes(raw, 0, what))) or None


def _mpls(values: dict[int, bytes]) -> str:
    stack = values.get(1, b"")
    labels = [str(entry >> 12) for (entry,) in struct.iter_unpack(">I", stack[: len(stack) & ~3])]
    ttl = values.get(2, b"")
    return "/".join(labels) + (f" ttl {ttl[0]}" if ttl[:1] > b"\0" else "")


def _ip(values: dict[int, bytes]) -> str:
    found = []
    for kind, word in ((1, "id"), (3, "src"), (2, "dst"), (4, "ttl"), (5, "tos")):
        raw = values.get(kind, b"")
        if kind in (2, 3) and len(raw) in (4, 16) and any(raw):
            family = socket.AF_INET if len(raw) == 4 else socket.AF_INET6
            found.append(f"{word} {socket.inet_ntop(family, raw)}")
        elif kind not in (2, 3) and any(raw):
            found.append(f"{word} {int.from_bytes(raw, 'big')}")
    return " ".join(found)


def _seg6(values: dict[int, bytes]) -> str:
    raw = values.get(1, b"")
    if len(raw) < _SEG6_HEAD:
        return ""
    mode = struct.unpack_from("=i", raw)[0]
    segments = raw[_SEG6_HEAD : _SEG6_HEAD + (raw[8] + 1) * _SEGMENT_BYTES]
    texts = [
        socket.inet_ntop(socket.AF_INET6, segments[at : at + _SEGMENT_BYTES])
        for at in range(0, len(segments) - _SEGMENT_BYTES + 1, _SEGMENT_BYTES)
    ]
    known = _SEG6_MODES[mode] if 0 <= mode < len(_SEG6_MODES) else f"unknown-{mode}"
    return f"mode {known} segs {','.join(reversed(texts))}"  # kept last segment first (RFC 8754)


def _seg6_local(values: dict[int, bytes]) -> str:
    raw = values.get(1, b"")
    if len(raw) < 4:
        return ""
    action = struct.unpack_from("=I", raw)[0]
    return f"action {_SEG6_LOCAL[action] if action < len(_SEG6_LOCAL) else f'unknown-{action}'}"


def _bpf(values: dict[int, bytes]) -> str:
    found = []
    for kind, hook in _BPF_HOOKS.items():
        if kind in values:
            program = dict(netlink.attributes(values[kind], 0, "bpf")).get(2)
            found.append(f"{hook} {netlink.name(program)}" if program else hook)
    return " ".join(found)


_DESCRIBE = {1: _mpls, 2: _ip, 4: _ip, 5: _seg6, 6: _bpf, 7: _seg6_local}
