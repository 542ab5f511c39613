"""`sretool procs show` on this host, beside psutil and the kernel's own files."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from cli import NOBODY, sretool
from instants import same_start

READY = "print('ready', flush=True)\n"


def until(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError(f"not within {seconds} s")


@contextlib.contextmanager
def running(code: str, *args: str, **more: Any) -> Iterator[int]:
    """A Python child in a session of its own that has printed a line."""
    child = subprocess.Popen(
        [sys.executable, "-S", "-E", "-c", code, *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # what pytest catches it in has no name either
        start_new_session=True,
        **more,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline()
        yield child.pid
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()


def shown(pid: int, *args: str, uid: int | None = None) -> Any:
    answer = sretool("procs", "show", pid, "--json", *args, uid=uid)
    assert answer.code == 0, answer.out
    return answer.json


HOLDER = f"""
import os, signal, socket, sys, tempfile, threading, time
signal.signal(signal.SIGUSR1, lambda *_: None)
signal.signal(signal.SIGUSR2, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH])
file = tempfile.TemporaryFile(); file.write(b'x' * 3000000); file.flush()
server = socket.socket(); server.bind(('127.0.0.1', 0)); server.listen(7)
client = socket.create_connection(server.getsockname())
for _ in range(3): threading.Thread(target=time.sleep, args=(100,), daemon=True).start()
def spin():
    while True: pass
