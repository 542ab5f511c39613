"""A network namespace of a test's own, and processes in it that say when they are ready."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from typing import Any

_count = itertools.count()


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
