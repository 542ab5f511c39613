"""Faults made for real on this host, each in a corner of its own, and named by triage."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cli import environment, sretool

pytestmark = pytest.mark.lab

CPUS = os.cpu_count() or 1
HOLD_S = 60  # every helper process ends by itself


@contextmanager
def helper(code: str, *, argv: tuple[str, ...] = (), count: int = 1, **popen: Any) -> Iterator[list[Any]]:
    """Python processes that run `code` until the block ends. Each prints a line when it is ready."""
    started = [
        subprocess.Popen(
            [*argv, sys.executable, "-S", "-c", f"import signal; signal.alarm({HOLD_S})\n{code}"],
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            **popen,
        )
        for _ in range(count)
    ]
    try:
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline(), "the helper did not start"
        yield started
    finally:
        for process in started:
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stdout.close()


def until(condition: Callable[[], bool], what: str, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} did not come about in {seconds} s"
        time.sleep(0.05)


def findings(answer: Any, id: str) -> list[Any]:
    return [finding for finding in answer["findings"] if finding["id"] == id]


def test_more_spinners_than_cpus() -> None:
    def runnable() -> int:
        with open("/proc/stat") as file:
            return int(re.findall(r"procs_running (\d+)", file.read())[0])

    with helper("print('ready', flush=True)\nwhile True: pass", count=2 * CPUS + 2):
        until(lambda: runnable() > 2 * CPUS, "a run queue")
        done = sretool("triage", "--json")
    found = findings(done.json, "cpu.saturation")
    assert found, done.json["findings"]
    assert done.code in (1, 2)
    sources = {item["source"] for item in found[0]["evidence"]}
    assert "/proc/stat procs_running" in sources
    assert "sretool procs list --sort cpu_ratio" in found[0]["next"]


def after(script: str, *args: str) -> subprocess.CompletedProcess[str]:
    """sretool ARGS in a private mount namespace, where `script` has run first."""
    argv = ["unshare", "-m", "sh", "-c", f'{script} && exec "$@"', "sh"]
    argv += [sys.executable, "-m", "sretool", *args]
    return subprocess.run(argv, env=environment(), capture_output=True, check=False, text=True)


def test_full_tmpfs(tmp_path: Any) -> None:
    script = f"mount -t tmpfs -o size=1m full {tmp_path} && ! head -c 2m /dev/zero >{tmp_path}/file"
    done = after(script, "triage", "--json", "--only", "fs", "--sample", "0")
    assert done.returncode == 2, done.stderr
    (found,) = [
        item
        for item in findings(json.loads(done.stdout), "fs.space")
        if item["subject"]["id"] == str(tmp_path)
    ]
    assert found["severity"] == "critical"
    assert "0 of 1.0M available" in found["summary"]


def test_remounted_read_only_against_fstab(tmp_path: Any) -> None:
    """In a mount namespace with an fstab of its own: a filesystem that should be rw, and is ro."""
    script = (
        f"mkdir {tmp_path}/m && mount -t tmpfs -o size=1m data {tmp_path}/m && "
        f"echo 'data {tmp_path}/m tmpfs rw 0 0' > {tmp_path}/fstab && "
        f"mount --bind {tmp_path}/fstab /etc/fstab && mount -o remount,ro {tmp_path}/m"
    )
    done = after(script, "triage", "--only", "fs.read-only", "--sample", "0")
    assert done.returncode == 2, done.stderr
    assert f"{tmp_path}/m is read-only; /etc/fstab wants it rw" in done.stdout


def test_zombie_pile_up() -> None:
    code = (
        "import os, time\n"
        "for _ in range(7):\n"
        "    if os.fork() == 0: os._exit(0)\n"
        "time.sleep(0.2); print('ready', flush=True); time.sleep(60)"
    )
    with helper(code) as (parent,):
        done = sretool("triage", "--json", "--only", "process.zombies", "--sample", "0.3")
        found = findings(done.json, "process.zombies")
        assert found
        assert any(item["value"] == 7 and str(parent.pid) in item["what"] for item in found[0]["evidence"])
        assert done.code in (1, 2)


def test_process_near_its_descriptor_limit() -> None:
    def lower() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))

    code = (
        "import os, time\n"
        "held = [os.open('/dev/null', os.O_RDONLY) for _ in range(36)]\n"
        "print('ready', flush=True); time.sleep(60)"
    )
    with helper(code, preexec_fn=lower) as (process,):
        done = sretool("triage", "--json", "--only", "process.fd-limit", "--sample", "0")
        found = findings(done.json, "process.fd-limit")
        (ours,) = [item for item in found if item["subject"]["pid"] == process.pid]
        assert ours["severity"] == "critical"
        assert done.code == 2


SERVER = """
import socket, time
server = socket.socket()
server.bind(("127.0.0.1", 8080))
server.listen(4)
print("ready", flush=True)
{then}
"""
CLIENTS = """
import socket, time
print("ready", flush=True)
held = []
while True:
    client = socket.socket()
    client.setblocking(False)
    client.connect_ex(("127.0.0.1", 8080))
    held = [client, *held][:300]
    time.sleep(0.01)
