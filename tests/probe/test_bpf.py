"""The kernel itself lets through what it should; anybody may try it on a datagram socket."""

from __future__ import annotations

import socket
import struct

import pytest

from sretool.probe import bpf, packet


def passes(program: bpf.Program, data: bytes) -> bool:
    """Whether a socket with this filter gets it. A UNIX socket's packets begin with their first byte."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        bpf.attach(ours, program)
        theirs.send(data)
        ours.setblocking(False)
        try:
            return bool(ours.recv(4096))
        except BlockingIOError:
            return False


TARGETS = {4: [b"\x0a\0\0\1", b"\x0a\0\0\2"], 6: [b"\xfd" + bytes(14) + b"\1", b"\xfd" + bytes(13) + b"\1\2"]}


def error(family: int, target: bytes, protocol: int = 17, options: bytes = b"") -> bytes:
    if family == 4:
        outer = bytes([0x45 + len(options) // 4]) + bytes(19) + options
        return outer + b"\x0b" + bytes(7) + b"\x45" + bytes(8) + bytes([protocol]) + bytes(6) + target
    return b"\3" + bytes(7) + b"\x60" + bytes(5) + bytes([protocol]) + bytes(17) + target


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("identifiers", [None, 0xAB])
def test_errors(family: int, identifiers: int | None) -> None:
    program = bpf.errors(family, 17, TARGETS[family], identifiers)
    for target in TARGETS[family]:
        assert passes(program, error(family, target))
        assert passes(program, error(family, target) + bytes(100))
        assert not passes(program, error(family, target, protocol=6))
        assert not passes(program, error(family, target)[:-1])
    assert not passes(program, error(family, TARGETS[family][0][:-1] + b"\7"))
    if family == 4:
        assert passes(program, error(4, TARGETS[4][1], options=bytes(8)))
    outer = b"\x45" + bytes(19) if family == 4 else b""
    for identifier in (0xAB01, 0xAC01):
        reply = outer + struct.pack("!BBHHH", packet.ECHO_REPLY[family], 0, 0, identifier, 1)
        assert passes(program, reply) == (identifiers is not None and identifier == 0xAB01)


@pytest.mark.parametrize("family", [4, 6])
def test_segments(family: int) -> None:
    program = bpf.segments(family, 443, [40000, 40001])
    outer = b"\x45" + bytes(19) if family == 4 else b""
    for sport, dport, expected in (
        (443, 40000, True),
        (443, 40001, True),
        (443, 40002, False),
        (80, 40000, False),
    ):
        assert passes(program, outer + struct.pack("!HH", sport, dport) + bytes(16)) == expected


def test_too_many_targets_are_told_apart_later() -> None:
    program = bpf.errors(4, 17, [struct.pack("!I", number) for number in range(5000)])
    assert passes(program, b"anything")
