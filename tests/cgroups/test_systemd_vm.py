"""Limits and use of groups on a booted host, beside systemctl, systemd-cgtop, ps and the kernel's files.

Two units share a slice. app's own limits are the smaller ones, but even takes so much of the slice's
that those have less left: they are what binds.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from vm import Outcome, Script

SCENARIO = r"""
. /opt/payload/prelude.sh
cat >/opt/work.py <<'APP'
import sys, threading, time
held = bytearray(int(sys.argv[1]) << 20)
for _ in range(int(sys.argv[2])):
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
while True:
    sum(range(10000))
APP
warm version # starts it before the CPU is taken
systemctl set-property --runtime outer.slice MemoryMax=128M TasksMax=14
systemd-run --quiet --unit=even --slice=outer.slice -p CPUQuota=40% -p User=nobody -p Delegate=yes \
    python3 /opt/work.py 60 7
systemd-run --quiet --unit=app --slice=outer-inner.slice \
    -p MemoryMax=96M -p MemoryHigh=80M -p MemorySwapMax=8M -p MemoryLow=4M -p TasksMax=10 \
    -p CPUQuota=20% -p CPUWeight=150 -p IOWeight=150 -p AllowedCPUs=0 \
    sh -c 'sleep 600 & exec python3 /opt/work.py 20 2'
app=outer.slice/outer-inner.slice/app.service
await '[ "$(cat /sys/fs/cgroup/outer.slice/pids.current)" = 12 ]'
await '[ "$(cat /sys/fs/cgroup/'$app'/pids.current)" = 4 ]'

# the oracles' readings: what ours has to lie between
bracket() {
    systemctl show app.service even.service outer.slice outer-inner.slice >"systemctl.$1"
    (cd /sys/fs/cgroup && grep -H '' /proc/uptime outer.slice/memory.* outer.slice/pids.* outer.slice/cpu.* \
        outer.slice/even.service/cpu.* outer.slice/even.service/memory.* $app/memory.* $app/pids.* \
        $app/cpu.* $app/cpuset.* $app/io.weight) >"kernel.$1" 2>/dev/null
    ps -eo pid=,ppid=,nlwp=,rss=,cgroup= >"ps.$1"
}
bracket before
into tree.json cgroups tree --sample 3 --all --json
into show.json cgroups show app.service --sample 3 --json
into procs.json procs list --sample 0 --json
into process.json procs show app.service --sample 2 --json
bracket after
into outer.json cgroups show outer.slice --sample 0 --json
into even.json cgroups show even.service --sample 0 --json
into tree.txt cgroups tree --sample 0 --all
systemd-cgtop -b -n 2 -d 3 --raw --depth=5 --order=path >cgtop &
into top.json cgroups top --sample 3 --all --json
wait
as=nobody
into nobody.json cgroups tree --sample 0 --all --json
into nobody-procs.json procs list --unit app --sample 0 --json
systemctl stop app.service even.service outer-inner.slice outer.slice
systemctl revert outer.slice
"""

pytestmark = pytest.mark.vm(Script("cgroups systemd", SCENARIO))

OUTER, INNER = "/outer.slice", "/outer.slice/outer-inner.slice"
APP, EVEN = f"{INNER}/app.service", f"{OUTER}/even.service"
UNITS = {APP: "app.service", EVEN: "even.service", OUTER: "outer.slice", INNER: "outer-inner.slice"}
MIB = 1 << 20
SLACK = MIB
"""The kernel batches what it charges: up to 64 pages on each CPU (MEMCG_CHARGE_BATCH)."""


def data(guest: Outcome, name: str) -> Any:
    answer = json.loads(guest.files[f"{name}.json"])
    assert answer["errors"] == []
    return answer["data"]


def row(guest: Outcome, path: str) -> Any:
    (found,) = [one for one in data(guest, "tree")["cgroups"] if one["path"] == path]
    return found


def told(guest: Outcome, path: str, when: str = "before") -> dict[str, str]:
    """systemctl's properties of the unit at `path`."""
    for block in guest.files[f"systemctl.{when}"].decode().split("\n\n"):
        properties = dict(line.partition("=")[::2] for line in block.splitlines())
        if properties.get("Id") == UNITS[path]:
            return properties
    raise KeyError(path)


def kernel(guest: Outcome, path: str, file: str, when: str = "before") -> str:
    """One file of a group, or one key of it (FILE:KEY)."""
    file, _, key = file.partition(":")
    lead = f"{path[1:]}/{file}:"
    lines = guest.files[f"kernel.{when}"].decode().splitlines()
    found = [line.removeprefix(lead) for line in lines if line.startswith(lead)]
    if key:
        found = [line.split()[1] for line in found if line.split()[0] == key]
    return "\n".join(found)


def number(text: str) -> int | str:
    return int(text) if text.isdigit() else {"infinity": "max"}.get(text, text)


def uptime(guest: Outcome, when: str) -> float:
    lines = guest.files[f"kernel.{when}"].decode().splitlines()
    return float(next(line for line in lines if line.startswith("/proc/uptime:")).split(":")[1].split()[0])


