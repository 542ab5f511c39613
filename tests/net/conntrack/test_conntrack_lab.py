"""Against the kernel: connections that are tracked for real, in a network namespace of the test's own."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cli import NOBODY, sretool
from lab_netns import Namespace

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(
        shutil.which("nft") is None, reason="nft is not here, so nothing makes the kernel track"
    ),
]
MAX = Path("/proc/sys/net/netfilter/nf_conntrack_max")
COUNT = Path("/proc/sys/net/netfilter/nf_conntrack_count")

TRACK = "table inet t { chain i { type filter hook input priority 0; ct state invalid counter; }; }"
SNAT = (
    "table ip t { chain p { type nat hook postrouting priority 100; tcp dport 80 snat to 127.0.0.2:5000; }; }"
)

# 40 TCP connections to ::1, 100 UDP flows of two sources nobody answers, one that is answered. A line on
# stdin begins a new flow every 20 ms; those the kernel drops are lost.
TRAFFIC = """
import select, socket, sys
keep = []
listener = socket.socket(socket.AF_INET6); listener.bind(("::1", 80)); listener.listen(100)
for _ in range(40):
    c = socket.socket(socket.AF_INET6); c.connect(("::1", 80)); keep += [c, listener.accept()[0]]
sinks = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(3)]
for sink, port in zip(sinks, (53, 54, 55)): sink.bind(("127.0.0.1", port))
def udp(address, port):
    s = socket.socket(type=socket.SOCK_DGRAM); s.bind((address, 0)); keep.append(s)
    try: s.sendto(b"x", ("127.0.0.1", port))
    except OSError: pass
    return s
for _ in range(70): udp("127.0.0.1", 53)
for _ in range(30): udp("127.0.0.3", 54)
asking = udp("127.0.0.1", 55)
sinks[2].sendto(b"y", sinks[2].recvfrom(9)[1]); asking.recv(9)
print("ready", flush=True)
if sys.stdin.readline():
    while not select.select([sys.stdin], [], [], 0.02)[0]: udp("127.0.0.4", 53)
"""
# A connection attempt every 20 ms after the first line on stdin.
CONNECT = """
import select, socket, sys
listener = socket.socket(); listener.bind(("127.0.0.1", 80)); listener.listen(9)
keep = []
print("ready", flush=True)
sys.stdin.readline()
while not select.select([sys.stdin], [], [], 0.02)[0]:
    s = socket.socket(); s.setblocking(False); s.connect_ex(("127.0.0.1", 80)); keep.append(s)
"""
PYROUTE2 = """
import collections, json, warnings
warnings.simplefilter("ignore")
from pyroute2 import NFCTSocket
found = collections.Counter()
for family in (2, 10):
    with NFCTSocket(nfgen_family=family) as netlink:
        for row in netlink.dump():
            proto = row.get_attr("CTA_TUPLE_ORIG").get_attr("CTA_TUPLE_PROTO")
            info = row.get_attr("CTA_PROTOINFO")
            tcp = info.get_attr("CTA_PROTOINFO_TCP") if info else None
            state = tcp.get_attr("CTA_PROTOINFO_TCP_STATE") if tcp else ""
            found[f"{proto.get_attr('CTA_PROTO_NUM')} {state}"] += 1
