"""Which probe a quote is of: whole, cut, rewritten by a NAT, somebody else's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sretool.probe import packet
from sretool.probe.kinds import Icmp, Kind, Path, Tcp, Udp
from sretool.probe.quote import Quote
from sretool.probe.sent import Match, Memory, Sent

PATHS = {4: Path(b"\x0a\0\0\1", b"\x0a\0\0\2"), 6: Path(b"\xfd" * 16, b"\xfe" * 16)}
CASES = [(kind, family) for kind in (Udp, Icmp, Tcp) for family in (4, 6)]
every = pytest.mark.parametrize(("make", "family"), CASES)


class Bench:
    """Twenty probes of two flows."""

    def __init__(self, make: type[Udp | Icmp | Tcp], family: int, size: int | None = None) -> None:
        self.kind: Kind = make(33434)
        self.family, self.path = family, PATHS[family]
        self.memory = Memory(self.kind)
        self.sent: list[Sent] = []
        self.keys: list[int] = []
        for number in range(20):
            key, flow = self.kind.key(number), number % 2
            port = self.kind.identifier(flow) if isinstance(self.kind, Icmp) else 40000 + flow
            least = self.kind.payload_bytes if size is None else size
            transport = self.kind.build(self.path, port, flow, key, least)
            sent = Sent(number, 0, port, self.path, transport, 0.0)
            self.memory.keep(key, sent)
            self.sent.append(sent)
            self.keys.append(key)

    def quote(self, number: int, transport: bytes | None = None, **more: object) -> Quote:
        # what the raw network writes into IPv4's identification
        written = None if self.family == 6 else self.keys[number] & 0xFFFF
        whole = self.sent[number].transport if transport is None else transport
        protocol = self.kind.protocol(self.family)
        return replace(Quote(*self.path, protocol, written, 0, whole), **more)


@every
def test_a_flow_looks_alike(make: type[Udp], family: int) -> None:
    bench = Bench(make, family)
    for flow in (0, 1):
        hashed = set()
        for sent in bench.sent[flow::2]:
            ports = sent.transport[:2] + sent.transport[2:4]  # ports, or type, code and checksum
            hashed.add((ports, sent.transport[4:6] if make is Icmp else b""))
            if make is Udp and family == 4:
                hashed.add((ports, b""))
        assert len({ports for ports, _ in hashed}) == 1
        under = packet.pseudo(*bench.path, bench.kind.protocol(family), len(sent.transport))
        assert (
            packet.checksum(sent.transport if make is Icmp and family == 4 else under + sent.transport) == 0
        )
    assert bench.sent[0].transport[:4] != bench.sent[1].transport[:4]
    assert len({sent.transport for sent in bench.sent}) == 20
    if make is Udp and family == 4:
        assert len({sent.transport[6:8] for sent in bench.sent}) == 2


@every
@pytest.mark.parametrize("size", [None, 0, 1, 2, 9, 1400])
def test_whole_and_cut_quotes(make: type[Udp], family: int, size: int | None) -> None:
    bench = Bench(make, family, size)
    for number, sent in enumerate(bench.sent):
        for cut in {8, 9, 12, 20, 23, len(sent.transport)}:
            got = bench.memory.match(bench.quote(number, sent.transport[:cut]))
            assert got == Match(sent, False), (number, cut)
        # routers pad a quote with zeros before their extensions (RFC 4884 3)
        assert bench.memory.match(bench.quote(number, sent.transport + bytes(90))) == Match(sent, False)
        assert bench.memory.match(bench.quote(number, sent.transport[:7])) == Match(None)


@every
def test_rewritten_by_a_nat(make: type[Udp], family: int) -> None:
    bench = Bench(make, family, 32)
    sent = bench.sent[7]
    other = bytes(byte ^ 0x55 for byte in bench.path.source)
    assert bench.memory.match(bench.quote(7, source=other)) == Match(sent, True)
    for part in (bench.kind.changeable, bench.kind.checksum):
        changed = bytearray(sent.transport)
        changed[part] = bytes(byte ^ 0x55 for byte in changed[part])
        assert bench.memory.match(bench.quote(7, bytes(changed), source=other)) == Match(sent, True)
    blank = bytearray(sent.transport)
    blank[bench.kind.checksum] = b"\0\0"
    if (make, family) != (Udp, 6):  # there it is the key
        assert bench.memory.match(bench.quote(7, bytes(blank))) == Match(sent, False)


def test_over_ipv6_a_checksum_alone_is_no_proof() -> None:
    bench = Bench(Udp, 6)
    short = bench.sent[3].transport[:8]
    assert bench.memory.match(bench.quote(3, short, source=b"\1" * 16)) == Match(None)


@every
def test_what_is_not_ours(make: type[Udp], family: int) -> None:
    bench, stranger = Bench(make, family, 32), Bench(make, family, 32)
    whole = bench.sent[3].transport
    corrupt = whole[:8] + bytes(byte ^ 0xFF for byte in whole[8:])
    assert bench.memory.match(bench.quote(3, corrupt)) == Match(None)
    assert bench.memory.match(bench.quote(3, protocol=47)) is None
    elsewhere = bytes(byte ^ 1 for byte in bench.path.target)
    found = bench.memory.match(bench.quote(3, destination=elsewhere))
    assert found is None or found.sent is None
    # another process that traces to the same target, from ports of its own
    foreign = bytearray(stranger.sent[3].transport)
    foreign[bench.kind.changeable] = b"\x11\x22\x33\x44"[: len(foreign[bench.kind.changeable])]
    assert bench.memory.match(stranger.quote(3, bytes(foreign))) is None


@every
@given(data=st.data())
def test_a_changed_quote_is_never_another_probe(make: type[Udp], family: int, data: st.DataObject) -> None:
    bench = Bench(make, family, 32)
    number = data.draw(st.integers(0, 19))
    changed = bytearray(bench.sent[number].transport)
    for at in data.draw(st.lists(st.integers(8, len(changed) - 1), max_size=4)):
        changed[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(changed)))
    got = bench.memory.match(bench.quote(number, bytes(changed[:cut])))
    assert got is None or got.sent in (None, bench.sent[number])


def test_the_rst_behind_a_syn_is_no_answer() -> None:
    bench = Bench(Tcp, 4)
    segment = packet.rst(*bench.path, 40000, 33434, bench.keys[0] + 1 & 0xFFFFFFFF)
    assert bench.memory.match(bench.quote(0, segment)) is None


def test_acknowledged_with_its_data_or_without() -> None:
    bench = Bench(Tcp, 4, 100)
    for number, sent in enumerate(bench.sent):
        for size in (0, 100):
            acknowledged = bench.keys[number] + 1 + size & 0xFFFFFFFF
            assert bench.memory.acknowledged(acknowledged) == sent
        assert bench.memory.acknowledged(bench.keys[number]) is None


def test_old_probes_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sretool.probe.sent.REMEMBERED", 5)
    bench = Bench(Icmp, 4)
    assert bench.memory.match(bench.quote(15)) == Match(bench.sent[15], False)
    assert bench.memory.match(bench.quote(14)) == Match(None)


def test_another_process_with_our_identifier() -> None:
    bench = Bench(Icmp, 4)
    short = bytearray(bench.sent[3].transport[:8])
    short[2:4] = b"\x11\x22"
    assert bench.memory.match(bench.quote(3, bytes(short))) == Match(None)