LIMITS = [
    ("memory_limit_bytes", "MemoryMax", "memory.max"),
    ("memory_high_bytes", "MemoryHigh", "memory.high"),
    ("memory_low_bytes", "MemoryLow", "memory.low"),
    ("memory_min_bytes", "MemoryMin", "memory.min"),
    ("swap_limit_bytes", "MemorySwapMax", "memory.swap.max"),
    ("pids_limit", "TasksMax", "pids.max"),
    ("cpu_weight", "CPUWeight", "cpu.weight"),
]


@pytest.mark.parametrize(("field", "told_as", "file"), LIMITS)
def test_limits_are_those_of_systemctl_and_the_kernel(
    guest: Outcome, field: str, told_as: str, file: str
) -> None:
    ours = data(guest, "show")["cgroup"][field]
    assert ours == number(told(guest, APP)[told_as])
    assert ours == number(kernel(guest, APP, file))


def test_quota_weights_and_cpus(guest: Outcome) -> None:
    group = data(guest, "show")["cgroup"]
    assert told(guest, APP)["CPUQuotaPerSecUSec"] == "200ms"
    quota, period = kernel(guest, APP, "cpu.max").split()
    assert group["cpu_limit_ratio"] == int(quota) / int(period) == 0.2
    assert f"default {group['io_weight']}" == kernel(guest, APP, "io.weight")
    assert str(group["io_weight"]) == told(guest, APP)["IOWeight"] == "150"
    assert (group["cpus_allowed"], group["cpus_effective"], group["cpus"]) == ("0", "0", 1)
    assert told(guest, APP)["AllowedCPUs"] == told(guest, APP)["EffectiveCPUs"] == "0"
    assert kernel(guest, APP, "cpuset.cpus.effective") == "0"


@pytest.mark.parametrize("path", UNITS)
def test_memory_and_tasks_lie_between_two_readings_of_systemctl(guest: Outcome, path: str) -> None:
    group = row(guest, path)
    before, after = told(guest, path), told(guest, path, "after")
    for field, told_as, slack in (
        ("memory_current_bytes", "MemoryCurrent", SLACK),
        ("memory_peak_bytes", "MemoryPeak", 0),
        ("swap_current_bytes", "MemorySwapCurrent", SLACK),
        ("pids", "TasksCurrent", 0),
    ):
        ends = sorted((int(before[told_as]), int(after[told_as])))
        assert ends[0] - slack <= group[field] <= ends[1] + slack, (field, told_as)
    assert group["path"] == before["ControlGroup"]


@pytest.mark.parametrize("path", [APP, OUTER])
def test_kinds_of_memory_are_those_of_the_kernel(guest: Outcome, path: str) -> None:
    group = row(guest, path)
    for field, key in (
        ("memory_anon_bytes", "anon"),
        ("memory_file_bytes", "file"),
        ("memory_slab_bytes", "slab"),
    ):
        if field in group:
            ends = sorted(
                int(kernel(guest, path, f"memory.stat:{key}", when)) for when in ("before", "after")
            )
            assert ends[0] - SLACK <= group[field] <= ends[1] + SLACK, field
    working = [
        int(kernel(guest, path, "memory.current", when))
        - int(kernel(guest, path, "memory.stat:inactive_file", when))
        for when in ("before", "after")
    ]
    shown = data(guest, "show" if path == APP else "outer")["cgroup"]
    assert min(working) - SLACK <= shown["memory_working_set_bytes"] <= max(working) + SLACK


@pytest.mark.parametrize("path", [APP, INNER, EVEN])
def test_the_smallest_limit_is_that_of_systemctl(guest: Outcome, path: str) -> None:
    group = row(guest, path)
    assert group["memory_effective_limit_bytes"] == int(told(guest, path)["EffectiveMemoryMax"])
    assert group["pids_effective_limit"] == int(told(guest, path)["EffectiveTasksMax"])


@pytest.mark.parametrize("name", ["show", "process"])
def test_the_slice_binds_though_its_limit_is_the_larger(guest: Outcome, name: str) -> None:
    found = data(guest, name)
    limits = {
        one["resource"]: one for one in (found["limits"] if name == "show" else found["group"]["limits"])
    }
    memory, pids, cpus = limits["memory"], limits["pids"], limits["cpuset"]
    assert (memory["path"], memory["limit"], memory["own_limit"]) == (OUTER, 128 * MIB, 96 * MIB)
    assert (pids["path"], pids["limit"], pids["own_limit"]) == (OUTER, 14, 10)
    assert (pids["used"], pids["headroom"]) == (12, 2)
    assert (limits["memory-high"]["path"], limits["memory-high"]["limit"]) == (APP, 80 * MIB)
    assert (limits["cpu"]["path"], limits["cpu"]["limit"]) == (APP, 0.2)
    assert (cpus["path"], cpus["limit"]) == (APP, 1)
    # systemd counts all of the slice's memory, ours leaves out what is easily dropped
    available = [int(told(guest, APP, when)["MemoryAvailable"]) for when in ("before", "after")]
    droppable = int(kernel(guest, OUTER, "memory.stat:inactive_file"))
    assert min(available) - SLACK <= memory["headroom"] - droppable <= max(available) + SLACK


