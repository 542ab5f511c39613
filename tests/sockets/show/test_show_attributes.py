from __future__ import annotations

import struct

import frames
import pytest
from frames import attribute
from hypothesis import given
from hypothesis import strategies as st

from sretool.errors import ParseError
from sretool.sockets.read import diag
from sretool.sockets.show.model import Bbr, Dctcp, Vegas
from sretool.sockets.show.read import attributes

TLS = attribute(1, b"tls\0") + attribute(
    2,
    attribute(1, struct.pack("=H", 0x0304))
    + attribute(2, struct.pack("=H", 52))
    + attribute(3, struct.pack("=H", 2))
    + attribute(4, struct.pack("=H", 9))
    + attribute(6, b""),
)
MPTCP = attribute(1, b"mptcp\0") + attribute(
    3,
    attribute(1, struct.pack("=I", 0xAABB))
    + attribute(2, struct.pack("=I", 0xCC))
    + attribute(4, struct.pack("=Q", 1 << 40))
    + attribute(8, struct.pack("=I", 1 << 6 | 1 << 20))
    + attribute(9, b"\2")
    + attribute(10, b"\1"),
)
ALL = (
    frames.tcp_info(rtt_us=1500)
    + attribute(4, b"cubic\0")
    + attribute(5, b"\x10")
    + attribute(6, b"\x20")
    + attribute(7, struct.pack("=9I", 1, 2, 3, 4, 5, 6, 7, 8, 9))
    + attribute(8, b"\1")
    + attribute(11, b"\1")
    + attribute(15, struct.pack("=I", 0xF00))
    + attribute(17, struct.pack("=I", 6))
    + attribute(18, bytes(200))
    + attribute(19, TLS)
    + attribute(21, struct.pack("=Q", 5))
    + attribute(22, b"\x05\x02")
    + attribute(99, b"new")
)


def decoded(attributes_: bytes) -> attributes.Attributes:
    raw = frames.socket_message(state=1, attributes=attributes_)
    [record] = diag.decode([raw], "tcp", "inet", diag.ALL_STATES)
    return attributes.decode(record)


def test_every_attribute():
    found = decoded(ALL)
    memory = found.memory
    assert (memory.receive_bytes, memory.receive_limit_bytes, memory.transmitting_bytes) == (1, 2, 3)
    assert (memory.send_limit_bytes, memory.reserved_bytes, memory.send_bytes) == (4, 5, 6)
    assert (memory.options_bytes, memory.backlog_bytes, memory.drops) == (7, 8, 9)
    assert found.congestion.algorithm == "cubic"
    options = found.options
    assert (options.tos, options.tclass, options.class_id, options.mark) == (0x10, 0x20, 6, 0xF00)
    assert (options.v6only, options.shut_read, options.shut_write) == (True, True, False)
    assert options.md5_keys == 2
    assert options.flags == ["recverr", "freebind", "recverr_rfc4884"]
    assert (options.tls.version, options.tls.cipher) == ("1.3", "aes-gcm-256")
    assert (options.tls.send, options.tls.receive) == ("sw", "unknown-9")
    assert (options.tls.zerocopy_sendfile, options.tls.no_pad_receive) == (False, True)
    assert options.unknown == ["unknown-99"]


def test_multipath():
    path = decoded(attribute(19, MPTCP)).options.mptcp
    assert (path.token, path.remote_token) == ("000000cc", "0000aabb")
    assert (path.address_id, path.remote_address_id, path.map_sequence) == (1, 2, 1 << 40)
    assert path.flags == ["fully-established", "unknown-20"]
    assert (path.map_bytes, path.offset) == (None, None)


def test_congestion_control():
    assert decoded(attribute(3, struct.pack("=4I", 1, 7, 2000, 1000))).congestion.vegas == Vegas(
        True, 7, 2, 1
    )
    dctcp = decoded(attribute(9, struct.pack("=2H3I", 1, 1, 512, 10, 20))).congestion.dctcp
    assert dctcp == Dctcp(True, 1, 0.5, 10, 20)
    bbr = decoded(attribute(16, struct.pack("=5I", 5, 1, 300, 739, 512))).congestion.bbr
    assert bbr == Bbr((1 << 32) + 5, 0.3, 739 / 256, 2)


def test_nothing_is_null():
    found = decoded(b"")
    assert found.memory is found.congestion is None
    assert found.options.flags is found.options.shut_read is found.options.tls is found.options.mark is None
    assert found.unknown == []


@pytest.mark.parametrize("kind", [3, 7, 9, 15, 16, 17, 19, 22])
def test_one_of_wrong_length_costs_itself(kind):
    found = decoded(attribute(4, b"reno\0") + attribute(kind, b"\1"))
    assert found.congestion.algorithm == "reno"
    expected = [] if kind == 7 else [f"unknown-{kind}"]  # of SKMEMINFO as many words as there are
    assert found.options.unknown == expected


@given(st.lists(st.tuples(st.integers(0, 30), st.binary(max_size=60)), max_size=8))
def test_any_attributes_are_decoded(pairs):
    decoded(b"".join(attribute(kind, raw) for kind, raw in pairs))


@given(st.data())
def test_mutated_messages_give_a_value_or_a_parse_error(data):
    whole = bytearray(frames.socket_message(state=1, attributes=ALL))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        records = diag.decode([bytes(whole)], "tcp", "inet", diag.ALL_STATES)
    except ParseError:
        return
    for record in records:
        attributes.decode(record)
