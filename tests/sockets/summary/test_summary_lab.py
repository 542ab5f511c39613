"""Every check on its fault, made in a namespace of the test's own, and the counts beside those of ss.

Two faults would hurt the whole machine, whose limits they have: orphans are made for real and held
against a threshold that twenty of them pass, and TCP memory is a crafted host (test_summary_checks).
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from cli import NOBODY, sretool
from lab_netns import Namespace
from waiting import until

pytestmark = pytest.mark.lab

HEAD = """
import ctypes, errno, os, select, socket, sys
keep = []
def name(text): ctypes.CDLL(None).prctl(15, text.encode(), 0, 0, 0)
def server(address, port, backlog=64):
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, port)); s.listen(backlog); keep.append(s); return s
def client(address, port):
    c = socket.socket(); c.connect((address, port)); keep.append(c); return c
def ready(): print("ready", flush=True)
def over(seconds): return bool(select.select([sys.stdin], [], [], seconds)[0])
def wait(): ready(); sys.stdin.read()
"""


def ask(ns: Namespace, *options: object, uid: int | None = None) -> Any:
    done = sretool("sockets", "summary", "--json", *options, netns=ns.name, uid=uid)
    assert done.code == 0, done.err
    return done.json


def found(document: Any, check: str) -> list[Any]:
    return [finding for finding in document["findings"] if finding["id"] == check]


def outcomes(document: Any) -> dict[str, str]:
    return {check["id"]: check["outcome"] for check in document["data"]["checks"]}


BUSY = (
    HEAD
    + """
name("busy")
s = server("127.0.0.1", 9000)
for _ in range(30):
    c = client("127.0.0.1", 9000); a = s.accept()[0]; keep.append(a)
for _ in range(4):
    c = client("127.0.0.1", 9000); keep.remove(c); c.close(); a = s.accept()[0]; keep.append(a)
for _ in range(6):
    c = client("127.0.0.1", 9000); a = s.accept()[0]; keep.remove(c); c.close(); a.recv(1); a.close()
six = socket.socket(socket.AF_INET6); six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
six.bind(("::", 9001)); six.listen(); keep.append(six)
for _ in range(3):
    c = client("127.0.0.1", 9001); a = six.accept()[0]; keep.append(a)
