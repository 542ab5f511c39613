"""`sretool cgroups show` and `top` on this host, beside its files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli import NOBODY, environment, sretool

MEMORY, PIDS, FREEZER = (Path("/sys/fs/cgroup") / name for name in ("memory", "pids", "freezer"))
ODD = "odd\x1b[31m name"  # cgroupfs refuses a newline


@pytest.fixture
def odd() -> Iterator[tuple[str, int]]:
    """A group with escape bytes and a blank in its name, a limit, and one process."""
    if os.geteuid() != 0 or not os.access(MEMORY / "cgroup.procs", os.W_OK):
        pytest.skip("needs root and the v1 memory controller")
    name = f"sretool-{os.getpid()}-{ODD}"
    groups = [root / name for root in (MEMORY, PIDS, FREEZER)]
    for group in groups:
        group.mkdir()
    child = subprocess.Popen(["sleep", "600"])
    try:
        (MEMORY / name / "memory.limit_in_bytes").write_text(str(64 << 20))
        (PIDS / name / "pids.max").write_text("10")
        for group in groups:
            (group / "cgroup.procs").write_text(str(child.pid))
        (FREEZER / name / "freezer.state").write_text("FROZEN")
        yield f"/{name}", child.pid
    finally:
        (FREEZER / name / "freezer.state").write_text("THAWED")
        child.kill()
        child.wait()
        for group in groups:
            group.rmdir()


@pytest.mark.parametrize("uid", [None, NOBODY])
def test_by_path_and_by_pid_as_the_files_say(odd: tuple[str, int], uid: int | None) -> None:
    path, pid = odd
    by_pid = sretool("cgroups", "show", pid, "--json", "--sample", 0, uid=uid)
    assert by_pid.code == 0, by_pid.err
    data = by_pid.json["data"]
    row = data["cgroup"]
    assert row["path"] == path
    assert (row["memory_limit_bytes"], row["pids_limit"], row["pids"]) == (64 << 20, 10, 1)
    assert row["memory_current_bytes"] <= 64 << 20
    assert row["frozen"] is True
    assert [one["pid"] for one in data["processes"]] == [pid]
    assert data["processes"][0]["oom_score"] == int(Path(f"/proc/{pid}/oom_score").read_text())
    (finding,) = by_pid.json["findings"]
    assert (finding["id"], finding["next"]) == ("cgroup.frozen", []), "its one step is this command"
    binding = {one["resource"]: one for one in data["limits"]}
    assert (binding["pids"]["path"], binding["pids"]["headroom"]) == (path, 9)
    text = sretool("cgroups", "show", path, "--sample", 0, uid=uid)
    assert text.code == 0
    assert "\x1b" not in text.out
    assert "\\x1b[31m name" in text.out
    assert "FROZEN" in text.out


def test_in_80_columns_no_line_is_longer(odd: tuple[str, int]) -> None:
    path, _pid = odd
    script = f'stty cols 80 rows 40; exec {sys.executable} -m sretool cgroups show "$GROUP" --sample 0'
    done = subprocess.run(
        ["script", "-qec", script, "/dev/null"],
        env=environment(GROUP=path, NO_COLOR="1"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = done.stdout.replace("\r", "").splitlines()
    assert any("binds" in line for line in lines), done.stdout
    assert max(map(len, lines)) <= 80


def test_frozen_is_found_by_triage(odd: tuple[str, int]) -> None:
    path, _pid = odd
    found = sretool("triage", "--only", "cgroup.frozen", "--sample", 0, "--json")
    assert [item["subject"]["id"] for item in found.json["findings"]] == [path]


def test_top_lists_it_once_and_says_what_it_cannot_know(odd: tuple[str, int]) -> None:
    path, _pid = odd
    answer = sretool("cgroups", "top", "--sample", 0.2, "--json")
    assert answer.code == 0
    assert [row["path"] for row in answer.json["data"]["groups"]].count(path) == 1
    paths = [row["path"] for row in answer.json["data"]["groups"]]
    assert not [one for one in paths for other in paths if one.startswith(other + "/")]
    assert "Who waits is not known" in sretool("cgroups", "top", "--sample", 0.2).out


def test_what_is_not_there_is_one_line() -> None:
    for target in ("/nonesuch", "nonesuch-group", "4194300"):
        gone = sretool("cgroups", "show", target)
        assert (gone.code, gone.out) == (3, "")
        assert len(gone.err.splitlines()) == 1, gone.err


def test_no_cgroup_mount_at_all() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    bare = ["unshare", "-m", "sh", "-c", 'umount -R /sys/fs/cgroup && exec "$@"', "sh"]
    for words in (["tree"], ["top"], ["show", "/"]):
        done = subprocess.run(
            [*bare, sys.executable, "-m", "sretool", "cgroups", *words], env=environment(),
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 3, done.stderr
        assert done.stderr.startswith("sretool: cgroups: no cgroup hierarchy is mounted here")
        assert len(done.stderr.splitlines()) == 1


def test_a_v1_controller_mounted_elsewhere(odd: tuple[str, int], tmp_path: Path) -> None:
    path, _pid = odd
    script = (
        'umount /sys/fs/cgroup/memory && mount -t cgroup -o memory none "$0" && '
        f'exec {sys.executable} -m sretool cgroups show "$1" --json --sample 0'
    )
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, str(tmp_path), path], env=environment(),
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f'"memory_limit_bytes":{64 << 20}' in done.stdout
