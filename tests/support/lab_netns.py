"""A network namespace of a test's own, and processes in it that say when they are ready."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from sretool.host import netlink
from sretool.host.live import Live
from sretool.host.source import Dump, Frames

_count = itertools.count()


class Inside(Live):
    """This host with the netlink tables of another namespace."""

    def __init__(self, path: str) -> None:
        self.path = path

    def netlink(self, request: Dump, netns: str | None = None) -> Frames:
        return super().netlink(request, self.path)

    def stream(self, request: Dump) -> Iterator[bytes]:
        return netlink.stream(request, self.path)


class Namespace:
    """Deleted, and its processes ended, when the `with` block ends. `lo` is up."""

    def __init__(self) -> None:
        self.name = f"sretool-n{os.getpid()}-{next(_count)}"
        self._processes: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Namespace:
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.run("ip", "link", "set", "lo", "up")
        return self

    def __exit__(self, *exc: object) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()
        subprocess.run(["ip", "netns", "del", self.name], check=False)

    def run(self, *argv: str) -> str:
        done = subprocess.run(
            ["ip", "netns", "exec", self.name, *argv], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{argv}: {done.stderr}"
        return done.stdout

    def batch(self, commands: str, *options: str) -> None:
        """Lines for `ip -batch`."""
        done = subprocess.run(
            ["ip", *options, "-n", self.name, "-batch", "-"],
            input=commands,
            text=True,
            check=False,
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr

    @property
    def path(self) -> str:
        """What setns(2) opens."""
        return f"/run/netns/{self.name}"

    def json(self, *argv: str) -> Any:
        return json.loads(self.run(*argv) or "[]")

    def python(self, script: str, *args: object) -> subprocess.Popen[str]:
        """A process that runs `script`, once it has printed `ready`. It ends with the namespace."""
        process = subprocess.Popen(
            ["ip", "netns", "exec", self.name, sys.executable, "-c", script, *map(str, args)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._processes.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line == "ready\n", line
        return process
