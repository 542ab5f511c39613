"""Networks that need no right, through real Linux routers, as root and as an ordinary user."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from cli import NOBODY, elsewhere, environment
from lab_routers import RouterLab, ip

from sretool.host.inside import inside
from sretool.probe import icmp
from sretool.probe.live import Leaving, Transport, open_network
from sretool.probe.network import Probe, SendFailed
from sretool.probe.resolve import Address

pytestmark = pytest.mark.lab
families = pytest.mark.parametrize("family", [4, 6])
METHODS = {"udp": "udp-recverr", "icmp": "icmp-datagram", "tcp": "tcp-connect"}
CLOSED = {"udp": "port-unreachable", "icmp": "echo-reply", "tcp": "rst"}

# argv: transport, Leaving as JSON, targets as JSON, probes as JSON lists for Probe, replies to wait for
SCRIPT = """
import json, sys
from sretool.errors import SretoolError
from sretool.probe.live import Leaving, open_network
from sretool.probe.network import Probe
from sretool.probe.resolve import Address
transport, leaving, targets, probes, count = sys.argv[1], *map(json.loads, sys.argv[2:])
try:
    network = open_network(transport, leaving.pop("method", "sockets"), Leaving(**leaving))
    for target in targets:
        network.add(Address(6 if ":" in target else 4, target, 0))
    sent = {probe[0]: network.send(Probe(*probe)) for probe in probes}
    replies, end = [], network.now() + 10
    while len(replies) < count and network.now() < end:
        replies += network.receive(end)
    for reply in replies:
        if reply.probe is not None:
            assert sent[reply.probe] <= reply.at <= network.now(), reply
    rows = [[r.probe, r.address, r.kind, r.icmp_type, r.icmp_code, r.ttl, r.target] for r in replies]
    print(json.dumps({"method": network.method, "flow": network.flow, "replies": sorted(rows, key=str),
                      "cannot_see": network.cannot_see, "source": network.source(0)}))
    network.close()
except SretoolError as error:
    print(json.dumps({"error": error.code, "message": str(error)}))
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[RouterLab]:
    with RouterLab(3) as lab:
        lab.run(lab.us, "sysctl", "-qw", "net.ipv4.ping_group_range=0 2147483647")
        yield lab


