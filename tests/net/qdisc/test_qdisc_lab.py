"""Against the kernel and tc: shapers in a namespace, and one that has to drop."""

from __future__ import annotations

import pytest
from cli import NOBODY, sretool
from lab_netns import Inside, Namespace

from sretool.net.qdisc import read
from sretool.net.qdisc.checks import CHECKS
from sretool.report.check import judge

pytestmark = pytest.mark.lab

LINKS = """
link add v0 type veth peer name w0
link add v1 numtxqueues 4 type veth peer name w1
link set v0 up
link set w0 up
link set v1 up
addr add 10.0.0.1/24 dev v0
neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev v0 nud permanent
"""
SHAPERS = (
    "qdisc replace dev v0 root handle 1: htb default 10 r2q 5",
    "class add dev v0 parent 1: classid 1:1 htb rate 10mbit ceil 20mbit burst 15k",
    "class add dev v0 parent 1:1 classid 1:10 htb rate 1mbit prio 3",
    "qdisc add dev v0 parent 1:10 handle 10: tbf rate 500kbit burst 5kb latency 50ms",
    "qdisc add dev v0 ingress",
    "qdisc replace dev v1 root mq",
    "qdisc replace dev w0 root pfifo limit 20",
    "qdisc replace dev w1 root tbf rate 40gbit burst 5mb limit 10mb peakrate 41gbit mtu 100kb",
)
SEND = """
import socket, sys
s = socket.socket(type=socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 24)
for _ in range(int(sys.argv[1])): s.sendto(b"x" * 500, ("10.0.0.2", 9))
print("ready", flush=True)
"""


@pytest.fixture(scope="module")
def lab():
    with Namespace() as ns:
        ns.batch(LINKS)
        for command in SHAPERS:
            ns.run("tc", *command.split())
        ns.python(SEND, 40)
        yield ns


@pytest.mark.oracle
@pytest.mark.parametrize("uid", [None, NOBODY])
def test_rows_are_those_of_tc(lab, uid):
    done = sretool("net", "qdisc", "--sample", 0, "--json", netns=lab.name, uid=uid)
    assert (done.code, done.json["errors"]) == (0, []), done.err
    theirs = lab.json("tc", "-j", "-s", "qdisc")
    ours = done.json["data"]["qdiscs"]
    assert [(row["dev"], row["kind"], row["handle"]) for row in ours] == [
        (row["dev"], row["kind"], row["handle"]) for row in theirs
    ]
    assert {row["kind"] for row in ours} == {"htb", "tbf", "ingress", "mq", "pfifo_fast", "pfifo", "noqueue"}
    for row, other in zip(ours, theirs):
        if other.get("root"):
            assert row["parent"] == "root"
        else:
            assert {"ingress": "ffff:fff1"}.get(row["parent"], row["parent"]) == other["parent"]
        # what waits in the shaper leaves it meanwhile
        if row["dev"] != "v0" and row["dev"] != "w0":
            for key in ("bytes", "packets", "drops", "overlimits", "requeues"):
                assert row[key] == other[key], (row["dev"], row["kind"], key)
        assert_options(row, other["options"])
    assert "classes" not in done.json["data"]


def assert_options(row: dict, theirs: dict) -> None:
    ours = row["options"]
    if row["kind"] == "tbf":
        assert ours["rate_bytes_per_s"] == theirs["rate"]
        # tc rounds the time behind it to a microsecond
        assert abs(ours["burst_bytes"] - theirs["burst"]) <= 2 + theirs["rate"] / 1e6
        if "lat" in theirs:
            assert abs(ours["latency_ms"] - theirs["lat"] / 1000) < 0.1
        # tc writes the peak rate in text only
        assert ours.get("peakrate_bytes_per_s") == (5_125_000_000 if row["dev"] == "w1" else None)
        assert abs(ours.get("minburst_bytes", 0) - theirs.get("minburst", 0)) <= 2 + 5125
    elif row["kind"] == "htb":
        assert ours == {key: theirs[key] for key in ("r2q", "default", "direct_packets_stat", "direct_qlen")}
    elif row["kind"] == "pfifo":
        assert ours["limit_packets"] == theirs["limit"]
    elif row["kind"] == "pfifo_fast":
        assert (ours["bands"], ours["priomap"]) == (theirs["bands"], " ".join(map(str, theirs["priomap"])))


