"""`sretool procs list` on this host, beside ps and psutil, as root and as an ordinary user."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from cli import NOBODY, sretool
from instants import unix

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
                if (
                    row is None
                    or row["age_s"] < 2
                    or abs(process.create_time() - (time.time() - row["age_s"])) > 5
                ):
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


def listed(*args: object, uid: int | None = None) -> dict[int, Any]:
    answer = sretool("procs", "list", "--json", *args, uid=uid)
    assert answer.code == 0, answer.err
    return {row["pid"]: row for row in answer.json["data"]["processes"]}


LISTENING = """
import os, socket, time
server = socket.create_server(("127.0.0.1", 0))
if os.fork() == 0:
    time.sleep(600)
print(server.getsockname()[1], flush=True)
time.sleep(600)
"""


def test_all_who_hold_a_port_and_what_started_them() -> None:
    child = subprocess.Popen(
        [sys.executable, "-S", "-c", LISTENING], stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        assert child.stdout is not None
        port = int(child.stdout.readline())
        (worker,) = psutil.Process(child.pid).children()
        assert set(listed("--sample", 0, "--port", port)) == {child.pid, worker.pid}
        tree = listed("--sample", 0, "--port", port, "--tree", "--fields", "pid,ppid,depth,context")
        assert {pid for pid, row in tree.items() if not row["context"]} == {child.pid, worker.pid}
        assert {1, os.getpid()} <= set(tree)
        assert tree[worker.pid]["depth"] == tree[child.pid]["depth"] + 1
        text = sretool("procs", "list", "--sample", 0, "--port", port, "--tree").out
        assert sum("* " in line for line in text.splitlines()) == 2
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
    gone = sretool("procs", "list", "--sample", 0, "--port", port)
    assert (gone.code, gone.out) == (0, "no process matches\n")


def test_a_wrong_state_lists_them() -> None:
    wrong = sretool("procs", "list", "--state", "hanging")
    assert (wrong.code, len(wrong.err.splitlines())) == (64, 1)
    assert "disk-sleep (D)" in wrong.err


def test_a_command_line_of_two_megabytes_is_bounded() -> None:
    many = ["x" * 1000] * 1500  # of at most 128 KiB each
    child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)", *many])
    try:
        until(lambda: len(Path(f"/proc/{child.pid}/cmdline").read_bytes()) > 1_500_000)
        row = listed("--sample", 0, "--fields", "pid,command")[child.pid]
        assert len(row["command"]) == 4096
        assert row["command"].endswith("x…")
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize("uid", [None, NOBODY])
def test_hidepid_hides_and_is_said(uid: int | None) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to mount /proc")
    from cli import environment, reachable

    drop = (
        [] if uid is None else [*reachable(), "setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    )
    script = 'mount -t proc -o hidepid=2 proc /proc && exec "$@"'
    argv = [sys.executable, "-m", "sretool", "procs", "list", "--sample", "0", "--json"]
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", *drop, *argv],
        env=environment(),
        capture_output=True,
        check=False,
        cwd="/",
    )
    if b"mount:" in done.stderr:
        pytest.skip("no procfs can be mounted here")
    answer = json.loads(done.stdout)
    users = {row["user"] for row in answer["data"]["processes"]}
    if uid is None:
        assert (answer["status"], 1 in {row["pid"] for row in answer["data"]["processes"]}) == ("ok", True)
    else:
        assert users == {"nobody"}
        assert [error["what"] for error in answer["errors"]] == ["/proc"]
        assert "hidepid" in answer["errors"][0]["message"]


def kernel_file(pid: int, file: str) -> dict[str, str]:
    with open(f"/proc/{pid}/{file}") as lines:
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


BUSY = """
import mmap, sys, time
memory = mmap.mmap(-1, 30 << 20)
memory.write(b"x" * (30 << 20))
private = bytearray(40 << 20)
print("ready", flush=True)
while True:
    with open(sys.argv[1], "wb", 0) as file:
        file.write(b"y" * (1 << 20))
    time.sleep(0.01)
