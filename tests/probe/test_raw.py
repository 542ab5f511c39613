"""Raw networks on loopback and through real Linux routers."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any

import pytest
from lab_netns import Namespace
from lab_routers import RouterLab, ip
from scapy_quiet import inet, inet6, mpls

from sretool.errors import Denied, NoRoute, UsageError
from sretool.host.inside import inside
from sretool.probe import icmp, packet
from sretool.probe.live import Leaving, LiveNetwork, Transport, open_network
from sretool.probe.network import Label, Probe, Reply, SendFailed
from sretool.probe.raw import RawNetwork
from sretool.probe.resolve import Address

pytestmark = pytest.mark.lab
transports = pytest.mark.parametrize("transport", ["udp", "icmp", "tcp"])
families = pytest.mark.parametrize("family", [4, 6])
HERE = {4: Address(4, "127.0.0.1", 0), 6: Address(6, "::1", 0)}
CLOSED = {"udp": "port-unreachable", "icmp": "echo-reply", "tcp": "rst"}


def word(reply: Reply, family: int) -> str:
    if reply.icmp_type is None or reply.icmp_code is None:
        return reply.kind
    return icmp.words(family, reply.icmp_type, reply.icmp_code)


def collect(network: LiveNetwork, count: int, seconds: float = 10) -> list[Reply]:
    replies: list[Reply] = []
    end = network.now() + seconds
    while len(replies) < count and network.now() < end:
        replies += network.receive(end)
    return replies


@pytest.fixture(scope="module")
def lab() -> Iterator[RouterLab]:
    with RouterLab(3) as lab:
        yield lab


@pytest.fixture
def networks() -> Iterator[Any]:
    opened: list[RawNetwork] = []

    def make(transport: Transport, lab: RouterLab | Namespace | None = None, **more: Any) -> RawNetwork:
        if isinstance(lab, RouterLab):
            more["netns"] = f"/run/netns/{lab.us}"
        elif lab is not None:
            more["netns"] = lab.path
        network = RawNetwork(transport, Leaving(**more))
        opened.append(network)
        return network

    yield make
    for network in opened:
        network.close()


@transports
def test_many_targets_and_flows(networks: Any, lab: RouterLab, transport: Transport) -> None:
    network = networks(transport, lab)
    assert (network.method, network.flow) == (f"{transport}-raw", "fixed")
    for number, family in enumerate((4, 6)):
        assert network.add(Address(family, lab.target(family), 0)) == number
        assert network.source(number) == ("10.98.0.1" if family == 4 else "fd98:0:0:1::1")
    sent = {}
    for number in range(40):
        sent[number] = network.send(Probe(number, number // 8 + 1, flow=number % 4 // 2, target=number % 2))
    replies = collect(network, 40)
    assert sorted(reply.probe for reply in replies if reply.probe is not None) == list(range(40))
    for reply in replies:
        assert reply.probe is not None
        family, ttl = (4, 6)[reply.probe % 2], reply.probe // 8 + 1
        assert reply.target == reply.probe % 2
        assert reply.address == lab.hop(min(ttl, 4), family)
        assert word(reply, family) == ("time-exceeded" if ttl < 4 else CLOSED[transport])
        assert sent[reply.probe] <= reply.at <= network.now()
        assert reply.ttl == 64 - min(ttl, 4) + 1
        quoted = reply.kind == "icmp" and word(reply, family) != "echo-reply"
        assert reply.rewritten is (False if quoted else None)


@families
def test_an_open_port(networks: Any, lab: RouterLab, family: int) -> None:
    with inside(f"/run/netns/{lab.target_ns}"):
        server = socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6)
    with server:
        server.bind(("", 443))
        server.listen()
        server.setblocking(False)
        network = networks("tcp", lab, port=443)
        network.add(Address(family, lab.target(family), 0))
        for number in range(12):  # one flow: a listener would answer one of them, but for the RSTs
            network.send(Probe(number, 4 + number % 3))
        replies = collect(network, 12)
        assert {(reply.kind, reply.address) for reply in replies} == {("syn-ack", lab.target(family))}
        assert sorted(reply.probe for reply in replies if reply.probe is not None) == list(range(12))
        with pytest.raises(BlockingIOError):
            server.accept()  # half-open: the application never saw them


@families
def test_a_service(networks: Any, lab: RouterLab, family: int) -> None:
    with inside(f"/run/netns/{lab.target_ns}"):
        server = socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
    with server:
        server.settimeout(5)
        server.bind(("", 5353))
        network = networks("udp", lab, port=5353)
        network.add(Address(family, lab.target(family), 0))
        # a flow's only probe is told; of several only what carries the payload back says which it answers
        for number, told in enumerate((0, None, 2)):
            network.send(Probe(number, 9))
            data, whom = server.recvfrom(512)
            server.sendto(data if number == 2 else b"pong", whom)
            (reply,) = collect(network, 1)
            assert (reply.kind, reply.probe, reply.target) == ("datagram", told, 0)
            assert (reply.address, reply.ttl) == (lab.target(family), 61)
        # the port is held: no error of our kernel goes back
        server.sendto(b"late", whom)
        assert collect(network, 1)[0].kind == "datagram"


@families
@transports
def test_how_it_leaves(networks: Any, lab: RouterLab, transport: Transport, family: int) -> None:
    source = "10.98.0.1" if family == 4 else "fd98:0:0:1::1"
    network = networks(transport, lab, source=source, interface="right", mark=7, tos=0x28)
    network.add(Address(family, lab.target(family), 0))
    assert network.source(0) == source
    for size in (0, 48, 100, 1500):
        network.send(Probe(size, 1, size_bytes=size))
    replies = collect(network, 4)
    assert sorted(reply.probe or 0 for reply in replies) == [0, 48, 100, 1500]
    assert {reply.tos for reply in replies} == {0x28}
    with pytest.raises(SendFailed, match="MTU"):
        network.send(Probe(9, 1, size_bytes=1501))


@pytest.mark.parametrize("method", ["raw", "sockets"])
@transports
def test_a_link_local_target(lab: RouterLab, transport: Transport, method: Any) -> None:
    lab.run(lab.us, "sysctl", "-qw", "net.ipv4.ping_group_range=0 2147483647")
    shown = lab.run(lab.nodes[1], "ip", "-6", "-o", "addr", "show", "dev", "left", "scope", "link")
    address = shown.split("inet6 ")[1].partition("/")[0]
    with inside(f"/run/netns/{lab.us}"):
        scope = socket.if_nametoindex("right")
    network = open_network(transport, method, Leaving(netns=f"/run/netns/{lab.us}"))
    network.add(Address(6, address, scope))
    network.send(Probe(4, 9))
    (reply,) = collect(network, 1)
    network.close()
    assert (reply.probe, word(reply, 6), reply.target) == (4, CLOSED[transport], 0)
    if method == "raw" or transport != "tcp":
        # an interface of that namespace, whatever has its index in ours
        assert reply.address == f"{address}%right"


@pytest.mark.parametrize(
    ("more", "raised", "said"),
    [
        (dict(interface="no-such-if"), UsageError, "no such interface"),
        (dict(source="192.0.2.9"), UsageError, "is not an address of this host"),
        (dict(netns="/run/netns/no-such-ns"), UsageError, "no such network namespace"),
        (dict(source="::1"), NoRoute, "other IP version"),
    ],
)
def test_what_cannot_be_asked(networks: Any, more: dict[str, Any], raised: type, said: str) -> None:
    with pytest.raises(raised, match=said):
        networks("udp", **more).add(HERE[4])


@pytest.mark.parametrize("target", ["224.0.0.1", "255.255.255.255", "0.0.0.0", "ff02::1", "::"])
def test_no_single_host(networks: Any, target: str) -> None:
    network = networks("icmp")
    with pytest.raises(UsageError):
        network.add(Address(6 if ":" in target else 4, target, 0))


def test_without_the_right(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.socket

    class Refused(real):  # type: ignore[misc, valid-type]
        def __init__(self, family: int, kind: int, protocol: int = 0) -> None:
            if kind == socket.SOCK_RAW:
                raise PermissionError(1, "Operation not permitted")
            super().__init__(family, kind, protocol)

    monkeypatch.setattr(socket, "socket", Refused)
    with pytest.raises(Denied, match="CAP_NET_RAW"):
        open_network("udp", "raw", Leaving())
    network = open_network("udp", "auto", Leaving())
    assert network.method == "udp-recverr"
    network.close()


@pytest.mark.skipif(shutil.which("nft") is None, reason="needs nft")
@families
@transports
def test_a_local_firewall(networks: Any, transport: Transport, family: int) -> None:
    with RouterLab(0) as lab:
        chain = "add chain inet t o { type filter hook output priority 0; }"
        lab.run(lab.us, "nft", f"add table inet t; {chain}; add rule inet t o ip ttl 9 drop")
        lab.run(lab.us, "nft", "add rule inet t o ip6 hoplimit 9 drop")
        network = networks(transport, lab)
        network.add(Address(family, lab.target(family), 0))
        network.send(Probe(0, 8))
        with pytest.raises(SendFailed, match="firewall") as caught:
            network.send(Probe(1, 9))
        assert caught.value.errno == 1
        assert [reply.probe for reply in collect(network, 1)] == [0]


@families
@transports
def test_the_interface_goes(networks: Any, transport: Transport, family: int) -> None:
    with RouterLab(0) as lab:
        network = networks(transport, lab, interface="right")
        network.add(Address(family, lab.target(family), 0))
        network.send(Probe(0, 8))
        assert [reply.probe for reply in collect(network, 1)] == [0]
        ip("-n", lab.us, "link", "set", "right", "down")
        with pytest.raises(SendFailed, match="sretool net"):
            network.send(Probe(1, 8))
        ip("-n", lab.us, "link", "del", "right")
        with pytest.raises(SendFailed, match="sretool net"):
            network.send(Probe(2, 8))
        assert network.receive(network.now()) == []


def test_a_neighbour_that_does_not_answer(networks: Any) -> None:
    with RouterLab(0) as lab:
        every = [networks(transport, lab) for transport in ("udp", "icmp", "tcp")]
        for network in every:
            network.add(Address(4, "10.98.0.77", 0))
            network.send(Probe(5, 9))
        for network in every:
            (reply,) = collect(network, 1)
            # this host itself says so
            assert (reply.probe, reply.address, word(reply, 4)) == (5, "10.98.0.1", "host-unreachable")


def crafted(family: int, probe: bytes, router: str, extra: bytes = b"") -> bytes:
    """A whole packet that says that a probe's time was exceeded."""
    us = Address(family, "127.0.0.1" if family == 4 else "::1", 0).text
    quoted = probe.ljust(128, b"\0") if extra else probe
    if family == 4:
        body = inet.ICMP(type=11, code=0) / inet.conf.raw_layer(quoted + extra)
        return bytes(inet.IP(src=router, dst=us, ttl=200) / body)
    body = inet6.ICMPv6TimeExceeded() / inet6.conf.raw_layer(quoted + extra)
    return bytes(inet6.IPv6(src=router, dst=us, hlim=200) / body)


