"""Path MTUs through real Linux routers, in namespaces, with their real ICMP rate limits."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from cli import NOBODY, Outcome, environment, sretool
from lab_routers import RouterLab, ip
from waiting import until_asleep

pytestmark = [pytest.mark.lab, pytest.mark.skipif(shutil.which("nft") is None, reason="needs nft")]

ROUTERS = 5
TARGET = ROUTERS + 1
SWALLOW = (
    "add table inet swallow; add chain inet swallow o { type filter hook output priority 0; }; "
    "add rule inet swallow o icmp type destination-unreachable icmp code 4 drop; "
    "add rule inet swallow o icmpv6 type packet-too-big drop"
)


class Lab(RouterLab):
    """Routers whose links can be made narrow, with or without a word."""

    def narrow(self, router: int, mtu: int) -> None:
        """The link behind that router."""
        ip("-n", self.nodes[router], "link", "set", "right", "mtu", str(mtu))
        ip("-n", self.nodes[router + 1], "link", "set", "left", "mtu", str(mtu))

    def swallow(self, router: int) -> None:
        """It never says that a packet is too big."""
        self.run(self.nodes[router], "nft", SWALLOW)

    def mtu(self, *args: Any, **more: Any) -> Outcome:
        return sretool("net", "mtu", "--json", *args, netns=self.us, **more)


@pytest.fixture(scope="module")
def wide() -> Iterator[Lab]:
    with Lab(ROUTERS) as lab:
        yield lab


@pytest.fixture(scope="module")
def advertised() -> Iterator[Lab]:
    with Lab(ROUTERS) as lab:
        lab.narrow(3, 1400)
        yield lab


@pytest.fixture(scope="module")
def eaten() -> Iterator[Lab]:
    with Lab(ROUTERS) as lab:
        lab.narrow(3, 1400)
        lab.swallow(3)
        yield lab


USERS = pytest.mark.parametrize("uid", [None, NOBODY])
FAMILIES = pytest.mark.parametrize("family", [4, 6])


@FAMILIES
@USERS
def test_a_path_that_takes_all(wide: Lab, family: int, uid: int | None) -> None:
    outcome = wide.mtu(wide.target(family), uid=uid)
    assert outcome.code == 0, outcome
    data = outcome.json["data"]
    assert (data["path_mtu_bytes"], data["link_mtu_bytes"], data["end_reason"]) == (1500, 1500, "measured")
    assert (data["target_ttl"], data["target_ttl_exact"], data["link"]) == (TARGET, True, "right")
    assert [hop["address"] for hop in data["hops"]] == [wide.hop(ttl, family) for ttl in range(1, TARGET + 1)]
    assert [hop["mtu_bytes"] for hop in data["hops"]] == [1500] * TARGET
    assert data["methods"] == (["udp-recverr", "icmp-raw"] if uid is None else ["udp-recverr"])
    assert outcome.json["findings"] == []
    assert outcome.json["errors"] == []


@FAMILIES
@USERS
def test_a_router_that_says_so(advertised: Lab, family: int, uid: int | None) -> None:
    outcome = advertised.mtu(advertised.target(family), uid=uid)
    data = outcome.json["data"]
    assert outcome.code == 0, outcome
    assert (data["path_mtu_bytes"], data["black_hole"]) == (1400, None)
    (told,) = data["advertised"]
    assert (told["address"], told["ttl"], told["mtu_bytes"]) == (advertised.hop(3, family), 3, 1400)
    assert [hop["mtu_bytes"] for hop in data["hops"]] == [1500] * 3 + [1400] * 3
    assert [found["id"] for found in outcome.json["findings"]] == ["mtu.reduced"]


@FAMILIES
@USERS
def test_a_black_hole(eaten: Lab, family: int, uid: int | None) -> None:
    outcome = eaten.mtu(eaten.target(family), uid=uid)
    data = outcome.json["data"]
    assert outcome.code == 2, outcome
    assert data["black_hole"] == {
        "after": {"ttl": 3, "address": eaten.hop(3, family)},
        "before": {"ttl": 4, "address": eaten.hop(4, family)},
        "passes_bytes": 1400,
        "fails_bytes": 1401,
        "exact": True,
        "direction": "forward",
        "advertised_mtu_bytes": None,
    }
    assert data["path_mtu_bytes"] == 1400
    (finding,) = outcome.json["findings"]
    assert (finding["id"], finding["severity"]) == ("mtu.black-hole", "critical")
    assert f"between hop 3 ({eaten.hop(3, family)}) and hop 4 ({eaten.hop(4, family)})" in finding["summary"]
    assert "1400 bytes pass, 1401 do not" in finding["summary"]


def test_rate_limits_do_not_change_the_answer() -> None:
    with Lab(ROUTERS, rate_limits=True) as lab:
        lab.narrow(3, 1444)
        lab.swallow(3)
        times = []
        for uid in (NOBODY, None):
            data = lab.mtu(lab.target(4), uid=uid).json["data"]
            assert (data["black_hole"]["after"]["ttl"], data["black_hole"]["passes_bytes"]) == (3, 1444)
            times.append(data["network_ms"])
        # in another family nobody has been asked yet
        data = lab.mtu(lab.target(6), uid=NOBODY).json["data"]
        assert (data["black_hole"]["after"]["ttl"], data["path_mtu_bytes"]) == (3, 1444)
        assert min(*times, data["network_ms"]) <= 1000


@FAMILIES
def test_live_connections_that_hang_are_named(eaten: Lab, family: int) -> None:
    with connections(eaten, family) as client:
        outcome = eaten.mtu(eaten.target(family))
    found = {row["packet_bytes"]: row for row in outcome.json["data"]["connections"]}
    large = max(found)
    assert large == 1500 or large > 1400
    assert found[large]["hangs"] is True
    assert found[large]["pid"] == client
    assert [row["hangs"] for size, row in found.items() if size <= 1400] == [False]
    summary = outcome.json["findings"][0]["summary"]
    assert "1 live TCP connection" in summary
    assert f"[{client}]" in summary


@contextlib.contextmanager
def connections(lab: Lab, family: int) -> Iterator[int]:
    """Two to the target, one with small segments; the pid of who holds them."""
    number = "socket.AF_INET" if family == 4 else "socket.AF_INET6"
    port = 7000 + family
    server = (
        f"import socket; s = socket.socket({number}); s.bind(('', {port})); s.listen()\n"
        "print('ready', flush=True); kept = [s.accept() for _ in range(2)]; s.accept()"
    )
    client = (
        f"import socket; a, b = socket.socket({number}), socket.socket({number})\n"
        "b.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1200)\n"
        f"[c.connect(({lab.target(family)!r}, {port})) for c in (a, b)]\n"
        "print('ready', flush=True); input()"
    )
    with contextlib.ExitStack() as stack:
        for node, script in ((lab.target_ns, server), (lab.us, client)):
            process = stack.enter_context(
                subprocess.Popen(
                    ["ip", "netns", "exec", node, sys.executable, "-c", script],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                )
            )  # fmt: skip
            stack.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        yield process.pid


@FAMILIES
def test_only_the_way_back_eats_packets(wide: Lab, family: int) -> None:
    router = wide.nodes[3]
    wide.run(
        router, "nft",
        "add table inet back; add chain inet back f { type filter hook forward priority 0; }; "
        "add rule inet back f iifname right meta length > 1404 drop",
    )  # fmt: skip
    try:
        outcome = wide.mtu(wide.target(family))
        blind = wide.mtu(wide.target(family), uid=NOBODY)
    finally:
        wide.run(router, "nft", "delete table inet back")
    data = outcome.json["data"]
    assert outcome.code == 1, outcome
    assert (data["path_mtu_bytes"], data["black_hole"]) == (1500, None)
    assert data["way_back"] == {"passes_bytes": 1404, "fails_bytes": 1405, "exact": True}
    assert [found["id"] for found in outcome.json["findings"]] == ["mtu.way-back"]
    verdicts = {check["id"]: check["outcome"] for check in blind.json["data"]["checks"]}
    assert (blind.code, verdicts["mtu.way-back"]) == (0, "unknown")


def test_what_this_host_believes(wide: Lab) -> None:
    target = wide.target(4)
    ip("-n", wide.us, "route", "add", f"{target}/32", "via", "10.98.0.2", "mtu", "1300")
    try:
        data = wide.mtu(target).json["data"]
    finally:
        ip("-n", wide.us, "route", "del", f"{target}/32")
    assert (data["route_mtu_bytes"], data["kernel_mtu_bytes"], data["cached_mtu_bytes"]) == (1300, 1300, None)
    assert data["path_mtu_bytes"] == 1500


def test_a_path_that_has_become_wider() -> None:
    with Lab(2) as lab:
        lab.narrow(1, 1400)
        target = lab.target(4)
        assert lab.mtu(target).json["data"]["path_mtu_bytes"] == 1400
        lab.narrow(1, 1500)
        outcome = lab.mtu(target)
    data = outcome.json["data"]
    assert (outcome.code, data["path_mtu_bytes"], data["cached_mtu_bytes"]) == (0, 1500, 1400)
    assert 0 < data["cached_expires_s"] <= 600
    assert [found["id"] for found in outcome.json["findings"]] == ["mtu.learnt-too-small"]


def test_from_another_namespace(wide: Lab) -> None:
    outcome = sretool("net", "mtu", "--json", "--netns", wide.us, wide.target(4))
    assert (outcome.code, outcome.json["data"]["path_mtu_bytes"]) == (0, 1500)
    assert outcome.json["data"]["link"] == "right"
    for bad, code in (("no-such-namespace", 64),):
        assert sretool("net", "mtu", "--netns", bad, "127.0.0.1").code == code


@pytest.mark.parametrize("protocol", ["udp", "icmp"])
@FAMILIES
def test_one_protocol_only(eaten: Lab, family: int, protocol: str) -> None:
    data = eaten.mtu("--protocol", protocol, eaten.target(family)).json["data"]
    assert data["methods"] == (["udp-recverr"] if protocol == "udp" else ["icmp-raw"])
    assert (data["black_hole"]["after"]["ttl"], data["path_mtu_bytes"]) == (3, 1400)


def test_echo_requests_without_root(eaten: Lab) -> None:
    assert eaten.mtu("--protocol", "icmp", eaten.target(4), uid=NOBODY).code == 3
    for node in (eaten.us,):
        eaten.run(node, "sysctl", "-qw", "net.ipv4.ping_group_range=0 2147483647")
    try:
        for family in (4, 6):
            data = eaten.mtu("--protocol", "icmp", eaten.target(family), uid=NOBODY).json["data"]
            assert data["methods"] == ["icmp-datagram"]
            assert (data["black_hole"]["after"]["ttl"], data["path_mtu_bytes"]) == (3, 1400)
    finally:
        eaten.run(eaten.us, "sysctl", "-qw", "net.ipv4.ping_group_range=1 0")


def test_bad_sizes(wide: Lab) -> None:
    for args in (
        ("--min", 67, wide.target(4)),
        ("--max", 67, wide.target(4)),
        ("--min", 1279, wide.target(6)),
        ("--max", 1501, wide.target(4)),
        ("--min", 1500, wide.target(4)),
        ("--min", 1400, "--max", 1300, wide.target(4)),
    ):
        outcome = wide.mtu(*args)
        assert outcome.code == 64, (args, outcome)
        assert outcome.json["errors"][0]["code"] == "usage"
    data = wide.mtu("--max", 1300, wide.target(4)).json["data"]
    assert (data["asked_bytes"], data["path_mtu_bytes"]) == (1300, 1300)


def test_jumbo_frames() -> None:
    with Lab(2) as lab:
        for link in range(3):
            lab.narrow(link, 9000)
        assert lab.mtu(lab.target(4)).json["data"]["path_mtu_bytes"] == 9000
        lab.narrow(1, 1500)
        lab.swallow(1)
        outcome = lab.mtu(lab.target(4), uid=NOBODY)
    hole = outcome.json["data"]["black_hole"]
    assert (hole["after"]["ttl"], hole["passes_bytes"], hole["exact"]) == (1, 1500, True)


def test_a_local_firewall_is_our_own_failure() -> None:
    chain = "add chain ip t o { type filter hook output priority 0; }"
    with Lab(1) as lab:
        lab.run(lab.us, "nft", f"add table ip t; {chain}; add rule ip t o udp dport 33434 drop")
        outcome = lab.mtu(lab.target(4), uid=NOBODY)
    assert outcome.code == 3
    assert outcome.json["errors"][0]["code"] == "send-failed"


def test_silence_is_unknown(wide: Lab) -> None:
    chain = "add chain inet t i { type filter hook input priority 0; policy drop; }"
    wide.run(wide.target_ns, "nft", f"add table inet t; {chain}")
    try:
        outcome = wide.mtu(wide.target(4))
        cut = wide.mtu("--deadline", 0.4, wide.target(4))
        process = subprocess.Popen(
            [
                "ip", "netns", "exec", wide.us, sys.executable, "-m", "sretool", "net", "mtu", "--json",
                "--timeout", "60", wide.target(4),
            ],
            env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/",
        )  # fmt: skip
        until_asleep(process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    finally:
        wide.run(wide.target_ns, "nft", "delete table inet t")
    data = outcome.json["data"]
    assert (outcome.code, outcome.json["status"]) == (3, "partial")
    assert (data["path_mtu_bytes"], data["end_reason"]) == (None, "silent")
    assert outcome.json["errors"][0]["code"] == "no-answer"
    assert outcome.json["findings"] == []
    assert [hop["mtu_bytes"] for hop in data["hops"]] == [1500] * ROUTERS
    assert {check["id"]: check["outcome"] for check in data["checks"]}["mtu.black-hole"] == "unknown"
    assert (cut.code, cut.json["data"]["end_reason"]) == (3, "deadline")
    assert process.returncode == 130, err
    assert json.loads(out)["data"]["end_reason"] == "interrupted"


@FAMILIES
def test_what_a_person_sees(eaten: Lab, family: int) -> None:
    text = sretool("net", "mtu", eaten.target(family), netns=eaten.us).out
    assert "nothing over 1400 gets here" in text
    assert "black hole: path MTU 1400 bytes" in text
    assert all(len(line) <= 400 for line in text.splitlines())