client("127.0.0.1", 9001)
u = socket.socket(type=socket.SOCK_DGRAM); u.bind(("127.0.0.1", 53)); keep.append(u)
wait()
"""
)


def keep_time_wait(ns: Namespace) -> None:
    """On a loaded machine a FIN may be sent twice; the answer to it then brings a reset, which would end
    time-wait early (RFC 1337).
    """
    ns.run("sysctl", "-qw", "net.ipv4.tcp_rfc1337=1")


@pytest.fixture(scope="module")
def busy():
    with Namespace() as ns:
        keep_time_wait(ns)
        process = ns.python(BUSY)
        yield ns, process


def test_a_healthy_namespace_is_clear(busy):
    ns, process = busy
    document = ask(ns, "--sample", 0.2)
    assert document["findings"] == []
    # the host's limits are not shown in a namespace: unknown, and not clear
    assert outcomes(document) == {
        "tcp.ephemeral-ports": "clear",
        "tcp.close-wait": "clear",
        "tcp.syn-backlog": "clear",
        "udp.receive-errors": "clear",
        "tcp.memory": "clear",  # by what /proc/net/protocols says of pressure
        "tcp.orphans": "unknown",
        "tcp.time-wait": "clear",
        "tcp.retransmissions-by-peer": "not-applicable",  # only asked with --by peer
    }
    data = document["data"]
    [group] = data["groups"]
    assert (group["process"], group["pid"], group["processes"]) == ("busy", process.pid, 1)
    assert (group["established"], group["listen"], group["close_wait"], group["udp"]) == (67, 2, 4, 1)
    assert data["unattributed"] == {"hidden": 0, "unaccepted": 1, "kernel": 10}  # 6 time-wait, 4 fin-wait-2
    [peer] = data["peers"]
    assert (peer["remote_address"], data["peers_total"]) == ("127.0.0.1", 1)
    assert peer["sockets"] == data["sockets"] - 3  # but for two listeners and UDP
    ways = {row["remote_port"]: row for row in data["destinations"]}
    assert {port: row["ports_used"] for port, row in ways.items()} == {9000: 34, 9001: 4}
    # on the loopback a port in time-wait can be taken again after a second
    assert (ways[9000]["time_wait"], ways[9000]["reusable"], ways[9000]["pid"]) == (6, True, process.pid)


@pytest.mark.oracle
def test_counts_are_those_of_ss(busy):
    ns, _ = busy
    if shutil.which("ss") is None:
        pytest.skip("ss is not here")
    data = ask(ns, "--sample", 0)["data"]
    ours: Counter[str] = Counter()
    for row in data["states"]:
        if row["source"] == "sock_diag":
            ours.update({f"{row['protocol']} {state}": number for state, number in row["states"].items()})
    for state in ("established", "time-wait", "close-wait", "fin-wait-2", "listening"):
        lines = ns.run("ss", "-Htan", "state", state).splitlines()
        assert ours[f"tcp {state.replace('listening', 'listen')}"] == len(lines), state
    # TCP:   84 (estab 72, closed 10, orphaned 0, timewait 10): with fin-wait-2 that only the kernel has;
    # the rest of that line counts the sockets of every namespace
    kept = ours["tcp time-wait"] + ours["tcp fin-wait-2"]
    assert f"timewait {kept})" in ns.run("ss", "-s")
    [limit] = [row for row in data["limits"] if row["name"] == "time-wait"]
    assert limit["used"] == kept


@pytest.mark.oracle
def test_other_families_are_those_of_ss():
    if shutil.which("ss") is None:
        pytest.skip("ss is not here")
    script = (
        HEAD
        + """
