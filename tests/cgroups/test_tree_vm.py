"""Units of a booted systemd host with cgroup v2: limits, throttling and attribution beside systemctl."""

from __future__ import annotations

import json
from typing import Any

import pytest
from vm import Outcome, boot, missing

SCENARIO = r"""
systemd-run --quiet --unit=spin -p CPUQuota=20% -p MemoryMax=64M sh -c 'while :; do :; done'
systemd-run --quiet --unit=inner --slice=outer.slice sleep 600
systemctl set-property --runtime outer.slice MemoryMax=48M
# 5 s: without acceleration one reading takes long, and periods pass only while the guest runs
sretool cgroups tree --sample 5 --json >/run/results/tree.json
sretool cgroups tree --sample 0 --all >/run/results/tree.txt
sretool procs list --sample 0 --json >/run/results/procs.json
setpriv --reuid=65534 --regid=65534 --clear-groups sretool procs list --unit spin --sample 0 --json \
    >/run/results/nobody.json
setpriv --reuid=65534 --regid=65534 --clear-groups sretool cgroups tree --sample 0 --json \
    >/run/results/nobody-tree.json
sretool triage --only cgroup.cpu-throttled --sample 5 --json >/run/results/triage.json
systemctl show -p MainPID --value spin.service >/run/results/pid
for unit in spin inner systemd-journald; do
    echo $unit.service $(systemctl show -p MainPID --value $unit) >>/run/results/units
done
"""


@pytest.fixture(scope="module")
def guest() -> Outcome:
    if missing():
        pytest.skip(f"needs {', '.join(missing())}")
    return boot("trixie", SCENARIO)


def answer(guest: Outcome, name: str) -> Any:
    return json.loads(guest.files[name])


def group(guest: Outcome, path: str, name: str = "tree.json") -> Any:
    return next(row for row in answer(guest, name)["data"]["cgroups"] if row["path"] == path)


@pytest.mark.vm
def test_a_unit_with_a_quota(guest: Outcome) -> None:
    assert answer(guest, "tree.json")["data"]["version"] == "v2"
    assert answer(guest, "tree.json")["errors"] == []
    row = group(guest, "/system.slice/spin.service")
    assert (row["unit"], row["processes"]) == ("spin.service", 1)
    assert row["cpu_limit_ratio"] == 0.2
    assert row["throttled_ratio"] > 0.5
    assert row["memory_limit_bytes"] == row["memory_effective_limit_bytes"] == 64 * 1024 * 1024
    assert 0 < row["memory_current_bytes"] < row["memory_limit_bytes"]
    assert row["oom_kills"] == 0
    assert row["cpu_some_avg10_ratio"] is not None
    assert row["io_full_ratio"] is not None
    (finding,) = answer(guest, "triage.json")["findings"]
    assert finding["subject"]["id"] == "/system.slice/spin.service"
    assert finding["subject"]["unit"] == "spin.service"


@pytest.mark.vm
def test_the_limit_of_a_slice_holds_below_it(guest: Outcome) -> None:
    row = group(guest, "/outer.slice/inner.service")
    assert row["memory_limit_bytes"] == "max"
    assert row["memory_effective_limit_bytes"] == 48 * 1024 * 1024
    assert b"\xe2\x94\x94\xe2\x94\x80inner.service" in guest.files["tree.txt"]


@pytest.mark.vm
def test_processes_by_unit_as_systemctl_says(guest: Outcome) -> None:
    rows = {row["pid"]: row for row in answer(guest, "procs.json")["data"]["processes"]}
    for line in guest.files["units"].decode().splitlines():
        unit, pid = line.split()
        assert rows[int(pid)]["unit"] == unit
    assert rows[1]["unit"] == "init.scope"
    assert rows[2]["unit"] == ""


@pytest.mark.vm
def test_an_ordinary_user_sees_the_same(guest: Outcome) -> None:
    (row,) = answer(guest, "nobody.json")["data"]["processes"]
    assert row["pid"] == int(guest.files["pid"])
    assert row["unit"] == "spin.service"
    assert group(guest, "/system.slice/spin.service", "nobody-tree.json")["cpu_limit_ratio"] == 0.2
