"""Tracing through real Linux routers, in namespaces."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

import pytest
from cli import NOBODY, Outcome, environment, sretool
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


@pytest.fixture
def named(lab: RouterLab) -> Iterator[str]:
    """A name with an address of each family, as `ip netns exec` shows it to who looks it up there."""
    folder = FilePath("/etc/netns") / lab.us
    folder.mkdir(parents=True)
    try:
        (folder / "hosts").write_text(f"{lab.target(6)} both.lab\n{lab.target(4)} both.lab\n")
        (folder / "nsswitch.conf").write_text("hosts: files\n")
        yield "both.lab"
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("broken", [4, 6])
def test_of_two_families_the_broken_one_is_named(lab: RouterLab, named: str, broken: int) -> None:
    other = 10 - broken
    route = [f"-{broken}", "-n", lab.nodes[3], "route"]
    prefix = f"{lab.target(broken)}/{32 if broken == 4 else 128}"
    ip(*route, "add", "blackhole", prefix)
    try:
        whole, forced = trace(lab, named), trace(lab, f"-{broken}", named)
    finally:
        ip(*route, "del", "blackhole", prefix)
    paths = [whole.json["data"], *whole.json["data"].get("others", [])]
    reached = {path["address"]: path["reached"] for path in paths}
    assert reached[lab.target(other)]
    if lab.target(broken) in reached:  # it was the one this host prefers
        assert not reached[lab.target(broken)]
        assert whole.code == 2
        assert lab.target(broken) in whole.json["findings"][0]["summary"]
    assert (forced.code, "others" in forced.json["data"]) == (2, False)


def test_an_interface_that_goes_down_costs_what_comes_after() -> None:
    with RouterLab(2) as lab:
        process = subprocess.Popen(
            [
                "ip", "netns", "exec", lab.us, sys.executable, "-m", "sretool", "net", "trace", "--jsonl",
                "-w", "-c", "6", "--sample", "0.3", lab.target(4),
            ],
            env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/",
        )  # fmt: skip
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(json.loads(line))
            if lines[-1]["type"] == "reply" and lines[-1]["round"] == 2:
                ip("-n", lab.us, "link", "set", "right", "down")
        process.communicate(timeout=30)
    path, end = lines[-2:]
    assert end["status"] == "partial"
    assert {error["code"] for error in end["errors"]} == {"send-failed"}
    assert path["hops"][0]["received"] >= 4
    assert path["hops"][0]["received"] <= path["hops"][0]["sent"] <= 5  # what did not leave is no loss


def test_from_another_address_and_namespace(lab: RouterLab) -> None:
    ip("-n", lab.us, "addr", "add", "10.98.0.77/24", "dev", "right")
    try:
        for uid in (None, NOBODY):
            data = trace(lab, "--source", "10.98.0.77", lab.target(4), uid=uid).json["data"]
            assert (data["source_address"], data["reached"]) == ("10.98.0.77", True)
    finally:
        ip("-n", lab.us, "addr", "del", "10.98.0.77/24", "dev", "right")
    for method in ("raw", "sockets"):
        outcome = sretool("net", "trace", "--json", "--netns", lab.us, "--method", method, lab.target(4))
        assert (outcome.code, outcome.json["data"]["source_address"]) == (0, "10.98.0.1"), outcome


@pytest.mark.parametrize("method", ["raw", "sockets"])
@pytest.mark.parametrize("family", [4, 6])
def test_a_tcp_port_open_closed_and_filtered(lab: RouterLab, family: int, method: str) -> None:
    """An open one is a listener that counts: raw probes never reach it as connections."""
    script = (
        "import socket,sys; s=socket.create_server(('',7000),family=socket.AF_INET6,dualstack_ipv6=True);"
        "s.setblocking(False); print('up',flush=True); sys.stdin.readline(); n=0\n"
        "try:\n  while True: s.accept(); n+=1\nexcept BlockingIOError: print(n,flush=True)"
    )
    server = subprocess.Popen(
        ["ip", "netns", "exec", lab.target_ns, sys.executable, "-c", script],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == "up\n"
        tcp = ["--protocol", "tcp", "--method", method]
        opened = trace(lab, *tcp, "-p", 7000, lab.target(family)).json["data"]
        accepted = int(server.communicate("\n", timeout=10)[0])
    finally:
        server.kill()
        server.communicate()
    assert (opened["reached"], opened["end_ttl"], opened["port_state"]) == (True, 6, "open")
    assert accepted == 0 if method == "raw" else accepted > 0
    closed = trace(lab, *tcp, "-p", 7001, lab.target(family))
    assert (closed.code, closed.json["data"]["port_state"]) == (0, "closed")
    assert [found["id"] for found in closed.json["findings"]] == ["trace.port-closed"]
    chain = "add table inet f; add chain inet f f { type filter hook forward priority 0; }"
    for verdict, reason, answer in (
        ("drop", "silent", None),
        ("reject with icmpx type admin-prohibited", "prohibited", "admin-prohibited"),
    ):
        lab.run(lab.nodes[2], "nft", f"{chain}; add rule inet f f tcp dport 7002 {verdict}")
        try:
            outcome = trace(lab, *tcp, "-p", 7002, lab.target(family))
        finally:
            lab.run(lab.nodes[2], "nft", "delete table inet f")
        data = outcome.json["data"]
        assert (outcome.code, data["port_state"], data["end_reason"]) == (2, "filtered", reason)
        if answer:
            assert (data["end_answer"], data["end_address"]) == (answer, lab.hop(2, family))
