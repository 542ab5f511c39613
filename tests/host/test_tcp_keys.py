from __future__ import annotations

import struct

import frames
from hypothesis import given
from hypothesis import strategies as st

from sretool.host import tcp_keys
from sretool.host.source import Frames

ENTRY = struct.pack("=BBH16s80s", 2, 32, 6, bytes(16), b"secret")


def blanked(raw: bytes) -> bytes:
    [found] = tcp_keys.blanked(Frames([raw], True)).frames
    return found


def test_keys_are_zeros_and_nothing_else_changes():
    other = frames.attribute(4, b"reno\0")
    one = frames.socket_message(attributes=other + frames.attribute(18, ENTRY * 2) + frames.memory())
    plain = frames.socket_message(local_port=18, attributes=frames.memory(0x120012))
    done = blanked(plain + one + plain + frames.DONE)
    assert b"secret" not in done
    assert done == (plain + one + plain + frames.DONE).replace(b"secret", bytes(6))


@given(st.binary(max_size=400), st.integers(0, 399), st.integers(0, 255))
def test_any_bytes_keep_their_length(raw, at, value):
    assert len(blanked(raw)) == len(raw)
    whole = bytearray(frames.socket_message(attributes=frames.attribute(18, ENTRY * 3)))
    whole[at % len(whole)] = value
    assert len(blanked(bytes(whole))) == len(whole)
