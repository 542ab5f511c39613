"""Crowds to measure against: idle processes, TCP sockets, routes. Each is gone after its block."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_V1 = ("memory", "cpu", "pids")
_PROCESSES = """
import os, signal, sys
children = []
for _ in range(int(sys.argv[1])):
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        while True:
            signal.pause()
    children.append(pid)
print("ready", flush=True)
sys.stdin.read()
for pid in children:
    os.kill(pid, signal.SIGKILL)
"""

_SOCKETS = """
import os, resource, signal, socket, subprocess, sys
pairs = int(sys.argv[1])
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
processes = max(10, -(-2 * pairs // (most - 50)))
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
children, done = [], os.pipe()
for number in range(processes):
    pid = os.fork()
    if pid == 0:
        listener = socket.create_server((f"127.0.{number // 250 + 1}.{number % 250 + 1}", 7000), backlog=128)
        kept = []
        for _ in range(pairs // processes):
            kept.append(socket.create_connection(listener.getsockname()))
            kept.append(listener.accept()[0])
        os.write(done[1], b".")
        while True:
            signal.pause()
    children.append(pid)
for _ in children:
    assert os.read(done[0], 1) == b"."
print("ready", flush=True)
sys.stdin.read()
for pid in children:
    os.kill(pid, signal.SIGKILL)
"""

_ROUTES = """
import subprocess, sys
batch = ["link add d0 type veth peer name d1", "link set d0 up", "link set d1 up"]
batch += ["addr add 10.255.0.1/16 dev d0"]
for number in range(int(sys.argv[1])):
    third, fourth = divmod(number, 256)
    second, third = divmod(third, 256)
    batch.append(f"route add 20.{second}.{third}.{fourth}/32 via 10.255.0.{number % 250 + 2}")
subprocess.run(["ip", "-batch", "-"], input="\\n".join(batch), text=True, check=True)
print("ready", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def _helper(script: str, count: int, *prefix: str) -> Iterator[int]:
    process = subprocess.Popen(
        [*prefix, sys.executable, "-I", "-c", script, str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        if process.stdout.readline() != "ready\n":
            raise RuntimeError(f"could not make {count}")
        yield process.pid
    finally:
        process.stdin.close()  # its read ends, and with it all it made
        process.wait()
        process.stdout.close()


@contextlib.contextmanager
def processes(count: int) -> Iterator[None]:
    """So many more idle processes."""
    with _helper(_PROCESSES, count):
        yield


@contextlib.contextmanager
def sockets(count: int) -> Iterator[tuple[str, ...]]:
    """A network namespace with so many TCP sockets of ten processes or more; the prefix that enters it."""
    with _helper(_SOCKETS, count // 2, "unshare", "-n") as pid:
        yield ("nsenter", "-t", str(pid), "-n")


@contextlib.contextmanager
def routes(count: int) -> Iterator[tuple[str, ...]]:
    """A network namespace with so many routes; the prefix that enters it."""
    with _helper(_ROUTES, count, "unshare", "-n") as pid:
        yield ("nsenter", "-t", str(pid), "-n")


@contextlib.contextmanager
def cgroups(count: int) -> Iterator[int]:
    """So many more empty groups in each hierarchy we can write to; in how many that is."""
    mounts = [Path("/sys/fs/cgroup", name) for name in ("", *_V1)]
    parents = [mount / "sretool-bench" for mount in mounts if os.access(mount / "cgroup.procs", os.W_OK)]
    try:
        for parent in parents:
            parent.mkdir()
            controllers = parent / "cgroup.controllers"
            if controllers.exists():  # v2: the groups below have them when told so
                names = (f"+{name}" for name in controllers.read_text().split())
                (parent / "cgroup.subtree_control").write_text(" ".join(names))
            for number in range(count):
                (parent / str(number)).mkdir()
        yield len(parents)
    finally:
        for parent in filter(Path.is_dir, parents):
            for group in (*filter(Path.is_dir, parent.iterdir()), parent):
                group.rmdir()


def root() -> bool:
    """Whether namespaces can be made."""
    return os.geteuid() == 0
