"""What binds a group, from made-up trees; beside what a live v1 host enforces."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sretool.cgroups import limits, read
from sretool.cgroups.cpus import count
from sretool.cgroups.model import Binding, Capacity, Cgroup, Cgroups
from sretool.host.fake import Fake
from sretool.host.live import Live
from sretool.host.source import Clock

GIB = 1 << 30
HOST = Capacity(64 * GIB, 10 * GIB, 2 * GIB, 0, 32768, 900, 8)


def group(path: str, **more: Any) -> Cgroup:
    return Cgroup(path, path.rpartition("/")[2] or "/", "", "", "", "", 1, 1, **more)


def bound(path: str, *rows: Cgroup, capacity: Capacity = HOST) -> dict[str, Binding]:
    model = Cgroups(list(rows), len(rows), "v2", capacity=capacity)
    return {binding.resource: binding for binding in limits.bindings(model, path)}


def test_the_smallest_limit_is_not_the_one_that_binds() -> None:
    """The service may use 2 GiB and uses 1; its slice has 4 GiB and siblings used 3.9 of it."""
    found = bound(
        "/s.slice/a.service",
        group("/"),
        group("/s.slice", memory_limit_bytes=4 * GIB, memory_current_bytes=4 * GIB - 100),
        group("/s.slice/a.service", memory_limit_bytes=2 * GIB, memory_current_bytes=GIB),
    )["memory"]
    assert (found.path, found.limit, found.headroom, found.host) == ("/s.slice", 4 * GIB, 100, False)
    assert (found.own_limit, found.used, found.unit) == (2 * GIB, 4 * GIB - 100, "bytes")


def test_memory_counts_what_cannot_simply_be_dropped() -> None:
    found = bound(
        "/a",
        group("/a", memory_limit_bytes=GIB, memory_current_bytes=GIB, memory_working_set_bytes=GIB // 4),
    )["memory"]
    assert (found.used, found.headroom) == (GIB // 4, GIB - GIB // 4)


def test_without_any_limit_the_host_is_the_limit() -> None:
    found = bound("/a", group("/"), group("/a", memory_limit_bytes="max", pids_limit="max", pids=7))
    assert set(found) == {"memory", "swap", "pids", "cpu", "cpuset"}
    assert all(binding.host and binding.path == "/" for binding in found.values())
    assert (found["memory"].limit, found["memory"].headroom) == (64 * GIB, 54 * GIB)
    assert (found["memory"].own_limit, found["pids"].own_limit, found["cpu"].own_limit) == (
        "max",
        "max",
        None,
    )
    assert (found["pids"].limit, found["pids"].headroom) == (32768, 31868)
    assert (found["cpu"].limit, found["cpu"].headroom) == (8, None)


def test_over_the_limit_leaves_nothing_and_not_less() -> None:
    found = bound("/a", group("/a", pids_limit=10, pids=12))["pids"]
    assert (found.headroom, found.used, found.unit) == (0, 12, "processes")


def test_cpu_is_the_quota_with_least_left_against_the_cpuset() -> None:
    rows = [
        group("/", cpus=8, cpu_ratio=3.0),
        group("/s", cpu_limit_ratio=4.0, cpu_ratio=2.9, cpus=8),
        group("/s/a", cpu_limit_ratio=2.0, cpu_ratio=0.5, cpus=8),
    ]
    assert (bound("/s/a", *rows)["cpu"].path, bound("/s/a", *rows)["cpu"].headroom) == ("/s", 1.1)
    rows[1] = group("/s", cpu_limit_ratio=4.0, cpu_ratio=2.9, cpus=3)
    found = bound("/s/a", rows[0], rows[1], group("/s/a", cpu_limit_ratio=2.0, cpu_ratio=0.5, cpus=3))
    assert (found["cpu"].path, found["cpu"].limit, found["cpu"].headroom) == ("/s", 3, 0.1)
    assert (found["cpuset"].path, found["cpuset"].limit, found["cpuset"].host) == ("/s", 3, False)


def test_a_quota_without_known_use_binds_by_its_size() -> None:
    found = bound("/s/a", group("/s", cpu_limit_ratio=1.5), group("/s/a", cpu_limit_ratio="max"))["cpu"]
    assert (found.path, found.limit, found.headroom, found.own_limit) == ("/s", 1.5, None, "max")


def test_high_and_swap_only_where_something_limits() -> None:
    rows = [
        group("/a", memory_high_bytes=GIB, memory_current_bytes=GIB - 5, swap_limit_bytes=0),
        group("/a/b", memory_high_bytes="max", swap_limit_bytes="max", swap_current_bytes=0),
    ]
    found = bound("/a/b", *rows, capacity=Capacity(cpus=2))
    assert (found["memory-high"].path, found["memory-high"].headroom) == ("/a", 5)
    assert (found["swap"].path, found["swap"].limit) == ("/a", 0)
    assert "memory" not in found
    assert "pids" not in found


@pytest.mark.parametrize(
    ("text", "cpus"), [("", 0), ("0", 1), ("0-3,8", 5), ("0-1\n", 2), ("x", None), ("0-999999999", None)]
)
def test_lists_of_cpus(text: str, cpus: int | None) -> None:
    assert count(text) == cpus


def test_reading_one_path_reads_no_other_group_and_does_not_walk() -> None:
    root = "/sys/fs/cgroup"
    files = {
        "/proc/self/mountinfo": f"29 23 0:30 / {root} rw - cgroup2 cgroup2 rw\n",
        "/proc/meminfo": "MemTotal: 1000 kB\nMemAvailable: 400 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n",
        "/proc/loadavg": "0.1 0.1 0.1 2/345 99\n",
        "/proc/sys/kernel/pid_max": "4194304\n",
        "/proc/sys/kernel/threads-max": "1000\n",
        f"{root}/cgroup.procs": "1\n",
        f"{root}/a/cgroup.procs": "",
        f"{root}/a/memory.max": "102400\n",
        f"{root}/a/memory.current": "51200\n",
        f"{root}/a/b/cgroup.procs": "7\n",
        f"{root}/a/b/memory.max": "max\n",
        f"{root}/c/cgroup.procs": "",
    }
    source = Fake(files, links={"/proc/self/ns/cgroup": "cgroup:[4026531835]"}, clock=Clock(1e9, 5, 5))
    source.live = True  # only of a recording is the walk what tells which groups are gaps
    source.walk = None  # type: ignore[assignment, method-assign]
    model = limits.read(source, "/a/b")
    assert {row.path for row in model.cgroups} == {"/", "/a", "/a/b"}
    assert model.ancestors_hidden is False
    found = {binding.resource: binding for binding in limits.bindings(model, "/a/b")}
    assert (found["memory"].path, found["memory"].headroom) == ("/a", 51200)
    assert (found["pids"].limit, found["pids"].headroom) == (1000, 655)
    assert (found["swap"].limit, found["swap"].host) == (0, True)


def test_in_a_cgroup_namespace_the_model_says_that_more_may_be_above() -> None:
    files = {
        "/proc/self/mountinfo": "29 23 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
        "/sys/fs/cgroup/cgroup.procs": "1\n",
    }
    inside = Fake(files, links={"/proc/self/ns/cgroup": "cgroup:[4026532600]"})
    assert limits.read(inside, "/").ancestors_hidden is True
    assert limits.read(Fake(files), "/").ancestors_hidden is None
    part = {**files, "/proc/self/mountinfo": "29 23 0:30 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"}
    assert limits.read(Fake(part), "/docker/x").ancestors_hidden is True


@pytest.fixture
def nested() -> Iterator[str]:
    """/OUTER/inner on v1: 64 MiB outside, 512 MiB inside; 50 tasks outside."""
    memory, pids = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup/pids")
    if os.geteuid() != 0 or not os.access(memory / "cgroup.procs", os.W_OK):
        pytest.skip("needs root and the v1 memory controller")
    name = f"sretool-limits-{os.getpid()}"
    made = [root / name / part for root in (memory, pids) for part in ("", "inner")]
    for place in made:
        place.mkdir()
    try:
        (memory / name / "memory.limit_in_bytes").write_text(str(64 << 20))
        (memory / name / "inner/memory.limit_in_bytes").write_text(str(512 << 20))
        (pids / name / "pids.max").write_text("50")
        yield f"/{name}"
    finally:
        for place in reversed(made):
            place.rmdir()


def test_a_real_group_is_bound_by_the_one_around_it(nested: str) -> None:
    model = limits.read(Live(), f"{nested}/inner")
    found = {binding.resource: binding for binding in limits.bindings(model, f"{nested}/inner")}
    assert (found["memory"].path, found["memory"].limit, found["memory"].own_limit) == (
        nested,
        64 << 20,
        512 << 20,
    )
    assert (found["pids"].path, found["pids"].limit, found["pids"].headroom) == (nested, 50, 50)
    assert (found["pids"].own_limit, found["memory"].host) == ("max", False)
    stat = Path(f"/sys/fs/cgroup/memory{nested}/inner/memory.stat").read_text()
    assert f"hierarchical_memory_limit {found['memory'].limit}\n" in stat
    whole = read.build(read.sample(Live(), limits.LIMITS))
    assert {b.resource: b.path for b in limits.bindings(whole, f"{nested}/inner")} == {
        resource: binding.path for resource, binding in found.items()
    }