"""


@pytest.fixture
def netns() -> Iterator[str]:
    name = f"sretool-triage-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        yield name
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def overflowing(netns: str) -> bool:
    """The queue of port 8080 holds more than its backlog, by ss."""
    argv = ["ip", "netns", "exec", netns, "ss", "-Hltn", "sport = :8080"]
    fields = subprocess.run(argv, capture_output=True, check=True, text=True).stdout.split()
    return len(fields) > 2 and int(fields[1]) > int(fields[2])


def test_overflowing_listener(netns: str) -> None:
    inside = ("ip", "netns", "exec", netns)
    with helper(SERVER.format(then="time.sleep(60)"), argv=inside) as (server,), helper(CLIENTS, argv=inside):
        until(lambda: overflowing(netns), "a full accept queue")
        done = sretool("triage", "--json", netns=netns)
    (found,) = findings(done.json, "tcp.accept-queue-overflow")
    assert found["subject"]["id"] == "127.0.0.1:8080"
    assert found["subject"]["pid"] == server.pid
    assert done.code in (1, 2)
    assert "somaxconn" in found["remedy"]


def cpu_hierarchy() -> tuple[str, str, str] | None:
    """Where a CPU quota can be set here: a directory, and the files of quota and period."""
    if os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
        with open("/sys/fs/cgroup/cgroup.subtree_control") as file:
            if "cpu" in file.read().split():
                return "/sys/fs/cgroup", "cpu.max", "2000 100000"
    for point in ("/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"):
        if os.path.exists(f"{point}/cpu.cfs_quota_us"):
            return point, "cpu.cfs_quota_us", "2000"
    return None


@pytest.fixture
def quota() -> Iterator[str]:
    """A cgroup that may use 2 % of one CPU."""
    where = cpu_hierarchy()
    if where is None:
        pytest.skip("no CPU quota can be set here")
    point, file, value = where
    path = f"{point}/sretool-triage-{os.getpid()}"
    os.mkdir(path)
    try:
        with open(f"{path}/{file}", "w") as limit:
            limit.write(value)
        yield path
    finally:
        until(lambda: not Path(path, "cgroup.procs").read_text(), "an empty cgroup")
        os.rmdir(path)


def test_overflow_because_throttled(netns: str, quota: str) -> None:
    """The listener's process spins in a cgroup that is out of quota: the join tells the cause."""
    inside = ("ip", "netns", "exec", netns)
    with (
        helper(SERVER.format(then="while True: pass"), argv=inside) as (server,),
        helper(CLIENTS, argv=inside),
    ):
        with open(f"{quota}/cgroup.procs", "w") as procs:
            procs.write(str(server.pid))
        until(lambda: overflowing(netns), "a full accept queue")
        # not `ip netns exec`, which mounts a /sys of its own, without cgroups
        done = subprocess.run(
            ["nsenter", f"--net=/run/netns/{netns}", sys.executable, "-m", "sretool", "triage", "--json"],
            env=environment(),
            capture_output=True,
            check=False,
        )
    answer = json.loads(done.stdout)
    group = "/" + os.path.basename(quota)
    (found,) = findings(answer, "join.accept-queue-starved")
    assert f"because its cgroup {group} is throttled in" in found["summary"]
    assert f"raise the CPU quota of {group}" in found["remedy"]
    assert findings(answer, "tcp.accept-queue-overflow") == []
    throttled = [item["subject"]["id"] for item in findings(answer, "cgroup.cpu-throttled")]
    assert group in throttled
    assert done.returncode in (1, 2)
