"""Against the kernel: a CPU that gets more packets than it can take, in a network namespace of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli import sretool
from lab_netns import Namespace

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(shutil.which("nft") is None, reason="nft is not here, so nothing makes packets slow"),
    pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one CPU cannot flood another"),
]

# 27,000 conditions a packet: some 0.1 ms each, so a round's 8 ms are over before its 64 packets
SLOW = """
table ip t {{
    chain c {{
        {conditions}
    }}
    chain b {{
        {c}
    }}
    chain a {{
        type filter hook prerouting priority 0
        {b}
        udp dport 9 drop
    }}
}}
"""
# one burst after the other to a CPU that is not the sender's; `go` on stdin begins
FLOOD = """
import os, select, socket, sys
mine, other = sorted(os.sched_getaffinity(0))[:2]
os.sched_setaffinity(0, {mine})
try:
    with open("/sys/class/net/lo/queues/rx-0/rps_cpus", "w") as file: file.write(f"{1 << other:x}")
except OSError as error:
    print(error, flush=True); sys.exit()
s = socket.socket(type=socket.SOCK_DGRAM); s.connect(("127.0.0.1", 9))
print("ready", flush=True)
sys.stdin.readline()
while not select.select([sys.stdin], [], [], 0.02)[0]:
    for _ in range(1500):
        try: s.send(b"x")
        except OSError: pass
"""


@pytest.fixture
def ns() -> Iterator[Namespace]:
    with Namespace() as made:
        if not os.access("/sys/class/net/lo/queues/rx-0/rps_cpus", os.W_OK):
            pytest.skip("this kernel does not steer packets (CONFIG_RPS)")
        conditions = "\n".join(f"tcp dport {1000 + number} drop" for number in range(30))
        rules = SLOW.format(conditions=conditions, c="\n".join(["jump c"] * 30), b="\n".join(["jump b"] * 30))
        made.run("nft", rules)
        yield made


def test_a_cpu_that_is_flooded_drops_and_stops_early(ns):
    flood = ns.python(FLOOD)
    flood.stdin.write("go\n")
    flood.stdin.flush()
    document = sretool("net", "softnet", "--sample", 0.5, "--json", netns=ns.name).json
    flood.stdin.close()
    found = {finding["id"]: finding for finding in document["findings"]}
    assert set(found) == {"softnet.drops", "softnet.squeezed"}
    worst = document["data"]["cpus"][0]
    assert {finding["subject"]["id"] for finding in found.values()} == {str(worst["cpu"])}
    assert worst["dropped"] > 5
    assert worst["dropped_total"] >= worst["dropped"]
    assert document["data"]["limits"]["netdev_max_backlog"] is None or document["status"] == "ok"


def test_as_many_rows_as_cpus_and_the_limits_where_they_are():
    data = sretool("net", "softnet", "--sample", 0, "--json").json["data"]
    assert data["total"] == len(data["cpus"]) == len(Path("/proc/net/softnet_stat").read_text().splitlines())
    assert all(row["dropped"] is None for row in data["cpus"])
