"""`triage --probe` against gateways that are namespaces of their own: healthy, lossy, silent, gone, slow."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from cli import NOBODY, Outcome, sretool
from lab_netns import Namespace
from lab_tun import TunLab
from paths import router, straight

pytestmark = pytest.mark.lab

COUNTERS = """
table inet seen {
  chain in {
    type filter hook input priority -10
    icmp type echo-request counter
    icmpv6 type echo-request counter
    meta l4proto udp counter
    ip protocol != 255 counter
  }
}
"""


KNOWN = """
import socket, time
for family, address in ((socket.AF_INET, "10.97.0.1"), (socket.AF_INET6, "fd97::1")):
    with socket.socket(family, socket.SOCK_DGRAM) as asked:
        asked.connect((address, 9))
        asked.settimeout(0.1)
        for _ in range(100):
            try:
                asked.send(b"")
                asked.recv(1)
            except ConnectionRefusedError:
                break
            except OSError:
                continue
"""


class Lab:
    """`us` with a default gateway of each family, which is `gateway`."""

    def __init__(self, us: Namespace, gateway: Namespace) -> None:
        self.us, self.gateway = us, gateway
        for side in (us, gateway):
            side.run("sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0")
        us.run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "down0", "netns", gateway.name)
        for side, device, last in ((us, "up0", 2), (gateway, "down0", 1)):
            side.run("ip", "addr", "add", f"10.97.0.{last}/24", "dev", device)
            side.run("ip", "addr", "add", f"fd97::{last}/64", "dev", device, "nodad")
            side.run("ip", "link", "set", device, "up")
        us.run("ip", "route", "add", "default", "via", "10.97.0.1")
        us.run("ip", "-6", "route", "add", "default", "via", "fd97::1")
        # on a link that has just come up a solicitation may be lost, and the next leaves a second later
        us.run(sys.executable, "-c", KNOWN)

    def nft(self, rules: str) -> None:
        subprocess.run(
            ["ip", "netns", "exec", self.gateway.name, "nft", "-f", "-"], input=rules, text=True, check=True
        )

    def seen(self) -> list[int]:
        """Packets that came in: echo requests, of IPv6, UDP, all of IPv4."""
        shown = self.gateway.run("nft", "list", "table", "inet", "seen")
        return [int(number) for number in re.findall(r"packets (\d+)", shown)]

    def triage(self, *args: str, uid: int | None = None) -> Outcome:
        return sretool("triage", *args, netns=self.us.name, uid=uid)

    def probe(self, *args: str, uid: int | None = None) -> tuple[Outcome, dict[str, Any]]:
        done = self.triage("--probe", "--only", "path", "--json", *args, uid=uid)
        return done, {check["id"]: check for check in done.json["data"]["checks"]}


@pytest.fixture
def lab() -> Iterator[Lab]:
    with ExitStack() as stack:
        yield Lab(stack.enter_context(Namespace()), stack.enter_context(Namespace()))


def found(done: Outcome) -> list[tuple[str, str, str]]:
    return [(one["id"], one["severity"], one["subject"]["id"]) for one in done.json["findings"]]


def test_a_healthy_gateway_is_asked_ten_times_and_is_clear(lab: Lab) -> None:
    lab.nft(COUNTERS)
    done, checks = lab.probe()
    assert {id_: check["outcome"] for id_, check in checks.items()} == {
        "path.gateway-loss": "clear",
        "path.gateway-latency": "clear",
        "path.mtu-black-hole": "not-applicable",
        "path.changed": "not-applicable",
    }
    assert done.code == 0
    assert lab.seen()[:3] == [10, 10, 0]


def test_plain_triage_sends_nothing(lab: Lab) -> None:
    lab.nft(COUNTERS)
    done = lab.triage("--json", "--sample", "0.3")
    assert not [check for check in done.json["data"]["checks"] if check["id"].startswith("path.")]
    assert lab.seen() == [0, 0, 0, 0]


def test_loss(lab: Lab) -> None:
    lab.nft(
        """table inet lossy { chain in { type filter hook input priority 0
          icmp type echo-request numgen inc mod 10 < 4 drop
        }
        }"""
    )
    done, checks = lab.probe()
    assert found(done) == [("path.gateway-loss", "warning", "10.97.0.1 dev up0")]
    assert "did not answer 4 of 10 echo requests" in done.json["findings"][0]["summary"]
    assert checks["path.gateway-latency"]["outcome"] == "clear"
    assert done.code == 1


def test_one_lost_probe_is_no_finding(lab: Lab) -> None:
    lab.nft(
        """table inet lossy { chain in { type filter hook input priority 0
          icmp type echo-request numgen inc mod 10 < 1 drop
        }
        }"""
    )
    assert lab.probe()[1]["path.gateway-loss"]["outcome"] == "clear"


def test_a_gateway_that_is_gone(lab: Lab) -> None:
    lab.gateway.run("ip", "addr", "flush", "dev", "down0")
    lab.us.run("ip", "neigh", "flush", "all")
    done, checks = lab.probe()
    assert found(done) == [
        ("path.gateway-loss", "critical", "10.97.0.1 dev up0"),
        ("path.gateway-loss", "critical", "fd97::1 dev up0"),
    ]
    assert checks["path.gateway-latency"]["outcome"] == "unknown"
    assert done.code == 2


def test_a_gateway_that_answers_no_probe_but_lives_is_unknown(lab: Lab) -> None:
    lab.nft(
        """table inet deaf { chain in { type filter hook input priority 0
          meta l4proto icmp drop
          icmpv6 type echo-request drop
        }
        }"""
    )
    done, checks = lab.probe()
    assert done.json["findings"] == []
    assert checks["path.gateway-loss"]["outcome"] == "unknown"
    assert "as a neighbour: it may only be told not to answer" in checks["path.gateway-loss"]["reason"]
    assert done.code == 3


def test_an_ordinary_user(lab: Lab) -> None:
    """Echo requests where its group may send them, else UDP, whose answers are limited."""
    checks = lab.probe(uid=NOBODY)[1]
    assert checks["path.gateway-latency"]["outcome"] == "clear"
    assert checks["path.gateway-loss"]["outcome"] in ("unknown", "clear")
    if checks["path.gateway-loss"]["outcome"] == "unknown":
        assert "net.ipv4.ping_group_range" in checks["path.gateway-loss"]["reason"]
    lab.us.run("sysctl", "-qw", "net.ipv4.ping_group_range=0 2147483647")
    checks = lab.probe(uid=NOBODY)[1]
    assert checks["path.gateway-loss"]["outcome"] == "clear"


def test_no_default_route(lab: Lab) -> None:
    lab.us.run("ip", "route", "del", "default")
    lab.us.run("ip", "-6", "route", "del", "default")
    checks = lab.probe()[1]
    assert {check["outcome"] for check in checks.values()} == {"not-applicable"}
    assert "no default route has a gateway" in checks["path.gateway-loss"]["reason"]


def test_a_link_local_gateway_and_one_of_several_legs(lab: Lab) -> None:
    shown = lab.gateway.run("ip", "-6", "-o", "addr", "show", "dev", "down0", "scope", "link")
    local = shown.split()[3].partition("/")[0]
    lab.us.run("ip", "-6", "route", "replace", "default", "via", local, "dev", "up0")
    lab.us.run(
        *("ip", "route", "replace", "default", "nexthop", "via", "10.97.0.1", "nexthop", "via", "10.97.0.9")
    )
    done, _ = lab.probe()
    assert found(done) == [("path.gateway-loss", "critical", "10.97.0.9 dev up0")]


def test_a_slow_gateway() -> None:
    path = straight(1, 40.0)
    with TunLab(path) as lab:
        inside = ["ip", "-n", lab.netns]
        subprocess.run(
            [*inside, "route", "replace", "default", "via", path.target, "dev", "sim0", "onlink"], check=True
        )
        done = sretool("triage", "--probe", "--only", "path", "--json", netns=lab.netns)
    assert [(one["id"], one["severity"]) for one in done.json["findings"]] == [
        ("path.gateway-latency", "warning")
    ]
    assert done.json["findings"][0]["evidence"][0]["value"] >= 30


def test_a_path_beside_its_baseline(tmp_path: Path) -> None:
    file = tmp_path / "before.json"
    with TunLab(straight(6)) as lab:
        traced = sretool("net", "trace", "--json", "--method", "sockets", lab.path.target, netns=lab.netns)
        file.write_text(traced.out)
        given = ("--probe", "--only", "path.changed", "--json", "--probe-target", lab.path.target)
        same = sretool("triage", *given, "--baseline", file, netns=lab.netns)
    assert same.json["data"]["checks"][0]["outcome"] == "clear", same.out
    changed = straight(6)
    changed.hops[2] = [router(3, 30.0, leg=5)]
    with TunLab(changed) as lab:
        done = sretool("triage", *given, "--baseline", file, netns=lab.netns)
    [finding] = done.json["findings"]
    assert (finding["id"], finding["severity"]) == ("path.changed", "warning")
    assert "at hop 3 10.99.5.3 instead of 10.99.0.3" in finding["summary"]
    with TunLab(straight(6, target_silent=True)) as lab:
        done = sretool("triage", *given, "--baseline", file, netns=lab.netns)
    assert done.code == 2
    assert "is not reached any more" in done.json["findings"][0]["summary"]


def test_a_black_hole_on_the_way_to_a_target_that_was_named() -> None:
    hole = straight(6)
    hole.hops[3][0].mtu, hole.hops[3][0].ptb = 1400, False
    for path, code in ((straight(6), 0), (hole, 2)):
        with TunLab(path) as lab:
            given = ("--probe", "--only", "path.mtu-black-hole", "--probe-target", path.target)
            done = sretool("triage", *given, "--json", netns=lab.netns)
        assert done.code == code, done.out
    [finding] = done.json["findings"]
    assert (finding["id"], finding["severity"]) == ("path.mtu-black-hole", "critical")
    assert "packets larger than 1400 bytes are lost between hop 4 (10.99.0.4) and hop 5" in finding["summary"]
    assert finding["next"][0] == f"sretool net mtu {hole.target}"


def test_what_cannot_be_asked(tmp_path: Path) -> None:
    def refused(*args: object) -> str:
        done = sretool("triage", *args)
        assert (done.code, done.out, done.err.count("\n")) == (64, "", 1), done.err
        return done.err

    assert "add --probe" in refused("--only", "path.gateway-loss")
    assert "add --probe" in refused("--probe-target", "127.0.0.1")
    assert "recording" in refused("--probe", "--from", tmp_path / "x.tar.gz")
    file = tmp_path / "before.json"
    file.write_text(json.dumps({"schema": "sretool.net.routes/1", "data": {}}))
    assert "no" in refused("--probe", "--baseline", file)
    traced = sretool("net", "trace", "--json", "127.0.0.1")
    file.write_text(traced.out)
    assert "--probe-target 127.0.0.1" in refused("--probe", "--baseline", file)
    assert "no path to 127.0.0.2" in refused("--probe", "--baseline", file, "--probe-target", "127.0.0.2")