keep += [*socket.socketpair(), *socket.socketpair(type=socket.SOCK_DGRAM)]
u = socket.socket(socket.AF_UNIX); u.bind("\\0sretool-summary"); u.listen(); keep.append(u)
keep.append(socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
keep.append(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
wait()
"""
    )
    with Namespace() as ns:
        ns.python(script)
        rows = ask(ns, "--sample", 0)["data"]["states"]
        ours = {row["protocol"]: row for row in rows}
        for name, flag in (("unix", "-x"), ("raw", "-w"), ("packet", "-0")):
            if ours.get(name, {}).get("source") == "sock_diag":  # else this kernel lacks the module
                assert ours[name]["sockets"] == len(ns.run("ss", "-Ha", flag).splitlines()), name
        if "unix" in ours:
            assert ours["unix"]["states"] == {"established": 4, "listen": 1}
        assert len([name for name in ours if name.lower().startswith(("unix", "raw", "packet"))]) == 3
        text = sretool("sockets", "summary", "--sample", 0, netns=ns.name).out
        assert text.startswith("no TCP or UDP socket\nothers: ")


@pytest.mark.oracle
def test_counters_are_those_of_nstat(busy):
    ns, _ = busy
    if shutil.which("nstat") is None:
        pytest.skip("nstat is not here")
    counters = ask(ns, "--sample", 0)["data"]["counters"]
    theirs = ns.json("nstat", "-jasz")["kernel"]
    names = {name: name.replace(".", "") for name, row in counters.items() if row["total"] is not None}
    assert {name: theirs[key] for name, key in names.items()} == {
        name: counters[name]["total"] for name in names
    }
    assert len(names) > 10


def test_one_screen_of_text(busy):
    ns, _ = busy
    text = sretool("sockets", "summary", "--sample", 0, netns=ns.name).out
    assert "tcp 84: established 68" in text
    assert "without a process: 10 of the kernel alone" in text
    assert "could not be judged: " in text
    assert "udp.receive-errors" in text


def test_as_an_ordinary_user(busy):
    ns, _ = busy
    document = ask(ns, "--sample", 0, uid=NOBODY)
    assert document["status"] == "partial"
    data = document["data"]
    assert data["unattributed"]["hidden"] == 74
    assert data["destinations"][0]["process"] is None
    assert [row["process"] for row in data["close_wait"]] == [None]
    assert "74 sockets is unknown" in document["errors"][0]["message"]


def test_a_recording_says_the_same(busy, tmp_path):
    ns, _ = busy
    path = tmp_path / "busy.tar.gz"
    assert sretool("snapshot", "save", path, "--sample", 0.2, netns=ns.name).code == 0
    live, replayed = ask(ns, "--sample", 0.2), sretool("--from", path, "sockets", "summary", "--json").json
    for document in (live, replayed):  # what other tests and programs have in TCP memory and orphans
        document["data"]["limits"] = [row for row in document["data"]["limits"] if row["scope"] != "host"]
    for name in ("groups", "states", "limits", "peers", "destinations", "unattributed", "settings"):
        assert replayed["data"][name] == live["data"][name], name
    assert outcomes(replayed) == outcomes(live)
    assert replayed["status"] == "ok"


CONNECT = (
    HEAD
    + """
address, count, close = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
s = server(address, 9000, 200)
name("crawler")
if not os.fork():
    s.close(); keep.clear()
    for _ in range(count):
        c = client(address, 9000)
        if close: c.shutdown(socket.SHUT_WR); c.recv(1); c.close()
    try: client(address, 9000)
    except OSError as error: print(errno.errorcode[error.errno], flush=True)
    else: print("connected", flush=True)
    wait(); os._exit(0)
for _ in range(count):
    a = s.accept()[0]
    if close: a.recv(1); a.close()
    else: keep.append(a)
os.wait()
"""
)


def crawl(ns: Namespace, address: str, count: int, *, close: bool = False) -> str:
    """How the connection after `count` ends, while they are still there."""
    script = CONNECT.replace(
        "print(errno.errorcode[error.errno], flush=True)", "said = errno.errorcode[error.errno]"
    )
    script = script.replace('print("connected", flush=True)', 'said = "connected"')
    script = script.replace(
        "wait(); os._exit(0)", "ready(); print(said, flush=True); sys.stdin.read(); os._exit(0)"
    )
    process = ns.python(script, address, count, int(close))
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_ports_to_one_destination_run_out():
    with Namespace() as ns:
        ns.run("sysctl", "-qw", "net.ipv4.ip_local_port_range=40000 40029")
        ns.run("sysctl", "-qw", "net.ipv4.ip_local_reserved_ports=40010-40018,40029")
        assert crawl(ns, "127.0.0.1", 20) == "EADDRNOTAVAIL"
        document = ask(ns, "--sample", 0)
        [finding] = found(document, "tcp.ephemeral-ports")
        assert finding["severity"] == "critical"
        assert "20 of 20 ports for connections from 127.0.0.1 to 127.0.0.1:9000" in finding["summary"]
        assert (finding["subject"]["id"], finding["subject"]["name"]) == ("127.0.0.1:9000", "crawler")
        assert document["data"]["limits"][0]["name"] == "ephemeral-ports"
        assert document["data"]["settings"]["ports_reserved"] == 10
        assert sretool("sockets", "summary", "--sample", 0, "--fail-on", "critical", netns=ns.name).code == 2


def test_ports_in_time_wait_count_unless_they_can_be_taken_again():
    with Namespace() as ns:
        keep_time_wait(ns)
        ns.run("ip", "addr", "add", "192.0.2.7/32", "dev", "lo")
        ns.run("sysctl", "-qw", "net.ipv4.ip_local_port_range=40000 40019")
        assert crawl(ns, "192.0.2.7", 20, close=True) == "EADDRNOTAVAIL"
        [finding] = found(ask(ns, "--sample", 0), "tcp.ephemeral-ports")
        assert "20 of them in time-wait" in finding["summary"]
        ns.run("sysctl", "-qw", "net.ipv4.tcp_tw_reuse=1")
        document = ask(ns, "--sample", 0)
        assert found(document, "tcp.ephemeral-ports") == []
        [row] = document["data"]["destinations"]
        assert (row["ports_used"], row["time_wait"], row["reusable"]) == (0, 20, True)


LEAK = (
    HEAD
    + """
name("leaky")
s = server("127.0.0.1", 9000)
for _ in range(12):
    c = client("127.0.0.1", 9000); keep.append(s.accept()[0]); keep.remove(c); c.close()
for _ in range(3):
    c = client("127.0.0.1", 9000); keep.remove(c); c.close()
wait()
"""
)


def test_a_process_that_does_not_close_is_named():
    with Namespace() as ns:
        process = ns.python(LEAK)
        short = ("--set", "tcp.close-wait.age_s=0.2", "--sample", 0.3)
        document = ask(ns, *short)
        [finding] = found(document, "tcp.close-wait")
        assert finding["subject"]["pid"] == process.pid
        assert finding["subject"]["name"] == "leaky"
        assert "does not close 15 connections that its peer closed, 15 of them" in finding["summary"]
        assert "3 were never accepted" in finding["summary"]
        [row] = document["data"]["close_wait"]
        assert (row["sockets"], row["never_accepted"], row["remote"]) == (15, 3, "127.0.0.1")
        assert len(row["oldest_s"]) == 15
        # not yet for a minute
        assert found(ask(ns, "--sample", 0), "tcp.close-wait") == []


SHORT = (
    HEAD
    + """
s = server("127.0.0.1", 9000)
number = 0
while True:
    c = socket.socket(); c.connect(("127.0.0.1", 9000)); a = s.accept()[0]
    c.close(); a.recv(1); a.close()
    number += 1
    if number == 20: ready()
    if over(0.005): break
"""
)


def test_a_time_wait_table_that_overflows():
    with Namespace() as ns:
        ns.run("sysctl", "-qw", "net.ipv4.tcp_max_tw_buckets=10")
        ns.python(SHORT)
        document = ask(ns, "--sample", 0.3)
        [finding] = found(document, "tcp.time-wait")
        assert "10 of at most 10 sockets are in time-wait, and " in finding["summary"]
        assert document["data"]["counters"]["TcpExt.TCPTimeWaitOverflow"]["in_sample"] > 0
        ns.run("sysctl", "-qw", "net.ipv4.tcp_max_tw_buckets=10000")
        assert found(ask(ns, "--sample", 0.3), "tcp.time-wait") == []


FLOOD = (
    HEAD
    + """
if not os.fork():
    name("httpd"); server("127.0.0.1", 9000, 8); ready(); sys.stdin.read(); os._exit(0)
while True:
    s = socket.socket(); s.setblocking(False); s.connect_ex(("127.0.0.1", 9000)); keep.append(s)
    if len(keep) > 100: keep.pop(0).close()
    if over(0.005): break
os.wait()
"""
)


@pytest.mark.parametrize(
    ("cookies", "severity", "said"), [(0, "critical", "dropped"), (1, "warning", "cookie")]
)
def test_a_syn_flood(cookies, severity, said):
    if shutil.which("nft") is None:
        pytest.skip("nft is not here")
    with Namespace() as ns:
        ns.run("sysctl", "-qw", f"net.ipv4.tcp_syncookies={cookies}")
        ns.run("sysctl", "-qw", "net.ipv4.tcp_synack_retries=5")
        ns.run("nft", "add table inet t; add chain inet t out { type filter hook output priority 0; }")
        ns.run("nft", "add rule inet t out tcp flags & (syn|ack) == (syn|ack) drop")
        ns.python(FLOOD)
        until(lambda: len(ns.run("ss", "-Htan", "state", "syn-recv").splitlines()) >= 8)
        document = ask(ns, "--sample", 0.4)
        [finding] = found(document, "tcp.syn-backlog")
        assert finding["severity"] == severity
        assert said in finding["summary"]
        assert (finding["subject"]["id"], finding["subject"]["name"]) == ("127.0.0.1:9000", "httpd")
        [queue] = document["data"]["syn_queues"]
        assert queue["limit"] == 8
        assert queue["waiting"] > 0  # the kernel drops the oldest of a full queue at its next timer
        assert document["data"]["limits"][0]["name"] == "syn-queue"


DEAF = (
    HEAD
    + """
def deaf(text, port):
    if not os.fork():
        name(text)
        u = socket.socket(type=socket.SOCK_DGRAM); u.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        u.bind(("127.0.0.1", port)); os.write(w, b"1"); sys.stdin.read(); os._exit(0)
r, w = os.pipe()
deaf("deaf", 5000); deaf("idle", 5001)
for _ in range(2): os.read(r, 1)
c = socket.socket(type=socket.SOCK_DGRAM)
c.sendto(b"x", ("127.0.0.1", 5001))
for number in range(10**9):
    c.sendto(b"x" * 100, ("127.0.0.1", 5000))
    if number == 100: ready()
    if over(float(sys.argv[1])): break
"""
)


@pytest.mark.parametrize("pause", [0.005, 0.15])  # 200 a second, and fewer than the threshold
def test_a_process_that_does_not_read_its_datagrams(pause):
    with Namespace() as ns:
        if pause > 0.1:
            script = DEAF.replace(
                "if over(float(sys.argv[1]))", "if over(float(sys.argv[1]) * (number > 100))"
            )
        else:
            script = DEAF
        ns.python(script, pause)
        document = ask(ns, "--sample", 0.5)
        [finding] = found(document, "udp.receive-errors")
        assert (finding["subject"]["id"], finding["subject"]["name"]) == ("127.0.0.1:5000", "deaf")
        assert "it is not emptied" in finding["summary"]
        [row] = document["data"]["udp_drops"]
        assert row["drops_in_sample"] > 0


ORPHANS = (
    HEAD
    + """
s = server("127.0.0.1", 9000)
for _ in range(20):
    c = client("127.0.0.1", 9000); a = s.accept()[0]; keep.append(a)
    c.setblocking(False)
    try:
        while True: c.send(b"x" * 65536)
    except BlockingIOError: pass
    keep.remove(c); c.close()
wait()
"""
)


def test_orphans_of_any_namespace_count_against_the_limit_of_the_host():
    with Namespace() as ns:
        ns.python(ORPHANS)
        limit = int(Path("/proc/sys/net/ipv4/tcp_max_orphans").read_text())
        ratio = f"tcp.orphans.warning_ratio={15 / limit:.9f}"
        document = sretool("sockets", "summary", "--json", "--sample", 0.2, "--set", ratio).json
        [finding] = found(document, "tcp.orphans")
        assert (finding["severity"], finding["subject"]["id"]) == ("warning", "tcp")
        assert f"of at most {limit} TCP sockets have no process any more" in finding["summary"]


SEND = (
    HEAD
    + """
import threading, time
name("sender")
def drain(s, slow):
    a = s.accept()[0]; keep.append(a)
    while not slow and a.recv(65536): pass
def send(c):
    try:
        while True: c.sendall(b"x" * 1400); time.sleep(0.004)
    except OSError: pass
def start(address, count=1, slow=False):
    s = server(address, 9000)
    for _ in range(count):
        threading.Thread(target=drain, args=(s, slow), daemon=True).start()
        threading.Thread(target=send, args=(client(address, 9000),), daemon=True).start()
start("127.0.0.2")
start("127.0.0.3", 8)  # one alone may wait for its next timeout all the while
start("127.0.0.9", slow=True)
wait()
"""
)


def peers(document: Any) -> dict[str, Any]:
    return {row["remote_address"]: row for row in document["data"]["groups"]}


@pytest.fixture(scope="module")
def lossy():
    if shutil.which("nft") is None:
        pytest.skip("nft is not here")
    with Namespace() as ns:
        # at its input: what its output drops TCP hears of, and does not call lost
        ns.run("nft", "add table inet t; add chain inet t in { type filter hook input priority 0; }")
        ns.run("nft", "add rule inet t in ip daddr 127.0.0.3 tcp dport 9000 numgen random mod 8 == 0 drop")
        ns.python(SEND)
        yield ns


def test_the_peer_that_loses_segments_is_named(lossy):
    document = ask(lossy, "--by", "peer", "--sample", 2)
    rows = peers(document)
    bad, good = rows["127.0.0.3"], rows["127.0.0.2"]
    assert good["segments_retransmitted"] == 0
    assert good["segments_sent"] > 50
    assert good["rtt_min_ms"] <= good["rtt_ms"] <= good["rtt_max_ms"] < 1000
    assert good["sent_bytes_per_s"] > 10_000
    assert rows["127.0.0.1"]["received_bytes_per_s"] > 10_000  # the same, as the servers see it
    assert bad["segments_retransmitted"] >= 10
    assert bad["bytes_retransmitted"] > 10_000
    assert 0.02 < bad["retransmitted_ratio"] < 0.7
    [finding] = found(document, "tcp.retransmissions-by-peer")
    assert (finding["subject"]["id"], finding["subject"]["name"]) == ("127.0.0.3", "sender")
    # the one that does not read is sent to until its window is full
    assert re.search(r"; 1 of [23] peers that data went to lost so many", finding["summary"])
    # the worst stands first
    assert document["data"]["groups"][0]["remote_address"] == "127.0.0.3"


def test_a_peer_that_does_not_read_holds_its_sender_up(lossy):
    until(lambda: (peers(ask(lossy, "--by", "peer", "--sample", 0.3))["127.0.0.9"]["busy_ratio"] or 0) > 0.9)
    row = peers(ask(lossy, "--by", "peer", "--sample", 0.5))["127.0.0.9"]
    assert row["rwnd_limited_ratio"] > 0.9
    assert row["sent_bytes_per_s"] < 1000


def test_the_same_by_process_unit_and_route(lossy):
    [row] = ask(lossy, "--by", "process", "--sample", 0.3)["data"]["groups"]
    assert (row["process"], row["connections"]) == ("sender", 20)
    [row] = ask(lossy, "--by", "unit", "--sample", 0.3)["data"]["groups"]
    assert (row["process"], row["connections"]) == (None, 20)
    [row] = ask(lossy, "--by", "route", "--sample", 0.3)["data"]["groups"]
    assert (row["route"], row["connections"]) == ("this host", 20)
    text = sretool("sockets", "summary", "--by", "peer", "--sample", 0.3, netns=lossy.name).out
    assert text.splitlines()[0].split()[:4] == ["PEER", "CONNS", "RESENT", "OF"]


def test_routes_are_those_of_the_kernel():
    with Namespace() as ns:
        ns.batch(
            "link add d0 type veth peer name d1\nlink set d0 up\nlink set d1 up\n"
            "addr add 192.0.2.1/24 dev d0\n"
            "route add 198.51.100.0/24 via 192.0.2.254\naddr add 2001:db8::1/64 dev d0 nodad\n"
        )
        ns.python(
            HEAD
            + """
for family, to in ((2, "192.0.2.9"), (2, "198.51.100.7"), (2, "198.51.100.8"), (10, "2001:db8::9")):
    s = socket.socket(family); s.setblocking(False); s.connect_ex((to, 80)); keep.append(s)
wait()
"""
        )
        expected = {"on the link of d0": 2, "via 192.0.2.254 dev d0": 2}
        document = ask(ns, "--by", "route", "--sample", 0)
        assert {row["route"]: row["sockets"] for row in document["data"]["groups"]} == expected
        assert document["data"]["groups"][0]["opening"] == 2


@pytest.mark.oracle
def test_what_was_sent_is_what_ss_counts(lossy):
    if shutil.which("ss") is None:
        pytest.skip("ss is not here")

    def sent() -> int:
        words = lossy.run("ss", "-HtinO", "state", "established", "dst", "127.0.0.3").split()
        return sum(int(word.partition(":")[2]) for word in words if word.startswith("data_segs_out:"))

    before = sent()
    within = peers(ask(lossy, "--by", "peer", "--sample", 0.3))["127.0.0.3"]["segments_sent"]
    assert 0 < within <= sent() - before