def test_cpu_time_is_that_of_systemctl(guest: Outcome) -> None:
    elapsed = uptime(guest, "after") - uptime(guest, "before")
    for path in (APP, EVEN):
        usage = [int(told(guest, path, when)["CPUUsageNSec"]) / 1e9 for when in ("before", "after")]
        steady = (usage[1] - usage[0]) / elapsed
        # the window is a part of the time between: no more than all, and work and quota are steady
        ours = row(guest, path)["cpu_ratio"]
        assert ours * data(guest, "tree")["window_s"] <= usage[1] - usage[0]
        assert ours == pytest.approx(steady, rel=0.35)
    shown = data(guest, "show")["cgroup"]
    ends = [int(kernel(guest, APP, "cpu.stat:nr_throttled", when)) for when in ("before", "after")]
    assert 0 < shown["throttled_periods"] <= ends[1] - ends[0]
    assert shown["throttled_periods"] <= shown["periods"]
    assert shown["cpu_user_ratio"] + shown["cpu_system_ratio"] == pytest.approx(shown["cpu_ratio"], abs=0.01)


def cgtop(guest: Outcome) -> dict[str, list[str]]:
    """Path -> tasks, CPU percent, memory: the second of the two readings, which alone has rates."""
    found = {}
    for line in guest.files["cgtop"].decode().splitlines():
        words = line.split()
        if len(words) == 6 and words[0].startswith("/"):
            found[words[0]] = words[1:4]
        elif len(words) == 6:
            found[f"/{words[0]}"] = words[1:4]
    return found


def test_top_is_that_of_systemd_cgtop(guest: Outcome) -> None:
    ours = {one["path"]: one for one in data(guest, "top")["groups"]}
    theirs = cgtop(guest)
    for path in (APP, EVEN):
        tasks, cpu, memory = theirs[path]
        assert int(tasks) == row(guest, path)["pids"]
        assert ours[path]["memory_current_bytes"] == pytest.approx(int(memory), abs=SLACK)
        assert ours[path]["cpu_ratio"] == pytest.approx(float(cpu) / 100, rel=0.35)
    assert ours[EVEN]["cpu_ratio"] > ours[APP]["cpu_ratio"]
    # each has a quota that it uses up: it waits for nobody else
    assert {ours[path]["role"] for path in (APP, EVEN)} == {"own-limit"}
    assert {ours[path]["resource"] for path in (APP, EVEN)} == {"cpu"}


def test_who_may_make_groups_below(guest: Outcome) -> None:
    assert told(guest, EVEN)["Delegate"] == "yes"
    assert data(guest, "even")["owner_uid"] == 65534
    assert told(guest, APP)["Delegate"] == "no"
    assert data(guest, "show")["owner_uid"] == 0


def test_processes_are_in_the_groups_that_ps_says(guest: Outcome) -> None:
    listed = {one["pid"]: one for one in data(guest, "procs")["processes"]}
    lines = [
        {line.split(None, 4)[0]: line.split(None, 4)[1:] for line in guest.files[name].decode().splitlines()}
        for name in ("ps.before", "ps.after")
    ]
    there = [pid for pid in lines[0] if lines[1].get(pid, ["", "", "", ""])[3] == lines[0][pid][3]]
    assert len(there) > 20
    for pid in there:
        ppid, threads, _, cgroup = lines[0][pid]
        ours = listed[int(pid)]
        assert (ours["ppid"], str(ours["threads"])) == (int(ppid), threads)
        # ps lists hierarchies as 0::/PATH; a unit's processes name it
        last = next(
            (part for part in reversed(cgroup.split("/")) if part.endswith((".service", ".scope"))), ""
        )
        assert ours["unit"] == last, cgroup
    main = int(told(guest, APP)["MainPID"])
    assert listed[main]["unit"] == "app.service"
    assert data(guest, "process")["process"]["pid"] == main
    assert data(guest, "process")["group"]["path"] == told(guest, APP)["ControlGroup"]
    ends = sorted(int(part[str(main)][2]) * 1024 for part in lines)
    assert ends[0] - SLACK <= listed[main]["rss_bytes"] <= ends[1] + SLACK
    in_app = {one["pid"] for one in data(guest, "show")["processes"]}
    assert in_app == {int(pid) for pid in there if lines[0][pid][3].endswith(APP)}


def test_an_ordinary_user_sees_the_same(guest: Outcome) -> None:
    limits = [field for field, _, _ in LIMITS] + ["memory_effective_limit_bytes", "pids_effective_limit"]
    for one in data(guest, "nobody")["cgroups"]:
        if one["path"] in UNITS:
            known = row(guest, one["path"])
            assert {key: one[key] for key in limits} == {key: known[key] for key in limits}
    pids = {one["pid"] for one in data(guest, "nobody-procs")["processes"]}
    assert pids == {one["pid"] for one in data(guest, "show")["processes"]}


def test_the_tree_is_drawn_below_its_slice(guest: Outcome) -> None:
    assert "└─app.service" in guest.files["tree.txt"].decode()