print(json.dumps(found))
"""


def begin(process) -> None:
    process.stdin.write("go\n")
    process.stdin.flush()


@pytest.fixture
def ns() -> Iterator[Namespace]:
    with Namespace() as made:
        made.run("nft", TRACK)
        yield made


@contextmanager
def at_most(number: int) -> Iterator[None]:
    """A smaller table, of every namespace of this machine: only while nobody else has one."""
    if not MAX.exists() or int(COUNT.read_text()) > 20:
        pytest.skip("this machine itself tracks connections: its limit is not ours to lower")
    before = MAX.read_text()
    try:
        MAX.write_text(f"{number}\n")
    except OSError:
        pytest.skip("nf_conntrack_max cannot be written here")
    try:
        yield
    finally:
        MAX.write_text(before)


def test_what_is_tracked(ns):
    ns.python(TRAFFIC)
    document = sretool("net", "conntrack", "--sample", 0.2, "--json", netns=ns.name).json
    data = document["data"]
    assert document["findings"] == []
    assert {check["outcome"] for check in data["checks"]} == {"clear"}
    assert (data["count"], data["matched"], data["listed"]) == (141, 141, 141)
    assert [(row["protocol"], row["state"], row["entries"]) for row in data["states"]] == [
        ("udp", "unreplied", 100),
        ("tcp", "established", 40),
        ("udp", "replied", 1),
    ]
    assert [(row["source"], row["entries"]) for row in data["sources"]] == [
        ("127.0.0.1", 71),
        ("::1", 40),
        ("127.0.0.3", 30),
    ]
    assert [(row["destination"], row["port"], row["entries"]) for row in data["destinations"]] == [
        ("127.0.0.1", 53, 70),
        ("::1", 80, 40),
        ("127.0.0.1", 54, 30),
        ("127.0.0.1", 55, 1),
    ]
    for options, matched in (
        (("--state", "unreplied", "--source", "127.0.0.3"), 30),
        (("-6",), 40),
        (("--proto", "udp", "--port", "55"), 1),
        (("--destination", "127.0.0.0/8", "--state", "replied,established"), 1),
    ):
        done = sretool("net", "conntrack", "--sample", 0, *options, "--json", netns=ns.name)
        assert done.json["data"]["matched"] == matched


@pytest.mark.oracle
def test_pyroute2_counts_the_same(ns):
    ns.python(TRAFFIC)
    theirs = json.loads(ns.run(sys.executable, "-c", PYROUTE2))
    assert theirs == {"17 ": 101, "6 3": 40}
    done = sretool("net", "conntrack", "--sample", 0, "--json", netns=ns.name)
    assert {row["entries"] for row in done.json["data"]["states"]} == {100, 1, 40}


def test_as_an_ordinary_user_how_full_it_is_and_one_error(ns):
    ns.python(TRAFFIC)
    done = sretool("net", "conntrack", "--sample", 0, "--json", netns=ns.name, uid=NOBODY)
    assert (done.code, done.json["status"], done.json["data"]["count"]) == (0, "partial", 141)
    assert (done.json["data"]["matched"], done.json["data"]["sources"]) == (None, [])
    assert [error["code"] for error in done.json["errors"]] == ["permission-denied"]
    shown = sretool("net", "conntrack", "--sample", 0, netns=ns.name, uid=NOBODY)
    assert "141 connections tracked of at most" in shown.out
    assert shown.err.count("\n") == 1


def test_a_table_that_is_full_drops(ns):
    traffic = ns.python(TRAFFIC)
    with at_most(120):
        begin(traffic)
        document = sretool("net", "conntrack", "--json", netns=ns.name).json
    [found] = document["findings"]
    assert (found["id"], found["severity"]) == ("conntrack.near-full", "critical")
    counts = document["data"]["counts"]
    assert counts["early_drop"] + counts["drop"] > 0
    assert "for want of room" in found["summary"]
    assert document["data"]["max"] == 120


def test_a_table_that_is_nearly_full(ns):
    ns.python(TRAFFIC)
    with at_most(160):
        done = sretool("net", "conntrack", "--sample", 0.1, "--fail-on", "warning", "--json", netns=ns.name)
    [found] = done.json["findings"]
    assert (found["id"], found["severity"]) == ("conntrack.near-full", "warning")
    assert "141 of 160 connections are tracked (88%)" in found["summary"]


def test_translation_without_a_port_left(ns):
    ns.run("nft", SNAT)
    connect = ns.python(CONNECT)
    begin(connect)
    document = sretool("net", "conntrack", "--sample", 0.5, "--json", netns=ns.name).json
    [found] = document["findings"]
    assert (found["id"], found["severity"]) == ("conntrack.insert-failed", "warning")
    assert document["data"]["counts"]["insert_failed"] > 1
    assert document["data"]["snat"] == 1


def test_a_recording_holds_the_table(ns, tmp_path):
    ns.python(TRAFFIC)
    file = tmp_path / "r.tar.gz"
    assert sretool("snapshot", "save", file, "--sample", 0.1, netns=ns.name).code == 0
    document = sretool("--from", file, "net", "conntrack", "--json").json
    assert (document["status"], document["data"]["count"], document["data"]["matched"]) == ("ok", 141, 141)
    assert {check["outcome"] for check in document["data"]["checks"]} == {"clear"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--source", "10.0.0"), "give an address, or a prefix"),
        (("--state", "opened"), "unknown 'opened'"),
        (("--proto", "tpc"), "unknown 'tpc'"),
        (("--port", "0"), "0 is not in the range"),
    ],
)
def test_bad_usage(options, said):
    done = sretool("net", "conntrack", *options)
    assert (done.code, done.out) == (64, "")
    assert said in done.err
