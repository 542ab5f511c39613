"""Filters in the kernel (classic BPF, socket(7) SO_ATTACH_FILTER): what is not for us costs Python nothing.

A raw IPv4 socket sees packets from their IP header on, a raw IPv6 one from what follows it (raw(7),
ipv6(7)). A load beyond the packet's end ends the program, and the packet is dropped. Filters only save
time: whoever reads the socket checks everything again.
"""

from __future__ import annotations

import socket
import struct
from array import array
from collections.abc import Iterable

from sretool.probe.packet import ECHO_REPLY

Program = list[tuple[int, int, int, int]]
"""(code, jump if true, jump if false, k): struct sock_filter, linux/filter.h."""

SO_ATTACH_FILTER = 26
_MOST = 4096  # BPF_MAXINSNS
# linux/bpf_common.h: the word, half and byte at X + k, X = the IPv4 header's length, and a few more
_WORD, _HALF, _BYTE, _HEADER_LENGTH = 0x40, 0x48, 0x50, 0xB1
_LOAD_X, _EQUAL, _RETURN = 0x01, 0x15, 0x06
_ACCEPT, _DROP = (_RETURN, 0, 0, 0xFFFF), (_RETURN, 0, 0, 0)


def attach(opened: socket.socket, program: Program) -> None:
    """Let through what the program accepts, from now on; everything, when it is too long for a kernel."""
    if len(program) > _MOST:
        program = [_ACCEPT]
    code = array("B", b"".join(struct.pack("=HBBI", *step) for step in program))
    address, _length = code.buffer_info()
    opened.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(program), address))


def _start(family: int) -> Program:
    return [(_HEADER_LENGTH, 0, 0, 0) if family == 4 else (_LOAD_X, 0, 0, 0)]


def errors(family: int, protocol: int, targets: Iterable[bytes], identifiers: int | None = None) -> Program:
    """ICMP messages that quote a packet of that protocol to one of the targets (packed addresses).
    With `identifiers`, also echo replies whose identifier has this first byte.
    """
    program = _start(family)
    if identifiers is not None:
        program += [
            (_BYTE, 0, 0, 0),
            (_EQUAL, 0, 4, ECHO_REPLY[family]),
            (_BYTE, 0, 0, 4),
            (_EQUAL, 0, 1, identifiers),
            _ACCEPT,
            _DROP,
        ]
    program += [(_BYTE, 0, 0, 8 + (9 if family == 4 else 6)), (_EQUAL, 1, 0, protocol), _DROP]
    if family == 4:
        program.append((_WORD, 0, 0, 8 + 16))
        for target in targets:
            program += [(_EQUAL, 0, 1, *struct.unpack("!I", target)), _ACCEPT]
    else:
        for target in targets:
            # the half of the address that tells hosts apart; the rest is looked at when it is read
            third, fourth = struct.unpack("!II", target[8:])
            program += [
                (_WORD, 0, 0, 8 + 36),
                (_EQUAL, 0, 3, fourth),
                (_WORD, 0, 0, 8 + 32),
                (_EQUAL, 0, 1, third),
                _ACCEPT,
            ]
    return [*program, _DROP]


def segments(family: int, sport: int, dports: Iterable[int]) -> Program:
    """TCP segments from one port to any of those."""
    program = [*_start(family), (_HALF, 0, 0, 0), (_EQUAL, 1, 0, sport), _DROP, (_HALF, 0, 0, 2)]
    for dport in dports:
        program += [(_EQUAL, 0, 1, dport), _ACCEPT]
    return [*program, _DROP]
