"""Against the kernel: known sockets in a namespace of our own, and ss as the oracle."""

from __future__ import annotations

import shutil
from collections import Counter

import pytest
from cli import NOBODY, sretool
from lab_netns import Namespace

pytestmark = pytest.mark.lab

STATES = {
    "LISTEN": "listen",
    "ESTAB": "established",
    "TIME-WAIT": "time-wait",
    "CLOSE-WAIT": "close-wait",
    "FIN-WAIT-2": "fin-wait-2",
    "SYN-SENT": "syn-sent",
    "UNCONN": "unconnected",
}

# 23 listeners: 10 and 5 on addresses, 4 any of IPv4, 2 dual-stack, 2 IPv6 only. Then one pair in
# each of these states: established (with unread bytes), close-wait/fin-wait-2, time-wait; UDP.
MANY = """
import socket, sys
keep = []
def tcp(address, port, family=socket.AF_INET, only=None):
    s = socket.socket(family)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if only is not None:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
    s.bind((address, port)); s.listen(7); keep.append(s)
    return s
for n in range(10): tcp("127.0.0.1", 9000 + n)
for n in range(5): tcp("127.0.0.2", 9000 + n)
for n in range(4): tcp("0.0.0.0", 9100 + n)
for n in range(2): tcp("::", 9200 + n, socket.AF_INET6, 0)
for n in range(2): tcp("::", 9300 + n, socket.AF_INET6, 1)
def pair(address, port, family=socket.AF_INET):
    c = socket.socket(family); c.connect((address, port)); keep.append(c)
    s = next(k for k in keep if k.getsockname()[1] == port).accept()[0]; keep.append(s)
    return c, s
c, s = pair("127.0.0.1", 9000); c.sendall(b"x" * 1000)
c, s = pair("127.0.0.1", 9200); pair("::1", 9200, socket.AF_INET6)
c, s = pair("127.0.0.1", 9001); keep.remove(c); c.close()
c, s = pair("127.0.0.1", 9002); keep.remove(c); c.close(); s.recv(1); keep.remove(s); s.close()
waiting = socket.socket(); waiting.connect(("127.0.0.1", 9003)); keep.append(waiting)
u = socket.socket(type=socket.SOCK_DGRAM); u.bind(("127.0.0.1", 53)); keep.append(u)
v = socket.socket(type=socket.SOCK_DGRAM); v.connect(("127.0.0.1", 53)); v.send(b"y"); keep.append(v)
w = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); w.bind(("::1", 5353)); keep.append(w)
print("ready", flush=True); sys.stdin.read()
"""

LISTENER = """
import ctypes, os, socket, sys
port, uid, name = int(sys.argv[1]), int(sys.argv[2]), bytes.fromhex(sys.argv[3])
os.setgid(uid); os.setuid(uid)
libc = ctypes.CDLL(None)
libc.prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE: /proc/PID/fd is ours again after setuid
if name: libc.prctl(15, name, 0, 0, 0)  # PR_SET_NAME
s = socket.socket(); s.bind(("127.0.0.1", port)); s.listen(1)
print("ready", flush=True); sys.stdin.read()
"""

CONNECT = """
import select, socket, sys
keep = []
for number in range(10**9):
    s = socket.socket(); s.setblocking(False); s.connect_ex(("127.0.0.1", int(sys.argv[1]))); keep.append(s)
    if number == 30: print("ready", flush=True)
    if len(keep) > 2000: keep.pop(0).close()
    if select.select([sys.stdin], [], [], 0.02)[0]: break
"""


@pytest.fixture(scope="module")
def many():
    with Namespace() as ns:
        ns.python(MANY)
        yield ns


def ours(row: dict) -> tuple[str, int, int, str, int | str, str, int | str]:
    listening = row["state"] == "listen"
    return (
        row["state"],
        row["accept_queue"] if listening else row["recv_q_bytes"],
        row["accept_queue_limit"] if listening else row["send_q_bytes"],
        row["local_address"],
        row["local_port"],
        row["remote_address"] or "*",
        row["remote_port"] or "*",
    )


