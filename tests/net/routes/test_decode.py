from __future__ import annotations

import struct

import frames
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sretool.errors import ParseError
from sretool.host import interfaces
from sretool.net.routes.read import decode, names, rules
from sretool.net.routes.read.names import TABLES, TableNames

DEVICES = {1: "lo", 2: "eth0", 3: "eth1"}


def u32(number: int) -> bytes:
    return struct.pack("=I", number)


def address(text: str) -> bytes:
    import ipaddress

    return ipaddress.ip_address(text).packed


def rows(*messages: bytes, family: str = "inet", **wanted):
    raw = b"".join(messages) + frames.DONE
    return list(decode.decode([raw], family, DEVICES, TableNames(TABLES), decode.Wanted(**wanted)))


VIA = frames.attribute(5, address("192.0.2.1")) + frames.attribute(4, u32(2))
ONE = frames.route_message("10.0.0.0/8", attributes=VIA + frames.attribute(6, u32(100)))


def test_a_common_route():
    [row] = rows(ONE)
    assert (row.family, row.type, row.dst, row.gateway, row.dev) == (
        "inet",
        "unicast",
        "10.0.0.0/8",
        "192.0.2.1",
        "eth0",
    )
    assert (row.table, row.protocol, row.scope, row.metric) == ("main", "static", "global", 100)
    assert (row.prefsrc, row.flags, row.nexthops, row.metrics, row.nhid) == (None, [], [], {}, None)


def test_default_host_and_prefix():
    found = rows(
        frames.route_message(attributes=VIA),
        frames.route_message("10.0.0.1/32", attributes=VIA),
        frames.route_message("0.0.0.0/8", attributes=VIA),
    )
    assert [(row.dst, row.prefix_length) for row in found] == [
        ("default", 0),
        ("10.0.0.1", 32),
        ("0.0.0.0/8", 8),
    ]


def test_what_few_routes_have():
    metrics = frames.attribute(2, u32(1400)) + frames.attribute(4, u32(80)) + frames.attribute(16, b"bbr\0")
    attributes = (
        frames.attribute(8, metrics)
        + frames.attribute(30, u32(7))
        + frames.attribute(21, struct.pack("=H", 1))
        + frames.attribute(20, b"\1")
        + frames.attribute(18, struct.pack("=H", 10) + address("fe80::1"))
        + frames.attribute(7, address("192.0.2.9"))
        + frames.attribute(99, b"from the future")
    )
    [row] = rows(frames.route_message("10.1.0.0/16", type=1, flags=0x11 | 1 << 27, attributes=attributes))
    assert row.metrics == {"mtu": 1400, "rtt_ms": 10.0, "cc_algo": "bbr"}
    assert (row.nhid, row.encap, row.pref, row.gateway, row.prefsrc) == (
        7,
        "mpls",
        "high",
        "fe80::1",
        "192.0.2.9",
    )
    assert row.flags == ["dead", "linkdown", "unknown-0x8000000"]


def test_multipath():
    def leg(index: int, hops: int, gateway: bytes, flags: int = 0) -> bytes:
        body = frames.attribute(5, gateway)
        return struct.pack("=HBBi", 8 + len(body), flags, hops, index) + body

    legs = leg(2, 0, address("192.0.2.1")) + leg(3, 4, address("198.51.100.1"), 0x10)
    [row] = rows(frames.route_message(attributes=frames.attribute(9, legs)))
    assert (row.gateway, row.dev) == (None, None)
    assert [(n.gateway, n.dev, n.weight, n.flags) for n in row.nexthops] == [
        ("192.0.2.1", "eth0", 1, []),
        ("198.51.100.1", "eth1", 5, ["linkdown"]),
    ]
    assert len(rows(frames.route_message(attributes=frames.attribute(9, legs)), dev="eth1")) == 1


def test_unknown_numbers_stay_visible():
    [row] = rows(
        frames.route_message(
            protocol=77, scope=9, type=40, table=1000, attributes=frames.attribute(4, u32(9))
        )
    )
    assert (row.protocol, row.scope, row.type, row.table, row.dev) == (
        "unknown-77",
        "unknown-9",
        "unknown-40",
        "1000",
        "if9",
    )