class Wire:
    """Keeps what a network sends, sends nothing, and lets a test answer on loopback."""

    def __init__(self, network: RawNetwork, family: int) -> None:
        self.family = family
        self.sent: list[bytes] = []
        self._real = network._senders[family]
        network._senders[family] = self  # type: ignore[assignment]

    def sendto(self, data: bytes, whom: Any) -> int:
        self.sent.append(data)
        return len(data)

    def answer(self, data: bytes) -> None:
        self._real.sendto(data, HERE[self.family].sockaddr(0))


@families
@transports
def test_labels_interfaces_and_nat(networks: Any, transport: Transport, family: int) -> None:
    network = networks(transport)
    network.add(HERE[family])
    wire = Wire(network, family)
    network.send(Probe(3, 5))
    extra = bytes(inet.ICMPExtension_Header() / mpls.ICMPExtension_MPLS(stack=[mpls.MPLS(label=99, ttl=3)]))
    router = "127.9.9.9" if family == 4 else "::1"
    wire.answer(crafted(family, wire.sent[0], router, extra))
    changed = bytearray(wire.sent[0])
    changed[packet.IP_BYTES[family] - (5 if family == 4 else 20)] ^= 1  # the quoted source
    wire.answer(crafted(family, bytes(changed), router))
    labelled, rewritten = collect(network, 2)
    assert (labelled.probe, labelled.address, labelled.ttl) == (3, router, 200)
    assert labelled.labels == (Label(99, 0, True, 3),)
    assert (labelled.rewritten, rewritten.rewritten) == (False, True)


