"""`procs deleted` on this host, as root and as an ordinary user, and beside lsof."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli import NOBODY, sretool

HOLD = """
import os, sys
paths = sys.argv[1:]
held = []
for path in paths:
    file = open(path, "wb+"); file.write(b"x" * 3_000_000); file.flush(); os.unlink(path); held.append(file)
memory = os.memfd_create("mine"); os.write(memory, b"x" * 4096)
if os.fork() == 0:
    os.read(0, 1); os._exit(0)
print("ready", flush=True)
sys.stdin.read(1)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process and its child that hold two deleted files; and a file whose name only looks so."""
    (tmp_path / "kept (deleted)").write_bytes(b"x")
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "a log"), str(tmp_path / "b")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # pytest's own is a deleted file
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    with (tmp_path / "kept (deleted)").open():
        yield process
    process.communicate("", timeout=20)


def mine(data: dict[str, Any], tmp_path: Path) -> list[dict[str, Any]]:
    return [file for file in data["files"] if file["path"].startswith(str(tmp_path))]


def test_it_finds_what_is_held(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    answer = sretool("procs", "deleted", "--json").json
    files = mine(answer["data"], tmp_path)
    assert {file["path"] for file in files} == {str(tmp_path / "a log"), str(tmp_path / "b")}
    for file in files:
        assert file["size_bytes"] == 3_000_000
        assert file["pids"][0] == holder.pid
        assert len(file["pids"]) == 2
    (row,) = [row for row in answer["data"]["holders"] if row["pid"] == holder.pid]
    assert (row["files"], row["processes"]) == (2, 2)
    assert row["space_bytes"] == sum(file["space_bytes"] for file in files) >= 6_000_000
    point = subprocess.run(
        ["findmnt", "-nno", "TARGET", "-T", tmp_path], capture_output=True, text=True, check=True
    )
    assert row["mount"] == point.stdout.strip()
    assert answer["data"]["memory_files"] >= 1


def test_text_says_how_to_get_it_back(holder: subprocess.Popen[str]) -> None:
    outcome = sretool("procs", "deleted", "--sort", "pid", "--limit", "0")
    assert "is held by" in outcome.out
    assert str(holder.pid) in outcome.out
    assert "truncate -s 0" in outcome.out


def test_an_ordinary_user_sees_their_own_and_is_told_so(holder: subprocess.Popen[str]) -> None:
    answer = sretool("procs", "deleted", "--json", uid=NOBODY).json
    assert answer["status"] == "partial"
    assert answer["data"]["unseen"] > 0
    assert holder.pid not in [row["pid"] for row in answer["data"]["holders"]]


@pytest.mark.oracle
@pytest.mark.skipif(shutil.which("lsof") is None, reason="lsof is not here")
def test_lsof_sees_the_same(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    done = subprocess.run(
        ["lsof", "-nP", "+L1", "-p", str(holder.pid), "-F", "fis"],
        capture_output=True,
        text=True,
        check=False,
    )
    sizes, inodes = (re.findall(rf"^{field}(\d+)", done.stdout, re.M) for field in "si")
    theirs = set(zip(sizes, inodes))
    ours = {
        (str(file["size_bytes"]), str(file["inode"]))
        for file in mine(sretool("procs", "deleted", "--json").json["data"], tmp_path)
    }
    assert ours
    assert ours <= theirs


@pytest.mark.lab
def test_a_tmpfs_full_of_a_deleted_log(tmp_path: Path) -> None:
    """In triage, the full filesystem and why."""
    point = tmp_path / "full"
    point.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", point], check=True)
    try:
        log = point / "log"
        with log.open("wb") as file:
            file.write(os.urandom(8_200_000))
            file.flush()
            log.unlink()
            answer = sretool("triage", "--json", "--only", "join.space-deleted", "--sample", "0").json
            (found,) = [item for item in answer["findings"] if item["subject"]["id"] == str(point)]
            assert found["id"] == "join.space-deleted"
            assert f"[{os.getpid()}]" in found["summary"]
            only = sretool("procs", "deleted", "--json", "--mount", point).json["data"]
            (held,) = only["filesystems"]
            assert (held["mount"], held["total_bytes"], held["files"]) == (str(point), 8 << 20, 1)
            assert held["held_ratio"] > 0.9
            assert [row["pid"] for row in only["holders"]] == [os.getpid()]
    finally:
        subprocess.run(["umount", point], check=True)