threading.Thread(target=spin, daemon=True).start()
{READY}
time.sleep(100)
"""


@pytest.mark.oracle
def test_as_psutil_and_the_kernel_say() -> None:
    with running(HOLDER, env={"API_TOKEN": "hunter2", "PLAIN": "yes"}) as pid:
        process = psutil.Process(pid)
        data = shown(pid, "--sample", "0.5", "--env")["data"]
        one, memory = data["process"], data["memory"]
        with process.oneshot():
            assert one["exe"] == process.exe()
            assert one["cwd"] == process.cwd()
            assert one["ppid"] == process.ppid() == os.getpid()
            assert one["user"] == process.username()
            assert tuple(one["uids"][:3]) == tuple(process.uids())
            assert one["session"] == os.getsid(pid) == pid
            assert data["cpu"]["nice"] == process.nice()
            assert data["threads"]["total"] == process.num_threads() == 5
        full = process.memory_full_info()
        assert memory["rss_bytes"] == pytest.approx(full.rss, rel=0.2)
        assert memory["pss_bytes"] == pytest.approx(full.pss, rel=0.2)
        assert memory["uss_bytes"] == pytest.approx(full.uss, rel=0.2)
        assert memory["virtual_bytes"] == full.vms
        assert memory["maps"] == len(Path(f"/proc/{pid}/maps").read_text().splitlines())
        assert [up["pid"] for up in one["ancestors"]] == [up.pid for up in process.parents()]
        assert data["environment"] == {"API_TOKEN": "***", "PLAIN": "yes", **_coerced(process)}
        limits = {item["name"]: item for item in data["limits"]}
        assert limits["nofile"]["used"] == process.num_fds() == data["files"]["total"]
        assert limits["nofile"]["soft"] == process.rlimit(psutil.RLIMIT_NOFILE)[0]
        assert data["cpu"]["cpus_allowed"] == _status(pid, "Cpus_allowed_list")
        assert 0.05 < data["cpu"]["cpu_ratio"] < 1.1
        busiest = data["threads"]["busiest"][0]
        assert busiest["tid"] in [thread.id for thread in process.threads()]
        assert busiest["cpu_ratio"] == pytest.approx(data["cpu"]["cpu_ratio"], abs=0.2)
        signals = data["security"]["signals"]
        assert ("USR1" in signals["caught"], "USR2" in signals["ignored"]) == (True, True)
        assert "WINCH" in signals["blocked"]


def _coerced(process: psutil.Process) -> dict[str, str]:
    return {name: value for name, value in process.environ().items() if name not in ("API_TOKEN", "PLAIN")}


def _status(pid: int, key: str) -> str:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return line.partition(":")[2].strip()
    raise AssertionError(key)


def test_files_and_sockets_live_and_recorded(tmp_path: Path) -> None:
    file = str(tmp_path / "here.tar.gz")
    with running(HOLDER, env={"API_TOKEN": "hunter2", "PLAIN": "yes"}) as pid:
        live = shown(pid, "--sample", "0")["data"]
        assert sretool("snapshot", "save", file, "--sample", 0.2, timeout=180).code == 0
        text = sretool("procs", "show", pid, "--sample", 0)
        assert " deleted, 2.9M" in text.out
    replayed = sretool("--from", file, "procs", "show", pid, "--json")
    assert replayed.code == 0
    again = replayed.json["data"]
    assert replayed.json["data"]["window_s"] > 0
    for data in (live, again):
        gone = data["files"]["open"][0]
        assert (gone["deleted"], gone["size_bytes"], data["files"]["deleted"]) == (True, 3000000, 1)
        assert data["files"]["kinds"]["socket"] == data["sockets"]["total"] == 2
        listener = data["sockets"]["sockets"][0]
        assert (listener["state"], listener["accept_queue"], listener["accept_queue_limit"]) == (
            "listen",
            1,
            7,
        )
        assert data["sockets"]["states"] == {"tcp listen": 1, "tcp established": 1}
        assert sum(data["threads"]["states"].values()) == 5
        assert data["security"]["capabilities"]["dropped"] == live["security"]["capabilities"]["dropped"]
    for name in ("exe", "cwd", "user", "command"):
        assert again["process"][name] == live["process"][name]
    # null at a look that finds it running
    assert len({data["process"]["wchan"] for data in (live, again)} - {None}) <= 1
    assert same_start(again["process"]["started_at"], live["process"]["started_at"])
    assert again["memory"]["pss_bytes"] == pytest.approx(live["memory"]["pss_bytes"], rel=0.2)
    # never recorded: null, and not an empty list
    assert (again["log"], again["memory"]["maps"]) == (None, None)
    masked = sretool("--from", file, "procs", "show", pid, "--json", "--env").json
    assert (masked["data"]["environment"]["API_TOKEN"], masked["data"]["environment"]["PLAIN"]) == (
        "***",
        "yes",
    )


VFORK = f"import ctypes, time\n{READY}\nctypes.CDLL(None).vfork()\ntime.sleep(60)"


def test_a_process_that_is_stuck_for_real() -> None:
    with running(VFORK) as pid:
        until(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "D")
        began = time.monotonic()
        data = shown(pid, "--sample", "0.3")["data"]
        assert time.monotonic() - began < 20
        assert data["process"]["state"] == data["process"]["state_before"] == "disk-sleep"
        assert any("did not move" in note["text"] for note in data["notes"])
        assert data["memory"]["pss_bytes"] is None
        (thread,) = data["threads"]["blocked"]
        assert thread["stuck"] is True


NAMED = (
    f"import ctypes, time\nctypes.CDLL(None).prctl(15, b'e)\\n\\x1b[31m(x', 0, 0, 0)\n{READY}\ntime.sleep(60)"
)


@pytest.mark.parametrize("uid", [None, NOBODY])
def test_a_hostile_name(uid: int | None) -> None:
    with running(NAMED) as pid:
        answer = sretool("procs", "show", pid, "--sample", 0, uid=uid)
        assert answer.code == 0
        assert f"e)\\x0a\\x1b[31m(x[{pid}]" in answer.out
        assert "\x1b" not in answer.out + answer.err


def test_an_ordinary_user_sees_what_there_is_and_is_told_the_rest() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    with running(HOLDER) as pid:
        answer = shown(pid, "--sample", "0", uid=NOBODY)
        data = answer["data"]
        assert answer["status"] == "partial"
        assert (data["files"], data["io"], data["process"]["exe"], data["memory"]["pss_bytes"]) == (None,) * 4
        assert data["memory"]["rss_bytes"] > 0
        assert data["threads"]["total"] == 5
        denied = [error for error in answer["errors"] if error["code"] == "permission-denied"]
        assert denied
        assert all("sudo" in error["hint"] for error in denied)


def test_a_command_line_of_two_megabytes() -> None:
    long = ["x" * 100_000] * (os.sysconf("SC_ARG_MAX") // 100_000 - 1)  # with the stack limit it is 2 MB
    with running(f"{READY}\nimport time; time.sleep(60)", *long) as pid:
        command = shown(pid, "--sample", "0")["data"]["process"]["command"]
        assert len(command) == 4096
        assert command.endswith("…")


def test_bad_input() -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    for given, code, says in (
        (child.pid, 3, "no such process"),
        ("no-such-name-at-all", 3, "no-such-name-at-all"),
        ("99999999", 64, "4194304"),
        ("", 64, ""),
        ("-1", 64, ""),
    ):
        answer = sretool("procs", "show", given)
        assert (answer.code, answer.out) == (code, ""), answer.err
        assert says in answer.err
    with running(HOLDER) as pid:
        tid = next(int(name) for name in os.listdir(f"/proc/{pid}/task") if int(name) != pid)
        answer = sretool("procs", "show", tid)
        assert (answer.code, f"a thread of process {pid}" in answer.err) == (64, True)


def test_a_zombie_and_the_parent_that_does_not_wait() -> None:
    code = (
        "import os, time\npid = os.fork()\nif pid == 0: os._exit(0)\nprint(pid, flush=True)\ntime.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-S", "-E", "-c", code], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        pid = int(child.stdout.readline())
        until(lambda: psutil.Process(pid).status() == "zombie")
        answer = shown(pid, "--sample", "0")
        assert answer["data"]["process"]["state"] == "zombie"
        assert answer["data"]["notes"][0]["text"].endswith(f"[{child.pid}] does not wait for it")
        assert answer["data"]["memory"]["rss_bytes"] is None
    finally:
        child.kill()
        child.communicate()


def test_it_can_be_watched() -> None:
    with running(HOLDER) as pid:
        answer = sretool("procs", "show", pid, "-w", "-c", 2, "--sample", 0.2, "--jsonl")
        rounds = [json.loads(line) for line in answer.out.splitlines()]
        assert [one["data"]["window_s"] > 0.1 for one in rounds] == [True, True]


@pytest.mark.lab
def test_sockets_of_another_network_namespace() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to make a namespace")
    listen = "s = socket.socket(); s.bind(('0.0.0.0', 8123)); s.listen(3)"
    code = f"import socket, time\n{listen}\n{READY}\ntime.sleep(60)"
    child = subprocess.Popen(
        ["unshare", "-n", sys.executable, "-S", "-E", "-c", code],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline()
        found = shown(child.pid, "--sample", "0")["data"]["sockets"]
        assert found["host_namespace"] is False
        assert [(row["state"], row["local_port"]) for row in found["sockets"]] == [("listen", 8123)]
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
