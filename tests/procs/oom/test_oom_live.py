"""`procs oom` on this host: the kernel's own score, and a real kill in a group of the test's own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli import NOBODY, sretool

MEMORY = Path("/sys/fs/cgroup/memory")


def kernels_score(points_pages: int, total_pages: int) -> int:
    """fs/proc/base.c proc_oom_score; C divides towards zero."""
    share = abs(points_pages * 1000) // total_pages * (1 if points_pages >= 0 else -1)
    return (1000 + share) * 2 // 3


@pytest.mark.oracle
def test_the_points_give_the_kernels_own_score() -> None:
    data = sretool("procs", "oom", "--json").json["data"]
    page = os.sysconf("SC_PAGE_SIZE")
    checked = 0
    for row in data["processes"]:
        if row["killable"] and row["oom_score"]:
            ours = kernels_score(row["points_bytes"] // page, data["pool_bytes"] // page)
            assert abs(ours - row["oom_score"]) <= 2, row  # it goes on allocating between two files
            checked += 1
    assert checked > 3
    assert data["processes"][0]["oom_score"] >= max(row["oom_score"] for row in data["processes"]) - 2


def test_who_may_never_be_killed_is_last() -> None:
    held = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "open('/proc/self/oom_score_adj', 'w').write('900'); print('ready', flush=True); input()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert held.stdout is not None
        assert held.stdout.readline() == "ready\n"
        for uid in (None, NOBODY):  # it needs no rights
            data = sretool("procs", "oom", "--json", uid=uid).json["data"]
            row = next(row for row in data["processes"] if row["pid"] == held.pid)
            assert row["oom_score_adj"] == 900
            assert data["processes"].index(row) < 3
    finally:
        held.communicate("\n", timeout=20)


@pytest.fixture
def group() -> Iterator[Path]:
    """A limit of 30 MiB, and a group below it."""
    if not (MEMORY / "memory.limit_in_bytes").exists() or os.geteuid() != 0:
        pytest.skip("no v1 memory hierarchy, or not root")
    top = MEMORY / f"sretool-oom-{os.getpid()}"
    child = top / "child"
    child.mkdir(parents=True)
    (top / "memory.limit_in_bytes").write_text("30M")
    try:
        yield child
    finally:
        for path in (child, top):
            with contextlib.suppress(OSError):
                for pid in (path / "cgroup.procs").read_text().split():
                    os.kill(int(pid), 9)
                    with contextlib.suppress(ChildProcessError):
                        os.waitpid(int(pid), 0)
                path.rmdir()


@pytest.mark.lab
def test_a_real_kill_is_told_with_whose_limit_it_was(group: Path) -> None:
    script = f"echo $$ > {group}/cgroup.procs; exec {sys.executable} -c 'bytearray(100 << 20)'"
    killed = subprocess.run(["sh", "-c", script], check=False)
    assert killed.returncode == -9
    data = sretool("procs", "oom", "--json").json["data"]
    ours = [kill for kill in data["kills"] if kill["cgroup"] == f"/{group.parent.name}/child"]
    assert len(ours) == 1
    kill = ours[0]
    assert (kill["level"], kill["limit_cgroup"], kill["limit_bytes"]) == (
        "above",
        f"/{group.parent.name}",
        30 << 20,
    )
    assert 20 << 20 < kill["rss_bytes"] < 60 << 20
    assert kill["ago_s"] < 60
    assert kill["largest"][0]["pid"] == kill["pid"]
    assert data["kills_total"] >= data["kills_logged"] >= 1
    triage = sretool("triage", "--only", "memory.oom-kill", "--sample", "0").out
    assert f"/{group.parent.name}" in triage
    assert "sretool procs oom" in triage


@pytest.mark.lab
def test_the_next_victim_of_a_group_is_its_own(group: Path) -> None:
    hold = "import sys; x = bytearray(int(sys.argv[1]) << 20); print('ready', flush=True); input()"
    held = []
    for size in ("2", "12"):
        script = f'echo $$ > {group}/cgroup.procs; exec {sys.executable} -c "$0" {size}'
        one = subprocess.Popen(
            ["sh", "-c", script, hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
        held.append(one)
    try:
        data = sretool("procs", "oom", "--json", "--cgroup", f"/{group.parent.name}").json["data"]
        assert [row["pid"] for row in data["processes"]] == [held[1].pid, held[0].pid]
        (limited,) = data["groups"]
        assert (limited["victim_pid"], limited["candidates"]) == (held[1].pid, 2)
        assert 0.4 < limited["used_ratio"] <= 1
    finally:
        for one in held:
            one.communicate("\n", timeout=20)
