"""Against the kernel, ip and ethtool: interfaces in namespaces, and faults made for real."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from cli import NOBODY, sretool
from lab_netns import Inside, Namespace

from sretool.net.links import read
from sretool.net.links.checks import CHECKS
from sretool.report.check import judge

pytestmark = pytest.mark.lab

LAB = """
link add br0 type bridge
link add v0 type veth peer name w0
link add v1 numtxqueues 3 type veth peer name eth0
link add mv0 link v0 type macvlan mode private
link add vx0 type vxlan id 7 remote 192.0.2.1 dstport 4789
tuntap add dev tap0 mode tap user 65534
link set v1 master br0
link set v0 up mtu 1400
link set w0 up
link set v1 up
link set br0 up
link set v0 alias uplink
link property add dev v0 altname veth-zero
"""


@pytest.fixture(scope="module")
def lab():
    """`eth0` is in another namespace, in which a process sleeps."""
    with Namespace() as ns, Namespace() as far:
        ns.batch(LAB)
        ns.batch(f"link set eth0 netns {far.name}")
        far.batch("link set eth0 up")
        ns.far = far
        ns.sleeper = far.python("import sys; print('ready', flush=True); sys.stdin.read()")
        yield ns


def links(ns: Namespace, *options: object, **more: Any) -> dict[str, dict]:
    done = sretool("net", "links", "--sample", 0, "--json", *options, netns=ns.name, **more)
    assert done.code == 0, done.err
    return {row["ifname"]: row for row in done.json["data"]["links"]}


RX = ("bytes", "packets", "errors", "dropped", "length_errors", "crc_errors", "frame_errors", "fifo_errors")
TX = ("bytes", "packets", "errors", "dropped", "aborted_errors", "fifo_errors", "window_errors")
# ip's place in stats64, and our name
STATS = [
    *(("rx", name, f"rx_{name}") for name in (*RX, "missed_errors")),
    *(("tx", name, f"tx_{name}") for name in (*TX, "heartbeat_errors")),
    ("rx", "multicast", "multicast"),
    ("tx", "collisions", "collisions"),
]


@pytest.mark.oracle
@pytest.mark.parametrize("uid", [None, NOBODY])
def test_rows_are_those_of_ip(lab, uid):
    def theirs() -> dict[str, dict]:
        return {row["ifname"]: row for row in lab.json("ip", "-j", "-s", "-s", "-d", "link")}

    before, ours, after = theirs(), links(lab, uid=uid), theirs()
    assert ours.keys() == after.keys() >= {"lo", "br0", "v0", "w0", "v1", "mv0", "vx0", "tap0"}
    for name, row in ours.items():
        other = after[name]
        for key in ("ifindex", "mtu", "address", "qdisc", "txqlen", "num_tx_queues", "num_rx_queues"):
            assert row[key] == other.get(key), (name, key)
        assert row["operstate"] == other["operstate"].lower()
        assert row["kind"] == other.get("linkinfo", {}).get("info_kind")
        assert row["master"] == other.get("master")
        assert row["alias"] == other.get("ifalias")
        assert row["altnames"] == other.get("altnames", [])
        for way, key, counter in STATS:
            low, high = (side[name]["stats64"][way][key] for side in (before, after))
            assert low <= row["stats"][counter] <= high, (name, counter)
        changes = row["carrier_up_count"] + row["carrier_down_count"]
        assert changes == after[name]["stats64"]["tx"]["carrier_changes"]
    assert ours["mv0"]["link"] == after["mv0"]["link"] == "v0"
    assert (ours["v0"]["link"], ours["v0"]["link_netns"]) == ("w0", None)
    assert ours["v1"]["link_netns"]["nsid"] == after["v1"]["link_netnsid"]


@pytest.mark.oracle
def test_details_are_those_of_ip(lab):
    ours = links(lab)
    theirs = {row["ifname"]: row for row in lab.json("ip", "-j", "-d", "link")}

    def data(name: str, part: str = "info_data") -> dict:
        return theirs[name]["linkinfo"][part]

    assert ours["mv0"]["details"]["mode"] == data("mv0")["mode"] == "private"
    vxlan = ours["vx0"]["details"]
    assert {key: vxlan[key] for key in ("id", "remote", "port", "learning")} == {
        "id": data("vx0")["id"],
        "remote": data("vx0")["remote"],
        "port": data("vx0")["port"],
        "learning": data("vx0")["learning"],
    }
    tap = ours["tap0"]["details"]
    assert tap["owner"] == data("tap0")["user"] == "nobody"
    assert (tap["type"], tap["owner_uid"], tap["persist"]) == (
        data("tap0")["type"],
        65534,
        data("tap0")["persist"],
    )
    bridge = ours["br0"]["details"]
    for key, factor in (("forward_delay", 100), ("hello_time", 100), ("ageing_time", 100)):
        assert bridge[f"{key}_s"] * factor == data("br0")[key]
    assert bridge["stp_state"] == bool(data("br0")["stp_state"])
    assert bridge["priority"] == data("br0")["priority"]
    assert bridge["vlan_filtering"] == bool(data("br0")["vlan_filtering"])
    assert ours["br0"]["ports"] == {"v1": "forwarding"}
    port = data("v1", "info_slave_data")
    assert ours["v1"]["port"]["state"] == port["state"]
    for key in ("cost", "hairpin", "learning", "flood", "isolated"):
        assert ours["v1"]["port"][key] == port[key]


@pytest.mark.oracle
@pytest.mark.skipif(shutil.which("ethtool") is None, reason="ethtool is not here")
@pytest.mark.parametrize("uid", [None, NOBODY])
def test_driver_and_its_counters_are_those_of_ethtool(lab, uid):
    ours = links(lab, "--fields", "ifname,driver,bus,firmware,driver_stats", uid=uid)
    for name in ("v0", "br0", "vx0", "tap0"):
        said = dict(
            line.split(": ", 1) for line in lab.run("ethtool", "-i", name).splitlines() if ": " in line
        )
        assert ours[name]["driver"] == said["driver"]
        assert (ours[name]["bus"] or "") == said.get("bus-info", "").replace("N/A", "")
    assert ours["lo"]["driver"] is None
    text = lab.run("ethtool", "-S", "v0")
    theirs = {
        key.strip(): int(value) for key, _, value in (line.partition(":") for line in text.splitlines()[1:])
    }
    assert ours["v0"]["driver_stats"] == theirs
    assert "peer_ifindex" in theirs


def test_the_other_end_is_named_with_its_process(lab):
    row = links(lab, "--dev", "v1")["v1"]
    assert row["link"] == "eth0"
    assert row["link_netns"]["path"] == lab.far.path
    comm = Path(f"/proc/{lab.sleeper.pid}/comm").read_text().strip()
    assert (row["link_netns"]["pid"], row["link_netns"]["process"]) == (lab.sleeper.pid, comm)
    [link] = lab.far.json("stat", "-Lc", '["net:[%i]"]', "/proc/self/ns/net")
    assert f"net:[{row['link_netns']['inode']}]" == link
    text = sretool("net", "links", "--sample", 0, "--dev", "v1", netns=lab.name).out
    assert f"other end   eth0 in netns:{lab.far.name}" in text
    assert f"pid {lab.sleeper.pid} {comm}" in text


def test_an_ordinary_user_is_told_what_he_may_not_see(lab):
    done = sretool("net", "links", "--sample", 0, "--json", "--dev", "v1", netns=lab.name, uid=NOBODY)
    [row] = done.json["data"]["links"]
    assert (row["link"].startswith("if"), row["link_netns"]["pid"]) == (True, lab.sleeper.pid)
    assert [(error["code"], error["message"]) for error in done.json["errors"]] == [
        ("permission-denied", "their names are unknown")
    ]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (("--kind", "veth"), {"v0", "w0", "v1"}),
        (("--kind", "bridge"), {"br0"}),
        (("--dev", "veth-zero"), {"v0"}),
        (("--dev", "nope"), set()),
        (("--kind", "veth", "--down"), set()),
        (("--down",), {"mv0", "tap0", "vx0"}),
    ],
)
def test_filters(lab, options, names):
    assert links(lab, *options).keys() == names


def found(inside: Inside, before: read.Sample) -> dict[str, list]:
    data = read.build(read.sample(inside, read.COUNTERS), before)
    return {verdict.id: findings for verdict, findings in judge(CHECKS, data)}


def test_healthy_links_are_clear(lab):
    inside = Inside(lab.path)
    before = read.sample(inside, read.COUNTERS)
    assert not any(found(inside, before).values())


def test_a_peer_that_goes_down_and_comes_back():
    with Namespace() as ns:
        ns.batch("link add v0 type veth peer name w0\nlink set v0 up\nlink set w0 up\n")
        inside = Inside(ns.path)
        before = read.sample(inside, read.COUNTERS)
        ns.batch("link set w0 down\nlink set w0 up\nlink set w0 down\nlink set w0 up\n")
        flaps = {finding.subject.id: finding for finding in found(inside, before)["link.flaps"]}
        assert flaps["v0"].severity == "warning"
        assert "lost its carrier 2 times" in flaps["v0"].summary
        assert flaps["v0"].summary.endswith("and is up again")
        ns.batch("link set w0 down\n")
        done = sretool("net", "links", "--sample", 0, "--json", netns=ns.name)
        [finding] = done.json["findings"]
        assert (finding["id"], finding["subject"]["id"]) == ("link.flaps", "v0")
        assert "v0 is set up and its other end w0 is down" in finding["summary"]
        assert done.code == 0  # a listing
        assert sretool("net", "links", "--sample", 0, "--fail-on", "warning", netns=ns.name).code == 1
        # w0 is down as it was told, and v0 is not when it is told so
        ns.batch("link set v0 down\n")
        assert sretool("net", "links", "--sample", 0, "--json", netns=ns.name).json["findings"] == []


SEND = """
import socket, sys
s = socket.socket(type=socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
for _ in range(int(sys.argv[2])): s.sendto(b"x" * 100, (sys.argv[1], 9))
print("ready", flush=True)
"""


def test_a_tunnel_whose_remote_has_no_route_has_errors():
    with Namespace() as ns:
        ns.batch(
            "link add vx0 type vxlan id 7 remote 192.0.2.1 dstport 4789\n"
            "link set vx0 up\naddr add 10.9.0.1/24 brd + dev vx0\n"
        )
        inside = Inside(ns.path)
        before = read.sample(inside, read.COUNTERS)
        ns.python(SEND, "10.9.0.255", 20)
        [finding] = found(inside, before)["link.errors"]
        assert (finding.severity, finding.subject.id) == ("warning", "vx0")
        counted = {item.what: item.value for item in finding.evidence}
        assert counted["tx_errors of vx0"] >= 20
        assert counted["tx_carrier_errors of vx0"] >= 20
        assert "no route for a tunnel" in finding.summary


TAP = """
import fcntl, struct, sys
tap = open("/dev/net/tun", "r+b", buffering=0)
fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", b"tap0", 0x1002))  # TUNSETIFF, IFF_TAP | IFF_NO_PI
print("ready", flush=True); sys.stdin.read()
"""


def test_a_tap_that_nobody_reads_drops():
    with Namespace() as ns:
        ns.python(TAP)
        ns.batch("link set tap0 up txqueuelen 10\naddr add 10.9.0.1/24 brd + dev tap0\n")
        inside = Inside(ns.path)
        before = read.sample(inside, read.COUNTERS)
        ns.python(SEND, "10.9.0.255", 300)
        [finding] = found(inside, before)["link.drops"]
        assert (finding.severity, finding.subject.id) == ("warning", "tap0")
        assert finding.evidence[0].value > 200
        assert finding.evidence[0].what == "tx_dropped of tap0"


def test_hostile_interface_name():
    with Namespace() as ns:
        ns.run("ip", "link", "add", b"v\x1b[31m\xc3(".decode("utf-8", "surrogateescape"), "type", "bridge")
        text = sretool("net", "links", "--sample", 0, netns=ns.name)
        assert "\x1b" not in text.out
        assert "v\\x1b[31m" in text.out
        row = next(row for name, row in links(ns).items() if name.startswith("v"))
        assert row["ifname"].startswith("v\x1b[31m\\xc3")
        assert row["driver"] == "bridge"


def test_a_watch_gives_rates(lab):
    done = sretool("net", "links", "-w", "-c", 2, "--sample", 0.1, "--jsonl", "--dev", "lo", netns=lab.name)
    answers = [json.loads(line) for line in done.out.splitlines()]
    assert len(answers) == 2
    assert all(answer["data"]["links"][0]["rx_bytes_per_s"] == 0 for answer in answers)


def test_from_a_recording(lab, tmp_path):
    path = tmp_path / "r.tar.gz"
    done = sretool("snapshot", "save", path, "--sample", 0.1, netns=lab.name)
    assert done.code == 0, done.err
    live, replayed = links(lab), sretool("--from", path, "net", "links", "--json").json
    assert replayed["errors"] == []
    for row in replayed["data"]["links"]:
        for key in ("link", "link_netns", "driver", "speed_mbit_per_s", "details", "port", "kind"):
            assert row[key] == live[row["ifname"]][key], (row["ifname"], key)
        assert row["grew"] is not None


def test_bad_usage():
    done = sretool("net", "links", "--up", "--down")
    assert (done.code, done.out) == (64, "")
    assert "exclude each other" in done.err
