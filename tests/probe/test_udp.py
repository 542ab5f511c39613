"""The live network on loopback, as whoever runs the tests."""

from __future__ import annotations

import errno
import socket
import time
from typing import Any

import pytest

from sretool.errors import Denied, UsageError
from sretool.probe import errqueue, perprobe
from sretool.probe.live import Leaving
from sretool.probe.network import Probe, Reply, SendFailed
from sretool.probe.resolve import Address
from sretool.probe.udp import UdpNetwork

HERE = Address(4, "127.0.0.1", 0)


def closed_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def opened(port: int, **more: Any) -> UdpNetwork:
    network = UdpNetwork(Leaving(port, **more))
    assert network.add(HERE) == 0
    return network


def collect(network: UdpNetwork, count: int) -> list[Reply]:
    replies: list[Reply] = []
    end = network.now() + 10
    while len(replies) < count and network.now() < end:
        replies += network.receive(end)
    return replies


def test_each_reply_belongs_to_its_probe() -> None:
    network = opened(closed_port())
    try:
        assert network.source(0) == "127.0.0.1"
        sent = {number: network.send(Probe(number, number + 1)) for number in range(10)}
        replies = collect(network, 10)
        assert sorted(reply.probe for reply in replies if reply.probe is not None) == list(range(10))
        for reply in replies:
            assert (reply.kind, reply.icmp_type, reply.icmp_code) == ("icmp", 3, 3)
            assert reply.address == "127.0.0.1"
            assert reply.probe is not None
            assert sent[reply.probe] <= reply.at <= network.now()
    finally:
        network.close()


def test_a_datagram_is_an_answer() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as service:
        service.bind(("127.0.0.1", 0))
        network = opened(service.getsockname()[1])
        try:
            network.send(Probe(7, 5))
            _data, whom = service.recvfrom(512)
            service.sendto(b"pong", whom)
            (reply,) = collect(network, 1)
        finally:
            network.close()
    assert (reply.kind, reply.probe, reply.address, reply.icmp_type) == ("datagram", 7, "127.0.0.1", None)


def test_receive_never_waits_past_its_time() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        network = opened(silent.getsockname()[1])
        try:
            network.send(Probe(0, 1))
            assert network.receive(network.now() - 1) == []
            until = network.now() + 0.03
            assert network.receive(until) == []
            assert until <= network.now()
        finally:
            network.close()


def test_a_clock_that_was_set_does_not_change_a_round_trip(monkeypatch: pytest.MonkeyPatch) -> None:
    network = opened(closed_port())
    real = time.time_ns
    try:
        for step_s in (-3600, 3600):
            monkeypatch.setattr(time, "time_ns", lambda step_s=step_s: real() + step_s * 10**9)
            sent = network.send(Probe(abs(step_s), 3))
            (reply,) = collect(network, 1)
            assert sent <= reply.at <= network.now()
    finally:
        network.close()


def test_without_kernel_time_stamps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errqueue, "SO_TIMESTAMPNS", 9999)
    network = opened(closed_port())
    try:
        sent = network.send(Probe(0, 3))
        (reply,) = collect(network, 1)
        assert sent <= reply.at <= network.now()
    finally:
        network.close()


class _Flaky(socket.socket):
    """Its first send returns the error of an earlier packet, as the kernel may."""

    errors: list[int] = []

    def send(self, *args: Any) -> int:
        if self.errors:
            raise OSError(self.errors.pop(0), "simulated")
        return super().send(*args)


def test_a_stale_error_is_taken_off_and_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", _Flaky)
    network = opened(closed_port())
    try:
        _Flaky.errors = [errno.ECONNREFUSED]
        network.send(Probe(1, 3))
        assert [reply.probe for reply in collect(network, 1)] == [1]
        _Flaky.errors = [errno.EPERM]
        with pytest.raises(SendFailed) as caught:
            network.send(Probe(2, 3))
        assert caught.value.errno == errno.EPERM
        _Flaky.errors = [errno.EHOSTUNREACH, errno.EHOSTUNREACH]
        with pytest.raises(SendFailed):
            network.send(Probe(3, 3))
    finally:
        network.close()


def test_no_such_interface() -> None:
    with pytest.raises(UsageError, match="no such interface"):
        opened(33434, interface="no-such-if")


def test_a_kernel_that_does_not_let_us_bind(monkeypatch: pytest.MonkeyPatch) -> None:
    def setsockopt(self: socket.socket, level: int, option: int, value: Any) -> None:
        if option == socket.SO_BINDTODEVICE:
            raise PermissionError(errno.EPERM, "simulated")

    monkeypatch.setattr(_Flaky, "setsockopt", setsockopt, raising=False)
    monkeypatch.setattr(socket, "socket", _Flaky)
    with pytest.raises(Denied):
        opened(33434, interface="lo")


def test_many_targets_and_both_families() -> None:
    network = opened(closed_port())
    try:
        assert network.add(Address(4, "127.0.0.2", 0)) == 1
        assert network.add(Address(6, "::1", 0)) == 2
        assert [network.source(number) for number in (1, 2)] == ["127.0.0.1", "::1"]
        for number in range(6):
            network.send(Probe(number, 9, target=number % 3))
        replies = sorted(collect(network, 6), key=lambda reply: reply.probe or 0)
        assert [(reply.probe, reply.target) for reply in replies] == [(n, n % 3) for n in range(6)]
        assert [reply.address for reply in replies[:3]] == ["127.0.0.1", "127.0.0.2", "::1"]
        assert {reply.ttl for reply in replies} == {64}
    finally:
        network.close()


def test_a_trace_of_hours_keeps_few_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perprobe, "KEPT", 8)
    monkeypatch.setattr(perprobe, "TOO_LATE_S", 0.0)
    network = opened(closed_port())
    try:
        for number in range(50):
            network.send(Probe(number, 9))
        assert len(network._sent) <= 8
    finally:
        network.close()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"source": "192.0.2.1"}, "is not an address of this host"),
        ({"source": "here"}, "is no address"),
        ({"netns": "/dev/null"}, "no such network namespace"),
        ({"netns": "/nowhere"}, "no such network namespace"),
    ],
)
def test_what_cannot_be_asked(more: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        opened(33434, **more)


def test_the_size_is_that_of_the_whole_packet() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as service:
        service.bind(("127.0.0.1", 0))
        network = opened(service.getsockname()[1], source="127.0.0.9", tos=0x28)
        try:
            for size in (0, 20, 28, 30, 1500, 65000):
                network.send(Probe(size, 9, size_bytes=size))
            got = [service.recvfrom(65536) for _ in range(6)]
        finally:
            network.close()
    assert [len(data) for data, _ in got] == [32, 0, 0, 2, 1472, 64972]
    assert {whom[0] for _, whom in got} == {"127.0.0.9"}