"""
PARTS = (
    "pid,state,anon_bytes,file_bytes,shmem_bytes,swap_bytes,pss_bytes,oom_score,oom_score_adj,seccomp,no_new_privs,"
    "net_namespace,pid_namespace,user_namespace,fds,fd_limit,threads_limit,policy,realtime_priority,nice,started_at,"
    "voluntary_switches_per_s,write_bytes_per_s"
)


@pytest.mark.oracle
def test_parts_of_a_row_as_the_kernel_files_and_psutil_say(tmp_path: Any) -> None:
    with running(BUSY, str(tmp_path / "file")) as child:
        pid, process = child.pid, psutil.Process(child.pid)
        before, io = process.num_ctx_switches(), process.io_counters()
        start = time.monotonic()
        row = listed("--sample", 1, "--fields", PARTS)[pid]
        while row["state"] == "disk-sleep":  # the disk keeps it waiting: then nothing asks for its memory
            start = time.monotonic()
            before, io = process.num_ctx_switches(), process.io_counters()
            row = listed("--sample", 1, "--fields", PARTS)[pid]
        took = time.monotonic() - start
        switches, written = process.num_ctx_switches(), process.io_counters()
        status, rollup = kernel_file(pid, "status"), kernel_file(pid, "smaps_rollup")

        def near(value: int, told: str, share: float = 0.05) -> bool:
            return abs(value - int(told.split(maxsplit=1)[0]) * 1024) <= share * value + (2 << 20)

        assert near(row["anon_bytes"], status["RssAnon"])
        assert near(row["file_bytes"], status["RssFile"])
        assert near(row["shmem_bytes"], status["RssShmem"])
        assert row["shmem_bytes"] >= 30 << 20
        assert row["anon_bytes"] >= 40 << 20
        assert row["swap_bytes"] == int(status["VmSwap"].split()[0]) * 1024
        assert near(row["pss_bytes"], rollup["Pss"])
        assert {"disabled": "0", "strict": "1", "filter": "2"}[row["seccomp"]] == status["Seccomp"]
        assert row["no_new_privs"] == (status["NoNewPrivs"] == "1")
        for name in ("net", "pid", "user"):
            assert row[f"{name}_namespace"] == os.stat(f"/proc/{pid}/ns/{name}").st_ino
        with open(f"/proc/{pid}/oom_score_adj") as file:
            assert row["oom_score_adj"] == int(file.read())
        with open(f"/proc/{pid}/oom_score") as file:
            assert abs(row["oom_score"] - int(file.read())) < 20
        assert row["fd_limit"] == process.rlimit(psutil.RLIMIT_NOFILE)[0]
        nproc = process.rlimit(psutil.RLIMIT_NPROC)[0]
        assert row["threads_limit"] == (None if nproc == psutil.RLIM_INFINITY else nproc)
        assert row["fds"] in (process.num_fds(), process.num_fds() + 1, process.num_fds() - 1)
        assert (row["policy"], row["realtime_priority"], row["nice"]) == ("other", 0, process.nice())
        assert abs(unix(row["started_at"]) - process.create_time()) < 2
        # the second of our sample lies within the time between psutil's looks
        assert 0 < row["voluntary_switches_per_s"] <= (switches.voluntary - before.voluntary) + took
        assert 0 < row["write_bytes_per_s"] <= (written.write_bytes - io.write_bytes) * 1.2 + (1 << 20)


def test_realtime_is_told_and_a_hog_of_it_is_found() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to run under fifo")
    # on one CPU of at least two, and the kernel keeps 5 % of it for us
    spin = "import os; os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})\n"
    spin += "print(1, flush=True)\nwhile True: pass"
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("it would take the only CPU")
    with running(spin) as child:
        os.sched_setscheduler(child.pid, os.SCHED_FIFO, os.sched_param(1))
        row = listed("--sample", 0, "--fields", "pid,policy,realtime_priority")[child.pid]
        assert (row["policy"], row["realtime_priority"]) == ("fifo", 1)
        found = sretool("triage", "--only", "process.realtime-hog", "--sample", 1, "--json")
        os.sched_setscheduler(child.pid, os.SCHED_OTHER, os.sched_param(0))
        assert child.pid in [item["subject"]["pid"] for item in found.json["findings"]]
        assert found.code == 1


POOL = """
resource.setrlimit(resource.RLIMIT_NPROC, (24, 24))
for _ in range(20): threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
print("ready", flush=True)
time.sleep(600)
"""


def test_threads_that_run_out_for_a_user() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    nobody_has = 54321  # a uid of its own: what else that user runs would count
    # what it needs it loads as root: the interpreter may lie where others cannot read
    code = f"import os, resource, threading, time; os.setgid({nobody_has}); os.setuid({nobody_has})\n{POOL}"
    with running(code) as child:
        found = sretool("triage", "--only", "process.thread-limit", "--sample", 0, "--json")
        (finding,) = (item for item in found.json["findings"] if item["subject"]["id"] == str(nobody_has))
        assert finding["subject"]["pid"] == child.pid
        assert (finding["severity"], finding["evidence"][0]["value"]) == ("warning", 21)
