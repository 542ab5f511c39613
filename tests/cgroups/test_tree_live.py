"""`sretool cgroups tree` on this host, with a real v1 group that is throttled for real."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli import NOBODY, sretool

from sretool.cgroups import read
from sretool.host.live import Live

CPU, MEMORY = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup/memory")
LIMIT_BYTES = 512 * 1024 * 1024


@pytest.fixture
def throttled() -> Iterator[tuple[str, int]]:
    """A group with a fifth of a CPU and a child that wants all of one: its path, the child's pid."""
    if os.geteuid() != 0 or not os.access(CPU / "cgroup.procs", os.W_OK):
        pytest.skip("needs root and the v1 cpu controller")
    name = f"sretool-test-{os.getpid()}"
    groups = [CPU / name, MEMORY / name]
    for group in groups:
        group.mkdir()
    child = subprocess.Popen([sys.executable, "-S", "-E", "-c", "while True: pass"])
    try:
        (CPU / name / "cpu.cfs_quota_us").write_text("20000")
        (MEMORY / name / "memory.limit_in_bytes").write_text(str(LIMIT_BYTES))
        for group in groups:
            (group / "cgroup.procs").write_text(str(child.pid))
        yield f"/{name}", child.pid
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        for group in groups:
            group.rmdir()


def row_of(answer: Any, path: str) -> Any:
    return next(row for row in answer["data"]["cgroups"] if row["path"] == path)


@pytest.mark.parametrize("words", [("cgroups", "show"), ("procs", "show")], ids=" ".join)
def test_its_limits_are_those_of_a_process_in_it(throttled: tuple[str, int], words: tuple[str, str]) -> None:
    path, pid = throttled
    data = sretool(*words, pid, "--sample", 1, "--json").json["data"]
    limits = {one["resource"]: one for one in data.get("group", data)["limits"]}
    assert limits["cpu"]["own_limit"] == 0.2
    assert (limits["memory"]["path"], limits["memory"]["limit"]) == (path, LIMIT_BYTES)


@pytest.mark.parametrize("uid", [None, NOBODY])
def test_a_throttled_group(throttled: tuple[str, int], uid: int | None) -> None:
    path, _pid = throttled
    answer = sretool("cgroups", "tree", "--sample", 1, "--json", uid=uid)
    assert answer.code == 0
    row = row_of(answer.json, path)
    assert row["cpu_limit_ratio"] == 0.2
    assert row["throttled_ratio"] > 0.5
    assert row["periods"] >= 5
    assert row["memory_limit_bytes"] == row["memory_effective_limit_bytes"] == LIMIT_BYTES
    # v1 leaves what a process has already charged with its old group
    assert 0 <= row["memory_current_bytes"] <= LIMIT_BYTES
    assert row["processes"] == row["processes_total"] == 1
    found = sretool("triage", "--only", "cgroup.cpu-throttled", "--json", uid=uid)
    (finding,) = (item for item in found.json["findings"] if item["subject"]["id"] == path)
    assert finding["severity"] == "warning"
    assert found.code == 1


def test_the_process_is_found_by_the_same_path(throttled: tuple[str, int]) -> None:
    path, pid = throttled
    rows = sretool("procs", "list", "--sample", 0, "--fields", "pid,cgroup", "--json").json["data"][
        "processes"
    ]
    assert {row["pid"]: row["cgroup"] for row in rows}[pid] == path


def test_the_tree_draws_it_and_ascii_will_do(throttled: tuple[str, int]) -> None:
    path, _pid = throttled
    assert f"─{path[1:]}" in sretool("cgroups", "tree", "--sample", 0).out
    plain = sretool("cgroups", "tree", "--sample", 0, env={"LC_ALL": "C"})
    assert f"-{path[1:]}" in plain.out
    assert plain.out.isascii()


def test_no_limit_sorts_above_every_limit(throttled: tuple[str, int]) -> None:
    for sort, last in (("memory_limit_bytes", True), ("-memory_limit_bytes", False)):
        rows = sretool("cgroups", "tree", "--sample", 0, "--sort", sort, "--json").json["data"]["cgroups"]
        limits = [row["memory_limit_bytes"] for row in rows if row["memory_limit_bytes"] is not None]
        numbers = [index for index, limit in enumerate(limits) if limit != "max"]
        none = [index for index, limit in enumerate(limits) if limit == "max"]
        assert numbers
        assert (min(numbers) > max(none)) if last else (max(numbers) < min(none))


def test_groups_without_a_process_only_with_all() -> None:
    shown = sretool("cgroups", "tree", "--sample", 0, "--json").json["data"]
    every = sretool("cgroups", "tree", "--sample", 0, "--all", "--json").json["data"]
    assert all(row["processes_total"] != 0 for row in shown["cgroups"])
    assert every["empty"] == 0
    assert abs(every["total"] - shown["total"] - shown["empty"]) <= 2  # others make groups meanwhile


def test_root_as_the_kernel_says() -> None:
    data = read.build(read.sample(Live(), read.EVERYTHING))
    root = next(row for row in data.cgroups if row.path == "/")
    total = int(Path("/proc/meminfo").read_text().split()[1]) * 1024
    assert root.memory_effective_limit_bytes == total
    assert root.processes_total is not None
    assert abs(root.processes_total - len([name for name in os.listdir("/proc") if name.isdigit()])) < 50


def test_recorded_and_replayed_gives_the_same(throttled: tuple[str, int], tmp_path: Any) -> None:
    path, _pid = throttled
    file = str(tmp_path / "here.tar.gz")
    assert sretool("snapshot", "save", file, "--sample", 1).code == 0
    answer = sretool("--from", file, "cgroups", "tree", "--json")
    row = row_of(answer.json, path)
    assert row["throttled_ratio"] > 0.5
    assert row["memory_limit_bytes"] == LIMIT_BYTES
    assert answer.json["data"]["cgroups"][0]["path"] == "/"


def test_bad_usage() -> None:
    wrong = sretool("cgroups", "tree", "--fields", "nme")
    assert wrong.code == 64
    assert "name" in wrong.err
