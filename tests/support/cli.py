"""Run sretool as a user does: a process of its own, a clean environment, both streams kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

NOBODY = 65534
CLEAN = {"TERM": "dumb", "LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONDONTWRITEBYTECODE": "1"}


@dataclass
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def environment(**more: str) -> dict[str, str]:
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR") if key in os.environ}
    return {**kept, **CLEAN, **more}


def sretool(
    *args: object,
    uid: int | None = None,
    netns: str | None = None,
    env: dict[str, str] | None = None,
    timeout: float = 60,
    **popen: Any,
) -> Outcome:
    """`python -m sretool ARGS`, as `uid` (65534 is nobody) and in network namespace `netns` when given."""
    argv = [sys.executable, "-m", "sretool", *map(str, args)]
    if uid is not None:
        # setpriv drops groups and capabilities with the uid
        argv = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--inh-caps=-all", *argv]
    if netns is not None:
        argv = ["ip", "netns", "exec", netns, *argv]
    popen.setdefault("cwd", "/")
    done = subprocess.run(
        argv,
        env=environment(**(env or {})),
        capture_output=True,
        timeout=timeout,
        text=True,
        errors="backslashreplace",
        stdin=subprocess.DEVNULL,
        check=False,
        **popen,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)
