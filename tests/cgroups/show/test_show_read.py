"""One group from made-up files."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sretool.cgroups.show import read
from sretool.cgroups.show.model import Shown
from sretool.errors import Missing
from sretool.host.fake import Fake
from sretool.host.source import Clock, Stat

ROOT = "/sys/fs/cgroup"
SLICE, SERVICE = "/app.slice", "/app.slice/web.service"
MIB = 1 << 20
KMSG = (
    "6,9,90000000,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,"
    f"oom_memcg={SLICE},task_memcg={SERVICE},task=java,pid=41,uid=0\n"
    "3,10,90000001,-;Memory cgroup out of memory: Killed process 41 (java) total-vm:9000kB, "
    "anon-rss:2048kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:80kB oom_score_adj:0\n"
    "3,11,91000001,-;Memory cgroup out of memory: Killed process 50 (elsewhere) total-vm:9kB\n"
)


def stat(pid: int, comm: str, ticks: int = 0, rss: int = 100, state: str = "S", started: int = 100) -> str:
    rest = [state, 1, 0, 0, 0, -1, 0, 0, 0, 0, 0, ticks, 0, 0, 0, 20, 0, 1, 0, started, 1 << 20, rss]
    return f"{pid} ({comm}) {' '.join(map(str, rest + [0] * 28))}\n"


def host(at: float, ticks: int = 0, started: int = 100, **files: Any) -> Fake:
    made = {
        "/proc/self/mountinfo": f"29 23 0:30 / {ROOT} rw - cgroup2 cgroup2 rw\n",
        "/proc/meminfo": "MemTotal: 1000000 kB\nMemAvailable: 500000 kB\n",
        "/proc/loadavg": "0 0 0 1/50 99\n",
        "/proc/diskstats": " 254 0 vda 1 1\n",
        "/dev/kmsg": "6,0,1,-;Linux\n" + KMSG,
        "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": "8\n",
        f"{ROOT}/cgroup.procs": "1\n",
        f"{ROOT}{SLICE}/cgroup.procs": "",
        f"{ROOT}{SLICE}/memory.max": f"{64 * MIB}\n",
        f"{ROOT}{SLICE}/memory.current": f"{60 * MIB}\n",
        f"{ROOT}{SERVICE}/cgroup.procs": "7\n8\n",
        f"{ROOT}{SERVICE}/memory.max": f"{128 * MIB}\n",
        f"{ROOT}{SERVICE}/memory.current": f"{50 * MIB}\n",
        f"{ROOT}{SERVICE}/memory.stat": f"anon {30 * MIB}\nfile 100\ninactive_file 100\npgscan 9\n",
        f"{ROOT}{SERVICE}/memory.oom.group": "1\n",
        f"{ROOT}{SERVICE}/hugetlb.2MB.current": "4194304\n",
        f"{ROOT}{SERVICE}/hugetlb.2MB.max": "max\n",
        f"{ROOT}{SERVICE}/misc.current": "sev 2\n",
        f"{ROOT}{SERVICE}/misc.max": "sev max\n",
        f"{ROOT}{SERVICE}/cgroup.controllers": "cpu memory\n",
        f"{ROOT}{SERVICE}/inner/cgroup.procs": "9\n",
        "/proc/7/stat": stat(7, "we) (b", ticks, rss=512, started=started),
        "/proc/7/oom_score": "700\n",
        "/proc/7/oom_score_adj": "0\n",
        "/proc/7/status": "Name: x\nVmSwap:\t 8 kB\n",
        "/proc/8/stat": stat(8, "spared", rss=9000),
        "/proc/8/oom_score": "900\n",
        "/proc/8/oom_score_adj": "-1000\n",
        "/proc/9/stat": stat(9, "deep", state="D"),
        "/proc/9/oom_score": "10\n",
        "/proc/9/oom_score_adj": "0\n",
        **files,
    }
    stats = {f"{ROOT}{SERVICE}": Stat(0o40755, 5, 30, 1000, 0, 0, 0.0)}
    return Fake(made, stats=stats, clock=Clock(1.8e9 + at, at, at))


def shown(now: Fake, before: Fake | None = None, name: str = "web") -> Shown:
    group = read.target(now, name, [])
    details = read.sample(now, [group.path])
    earlier = None if before is None else read.counters(before, group)
    return read.build(group, read.counters(now, group), earlier, details)[0]


def test_one_group_whole() -> None:
    earlier = host(99.0, **{f"{ROOT}{SERVICE}/memory.stat": f"anon {28 * MIB}\nfile 100\n"})
    data = shown(host(100.0, ticks=25), earlier)
    assert (data.cgroup.path, data.slice, data.owner_uid) == (SERVICE, "app.slice", 1000)
    assert (data.children, data.descendants, data.processes_total) == (1, 1, 3)
    assert [(one.comm, one.cpu_ratio) for one in data.processes][:2] == [("we) (b", 0.25), ("spared", 0.0)]
    assert (data.processes[0].swap_bytes, data.processes[0].rss_bytes) == (8192, 512 * 4096)
    assert {one.pid: one.cgroup for one in data.processes}[9] == f"{SERVICE}/inner"
    # who may not be killed is not next, whatever the score
    assert [one.pid for one in data.next_victims] == [7, 9]
    assert data.oom_group is True
    assert (data.memory[0].name, data.memory[0].growth_bytes) == ("anon", 2 * MIB)
    assert [(one.controller, one.name, one.current, one.limit) for one in data.others] == [
        ("hugetlb", "2MB", 4194304, "max"),
        ("misc", "sev", 2, "max"),
    ]
    assert data.controllers == ["cpu", "memory"]
    binding = next(level for level in data.levels if level.resource == "memory" and level.binds)
    assert (binding.path, binding.headroom) == (SLICE, 4 * MIB)


def test_the_autopsy_says_whose_limit() -> None:
    data = shown(host(100.0))
    assert data.kills is not None
    (kill,) = data.kills  # the one elsewhere is not ours
    assert (kill.pid, kill.name, kill.whose_limit, kill.limit_path) == (41, "java", "above", SLICE)
    assert (kill.rss_bytes, kill.ago_s) == (2 * MIB, 10.0)
    (kill,) = shown(host(100.0), name=SLICE).kills or []
    assert kill.whose_limit == "own"


def test_a_pid_given_again_has_no_rate() -> None:
    data = shown(host(100.0, ticks=5, started=999), host(99.0, ticks=0, started=100))
    assert next(one for one in data.processes if one.pid == 7).cpu_ratio is None


def test_a_group_removed_between_the_readings_is_one_clear_line() -> None:
    group = read.target(host(99.0), "web", [])
    gone = Fake({"/proc/self/mountinfo": f"29 23 0:30 / {ROOT} rw - cgroup2 cgroup2 rw\n"})
    with pytest.raises(Missing, match="removed meanwhile"):
        read.counters(gone, group)


@pytest.mark.parametrize(
    ("name", "size"),
    [("hugepages-2048kB", "2MB"), ("hugepages-1048576kB", "1GB"), ("hugepages-64kB", "64KB")],
)
def test_sizes_of_huge_pages_as_the_files_have_them(name: str, size: str) -> None:
    assert read._size(name) == size


@given(
    st.dictionaries(
        st.sampled_from(
            [
                *(f"{ROOT}{SERVICE}/{name}" for name in ("memory.stat", "misc.current", "rdma.current")),
                *(f"{ROOT}{SERVICE}/{name}" for name in ("hugetlb.2MB.max", "cgroup.procs", "io.stat")),
                *("/proc/7/stat", "/proc/7/status", "/proc/7/oom_score", "/dev/kmsg"),
            ]
        ),
        st.binary(max_size=60),
    )
)
def test_any_bytes_in_every_file(files: dict[str, bytes]) -> None:
    msgspec.json.encode(shown(host(100.0, **files), host(99.0, **files), SERVICE))