@families
def test_a_flood_of_foreign_errors_costs_nothing(networks: Any, family: int) -> None:
    network = networks("udp")
    network.add(HERE[family])
    wire = Wire(network, family)
    network.send(Probe(3, 5))
    ours = crafted(family, wire.sent[0], "127.0.0.1" if family == 4 else "::1")
    at = len(ours) - len(wire.sent[0]) + (16 if family == 4 else 24)
    foreign = ours[:at] + bytes(byte ^ 7 for byte in ours[at : at + 16]) + ours[at + 16 :]
    for _ in range(3000):
        wire.answer(foreign)
    wire.answer(ours)
    before, reads = time.process_time(), []
    heard = network._readers[network._hearing[family].fileno()]
    network._readers[heard[0].fileno()] = heard[0], lambda opened: reads.append(1) or heard[1](opened)
    assert [reply.probe for reply in collect(network, 1)] == [3]
    assert len(reads) == 2  # the one that is ours, and that there is no more
    assert time.process_time() - before < 0.5


@pytest.mark.parametrize("step_s", [-3600, 3600])
def test_the_clock_is_set(networks: Any, monkeypatch: pytest.MonkeyPatch, step_s: int) -> None:
    network = networks("icmp")
    network.add(HERE[4])
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + step_s * 10**9)
    sent = network.send(Probe(0, 3))
    (reply,) = collect(network, 1)
    assert sent <= reply.at <= network.now()


