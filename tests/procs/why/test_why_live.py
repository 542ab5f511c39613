"""This host's own processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli import NOBODY, sretool
from instants import same_start
from waiting import until


def why(*args: object, **more: Any) -> Any:
    done = sretool("procs", "why", *args, "--json", **more)
    assert done.code == 0, done.err
    return done.json["data"]


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "1234567"]) as process:
        yield process
        process.kill()


def test_a_child_of_ours(child: subprocess.Popen[bytes]) -> None:
    data = why(child.pid)
    assert data["links"][-1]["pid"] == child.pid
    assert data["links"][-2]["pid"] == os.getpid()
    assert data["exe_state"] == "same"
    assert data["age_s"] < 60


def test_an_orphan_says_that_its_starter_is_gone() -> None:
    script = "sh -c 'sleep 7654321 & echo $!' "
    with subprocess.Popen(["setsid", "sh", "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
    try:
        until(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1] == "1")
        data = why(pid)
        assert data["starter_gone"] is True
        assert "gone" in [link["kind"] for link in data["links"]]
    finally:
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def server() -> Iterator[tuple[int, int]]:
    code = (
        "import socket,sys,time; s=socket.create_server(('127.0.0.1', 0)); "
        "print(s.getsockname()[1], flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.pid, int(process.stdout.readline())
        process.kill()


def test_by_port_and_not_by_who_is_connected(server: tuple[int, int]) -> None:
    pid, port = server
    with socket.create_connection(("127.0.0.1", port)):
        data = why(f":{port}")
    assert (data["pid"], data["target_kind"]) == (pid, "port")
    assert data["public_listeners"] == []


def test_by_file_and_deleted_while_it_runs(tmp_path: Path) -> None:
    program = tmp_path / "napper"
    program.write_bytes(Path("/bin/sleep").resolve().read_bytes())
    program.chmod(0o755)
    with subprocess.Popen([str(program), "600"]) as process:
        try:
            until(lambda: os.readlink(f"/proc/{process.pid}/exe") == str(program))
            assert why(program)["pid"] == process.pid
            program.unlink()
            done = sretool("procs", "why", process.pid, "--json", "--fail-on", "warning")
            assert (done.code, done.json["data"]["exe_state"]) == (1, "removed")
            assert "process.deleted-exe" in [item["id"] for item in done.json["findings"]]
        finally:
            process.kill()


def test_a_stopped_process(child: subprocess.Popen[bytes]) -> None:
    child.send_signal(signal.SIGSTOP)
    until(lambda: why(child.pid)["state"] == "stopped")
    done = sretool("procs", "why", child.pid, "--json")
    assert "process.stopped" in [item["id"] for item in done.json["findings"]]


def test_several_are_listed_and_the_exit_code_is_64(tmp_path: Path) -> None:
    program = tmp_path / "dozer"
    program.write_bytes(Path("/bin/sleep").resolve().read_bytes())
    program.chmod(0o755)
    with subprocess.Popen([program, "4001"]) as one, subprocess.Popen([program, "4002"]) as two:
        try:
            until(lambda: sretool("procs", "why", "name:dozer").code == 64)
            done = sretool("procs", "why", "name:dozer")
            assert f"  pid {one.pid}: " in done.err
            assert f"  pid {two.pid}: " in done.err
            codes = [
                error["code"] for error in sretool("procs", "why", "name:dozer", "--json").json["errors"]
            ]
            assert codes == ["ambiguous", "match", "match"]
        finally:
            one.kill()
            two.kill()


def test_an_ordinary_user_gets_the_chain_and_what_was_not_seen(child: subprocess.Popen[bytes]) -> None:
    done = sretool("procs", "why", child.pid, uid=NOBODY)
    assert done.code == 0, done.err
    assert f"sleep[{child.pid}]" in done.out
    assert "could not tell whether " in done.out


def test_a_recording_answers_the_same(child: subprocess.Popen[bytes], tmp_path: Path) -> None:
    file = tmp_path / "r.tar.gz"
    assert sretool("snapshot", "save", file, "--sample", "0").code == 0
    live, recorded = why(child.pid), sretool("--from", file, "procs", "why", child.pid, "--json").json["data"]
    for field in ("pid", "command", "cause", "exe", "exe_state", "starter_gone", "user"):
        assert live[field] == recorded[field], field
    assert same_start(live["started_at"], recorded["started_at"])
    assert [link["name"] for link in live["links"]] == [link["name"] for link in recorded["links"]]
    assert recorded["stale_libraries"] is None
