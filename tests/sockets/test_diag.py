from __future__ import annotations

import struct

import frames
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sretool.errors import ParseError
from sretool.host import netlink
from sretool.sockets.read import diag

ONE = frames.socket_message()


def decoded(raw: bytes, family: str = "inet", states: int = diag.ALL_STATES):
    return diag.decode([raw], "tcp", family, states)


def test_fixed_part():
    raw = frames.socket_message(
        "10.0.0.1", 8080, "192.0.2.7", 54321, state=1, queues=(5, 7), inode=77, uid=33, interface=2, cookie=9
    )
    [(values, frame, at)] = decoded(raw + frames.DONE)
    assert values[3] == diag.ESTABLISHED
    assert [struct.pack("=H", port) for port in values[6:8]] == [struct.pack(">H", p) for p in (8080, 54321)]
    assert values[8:17] == (b"\x0a\0\0\1", b"\xc0\0\2\7", 2, 9, 0, 5, 7, 33, 77)
    assert (frame, at) == (raw + frames.DONE, 0)


def test_states_are_those_of_the_mask():
    raw = b"".join(
        frames.socket_message(local_port=port, state=state) for port, state in ((80, 10), (81, 1), (80, 6))
    )
    assert len(decoded(raw)) == 3
    assert [r[0][3] for r in decoded(raw, states=1 << diag.LISTEN)] == [10]


@pytest.mark.parametrize("size", range(1, len(ONE)))
def test_a_cut_frame_is_refused(size):
    with pytest.raises(ParseError):
        decoded(ONE[:size])


def test_another_family_is_refused():
    with pytest.raises(ParseError):
        decoded(frames.socket_message("::1"))
    assert len(decoded(frames.socket_message("::1"), "inet6")) == 1


@pytest.mark.parametrize("length", [0, 15, 71, 87, 4096])
def test_a_wrong_length_is_refused(length):
    with pytest.raises(ParseError):
        decoded(struct.pack("=I", length) + ONE[4:])


@given(st.one_of(st.binary(max_size=300), st.binary(max_size=120).map(lambda tail: ONE + tail)))
def test_any_bytes_give_records_or_parse_error(raw):
    for family in ("inet", "inet6"):
        try:
            records = decoded(raw, family)
            for record in records:
                diag.attributes(record, "x")
        except ParseError:
            pass


@given(st.integers(0, len(ONE) - 1), st.integers(0, 255))
def test_any_changed_byte_gives_records_or_parse_error(at, value):
    raw = frames.socket_message(attributes=frames.memory())
    raw = raw[:at] + bytes([value]) + raw[at + 1 :]
    try:
        for record in decoded(raw + frames.DONE):
            diag.attributes(record, "x")
    except ParseError:
        pass


@given(st.binary(max_size=260))
def test_attribute_values_of_any_length_never_raise(raw):
    diag.memory(raw)
    diag.cgroup_id({diag.INET_DIAG_CGROUP_ID: raw})


def test_request_carries_the_state_mask():
    request = diag.request("tcp", "inet6", 1 << diag.LISTEN, info=False, memory=True)
    assert request.key == "inet-diag/tcp/6"
    assert len(request.payload) == 56
    assert struct.unpack_from("=BBBxI", request.payload) == (10, 6, 1 << 6, 1 << 10)


def test_netlink_reader_refuses_leftovers():
    with pytest.raises(ParseError):
        list(netlink.messages(frames.DONE + b"\0" * 8))
    with pytest.raises(ParseError):
        list(netlink.attributes(frames.attribute(1, b"abcd") + b"\0", 0))
    assert [kind for kind, _, _ in netlink.messages(ONE + frames.DONE)] == [20, 3]
