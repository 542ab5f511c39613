"""What sockets may hear, crafted: nothing crashes, and nothing is assigned that is not an answer."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sretool.errors import ParseError
from sretool.probe import packet
from sretool.probe.heard import Heard, Target
from sretool.probe.kinds import Icmp, Kind, Path, Tcp, Udp
from sretool.probe.network import Reply
from sretool.probe.resolve import Address
from sretool.probe.sent import Memory, Sent

PATHS = {4: Path(b"\x0a\0\0\1", b"\x0a\0\0\2"), 6: Path(b"\xfd" * 16, b"\xfe" * 16)}
THEM = {4: "10.0.0.2", 6: "fefe:fefe:fefe:fefe:fefe:fefe:fefe:fefe"}
every = pytest.mark.parametrize("family", [4, 6])


class Told:
    """A socket that has one message."""

    def __init__(self, data: bytes, whom: str, port: int = 0, flags: int = 0) -> None:
        self.answer = data, [], flags, (whom, port) if "." in whom else (whom, port, 0, 0)

    def recvmsg(self, *_sizes: int) -> Any:
        return self.answer

    def getsockname(self) -> tuple[str, int]:
        return "", 40000


class Bench:
    """One probe, with id 7, to target 0."""

    def __init__(self, make: type[Udp | Icmp | Tcp], family: int) -> None:
        self.kind: Kind = make(443)
        self.family = family
        memory = Memory(self.kind)
        self.heard = Heard(self.kind, 443, memory)
        self.heard.add(Target(Address(family, THEM[family], 0), PATHS[family], ""))
        self.port = self.kind.identifier(0) if isinstance(self.kind, Icmp) else 40000
        self.key = self.kind.key(3)
        self.transport = self.kind.build(PATHS[family], self.port, 0, self.key, 32)
        memory.keep(self.key, Sent(7, 0, self.port, PATHS[family], self.transport, 0.0))

    def packet(self, protocol: int, body: bytes) -> bytes:
        # an IPv6 raw socket does not show the IP header
        swapped = PATHS[self.family].target, PATHS[self.family].source
        return packet.ip(*swapped, protocol, 60, body) if self.family == 4 else body

    def error(self, body: bytes, whom: str = "", flags: int = 0) -> Reply | None:
        data = self.packet(packet.ICMP[self.family], body)
        told: Any = Told(data, whom or THEM[self.family], flags=flags)
        return self.heard.error(self.family, told)

    def segment(self, flags: int, acknowledged: int, dport: int = 40000, whom: str = "") -> Reply | None:
        body = struct.pack("!HHIIBBHHH", 443, dport, 9, acknowledged & 0xFFFFFFFF, 0x50, flags, 0, 0, 0)
        told: Any = Told(self.packet(packet.TCP, body), whom or THEM[self.family])
        return self.heard.segment(self.family, told)


@every
def test_segments(family: int) -> None:
    bench = Bench(Tcp, family)
    for flags, kind in ((0x12, "syn-ack"), (0x14, "rst"), (0x52, "syn-ack")):
        got = bench.segment(flags, bench.key + 1)
        assert got is not None
        assert (got.probe, got.kind, got.target, got.address) == (7, kind, 0, THEM[family])
    refused = bench.segment(0x14, bench.key + 1 + 32)  # a RST counts the data in the SYN
    assert refused is not None
    assert refused.probe == 7
    for flags, acknowledged, dport in (
        (0x12, bench.key, 40000),
        (0x04, bench.key + 1, 40000),
        (0x12, bench.key + 1, 40001),
    ):
        stray = bench.segment(flags, acknowledged, dport)
        assert stray is not None
        assert (stray.probe, stray.target) == (None, 0)
    assert bench.segment(0x10, bench.key + 1) is None  # neither of both
    assert bench.segment(0x12, bench.key + 1, whom="192.0.2.9" if family == 4 else "2001:db8::9") is None


@every
def test_echo_replies(family: int) -> None:
    bench = Bench(Icmp, family)

    def reply(rest: bytes) -> bytes:
        body = bytes([packet.ECHO_REPLY[family], 0, 0, 0]) + rest
        return body[:2] + struct.pack("!H", packet.checksum(body)) + body[4:]

    whole = bench.transport[4:]
    got = bench.error(reply(whole))
    assert got is not None
    assert (got.probe, got.icmp_type, got.target) == (7, packet.ECHO_REPLY[family], 0)
    for wrong in (whole[:-1] + b"\1", whole[:-4], whole + b"\0"):
        got = bench.error(reply(wrong))
        assert got is not None
        assert (got.probe, got.target) == (None, 0)
    assert bench.error(reply(b"\x12\x34" + whole[2:])) is None  # another identifier
    assert bench.error(reply(whole[:2] + b"\x12\x34" + whole[4:])) is None  # another sequence number
    if family == 4:
        assert bench.error(bytes(4) + whole) is None  # wrong checksum
    cut = bench.error(reply(whole)[:24], flags=0x20)  # MSG_TRUNC: our own buffer was too small
    assert cut is not None
    assert cut.probe == 7
    # an error quoting us is heard by a network of another kind only if it is of its protocol
    assert Bench(Udp, family).error(reply(whole)) is None


@every
@pytest.mark.parametrize("make", [Udp, Icmp, Tcp])
@given(data=st.data())
def test_whatever_comes(make: type[Udp], family: int, data: st.DataObject) -> None:
    bench = Bench(make, family)
    quoted = packet.ip(*PATHS[family], bench.kind.protocol(family), 1, bench.transport, id=bench.key & 0xFFFF)
    kind = 11 if family == 4 else 3
    whole = bench.packet(packet.ICMP[family], bytes([kind, 0, 0, 0]) + bytes(4) + quoted)
    changed = bytearray(whole)
    for at in data.draw(st.lists(st.integers(0, len(changed) - 1), max_size=6)):
        changed[at] = data.draw(st.integers(0, 255))
    cut = bytes(changed[: data.draw(st.integers(0, len(changed)))])
    told: Any = Told(cut, THEM[family], 443, data.draw(st.sampled_from([0, 0x20])))
    for read in (bench.heard.error, bench.heard.segment, lambda _family, told: bench.heard.datagram(told)):
        try:
            read(family, told)
        except ParseError:
            pass
