"""`sretool procs list` on this host, beside ps and psutil, as root and as an ordinary user."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pytest
from cli import NOBODY, sretool

PR_SET_NAME = 15


def until(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError(f"not within {seconds} s")


def state_of(pid: int) -> str:
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()[0].decode()


@contextmanager
def running(code: str, *args: str) -> Iterator[subprocess.Popen[bytes]]:
    """A Python child in a process group of its own that has printed a line."""
    child = subprocess.Popen(
        [sys.executable, "-S", "-E", "-c", code, *args], stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline()
        yield child
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()


NAMED = f"""
import ctypes, sys, time
ctypes.CDLL(None).prctl({PR_SET_NAME}, b"e)\\n\\x1b[31m(x", 0, 0, 0)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("uid", [None, NOBODY])
def test_a_hostile_name_in_json_and_on_a_terminal(uid: int | None) -> None:
    if uid is not None and os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    with running(NAMED, "--token=hunter2") as child:
        answer = sretool("procs", "list", "--sample", 0, "--name", "[31m", "--json", uid=uid)
        rows = [row for row in answer.json["data"]["processes"] if row["pid"] == child.pid]
        assert rows == [], "[ starts a pattern"
        answer = sretool("procs", "list", "--sample", 0, "--name", "e)*", "--json", uid=uid)
        (row,) = (row for row in answer.json["data"]["processes"] if row["pid"] == child.pid)
        assert row["comm"] == "e)\n\x1b[31m(x"
        assert row["command"].endswith("--token=***")
        assert row["user"] == psutil.Process(child.pid).username()
        text = sretool("procs", "list", "--sample", 0, "--name", "e)*", "--fields", "pid,comm", uid=uid)
        assert f"{child.pid}  e)\\x0a\\x1b[31m(x" in text.out
        assert text.code == 0


def test_filters_keep_what_they_say() -> None:
    with running(NAMED) as child:
        pid = child.pid

        def kept(*args: str) -> bool:
            answer = sretool("procs", "list", "--sample", 0, "--json", *args).json
            assert answer["data"]["total"] == len(answer["data"]["processes"])
            return any(row["pid"] == pid for row in answer["data"]["processes"])

        assert kept("--user", str(os.geteuid()))
        assert kept("--user", psutil.Process(pid).username())
        assert not kept("--user", "no-such-user")
        assert kept("--name", os.path.basename(sys.executable))
        assert not kept("--unit", "no-such-unit")
        assert not kept("--container", "no-such-container")


def test_cpu_share_of_a_spinner() -> None:
    with running("print(1, flush=True)\nwhile True: pass") as child:
        rows = sretool("procs", "list", "--sample", 1, "--json").json["data"]["processes"]
        (row,) = (row for row in rows if row["pid"] == child.pid)
        mine = psutil.Process(child.pid).cpu_times()
        assert 0.05 < row["cpu_ratio"] <= 1.05
        assert row["cpu_time_s"] <= mine.user + mine.system
        assert row["state"] == "running"


VFORK = """
import ctypes, os, time
print("ready", flush=True)
ctypes.CDLL(None).vfork()
time.sleep(60)
"""


def test_a_process_that_is_stuck_for_real() -> None:
    # vfork(2): the kernel suspends the parent in D state until its child execs or ends; the child
    # here sleeps, and both are killed, so neither ever comes back from the call
    with running(VFORK) as child:
        until(lambda: state_of(child.pid) == "D")
        rows = sretool("procs", "list", "--sample", 0.3, "--json").json["data"]["processes"]
        (row,) = (row for row in rows if row["pid"] == child.pid)
        assert (row["state"], row["state_before"], row["stuck"]) == ("disk-sleep", "disk-sleep", True)
        assert row["command"].startswith(sys.executable)
        found = sretool("triage", "--only", "process.disk-sleep", "--json")
        assert child.pid in [finding["subject"]["pid"] for finding in found.json["findings"]]
        assert found.code == 1


ZOMBIES = """
import os, time
for _ in range(25):
    if os.fork() == 0: os._exit(0)
print("ready", flush=True)
time.sleep(60)
"""


def test_zombies_and_the_parent_that_does_not_wait() -> None:
    with running(ZOMBIES) as child:
        until(lambda: sum(p.status() == "zombie" for p in psutil.Process(child.pid).children()) == 25)
        found = sretool("triage", "--only", "process.zombies", "--json")
        (finding,) = found.json["findings"]
        assert finding["severity"] == "critical"
        parents = {item["what"]: item["value"] for item in finding["evidence"]}
        assert parents[f"children of {psutil.Process(child.pid).name()}[{child.pid}]"] == 25
        assert found.code == 2


