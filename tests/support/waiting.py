"""Waiting for what another process does, without guessing how long it takes."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path


def until_asleep(process: subprocess.Popen[str]) -> None:
    """Until it sleeps with nothing left to do: three looks in a row that used no CPU and slept."""
    end, still, before = time.monotonic() + 30, 0, -1
    while still < 3:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "it never slept"
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        used = int(fields[11]) + int(fields[12])
        still = still + 1 if fields[0] == "S" and used == before and used > 0 else 0
        before = used
        time.sleep(0.05)


def until(true: Callable[[], bool]) -> None:
    """Until it is so."""
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end, "it never became so"
        time.sleep(0.02)