def theirs(line: str) -> tuple[str, int, int, str, int | str, str, int | str]:
    state, recv_q, send_q, local, peer = line.split()[:5]
    ends: list[int | str] = []
    for text in (local, peer):
        address, _, port = text.rpartition(":")
        address = address.strip("[]")
        if port == "*":  # no peer
            ends += ["*", "*"]
        else:
            ends += ["::" if address == "*" else address, int(port)]  # ss: * is dual-stack any
    return STATES[state], int(recv_q), int(send_q), *ends  # type: ignore[return-value]


@pytest.mark.oracle
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_rows_are_those_of_ss(many, protocol):
    if shutil.which("ss") is None:
        pytest.skip("ss is not here")
    done = sretool("sockets", "list", f"--{protocol}", "--json", netns=many.name)
    assert done.code == 0, done.err
    rows = done.json["data"]["sockets"]
    expected = Counter(map(theirs, many.run("ss", "-H", f"-{protocol[0]}an").splitlines()))
    assert Counter(map(ours, rows)) == expected
    assert done.json["data"]["total"] == sum(expected.values()) > 2
    if protocol == "tcp":
        states = {row["state"] for row in rows}
        assert states >= {"listen", "established", "close-wait", "fin-wait-2", "time-wait"}


@pytest.mark.oracle
def test_owners_are_those_of_ss(many):
    if shutil.which("ss") is None:
        pytest.skip("ss is not here")
    rows = sretool("sockets", "list", "--json", netns=many.name).json["data"]["sockets"]
    lines = many.run("ss", "-H", "-tuanpe").splitlines()
    expected = {}
    for line in lines:
        if "pid=" in line:
            inode = int(line.partition(" ino:")[2].split()[0])
            expected[inode] = int(line.partition("pid=")[2].partition(",")[0])
    assert {row["inode"]: row["pid"] for row in rows if row["pid"] is not None} == expected
    assert len(expected) > 23


def test_exactly_23_listeners(many):
    done = sretool("sockets", "listen", "--tcp", "--sample", 0, "--json", netns=many.name)
    rows = done.json["data"]["listeners"]
    assert (done.json["data"]["total"], len(rows)) == (23, 23)
    assert Counter(row["reach"] for row in rows) == {"loopback": 15, "any": 8}
    # the connection nobody accepted stands in one queue, and that listener comes first
    assert [(row["local_port"], row["accept_queue"]) for row in rows if row["accept_queue"]] == [(9003, 1)]
    assert rows[0]["local_port"] == 9003
    assert {row["accept_queue_limit"] for row in rows} == {7}


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (("--state", "listen"), 23),
        (("--state", "listen", "-4"), 19),
        (("--state", "listen", "-6"), 4),
        (("--state", "listen", "--port", "9000"), 2),
        (("--state", "time-wait,close-wait"), 2),
        (("--udp",), 3),
        (("--port", "1"), 0),
    ],
)
def test_filters(many, options, count):
    done = sretool("sockets", "list", *options, "--json", netns=many.name)
    assert done.json["data"]["total"] == count


def test_tcp_info_fields_on_demand(many):
    fields = "state,rtt_ms,rtt_min_ms,retransmits_total"
    done = sretool(
        "sockets", "list", "--tcp", "--state", "established", "--fields", fields, "--json", netns=many.name
    )
    rows = done.json["data"]["sockets"]
    assert len(rows) == 8
    assert all(0 < row["rtt_ms"] < 1000 and row["retransmits_total"] == 0 for row in rows)


def test_overflow_is_found_and_named():
    with Namespace() as ns:
        server = ns.python(LISTENER, 8080, 0, b"slow".hex())
        ns.python(LISTENER, 8081, 0, b"idle".hex())
        ns.python(CONNECT, 8080)
        done = sretool("sockets", "listen", "--json", netns=ns.name)
        # the SYNs it drops are sent again, so tcp.retransmit-rate may be here too
        [found] = [item for item in done.json["findings"] if item["id"] == "tcp.accept-queue-overflow"]
        assert found["severity"] == "critical"
        assert found["subject"] == {
            "kind": "socket",
            "id": "127.0.0.1:8080",
            "name": "slow",
            "pid": server.pid,
        }
        assert done.code == 0  # a listing
        assert sretool("sockets", "listen", "--fail-on", "critical", netns=ns.name).code == 2
        first = done.json["data"]["listeners"][0]
        assert first["local_port"] == 8080
        assert first["drops_per_s"] > 5
        text = sretool("sockets", "listen", netns=ns.name).out
        assert "CRITICAL" in text
        assert "127.0.0.1:8080 (slow" in text


