"""`snapshot save` followed by `--from` gives the same answer; a failed save leaves nothing."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli import NOBODY, sretool

PASSIVE = [
    ("sockets", "list"),
    ("sockets", "listen"),
    ("procs", "list"),
    ("cgroups", "tree"),
    ("net", "routes"),
    ("net", "addrs"),
    ("triage",),
]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("recording") / "host.tar.gz"
    done = sretool("snapshot", "save", path, "--json", "--sample", "0.2")
    assert done.code == 0, done.err
    assert [moment["name"] for moment in done.json["data"]["moments"]] == ["T0", "T1"]
    assert path.stat().st_mode & 0o777 == 0o600
    return str(path)


@pytest.mark.parametrize("words", PASSIVE, ids=" ".join)
def test_every_passive_command_replays(recorded: str, words: tuple[str, ...]) -> None:
    done = sretool("--from", recorded, *words, "--json")
    assert done.code in (0, 1, 2), done.err
    assert done.json["source"] == f"recording:{recorded}"
    assert [error for error in done.json["errors"] if error["code"] == "not-recorded"] == []
    again = sretool("--from", recorded, *words, "--json")
    assert again.json["data"] == done.json["data"]


def stable(document: Any, rows: str, keys: tuple[str, ...]) -> set[tuple[Any, ...]]:
    return {tuple(row[key] for key in keys) for row in document["data"][rows]}


def test_replay_gives_the_host_that_was_recorded(tmp_path: Path) -> None:
    """Against the live answers before and after: what both show, the replay shows."""
    path = tmp_path / "host.tar.gz"
    asked = {
        ("procs", "list", "--sample", "0"): ("processes", ("pid", "uid", "ppid")),
        ("sockets", "list"): ("sockets", ("protocol", "local_address", "local_port", "inode")),
        ("net", "routes"): ("routes", ("dst", "dev", "gateway", "table")),
    }
    before = {words: sretool(*words, "--json").json for words in asked}
    assert sretool("snapshot", "save", path, "--sample", "0").code == 0
    for words, (rows, keys) in asked.items():
        after = stable(sretool(*words, "--json").json, rows, keys)
        lasting = stable(before[words], rows, keys) & after
        replayed = stable(sretool("--from", path, *words, "--json").json, rows, keys)
        assert lasting, words
        assert lasting <= replayed, words


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder anybody may write to; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


def test_an_ordinary_user_records_what_it_may_see(open_folder: Path) -> None:
    path = open_folder / "mine.tar.gz"
    done = sretool("snapshot", "save", path, "--json", "--sample", "0", uid=NOBODY)
    assert done.code == 0, done.err + done.out
    assert done.json["data"]["uid"] == NOBODY
    shown = sretool("snapshot", "show", path, "--json", uid=NOBODY)
    assert shown.json["data"]["moments"] == done.json["data"]["moments"]
    assert sretool("--from", path, "procs", "list", "--json", uid=NOBODY).json["data"]["total"] > 0


def test_an_existing_file_is_not_replaced_unless_asked(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("precious")
    done = sretool("snapshot", "save", path, "--sample", "0")
    assert (done.code, path.read_text()) == (64, "precious")
    assert "--force" in done.err
    assert sretool("snapshot", "save", path, "--sample", "0", "--force").code == 0
    assert sretool("snapshot", "show", path).code == 0


def test_a_place_that_cannot_be_written_is_said_in_a_line(tmp_path: Path) -> None:
    done = sretool("snapshot", "save", tmp_path / "no" / "such" / "x", "--sample", "0", "--json")
    assert done.code == 64
    assert done.json["errors"][0]["message"].startswith("cannot be written")
    done = sretool("snapshot", "save", "/proc/x", "--sample", "0")
    assert done.code in (3, 64)
    assert done.err.count("\n") == 1


@pytest.mark.lab
def test_a_full_disk_leaves_no_half_file(tmp_path: Path) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", mount], check=True)
    try:
        done = sretool("snapshot", "save", mount / "x.tar.gz", "--sample", "0")
        assert done.code == 3
        assert "No space left" in done.err
        assert os.listdir(mount) == []
    finally:
        subprocess.run(["umount", mount], check=True)


def test_show_refuses_what_is_no_recording(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("hello")
    for words in (("snapshot", "show", path), ("--from", path, "procs", "list")):
        done = sretool(*words)
        assert done.code == 64
        assert "not a recording" in done.err
        assert done.err.count("\n") == 1
