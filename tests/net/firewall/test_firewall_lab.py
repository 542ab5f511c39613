"""Against the kernel: packets that rules drop for real, in a network namespace of the test's own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from cli import NOBODY, sretool
from lab_netns import Namespace

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(shutil.which("nft") is None, reason="nft is not here"),
]

RULES = """
table inet t {
    chain c {
        type filter hook input priority 0; policy accept;
        udp dport 53 counter drop
        udp dport 54 counter reject
        udp dport 55 drop
    }
    chain out { type filter hook output priority 0; policy drop; oifname "lo" accept; }
}
"""
# a datagram to each of the ports every 20 ms, once a line came
SEND = """
import select, socket, sys
sockets = []
for port in sys.argv[1:]:
    s = socket.socket(type=socket.SOCK_DGRAM); s.connect(("127.0.0.1", int(port))); sockets.append(s)
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0.02)[0]:
    for s in sockets:
        try: s.send(b"x")
        except OSError: pass
"""


@pytest.fixture
def ns() -> Iterator[Namespace]:
    with Namespace() as made:
        made.run("nft", RULES)
        yield made


def test_the_rule_that_drops_is_named(ns):
    quiet = sretool("net", "firewall", "--sample", 0.1, "--json", netns=ns.name).json
    assert quiet["findings"] == []
    assert [check["outcome"] for check in quiet["data"]["checks"]] == ["clear"]
    assert (quiet["data"]["total"], quiet["data"]["uncounted"]) == (4, 2)
    ns.python(SEND, 53, 55)
    document = sretool("net", "firewall", "--sample", 0.5, "--json", netns=ns.name).json
    [found] = document["findings"]
    assert (found["id"], found["severity"]) == ("firewall.dropping", "info")
    assert found["summary"].startswith("inet t c: `udp dport 53 counter drop` dropped ")
    first, *others = document["data"]["rules"]
    assert (first["rule"], first["hook"]) == ("udp dport 53 counter drop", "input")
    assert first["dropped"] > 3
    assert {row["rule"]: row["dropped"] for row in others} == {
        "udp dport 54 counter reject": 0,
        "udp dport 55 drop": None,  # it dropped as many, and nobody counted
        "policy drop": None,
    }
    assert sretool("net", "firewall", "--sample", 0.2, netns=ns.name).code == 0  # a listing
    many = ("--set", "firewall.dropping.warning_per_s=5", "--json")
    done = sretool("net", "firewall", "--sample", 0.3, *many, netns=ns.name)
    assert [finding["severity"] for finding in done.json["findings"]] == ["warning"]


@pytest.mark.oracle
def test_counters_are_those_of_nft(ns):
    ns.python(SEND, 53, 54).communicate("end\n")
    rows = sretool("net", "firewall", "--sample", 0, "--json", netns=ns.name).json["data"]["rules"]
    theirs = ns.run("nft", "list", "ruleset")
    for row in rows:
        if row["packets"] is not None:
            said = row["rule"].replace("counter", f"counter packets {row['packets']} bytes {row['bytes']}")
            assert said in theirs


def test_as_an_ordinary_user_there_is_one_line(ns):
    done = sretool("net", "firewall", "--sample", 0, netns=ns.name, uid=NOBODY)
    assert done.code == 3
    assert done.err.count("\n") == 1
    assert "sudo" in done.err
    assert "no rule could be read" in done.out


def test_a_recording_holds_the_rules(ns, tmp_path):
    ns.python(SEND, 53)
    file = tmp_path / "r.tar.gz"
    assert sretool("snapshot", "save", file, "--sample", 0.3, netns=ns.name).code == 0
    document = sretool("--from", file, "net", "firewall", "--json").json
    assert document["status"] == "ok"
    first = document["data"]["rules"][0]
    assert (first["rule"], first["dropped"] > 0) == ("udp dport 53 counter drop", True)
    assert [finding["id"] for finding in document["findings"]] == ["firewall.dropping"]


@pytest.mark.skipif(shutil.which("iptables-legacy") is None, reason="iptables-legacy is not here")
def test_rules_of_legacy_iptables(ns):
    ns.run("iptables-legacy", "-A", "INPUT", "-p", "udp", "--dport", "56", "-j", "DROP")
    ns.run("iptables-legacy", "-P", "FORWARD", "DROP")
    ns.python(SEND, 56)
    data = sretool("net", "firewall", "--sample", 0.3, "--json", netns=ns.name).json["data"]
    assert data["iptables"] is True
    [first] = [row for row in data["rules"] if row["dropped"]]
    assert (first["backend"], first["table"], first["chain"]) == ("iptables", "filter", "INPUT")
    assert "--dport 56" in first["rule"]


def test_iptables_rules_of_nftables(ns):
    if shutil.which("iptables-nft") is None:
        pytest.skip("iptables-nft is not here")
    ns.run("iptables-nft", "-A", "INPUT", "-p", "udp", "--dport", "57", "-j", "REJECT")
    data = sretool("net", "firewall", "--sample", 0, "--json", netns=ns.name).json["data"]
    assert ("ip", "filter", "reject") in {
        (row["family"], row["table"], row["verdict"]) for row in data["rules"]
    }