def test_a_stuck_listener_without_traffic_is_a_warning():
    with Namespace() as ns:
        ns.python(LISTENER, 8080, 0, "")
        connecting = ns.python(CONNECT, 8080)
        assert connecting.stdin is not None
        connecting.stdin.close()
        connecting.wait()  # its connections are reset or closed by the peer, the queue keeps two
        done = sretool("sockets", "listen", "--json", "--sample", 0.2, netns=ns.name)
        [row] = done.json["data"]["listeners"]
        assert row["accept_queue"] == 2
        assert "tcp.accept-queue-overflow" in {finding["id"] for finding in done.json["findings"]}
        assert {finding["severity"] for finding in done.json["findings"]} == {"warning"}


def test_as_an_ordinary_user_own_sockets_have_owners_and_others_are_counted():
    with Namespace() as ns:
        mine = ns.python(LISTENER, 7001, NOBODY, "")
        for port in (7002, 7003):
            ns.python(LISTENER, port, 0, "")
        done = sretool("sockets", "list", "--json", uid=NOBODY, netns=ns.name)
        assert (done.code, done.json["status"]) == (0, "partial")
        owners = {row["local_port"]: row["pid"] for row in done.json["data"]["sockets"]}
        assert owners == {7001: mine.pid, 7002: None, 7003: None}
        [error] = done.json["errors"]
        assert error["code"] == "permission-denied"
        assert error["message"] == "the process of 2 sockets is unknown"
        assert "sudo" in error["hint"]
        users = {row["local_port"]: row["uid"] for row in done.json["data"]["sockets"]}
        assert users == {7001: NOBODY, 7002: 0, 7003: 0}
        listen = sretool("sockets", "listen", "--sample", 0, uid=NOBODY, netns=ns.name)
        assert listen.code == 0
        assert "127.0.0.1:7003" in listen.out


def test_hostile_process_name():
    with Namespace() as ns:
        ns.python(LISTENER, 7001, 0, b"\x1b[31me\xffil\n".hex())
        text = sretool("sockets", "list", netns=ns.name)
        assert "\\x1b[31me\\xffil\\x0a" in text.out
        assert "\x1b" not in text.out
        [row] = sretool("sockets", "list", "--json", netns=ns.name).json["data"]["sockets"]
        assert row["process"] == "\x1b[31me\\xffil\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--state", "open"), "unknown state 'open'"),
        (("--port", "0"), "0 is not in the range"),
        (("--port", "70000"), "70000 is not in the range"),
        (("--fields", "nope"), "unknown field 'nope'"),
        (("-4", "-6"), "exclude each other"),
    ],
)
def test_bad_usage(options, said):
    done = sretool("sockets", "list", *options)
    assert (done.code, done.out) == (64, "")
    assert said in done.err
    assert done.err.count("\n") == 1


BOUND = """
import socket, sys
s = socket.socket(); s.bind(("127.0.0.1", 7777))
u = socket.socket(type=socket.SOCK_DGRAM); u.bind(("127.0.0.1", 7777))
print("ready", flush=True); sys.stdin.read()
"""


def test_what_is_bound_and_no_more_is_listed_by_name_only():
    with Namespace() as ns:
        ns.python(BOUND)

        def states(*words: str) -> list[str]:
            done = sretool("sockets", "list", *words, "--json", netns=ns.name)
            return [row["state"] for row in done.json["data"]["sockets"]]

        assert states("sport = :7777") == ["unconnected"]
        named = states("state bound-inactive")
        if not named:
            pytest.skip("this kernel does not list them (it came with 6.8)")
        assert named == states("--state", "bound-inactive") == ["bound-inactive"]
        assert states("state bound-inactive or sport = :7777") == ["bound-inactive", "unconnected"]
