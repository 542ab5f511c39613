"""Every packet is what scapy would send."""

from __future__ import annotations

import socket
import struct
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from scapy_quiet import inet, inet6

from sretool.probe import packet

PORTS = st.integers(1, 65535)
V4 = st.binary(min_size=4, max_size=4)
V6 = st.binary(min_size=16, max_size=16)
PAIRS = st.one_of(st.tuples(V4, V4), st.tuples(V6, V6))
CHECKSUMS = st.integers(1, 0xFFFE)


def text(address: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)


def below(pair: tuple[bytes, bytes], protocol: int, ttl: int = 7, tos: int = 0, id: int = 0) -> Any:
    source, destination = map(text, pair)
    if len(pair[0]) == 4:
        return inet.IP(src=source, dst=destination, ttl=ttl, tos=tos, id=id, proto=protocol)
    return inet6.IPv6(src=source, dst=destination, hlim=ttl, tc=tos, nh=protocol)


def wire(pair: tuple[bytes, bytes], protocol: int, transport: bytes, **more: int) -> bytes:
    return packet.ip(*pair, protocol, 7, transport, **more)


@given(PAIRS, PORTS, PORTS, st.binary(max_size=64), st.integers(0, 255), st.integers(0, 65535))
def test_udp(pair: tuple[bytes, bytes], sport: int, dport: int, payload: bytes, tos: int, id: int) -> None:
    ours = wire(pair, packet.UDP, packet.udp(*pair, sport, dport, payload), tos=tos, id=id)
    theirs = below(pair, packet.UDP, tos=tos, id=id) / inet.UDP(sport=sport, dport=dport) / payload
    assert ours == bytes(theirs)


@given(PAIRS, PORTS, PORTS, st.binary(max_size=64))
def test_echo(pair: tuple[bytes, bytes], identifier: int, sequence: int, payload: bytes) -> None:
    four = len(pair[0]) == 4
    layer = inet.ICMP if four else inet6.ICMPv6EchoRequest
    ours = wire(pair, packet.ICMP[4 if four else 6], packet.echo(*pair, identifier, sequence, payload), id=9)
    theirs = below(pair, 1 if four else 58, id=9) / layer(id=identifier, seq=sequence) / payload
    assert ours == bytes(theirs)


@given(PAIRS, PORTS, PORTS, st.integers(0, 2**32 - 1), st.binary(max_size=64))
def test_syn_and_what_takes_it_back(
    pair: tuple[bytes, bytes], sport: int, dport: int, sequence: int, payload: bytes
) -> None:
    head = below(pair, packet.TCP, id=9)
    ours = packet.syn(*pair, sport, dport, sequence, payload)
    segment = inet.TCP(
        sport=sport, dport=dport, seq=sequence, flags="S", window=64240, options=[("MSS", 1460)]
    )
    assert wire(pair, packet.TCP, ours, id=9) == bytes(head / segment / payload)
    ours = packet.rst(*pair, sport, dport, sequence)
    segment = inet.TCP(sport=sport, dport=dport, seq=sequence, flags="R", window=0)
    assert wire(pair, packet.TCP, ours, id=9) == bytes(head / segment)


@given(PAIRS, PORTS, PORTS, st.binary(min_size=2, max_size=65), CHECKSUMS)
def test_a_chosen_checksum_is_right(
    pair: tuple[bytes, bytes], first: int, second: int, payload: bytes, wanted: int
) -> None:
    family = 4 if len(pair[0]) == 4 else 6
    datagram = packet.udp(*pair, first, second, payload, wanted)
    assert struct.unpack_from("!H", datagram, 6) == (wanted,)
    assert packet.checksum(packet.pseudo(*pair, packet.UDP, len(datagram)) + datagram) == 0
    assert (datagram[:6], datagram[10:]) == (packet.udp(*pair, first, second, payload)[:6], payload[2:])
    echo = packet.echo(*pair, first, second, payload, wanted)
    assert struct.unpack_from("!H", echo, 2) == (wanted,)
    under = b"" if family == 4 else packet.pseudo(*pair, 58, len(echo))
    assert packet.checksum(under + echo) == 0


@given(st.binary(max_size=99))
def test_checksum_is_that_of_the_words(data: bytes) -> None:
    words = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while words >> 16:
        words = (words & 0xFFFF) + (words >> 16)
    assert packet.checksum(data) == ~words & 0xFFFF
