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
from engine_replies import DOCKER_REPLY, ID, SHORT
from procfs import host, process

from sretool.errors import SretoolError
from sretool.host import engines
from sretool.host.live import Live
from sretool.host.recording import Recording, load
from sretool.host.sampler import Sampler
from sretool.snapshot.write import new, record

PASSIVE = [
    ("sockets", "list"),
    ("sockets", "listen"),
    ("procs", "list"),
    ("cgroups", "tree"),
    ("net", "routes"),
    ("net", "addrs"),
    ("triage",),
]
PASSIVE_ALL = [
    *PASSIVE,
    ("procs", "show", "PID"),
    ("procs", "why", "PID"),
    ("procs", "oom"),
    ("procs", "deleted"),
    ("cgroups", "top"),
    ("cgroups", "show", "/"),
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


def test_names_of_containers_are_recorded_whole() -> None:
    """The rooms need no more than a name, which the socket gives; what replays may want the rest."""
    facts = {
        f"engine docker {engines.DOCKER_SOCKET}": DOCKER_REPLY,
        "engine-files docker": [{"ID": ID, "RestartCount": 2}],
    }
    met = host(process(7, cgroup=f"0::/system.slice/docker-{ID}.scope\n"), facts=facts)
    moment, _ = record(met)
    errors: list[SretoolError] = []
    found = engines.containers(Recording("x", moment, None), errors)
    assert (found[SHORT].name, found[SHORT].restarts) == ("shop-web-1", 2)
    assert errors == []
    none, _ = record(host(process(7), facts=facts))
    assert [key for key in none.index["facts"] if key.startswith("engine")] == []


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A recording as of a host with more processes than are recorded whole twice."""
    path = str(tmp_path_factory.mktemp("crowded") / "host.tar.gz")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sretool.snapshot.write.MANY", 0)
        with new(path, 2, False) as recording:
            Sampler(Live(), 0.2).pair(recording.sample)
            recording.close()
    return path


@pytest.mark.parametrize("words", PASSIVE_ALL, ids=" ".join)
def test_of_a_crowd_the_last_moment_is_whole_and_the_first_has_what_rates_need(
    crowded: str, words: tuple[str, ...]
) -> None:
    # our own process recorded it, and is left out of its own table
    named = [str(os.getppid()) if word == "PID" else word for word in words]
    done = sretool("--from", crowded, *named, "--json")
    assert done.code in (0, 1, 2), done.err
    missing = [error["what"] for error in done.json["errors"] if error["code"] == "not-recorded"]
    listed = load(crowded)[1][1].index["dirs"]["/proc"]
    # a control group may name a process that began after /proc was listed
    assert [
        what for what in missing if not (what.startswith("/proc/") and what.split("/")[2] not in listed)
    ] == []


def test_rates_of_a_crowd_are_known(crowded: str) -> None:
    fields = "pid,kernel,cpu_ratio,read_bytes_per_s,voluntary_switches_per_s,cpu_delay_ratio"
    rows = sretool("--from", crowded, "procs", "list", "--json", "--fields", fields).json["data"]["processes"]
    [me] = [row for row in rows if row["pid"] == os.getpid()]
    assert isinstance(me["cpu_ratio"], float)
    assert isinstance(me["voluntary_switches_per_s"], float)
    [first, _] = sretool("snapshot", "show", crowded, "--json").json["data"]["moments"]
    assert first["files"] > 0


def test_what_was_left_out_of_a_crowd_is_said(crowded: str) -> None:
    told = "T0: all of processes but stat, status, io, schedstat, wchan, threads and delays: over 0"
    assert sretool("snapshot", "show", crowded, "--json").json["data"]["left_out"] == [told]
    assert f"left out of {told}" in sretool("snapshot", "show", crowded).out
    moments = load(crowded)[1]
    assert f"/proc/{os.getpid()}/cmdline" in moments[1].files
    assert f"/proc/{os.getpid()}/cmdline" not in moments[0].files
