"""What leaves this host, as the first router gets it and scapy reads it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from lab_routers import RouterLab
from scapy_quiet import inet, inet6

from sretool.host.inside import inside
from sretool.probe.live import Leaving, open_network
from sretool.probe.network import Probe
from sretool.probe.resolve import Address

pytestmark = pytest.mark.lab
NUMBERS = {"udp": (17, 17), "icmp": (1, 58), "tcp": (6, 6)}
ETHERTYPE = {4: 0x0800, 6: 0x86DD}


@pytest.fixture(scope="module")
def lab() -> Iterator[RouterLab]:
    with RouterLab(1) as lab:
        lab.run(lab.us, "sysctl", "-qw", "net.ipv4.ping_group_range=0 2147483647")
        yield lab


def captured(lab: RouterLab, transport: str, method: Any, family: int) -> list[Any]:
    """Eight probes of one flow and four of another, and whatever else of their protocol."""
    with inside(f"/run/netns/{lab.nodes[1]}"):
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETHERTYPE[family]))
    with tap:
        tap.bind(("left", ETHERTYPE[family]))
        leaving = Leaving(netns=f"/run/netns/{lab.us}", tos=0x28)
        network = open_network(transport, method, leaving)  # type: ignore[arg-type]
        network.add(Address(family, lab.target(family), 0))
        for number in range(12):
            network.send(Probe(number, number + 1, flow=number // 8))
        count = 0
        while count < 12:
            got = network.receive(network.now() + 10)
            assert got
            count += len(got)
        network.close()
        tap.setblocking(False)
        packets = []
        while True:
            try:
                data, (_name, _protocol, kind, *_rest) = tap.recvfrom(2048)
            except BlockingIOError:
                break
            if kind != socket.PACKET_OUTGOING:
                packets.append((inet.IP if family == 4 else inet6.IPv6)(data))
    ours = NUMBERS[transport][family == 6]
    return [packet for packet in packets if (packet.proto if family == 4 else packet.nh) == ours]


def hashed(packet: Any) -> bytes:
    """What load balancers look at: addresses, and the first four bytes behind the IP header."""
    return bytes(packet)[12:24] if isinstance(packet, inet.IP) else bytes(packet)[8:44]


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize(
    ("transport", "method"), [("udp", "raw"), ("icmp", "raw"), ("tcp", "raw"), ("icmp", "sockets")]
)
def test_a_flow_looks_alike(lab: RouterLab, transport: str, method: str, family: int) -> None:
    packets = captured(lab, transport, method, family)
    probes = [
        packet
        for packet in packets
        if transport != "icmp" or packet.payload.type in (8, 128)
        if transport != "tcp" or packet.payload.flags == "S"
    ]
    assert [packet.ttl if family == 4 else packet.hlim for packet in probes] == list(range(1, 13))
    assert {packet.tos if family == 4 else packet.tc for packet in probes} == {0x28}
    assert len(set(map(hashed, probes[:8]))) == len(set(map(hashed, probes[8:]))) == 1
    assert hashed(probes[0]) != hashed(probes[8])
    for packet in probes:
        if family == 4:
            assert not packet.flags & 2  # DF
        # scapy computes every checksum and length anew
        again = packet.copy()
        fields = (again, "chksum", "len") if family == 4 else (again, "plen")
        for field in fields[1:]:
            delattr(fields[0], field)
        for field in ("chksum", "cksum"):
            if hasattr(again.payload, field):
                delattr(again.payload, field)
        if transport == "udp":
            del again.payload.len
        assert bytes(again) == bytes(packet)
    if transport == "tcp":
        # each SYN is taken back by a RST right behind it, which no router on the way has to answer
        behind = [
            (packets[at + 1].payload.flags, packets[at + 1].payload.seq - packet.payload.seq & 0xFFFFFFFF)
            for at, packet in enumerate(packets)
            if packet.payload.flags == "S"
        ]
        assert behind == [("R", 1)] * 12