def test_cached_routes_are_left_out():
    assert rows(frames.route_message(flags=names.CLONED, attributes=VIA)) == []


def test_filters():
    other = frames.route_message("10.2.0.0/16", table=100, attributes=frames.attribute(4, u32(3)))
    assert [row.dst for row in rows(ONE, other, table="100")] == ["10.2.0.0/16"]
    assert [row.dst for row in rows(ONE, other, dev="eth0")] == ["10.0.0.0/8"]
    assert [row.dst for row in rows(ONE, other, covering=address("10.2.3.4"))] == [
        "10.0.0.0/8",
        "10.2.0.0/16",
    ]
    assert [row.dst for row in rows(ONE, other, covering=address("10.9.3.4"))] == ["10.0.0.0/8"]


@pytest.mark.parametrize("size", range(1, len(ONE)))
def test_a_cut_frame_is_refused(size):
    with pytest.raises(ParseError):
        list(decode.decode([ONE[:size]], "inet", {}, TableNames(), decode.EVERY))


def test_another_family_is_refused():
    with pytest.raises(ParseError):
        rows(frames.route_message("2001:db8::/32", family=6))
    with pytest.raises(ParseError):
        rows(frames.route_message(attributes=frames.attribute(5, b"123456789")))


@given(
    st.one_of(
        st.binary(max_size=200),
        st.binary(max_size=80).map(lambda tail: frames.route_message("10.0.0.0/8", attributes=tail)),
        st.lists(st.tuples(st.integers(0, 40), st.binary(max_size=20))).map(
            lambda pairs: frames.route_message(
                "10.0.0.0/8", attributes=b"".join(frames.attribute(kind, value) for kind, value in pairs)
            )
        ),
    )
)
def test_any_bytes_give_routes_or_parse_error(raw):
    for family in ("inet", "inet6"):
        try:
            list(decode.decode([raw], family, {}, TableNames(), decode.Wanted(covering=b"\x0a\0\0\1")))
        except ParseError:
            pass


@given(st.integers(0, len(ONE) - 1), st.integers(0, 255))
def test_any_changed_byte_gives_routes_or_parse_error(at, value):
    try:
        list(decode.decode([ONE[:at] + bytes([value]) + ONE[at + 1 :]], "inet", {}, TableNames()))
    except ParseError:
        pass


@given(st.binary(max_size=120))
def test_rules_and_links_of_any_bytes(tail):
    header = struct.pack("=BBBBBxxBI", 2, 0, 0, 0, 254, 1, 0)
    for raw in (tail, frames.message(32, header + tail), frames.message(32, tail)):
        try:
            rules.decode([raw], "inet", TableNames())
        except ParseError:
            pass
    for raw in (tail, frames.message(16, tail), frames.link_message(1, "lo", tail)):
        try:
            interfaces.names([raw])
        except ParseError:
            pass


def test_interface_names_are_text():
    assert interfaces.names([frames.LINKS]) == DEVICES
    raw = frames.message(16, struct.pack("=BxHiII", 0, 1, 5, 0, 0) + frames.attribute(3, b"e\x1b[\xff\0"))
    assert interfaces.names([raw]) == {5: "e\x1b[\\xff"}


def test_table_names_come_from_the_administrator():
    from sretool.host.fake import Fake

    found = names.tables(
        Fake(
            {
                "/etc/iproute2/rt_tables": "# all\n255 mine\n100\tblue # why\n0x65 green\nnonsense x\n7\n",
                "/etc/iproute2/rt_tables.d/a.conf": "200 red\n",
                "/etc/iproute2/rt_tables.d/a.txt": "201 no\n",
            }
        )
    )
    assert [found[n] for n in (100, 101, 200, 201, 254, 255, 7)] == [
        "blue",
        "green",
        "red",
        "201",
        "main",
        "local",
        "7",
    ]