def run(
    lab: RouterLab,
    transport: str,
    targets: list[str],
    probes: list[list[int]],
    count: int,
    uid: int | None = None,
    **leaving: Any,
) -> Any:
    arguments = [transport, *map(json.dumps, (leaving, targets, probes, count))]
    done = subprocess.run(
        [*elsewhere(uid, lab.us), sys.executable, "-c", SCRIPT, *arguments],
        capture_output=True, text=True, env=environment(), cwd="/", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def word(row: list[Any], family: int) -> str:
    kind, number, code = row[2:5]
    return kind if number is None else icmp.words(family, number, code)


@pytest.mark.parametrize("uid", [None, NOBODY])
@pytest.mark.parametrize("transport", ["udp", "icmp", "tcp"])
def test_many_targets(lab: RouterLab, transport: str, uid: int | None) -> None:
    probes = [[number, number // 6 + 1, number % 3 // 2, number % 2] for number in range(36)]
    targets = [lab.target(4), lab.target(6)]
    got = run(lab, transport, targets, probes, 36, uid)
    assert (got["method"], got["source"]) == (METHODS[transport], "10.98.0.1")
    assert got["flow"] == ("fixed" if transport == "icmp" else "per-probe")
    assert sorted(row[0] for row in got["replies"]) == list(range(36))
    for row in got["replies"]:
        probe, address, _kind, _type, _code, ttl, target = row
        family, hop = (4, 6)[probe % 2], min(probe // 6 + 1, 4)
        assert (address, target) == (lab.hop(hop, family), probe % 2)
        assert word(row, family) == ("time-exceeded" if hop < 4 else CLOSED[transport])
        assert ttl == (None if word(row, family) == "rst" else 64 - hop + 1)


@families
@pytest.mark.parametrize("uid", [None, NOBODY])
def test_an_open_port(lab: RouterLab, family: int, uid: int | None) -> None:
    with inside(f"/run/netns/{lab.target_ns}"):
        server = socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6)
    with server:
        server.bind(("", 443))
        server.listen()
        probes = [[number, 3 + number // 3] for number in range(9)]
        got = run(lab, "tcp", [lab.target(family)], probes, 9, uid, port=443)
    words = [(row[0], word(row, family), row[1]) for row in got["replies"]]
    far = lab.target(family)
    assert words[:3] == [(number, "time-exceeded", lab.hop(3, family)) for number in range(3)]
    assert words[3:] == [(number, "syn-ack", far) for number in range(3, 9)]


@families
@pytest.mark.parametrize("transport", ["udp", "icmp", "tcp"])
def test_how_it_leaves(lab: RouterLab, transport: str, family: int) -> None:
    source = "10.98.0.1" if family == 4 else "fd98:0:0:1::1"
    sizes = (0,) if transport == "tcp" else (0, 48, 100, 1500, 4000)
    probes = [[size, 1, 0, 0, size] for size in sizes]
    options = dict(source=source, interface="right", mark=7, tos=0x28)
    got = run(lab, transport, [lab.target(family)], probes, len(sizes), **options)
    assert got["source"] == source
    assert sorted(row[0] for row in got["replies"]) == list(sizes)


@pytest.mark.parametrize(
    ("transport", "options", "code", "said"),
    [
        ("udp", dict(mark=7), "permission-denied", "CAP_NET_ADMIN"),
        ("tcp", dict(netns="/proc/self/ns/net"), "permission-denied", "CAP_SYS_ADMIN"),
        ("udp", dict(method="raw"), "permission-denied", "CAP_NET_RAW"),
        ("udp", dict(source="192.0.2.1"), "usage", "is not an address of this host"),
        ("tcp", dict(interface="nothing"), "usage", "no such interface"),
    ],
)
def test_what_an_ordinary_user_may_not(
    lab: RouterLab, transport: str, options: dict[str, Any], code: str, said: str
) -> None:
    got = run(lab, transport, [lab.target(4)], [], 0, NOBODY, **options)
    assert got["error"] == code
    assert said in got["message"]


@pytest.mark.parametrize("transport", ["udp", "icmp", "tcp"])
def test_what_auto_takes(lab: RouterLab, transport: str) -> None:
    for uid, method in ((None, f"{transport}-raw"), (NOBODY, METHODS[transport])):
        assert run(lab, transport, [lab.target(4)], [], 0, uid, method="auto")["method"] == method


def test_ping_group_range_is_closed() -> None:
    with RouterLab(0) as lab:
        got = run(lab, "icmp", [lab.target(4)], [], 0, NOBODY, method="auto")
    assert got["error"] == "permission-denied"
    assert "--protocol udp needs no right" in got["message"]


@pytest.mark.skipif(shutil.which("nft") is None, reason="needs nft")
@families
@pytest.mark.parametrize("transport", ["udp", "icmp", "tcp"])
def test_a_local_firewall(transport: str, family: int) -> None:
    with RouterLab(0) as lab:
        lab.run(lab.us, "sysctl", "-qw", "net.ipv4.ping_group_range=0 2147483647")
        chain = "add chain inet t o { type filter hook output priority 0; }"
        lab.run(lab.us, "nft", f"add table inet t; {chain}; add rule inet t o oifname right drop")
        got = run(lab, transport, [lab.target(family)], [[0, 9]], 0, NOBODY)
    if transport == "tcp" or (transport, family) == ("icmp", 6):
        # the kernel does not say (tcp_connect, icmpv6_push_pending_frames), and so do we
        assert [what for what in got["cannot_see"] if "firewall of this host" in what]
        return
    assert got["error"] == "send-failed"
    assert "firewall" in got["message"]


@families
@pytest.mark.parametrize("transport", ["udp", "icmp", "tcp"])
def test_the_interface_goes(transport: Transport, family: int) -> None:
    with RouterLab(0) as lab:
        lab.run(lab.us, "sysctl", "-qw", "net.ipv4.ping_group_range=0 2147483647")
        leaving = Leaving(netns=f"/run/netns/{lab.us}", interface="right")
        network = open_network(transport, "sockets", leaving)
        network.add(Address(family, lab.target(family), 0))
        network.send(Probe(0, 8))
        assert [reply.probe for reply in network.receive(network.now() + 10)] == [0]
        ip("-n", lab.us, "link", "set", "right", "down")
        for number in (1, 2):
            with pytest.raises(SendFailed, match="sretool net") as caught:
                network.send(Probe(number, 8))
            assert caught.value.errno != 0
            if number == 1:
                ip("-n", lab.us, "link", "del", "right")
        assert network.receive(network.now()) == []
        network.close()


def test_a_neighbour_that_does_not_answer() -> None:
    with RouterLab(0) as lab:
        lab.run(lab.us, "sysctl", "-qw", "net.ipv4.ping_group_range=0 2147483647")
        lab.run(lab.us, "sysctl", "-qw", "net.ipv4.neigh.right.retrans_time_ms=100")
        for transport in ("udp", "icmp", "tcp"):
            got = run(lab, transport, ["10.98.0.77"], [[0, 9]], 1, NOBODY)
            (row,) = got["replies"]
            assert (row[0], row[1], word(row, 4)) == (0, "10.98.0.1", "host-unreachable")
