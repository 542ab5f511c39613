"""ICMP errors and what routers append to them, as scapy builds them; and anything anybody may send."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy_quiet import inet, inet6, mpls

from sretool.errors import ParseError
from sretool.probe import packet, quote
from sretool.probe.extensions import Extensions, split
from sretool.probe.network import Interface, Label

US = {4: b"\x0a\0\0\1", 6: b"\xfd" + bytes(14) + b"\1"}
THEM = {4: b"\x0a\0\0\2", 6: b"\xfd" + bytes(14) + b"\2"}


def probe(family: int, size: int = 60) -> bytes:
    pair = US[family], THEM[family]
    payload = bytes(range(size - packet.IP_BYTES[family] - 8))
    datagram = packet.udp(*pair, 4000, 33434, payload, 0x1234)
    return packet.ip(*pair, packet.UDP, 1, datagram, tos=0x28, id=777)


STACK = [mpls.MPLS(label=16004, cos=5, s=0, ttl=9), mpls.MPLS(label=2**20 - 1, cos=0, s=1, ttl=255)]
LABELS = (Label(16004, 5, False, 9), Label(2**20 - 1, 0, True, 255))
INTERFACES = [
    (dict(has_ifindex=1, ifindex=7), Interface("incoming", 7, None, None, None)),
    (
        dict(
            classtype=2,
            has_ifindex=1,
            ifindex=2**32 - 1,
            has_ipaddr=1,
            afi=1,
            ip4="192.0.2.1",
            has_mtu=1,
            mtu=9000,
        ),
        Interface("outgoing", 2**32 - 1, "192.0.2.1", None, 9000),
    ),
    (
        dict(
            classtype=3,
            has_ipaddr=1,
            afi=2,
            ip6="2001:db8::1",
            has_ifname=1,
            ifname_len=8,
            ifname=b"eth0.7\0",
        ),
        Interface("next-hop", None, "2001:db8::1", "eth0.7", None),
    ),
    (
        dict(classtype=1, has_ifname=1, ifname_len=4, ifname=b"\xff\x1b["),
        Interface("sub-ip", None, None, "\\xff\x1b[", None),
    ),
]


def structure(**header: Any) -> bytes:
    """Both kinds of objects and one nobody knows."""
    objects = [mpls.ICMPExtension_MPLS(stack=STACK), inet.ICMPExtension_Object(classnum=99)]
    objects += [inet.ICMPExtension_InterfaceInformation(**fields) for fields, _ in INTERFACES]
    body = b"".join(map(bytes, objects))
    return bytes(inet.ICMPExtension_Header(**header) / inet.conf.raw_layer(body))


FOUND = Extensions(LABELS, tuple(expected for _, expected in INTERFACES))


def message(
    family: int, type: int, code: int, quoted: bytes, rest: bytes = b"", extra: bytes = b"", length: int = 0
) -> bytes:
    field = bytearray(rest.ljust(4, b"\0"))
    if length:
        field[1 if family == 4 else 0] = length
    if extra:
        quoted = quoted.ljust(128, b"\0")
    body = bytes([type, code, 0, 0]) + bytes(field) + quoted + extra
    return body[:2] + struct.pack("!H", packet.checksum(body)) + body[4:]


EXCEEDED = {4: (11, 0), 6: (3, 0)}


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("size", [60, 128, 150])
def test_extensions_where_the_length_says(family: int, size: int) -> None:
    sent = probe(family, size)
    words = -(-max(size, 128) // 8) * 8
    quoted = sent.ljust(words, b"\0")
    length = words // (4 if family == 4 else 8)
    got = quote.error(family, message(family, *EXCEEDED[family], quoted, extra=structure(), length=length))
    assert got.extensions == FOUND
    assert got.quote.transport == sent[packet.IP_BYTES[family] :]  # without what fills it up
    # scapy reads the same message so
    theirs = (inet.ICMP if family == 4 else inet6.ICMPv6TimeExceeded)(
        message(family, *EXCEEDED[family], quoted, extra=structure(), length=length)
    )
    assert theirs.ext is not None


@pytest.mark.parametrize("family", [4, 6])
def test_extensions_of_old_routers(family: int) -> None:
    got = quote.error(family, message(family, *EXCEEDED[family], probe(family), extra=structure()))
    assert got.extensions == FOUND
    # without a length only a right checksum shows that this is no quote
    for wrong in (structure(chksum=0), structure(chksum=1), b"\0" + structure()[1:]):
        got = quote.error(family, message(family, *EXCEEDED[family], probe(family), extra=wrong))
        assert got.extensions == Extensions()
    # with one, zero means that it was not computed
    length = 32 if family == 4 else 16
    plain = structure(chksum=0)
    got = quote.error(family, message(family, *EXCEEDED[family], probe(family), extra=plain, length=length))
    assert got.extensions == FOUND
    wrong = structure(chksum=1)
    got = quote.error(family, message(family, *EXCEEDED[family], probe(family), extra=wrong, length=length))
    assert got.extensions == Extensions()


@pytest.mark.parametrize("family", [4, 6])
def test_what_is_quoted(family: int) -> None:
    sent = probe(family)
    got = quote.error(family, message(family, *EXCEEDED[family], sent))
    assert got.quote == quote.Quote(
        US[family], THEM[family], packet.UDP, 777 if family == 4 else None, 0x28,
        sent[packet.IP_BYTES[family] :],
    )  # fmt: skip
    assert (got.type, got.code, got.mtu) == (*EXCEEDED[family], None)


@pytest.mark.parametrize(
    ("family", "type", "code", "rest", "mtu"),
    [
        (4, 3, 4, b"\0\0\x05\x78", 1400),
        (4, 3, 4, b"\0\0\0\0", None),
        (4, 3, 3, b"\0\0\x05\x78", None),
        (6, 2, 0, b"\0\0\x05\0", 1280),
        (6, 1, 0, b"\0\0\x05\0", None),
    ],
)
def test_the_mtu_a_router_advertises(family: int, type: int, code: int, rest: bytes, mtu: int | None) -> None:
    assert quote.error(family, message(family, type, code, probe(family), rest)).mtu == mtu


def test_ip_options_are_skipped() -> None:
    sent = probe(4)
    with_options = b"\x46" + sent[1:20] + b"\x94\x04\0\0" + sent[20:]
    assert quote.error(4, message(4, 11, 0, with_options)).quote.transport == sent[20:]
    assert quote.without_header(with_options) == (1, sent[20:])


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        message(4, 11, 0, b""),
        message(4, 11, 0, probe(4)[:19]),
        message(4, 11, 0, probe(6)),
        message(4, 0, 0, probe(4)),
        message(4, 5, 0, probe(4)),
        message(4, 11, 0, b"\x4f" + probe(4)[1:30]),
        message(4, 11, 0, probe(4)[:6] + b"\x00\x01" + probe(4)[8:]),
        b"\x0b\0\0\1" + message(4, 11, 0, probe(4))[4:],
    ],
)
def test_no_error_message(wrong: bytes) -> None:
    with pytest.raises(ParseError):
        quote.error(4, wrong)


# Kept: whatever a mutation once broke, and one of each shape.
CORPUS = [
    message(family, *EXCEEDED[family], probe(family), extra=extra, length=length)
    for family in (4, 6)
    for length in (0, 1, 16, 32, 255)
    for extra in (
        b"",
        structure(),
        structure()[:7],
        b"\x20\0\0\0" + struct.pack("!HBB", 3, 2, 0x0F),
        b"\x20\0\0\0" + struct.pack("!HBBHH", 8, 2, 4, 9, 0),
        b"\x20\0\0\0" + struct.pack("!HBBB", 5, 2, 2, 200),
        b"\x20\0\0\0" + struct.pack("!HBBI", 65535, 1, 1, 0),
    )
]


def attempt(data: bytes, whole: bool) -> None:
    for family in (4, 6):
        try:
            quote.error(family, data, whole=whole)
        except ParseError:
            pass
    try:
        quote.without_header(data)
    except ParseError:
        pass


@given(st.sampled_from(CORPUS), st.data(), st.booleans())
def test_mutations_are_parsed_or_refused(data: bytes, draw: st.DataObject, whole: bool) -> None:
    changed = bytearray(data)
    for at in draw.draw(st.lists(st.integers(0, len(changed) - 1), max_size=8)):
        changed[at] = draw.draw(st.integers(0, 255))
    attempt(bytes(changed[: draw.draw(st.integers(0, len(changed)))]), whole)


@given(st.binary(max_size=300))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    attempt(data, whole=False)
    attempt(b"\x0b\0" + data, whole=False)


def test_the_corpus() -> None:
    for data in CORPUS:
        for end in range(len(data)):
            attempt(data[:end], whole=False)


def test_zeros_of_a_header_are_none_that_fill_up() -> None:
    header = bytes.fromhex("0800123456780100")  # an echo request whose sequence number ends in a zero
    label = bytes.fromhex("200000000008010149305101")
    quoted, (labels, _) = split(header.ljust(128, b"\0") + label, 128, least=8)
    assert quoted == header
    assert [entry.label for entry in labels] == [299781]
    assert split(header + b"ab".ljust(120, b"\0") + label, 128, least=8)[0] == header + b"ab"
