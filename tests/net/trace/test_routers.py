"""Tracing through real Linux routers, in namespaces."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from cli import NOBODY, Outcome, sretool
from lab_routers import RouterLab, ip

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def lab() -> Iterator[RouterLab]:
    with RouterLab(5) as lab:
        yield lab


def hosts(outcome: Outcome) -> list[list[str]]:
    return [[host["address"] for host in hop["hosts"]] for hop in outcome.json["data"]["hops"]]


def trace(lab: RouterLab, *args: Any, **more: Any) -> Outcome:
    return sretool("net", "trace", "--json", *args, netns=lab.us, **more)


@pytest.mark.parametrize("uid", [None, NOBODY])
@pytest.mark.parametrize("family", [4, 6])
def test_every_hop(lab: RouterLab, family: int, uid: int | None) -> None:
    outcome = trace(lab, lab.target(family), uid=uid)
    assert outcome.code == 0, outcome
    data = outcome.json["data"]
    assert hosts(outcome) == [[lab.hop(ttl, family)] for ttl in range(1, 7)]
    assert (data["reached"], data["end_ttl"], data["end_answer"]) == (True, 6, "port-unreachable")
    assert data["method"] == ("udp-raw" if uid is None else "udp-recverr")
    assert all(hop["received"] == hop["sent"] == 3 for hop in data["hops"])
    assert all(host["answer"] == "time-exceeded" for hop in data["hops"][:-1] for host in hop["hosts"])
    assert outcome.json["findings"] == []
    # no real wire here: what is measured is this machine's own forwarding
    assert all(0 < hop["rtt_min_ms"] < 50 for hop in data["hops"])


@pytest.mark.parametrize("family", [4, 6])
def test_with_an_interface(lab: RouterLab, family: int) -> None:
    outcome = trace(lab, "-i", "right", lab.target(family), uid=NOBODY)
    assert (outcome.code, outcome.json["data"]["reached"]) == (0, True)
    assert outcome.json["data"]["interface"] == "right"
    outcome = trace(lab, "-i", "lo", lab.target(family))
    assert outcome.code in (2, 3)
    assert not outcome.json["data"].get("reached")


def test_a_link_local_target(lab: RouterLab) -> None:
    shown = lab.run(lab.nodes[1], "ip", "-6", "-o", "addr", "show", "dev", "left", "scope", "link")
    address = shown.split("inet6 ")[1].partition("/")[0]
    outcome = trace(lab, f"{address}%right")
    assert outcome.code == 0, outcome
    assert hosts(outcome) == [[f"{address}%right"]]
    outcome = trace(lab, address)
    assert outcome.code == 64
    assert "zone" in outcome.json["errors"][0]["message"]


def test_a_service_that_answers(lab: RouterLab) -> None:
    echo = (
        "import socket,sys; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind(('',5353));"
        "print('up',flush=True)\n"
        "while True: d,a=s.recvfrom(99); s.sendto(d,a)"
    )
    server = subprocess.Popen(
        ["ip", "netns", "exec", lab.target_ns, sys.executable, "-c", echo], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == "up\n"
        data = trace(lab, "-p", 5353, lab.target(4)).json["data"]
    finally:
        server.kill()
        server.communicate()
    assert (data["reached"], data["end_ttl"], data["end_answer"]) == (True, 6, "datagram")


@pytest.mark.parametrize("target", ["203.0.113.9", "2001:db8::9"])
@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (None, "no route"),
        ("unreachable", "no route"),
        ("prohibit", "prohibits"),
        ("blackhole", "black hole"),
    ],
)
def test_no_route_of_our_own(lab: RouterLab, target: str, kind: str | None, why: str) -> None:
    route = ["-6" if ":" in target else "-4", "-n", lab.us, "route"]
    if kind:
        ip(*route, "add", kind, target)
    try:
        outcome = trace(lab, target, uid=NOBODY)
    finally:
        if kind:
            ip(*route, "del", kind, target)
    assert outcome.code == 3
    assert outcome.json["status"] == "error"
    (error,) = outcome.json["errors"]
    assert error["code"] == "no-route"
    assert why in error["message"]


def test_a_broadcast_address(lab: RouterLab) -> None:
    for address in ("255.255.255.255", "10.98.0.255"):
        outcome = trace(lab, address)
        assert outcome.code == 64
        assert "broadcast" in outcome.json["errors"][0]["message"]


@pytest.mark.parametrize(
    ("kind", "family", "answer", "finding"),
    [
        ("unreachable", 4, "host-unreachable", "trace.target-unreachable"),
        ("prohibit", 4, "admin-prohibited", "trace.prohibited"),
        ("unreachable", 6, "no-route", "trace.target-unreachable"),
        ("prohibit", 6, "admin-prohibited", "trace.prohibited"),
    ],
)
def test_a_router_refuses(lab: RouterLab, kind: str, family: int, answer: str, finding: str) -> None:
    route = [f"-{family}", "-n", lab.nodes[3], "route"]
    prefix = f"{lab.target(family)}/{32 if family == 4 else 128}"
    ip(*route, "add", kind, prefix)
    try:
        outcome = trace(lab, lab.target(family), uid=NOBODY)
    finally:
        ip(*route, "del", kind, prefix)
    data = outcome.json["data"]
    assert outcome.code == 2
    assert [found["id"] for found in outcome.json["findings"]] == [finding]
    assert (data["end_answer"], data["end_address"]) == (answer, lab.hop(3, family))
    assert "hop 3" in outcome.json["findings"][0]["summary"]
    # routers count these answers too: when the burst of an earlier test took them all, it is a
    # later probe that is told
    assert data["network_ms"] <= 1200


@pytest.mark.parametrize("family", [4, 6])
def test_a_black_hole(lab: RouterLab, family: int) -> None:
    route = [f"-{family}", "-n", lab.nodes[4], "route"]
    prefix = f"{lab.target(family)}/{32 if family == 4 else 128}"
    ip(*route, "add", "blackhole", prefix)
    try:
        outcome = trace(lab, lab.target(family))
    finally:
        ip(*route, "del", "blackhole", prefix)
    data = outcome.json["data"]
    assert outcome.code == 2
    assert data["end_reason"] == "silent"
    # a black hole swallows the packet before its TTL is looked at: hop 4 does not show
    assert (data["end_ttl"], data["end_address"]) == (3, lab.hop(3, family))


def test_a_loop() -> None:
    with RouterLab(4, rate_limits=True) as lab:
        # router 3 sends the target's packets back to router 2
        ip("-n", lab.nodes[3], "route", "add", f"{lab.target(4)}/32", "via", "10.98.2.1")
        outcome = trace(lab, lab.target(4))
    data = outcome.json["data"]
    assert (outcome.code, data["end_reason"]) == (2, "loop")
    assert len(data["loop"]) == 2
    assert [found["id"] for found in outcome.json["findings"]] == ["trace.loop"]


def test_rate_limits_are_never_called_loss() -> None:
    with RouterLab(4, rate_limits=True) as lab:
        for _ in range(4):  # six answers a host, then one a second
            outcome = trace(lab, lab.target(4), uid=NOBODY)
            assert outcome.json["findings"] == [], outcome.json
            assert (outcome.code, outcome.json["data"]["reached"]) == (0, True)
            assert outcome.json["data"]["network_ms"] <= 1500


@pytest.mark.skipif(shutil.which("nft") is None, reason="needs nft")
def test_a_local_firewall_is_our_own_failure() -> None:
    chain = "add chain ip t o { type filter hook output priority 0; }"
    with RouterLab(1) as lab:
        lab.run(lab.us, "nft", f"add table ip t; {chain}; add rule ip t o udp dport 33434 drop")
        outcome = trace(lab, lab.target(4), uid=NOBODY)
    assert outcome.code == 3
    (error,) = outcome.json["errors"]
    assert error["code"] == "send-failed"
    assert "firewall" in error["hint"]


def test_a_neighbour_that_does_not_answer() -> None:
    with RouterLab(1) as lab:
        outcome = trace(lab, "--timeout", 4, "--queries", 1, "10.98.0.77")
    data = outcome.json["data"]
    assert outcome.code == 2
    assert (data["end_reason"], data["end_address"]) == ("local-failure", "10.98.0.1")
    assert "this host itself" in outcome.json["findings"][0]["summary"]