OPEN = """
import os, resource, time
files = [os.open("/dev/null", os.O_RDONLY) for _ in range(96 - len(os.listdir("/proc/self/fd")) + 1)]
resource.setrlimit(resource.RLIMIT_NOFILE, (96, 96))
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("uid", [None, NOBODY])
def test_descriptors_that_run_out(uid: int | None) -> None:
    if uid is not None and os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    with running(OPEN) as child:
        open_ = len(os.listdir(f"/proc/{child.pid}/fd"))
        assert open_ == 96
        if uid is None:
            found = sretool("triage", "--only", "process.fd-limit", "--json")
            (finding,) = (item for item in found.json["findings"] if item["subject"]["pid"] == child.pid)
            assert (finding["severity"], finding["evidence"][0]["value"]) == ("critical", 96)
            assert found.code == 2
        answer = sretool(
            "procs", "list", "--sample", 0, "--fields", "pid,fds,fd_limit", "--json", uid=uid
        ).json
        (row,) = (row for row in answer["data"]["processes"] if row["pid"] == child.pid)
        # what the kernel does not tell an ordinary user is null and said, never a wrong number
        assert row["fds"] == 96 or (row["fds"] is None and answer["status"] == "partial")
        assert row["fd_limit"] == 96


def test_an_ordinary_user_sees_every_process() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    answer = sretool("procs", "list", "--sample", 0, "--json", uid=NOBODY)
    assert answer.code == 0
    found = {row["pid"]: row for row in answer.json["data"]["processes"]}
    assert found[1]["user"] == "root"
    assert found[1]["rss_bytes"] > 0


@pytest.mark.oracle
def test_as_psutil_says() -> None:
    with running(NAMED):
        found = {
            row["pid"]: row
            for row in sretool("procs", "list", "--sample", 0, "--json").json["data"]["processes"]
        }
        compared = 0
        for process in psutil.process_iter():
            row = found.get(process.pid)
            try:
                if row is None or abs(process.create_time() - (time.time() - row["age_s"])) > 5:
                    continue
                with process.oneshot():
                    assert row["ppid"] == process.ppid()
                    assert row["user"] == process.username()
                    assert row["uid"] == process.uids().effective
                    assert row["nice"] == process.nice()
                    assert row["comm"][:4] == process.name()[:4]
                    if row["kernel"]:
                        assert row["command"] == ""
                        assert row["rss_bytes"] == 0
                    compared += 1
            except psutil.NoSuchProcess:
                continue
        assert compared > 10


@pytest.mark.oracle
def test_as_ps_says() -> None:
    if shutil.which("ps") is None:
        pytest.skip("no ps")
    with running(NAMED) as child:
        told = subprocess.run(
            ["ps", "-o", "pid=,ppid=,euid=,nlwp=,vsz=,stat=,etimes=", "-p", f"{child.pid},1"],
            capture_output=True,
            check=True,
        ).stdout.split()
        began = time.time() - 1  # create_time() is that coarse
        answer = sretool("procs", "list", "--sample", 0, "--json").json["data"]["processes"]
        found = {row["pid"]: row for row in answer}
        for at in range(0, len(told), 7):
            pid, ppid, uid, threads, virtual_kib, state, age_s = told[at : at + 7]
            row = found[int(pid)]
            assert (row["ppid"], row["uid"], row["threads"]) == (int(ppid), int(uid), int(threads))
            assert row["virtual_bytes"] == int(virtual_kib) * 1024
            assert row["state"] == {b"S": "sleeping", b"R": "running"}[state[:1]]
            assert abs(row["age_s"] - int(age_s)) < 5
        listed = subprocess.run(["ps", "-eo", "pid="], capture_output=True, check=True).stdout.split()
        lasting = {pid for pid, row in found.items() if row["age_s"] > 2 and psutil.pid_exists(pid)}
        assert lasting - set(map(int, listed)) == set()
        missed = {int(pid) for pid in listed} - set(found)
        assert all(psutil.Process(pid).create_time() > began for pid in missed if psutil.pid_exists(pid))


def test_bad_usage() -> None:
    wrong = sretool("procs", "list", "--sort", "size")
    assert wrong.code == 64
    assert "rss_bytes" in wrong.err
    assert len(wrong.err.splitlines()) == 1


def test_recorded_and_replayed_gives_the_same(tmp_path: Any) -> None:
    with running(NAMED) as child:
        file = str(tmp_path / "here.tar.gz")
        assert sretool("snapshot", "save", file, "--sample", 0.2).code == 0
    replayed = sretool("--from", file, "procs", "list", "--json").json
    (row,) = (row for row in replayed["data"]["processes"] if row["pid"] == child.pid)
    assert row["comm"] == "e)\n\x1b[31m(x"
    assert replayed["data"]["window_s"] > 0
    again = sretool(
        "--from", file, "procs", "list", "--json", "--fields", "pid,user,unit,command,fds,fd_limit"
    ).json
    assert len(again["data"]["processes"]) == again["data"]["total"] == replayed["data"]["total"]
