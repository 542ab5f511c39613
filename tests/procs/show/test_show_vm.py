"""A unit of a booted systemd host: limits beside systemctl's, its log, and what the kernel killed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from vm import Outcome, Script

MIB = 1 << 20
SCENARIO = r"""
. /opt/payload/prelude.sh
warm version # starts it before the CPU is taken
cat >/opt/app.py <<'APP'
import time
print("<4>disk is slow, token=hunter2", flush=True)
while True:
    sum(range(1000000))
APP
systemd-run --quiet --unit=app --slice=outer.slice -p MemoryMax=300M -p TasksMax=50 -p CPUQuota=20% \
    python3 /opt/app.py
systemctl set-property --runtime outer.slice MemoryMax=200M
systemd-run --quiet --unit=hog -p MemoryMax=60M -p MemorySwapMax=0 -p OOMPolicy=continue \
    sh -c 'python3 -c "x = bytearray(300 << 20)"; sleep 600'
await 'grep -q "oom_kill [1-9]" /sys/fs/cgroup/system.slice/hog.service/memory.events'
await 'journalctl -q -u app -p warning | grep -q slow'
systemctl show -p EffectiveMemoryMax -p EffectiveTasksMax -p MainPID app.service >told
into app.json procs show app.service --sample 3 --json
into app.txt procs show app.service --sample 3
into hog.json procs show hog.service --sample 0 --json
as=nobody
into nobody.json procs show app.service --sample 0 --json
systemctl stop app.service hog.service outer.slice
systemctl revert outer.slice
"""


pytestmark = pytest.mark.vm(Script("procs show", SCENARIO))


def answer(guest: Outcome, name: str) -> Any:
    return json.loads(guest.files[name])


def told(guest: Outcome) -> dict[str, str]:
    return dict(line.partition("=")[::2] for line in guest.files["told"].decode().splitlines())


@pytest.mark.parametrize("name", ["app.json", "nobody.json"])
def test_effective_limits_are_those_of_systemd(guest: Outcome, name: str) -> None:
    data = answer(guest, name)["data"]
    assert data["process"]["pid"] == int(told(guest)["MainPID"])
    limits = {one["resource"]: one for one in data["group"]["limits"]}
    memory, pids = limits["memory"], limits["pids"]
    assert (memory["limit"], memory["path"]) == (int(told(guest)["EffectiveMemoryMax"]), "/outer.slice")
    assert (memory["own_limit"], memory["limit"]) == (300 * MIB, 200 * MIB)
    assert (pids["limit"], pids["own_limit"]) == (int(told(guest)["EffectiveTasksMax"]), 50)
    assert pids["path"] == data["group"]["path"] == "/outer.slice/app.service"
    assert (data["group"]["unit"], data["group"]["slice"]) == ("app.service", "outer.slice")


def test_what_holds_it_back_comes_first(guest: Outcome) -> None:
    document = answer(guest, "app.json")
    assert document["errors"] == []
    data = document["data"]
    assert any("used up its CPU quota" in note["text"] for note in data["notes"])
    assert data["cpu"]["run_delay_ratio"] is not None
    assert {one["what"] for one in data["delays"]} >= {"cpu"}
    assert [up["pid"] for up in data["process"]["ancestors"]] == [1]
    assert data["security"]["capabilities"]["lacking"] == []
    assert "used up its CPU quota" in guest.files["app.txt"].decode()


def test_the_log_of_its_unit(guest: Outcome) -> None:
    (line,) = answer(guest, "app.json")["data"]["log"]
    assert (line["priority"], line["message"]) == ("warning", "disk is slow, token=***")
    assert b"hunter2" not in guest.files["app.txt"]


def test_kills_of_its_group(guest: Outcome) -> None:
    data = answer(guest, "hog.json")["data"]
    (kill,) = data["kills"]
    assert (kill["comm"], kill["cgroup"]) == ("python3", "/system.slice/hog.service")
    # its share of the limit, and mapped files that others are charged for
    assert 40 * MIB < kill["rss_bytes"] < 80 * MIB
    assert data["notes"][0]["severity"] == "warning"
    assert "was killed for memory" in data["notes"][0]["text"]
    assert answer(guest, "app.json")["data"]["kills"] == []
