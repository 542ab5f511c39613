"""Against the kernel: queues that are filled for real, in a network namespace of the test's own."""

from __future__ import annotations

import pytest
from cli import sretool
from lab_netns import Namespace
from synflood import HALF_OPEN

pytestmark = pytest.mark.lab

# argv: port, backlog, listeners that share it, how many of them accept. Each line on stdin is a burst of so
# many connections, which are then accepted; `-` leaves them waiting.
BURSTS = """
import os, select, socket, sys
port, backlog, share, accepting = map(int, sys.argv[1:])
listeners, keep = [], []
for _ in range(share):
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, share > 1)
    s.bind(("127.0.0.1", port)); s.listen(backlog); s.setblocking(False); listeners.append(s)
def burst(count):
    for _ in range(count):
        c = socket.socket(); c.setblocking(False); c.connect_ex(("127.0.0.1", port)); keep.append(c)
def accept():
    for s in listeners[share - accepting:]:
        try:
            while True: keep.append(s.accept()[0])
        except BlockingIOError: pass
def endless(count, hold):
    global keep
    while not select.select([sys.stdin], [], [], 0.05)[0]:
        burst(count)
        select.select([sys.stdin], [], [], hold); accept()
        for s in keep: s.close()
        keep = []
print("ready", flush=True)
line = sys.stdin.readline().split()
if line: endless(int(line[0]), float(line[1]))
"""


def say(process, text: str) -> None:
    process.stdin.write(text + "\n")
    process.stdin.flush()


def findings(document, check: str) -> list[dict]:
    return [item for item in document["findings"] if item["id"] == check]


@pytest.fixture
def ns():
    with Namespace() as made:
        yield made


def test_bursts_that_somaxconn_caps(ns):
    ns.run("sysctl", "-qw", "net.core.somaxconn=16")
    server = ns.python(BURSTS, 80, 4096, 1, 1)
    own = ns.python(BURSTS, 81, 8, 1, 1)
    quiet = sretool("sockets", "listen", "--sample", 0.2, "--json", netns=ns.name).json
    assert quiet["findings"] == []
    outcomes = {item["id"]: item["outcome"] for item in quiet["data"]["checks"]}
    assert outcomes["tcp.somaxconn-cap"] == "clear"
    assert {row["local_port"]: row["accept_queue_limited_by"] for row in quiet["data"]["listeners"]} == {
        80: "somaxconn-or-application",
        81: "application",
    }
    say(server, "30 0.05")
    say(own, "20 0.05")
    document = sretool("sockets", "listen", "--sample", 1, "--json", netns=ns.name).json
    rows = {row["local_port"]: row for row in document["data"]["listeners"]}
    assert rows[80]["accept_queue_peak"] == 17  # the kernel refuses when more than the limit wait
    assert rows[80]["drops_per_s"] > 0
    assert document["data"]["looks"] > 3
    [found] = findings(document, "tcp.somaxconn-cap")
    assert (found["severity"], found["subject"]["id"]) == ("warning", "127.0.0.1:80")
    named = {item["subject"]["id"] for item in findings(document, "tcp.accept-queue-overflow")}
    assert named == {"127.0.0.1:80", "127.0.0.1:81"}


def test_a_queue_that_is_nearly_full_and_capped(ns):
    ns.run("sysctl", "-qw", "net.core.somaxconn=16")
    say(ns.python(BURSTS, 80, 4096, 1, 1), "15 0.05")
    document = sretool("sockets", "listen", "--json", netns=ns.name).json
    [found] = document["findings"]
    assert (found["id"], found["severity"]) == ("tcp.somaxconn-cap", "info")
    assert "15 waited" in found["summary"]


def test_a_recording_has_the_limits_and_no_peak(ns, tmp_path):
    ns.run("sysctl", "-qw", "net.core.somaxconn=16")
    ns.run("sysctl", "-qw", "net.ipv4.tcp_max_syn_backlog=99")
    ns.python(BURSTS, 80, 4096, 1, 1)
    ns.python(HALF_OPEN, "127.0.0.1", 80, 3)
    file = tmp_path / "r.tar.gz"
    assert sretool("snapshot", "save", file, "--sample", 0.1, netns=ns.name).code == 0
    data = sretool("--from", file, "sockets", "listen", "--json").json["data"]
    [row] = data["listeners"]
    assert data["limits"] == {"somaxconn": 16, "tcp_max_syn_backlog": 99, "tcp_syncookies": 1}
    assert (row["accept_queue_limited_by"], row["syn_queue"]) == ("somaxconn-or-application", 3)
    assert (row["accept_queue_peak"], data["looks"], row["accept_queue_before"]) == (None, None, 0)


@pytest.mark.parametrize(("backlog", "most", "limit"), [(5, 400, 5), (50, 8, 6)])
def test_the_syn_queue_is_as_long_as_it_is_said_to_be(ns, backlog, most, limit):
    ns.run("sysctl", "-qw", "net.ipv4.tcp_syncookies=0")
    ns.run("sysctl", "-qw", f"net.ipv4.tcp_max_syn_backlog={most}")
    ns.python(BURSTS, 80, backlog, 1, 1)
    ns.python(HALF_OPEN, "127.0.0.1", 80, 60)
    [row] = sretool("sockets", "listen", "--sample", 0, "--json", netns=ns.name).json["data"]["listeners"]
    assert row["syn_queue_limit"] == limit
    assert row["syn_queue"] == limit + 1  # full is more than the limit, as with the accept queue


def test_half_open_connections_to_a_dual_stack_listener(ns):
    script = (
        "import socket, sys\ns = socket.socket(socket.AF_INET6); s.bind(('::', 80)); s.listen(9)\n"
        "print('ready', flush=True); sys.stdin.read()"
    )
    ns.python(script)
    ns.python(HALF_OPEN, "127.0.0.1", 80, 4)
    [row] = sretool("sockets", "listen", "--sample", 0, "--json", netns=ns.name).json["data"]["listeners"]
    assert (row["family"], row["syn_queue"], row["syn_queue_limit"]) == ("inet6", 4, 9)


def test_an_uneven_reuseport_group(ns):
    """Four share a port and one of them accepts nothing."""
    say(ns.python(BURSTS, 80, 8, 4, 3), "4 0.0")
    done = sretool("sockets", "listen", "--json", netns=ns.name)
    assert [row["group_size"] for row in done.json["data"]["listeners"]] == [4] * 4
    [group] = done.json["data"]["groups"]
    assert (group["local_port"], group["members"], group["accept_queue_limit"]) == (80, 4, 32)
    assert group["fullest"] == max(row["accept_queue_peak"] for row in done.json["data"]["listeners"])
    assert group["fullest"] >= 8
    assert group["uneven"]