@transports
def test_sockets_do_not_grow_with_targets(networks: Any, transport: Transport) -> None:
    network = networks(transport)
    for number in range(1, 100):
        network.add(Address(4, f"127.0.0.{number}", 0))
    for number in range(99):
        network.send(Probe(number, 9, target=number))
    assert len(network._open) <= 4
    replies = collect(network, 99)
    assert sorted((reply.probe, reply.target) for reply in replies) == [(n, n) for n in range(99)]


def test_truncated_messages_are_no_answers(networks: Any) -> None:
    network = networks("tcp")
    for family in (4, 6):
        network.add(HERE[family])
        wire = Wire(network, family)
        network.send(Probe(family, 5, target=0 if family == 4 else 1))
        whole = crafted(family, wire.sent[0], "127.0.0.1" if family == 4 else "::1")
        head = packet.IP_BYTES[family]
        for cut in range(head, len(whole)):
            body = whole[head:cut]
            if family == 4:
                body = body[:2] + b"\0\0" + body[4:]
                body = body[:2] + struct.pack("!H", packet.checksum(body)) + body[4:]
                wire.answer(packet.ip(whole[12:16], whole[16:20], 1, 64, body, id=1))
    for reply in network.receive(network.now() + 0.05):
        assert reply.probe in (None, 4)


@transports
def test_nothing_is_left_open(transport: Transport) -> None:
    before = len(os.listdir("/proc/self/fd"))
    network = RawNetwork(transport, Leaving())
    network.add(HERE[4])
    network.add(HERE[6])
    network.send(Probe(0, 4))
    network.close()
    assert len(os.listdir("/proc/self/fd")) == before


@families
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_flow_has_the_same_port_in_every_run_where_it_is_free(
    networks: Any, lab: RouterLab, transport: Transport, family: int
) -> None:
    seen = []
    for _ in range(2):
        network = networks(transport, lab)
        seen.append(network.source_port(network.add(Address(family, lab.target(family), 0))))
        if len(seen) == 1:
            network.close()
    assert seen[0] == seen[1]
    beside = networks(transport, lab)  # the last one still has it
    assert beside.source_port(beside.add(Address(family, lab.target(family), 0))) not in (None, seen[0])