@pytest.mark.oracle
def test_classes_are_those_of_tc(lab):
    done = sretool("net", "qdisc", "--sample", 0, "--json", "--classes", "--dev", "v0", netns=lab.name)
    ours = {row["classid"]: row for row in done.json["data"]["classes"]}
    # tc has no JSON for classes; -raw gives rates in bit and sizes in bytes
    lines = lab.run("tc", "-r", "class", "show", "dev", "v0").splitlines()
    theirs = {words[2]: words for words in map(str.split, lines) if words[:1] == ["class"]}
    assert ours.keys() == theirs.keys() == {"1:1", "1:10", "10:1"}
    assert " ".join(theirs["1:10"]).startswith(
        "class htb 1:10 parent 1:1 leaf 10: prio 3 rate 1Mbit ceil 1Mbit"
    )
    assert (ours["1:10"]["parent"], ours["1:10"]["leaf"], ours["1:1"]["parent"]) == ("1:1", "10:", "root")
    assert ours["1:10"]["options"] == {
        "rate_bytes_per_s": 125_000,
        "ceil_bytes_per_s": 125_000,
        "burst_bytes": size(theirs["1:10"], "burst"),
        "cburst_bytes": size(theirs["1:10"], "cburst"),
        "quantum_bytes": 25_000,
        "level": 0,
        "prio": 3,
    }
    top = ours["1:1"]["options"]
    assert (top["rate_bytes_per_s"], top["ceil_bytes_per_s"]) == (1_250_000, 2_500_000)
    assert top["burst_bytes"] == 15 * 1024
    assert ours["1:10"]["packets"] > 0
    assert (ours["10:1"]["packets"], ours["10:1"]["drops"]) == (None, None)  # tbf's class keeps none


def size(words: list[str], name: str) -> int:
    """`burst 1600b`, with -r `burst 1600b/8`."""
    return int(words[words.index(name) + 1].partition("b")[0])


def test_a_shaper_that_drops_is_found():
    with Namespace() as ns:
        ns.batch(LINKS)
        ns.run(
            "tc",
            *[
                "qdisc",
                "replace",
                "dev",
                "v0",
                "root",
                "tbf",
                "rate",
                "1mbit",
                "burst",
                "5kb",
                "latency",
                "10ms",
            ],
        )
        ns.run(
            "tc",
            *[
                "qdisc",
                "replace",
                "dev",
                "v1",
                "root",
                "tbf",
                "rate",
                "1mbit",
                "burst",
                "5kb",
                "latency",
                "10ms",
            ],
        )
        inside = Inside(ns.path)
        before = read.sample(inside)
        [(verdict, found)] = judge(CHECKS, read.build(read.sample(inside), before))
        assert (verdict.outcome, found) == ("clear", [])
        ns.python(SEND, 500)
        data = read.build(read.sample(inside), before)
        [(verdict, [finding])] = judge(CHECKS, data)
        assert (finding.id, finding.severity, finding.subject.name) == ("qdisc.drops", "warning", "tbf")
        assert finding.subject.id.startswith("v0 ")
        assert "more is sent than its rate and limit let through" in finding.summary
        # and what dropped before is no finding
        done = sretool("net", "qdisc", "--sample", 0.1, "--json", netns=ns.name)
        assert (done.code, done.json["findings"]) == (0, [])


def test_filters_and_text(lab):
    done = sretool("net", "qdisc", "--sample", 0, "--kind", "tbf", "--dev", "v0", netns=lab.name)
    [head, row] = done.out.splitlines()
    assert head.split()[:2] == ["DEV", "KIND"]
    assert "rate 500kbit/s, burst 5.0KB, limit 8.1KB, latency 50.0 ms" in row


def test_from_a_recording(lab, tmp_path):
    path = tmp_path / "r.tar.gz"
    assert sretool("snapshot", "save", path, "--sample", 0.1, netns=lab.name).code == 0
    replayed = sretool("--from", path, "net", "qdisc", "--classes", "--json").json
    assert (replayed["status"], replayed["errors"]) == ("ok", [])
    assert {row["classid"] for row in replayed["data"]["classes"]} >= {"1:1", "1:10"}
    assert all(row["drops_per_s"] is not None for row in replayed["data"]["qdiscs"])
