"""Whole processes, interpreter start included; ours and the peer's in turns, medians."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

SRETOOL = str(Path(sys.executable).with_name("sretool"))
RUNS = 5


class Cost(NamedTuple):
    """One process: wall time, CPU time of it and its children, largest resident memory."""

    wall_s: float
    cpu_s: float
    peak_bytes: int


class Row(NamedTuple):
    """One line of the table. `ours` and `peer` are in `unit`; peer None: there is none here."""

    job: str
    beside: str
    ours: float
    peer: float | None
    unit: str
    target: str
    note: str = ""


def once(argv: Sequence[str]) -> Cost:
    """Run it into a pipe that is read at once, as users do: some tools write to /dev/null for less."""
    start = time.perf_counter()
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
    ) as process:
        assert process.stdout is not None
        while process.stdout.read(1 << 20):
            pass
        _, _, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = 0  # wait4 took it
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


def beside(*lines: Sequence[str], runs: int = RUNS) -> list[Cost]:
    """The median cost of each command line; they are run in turns, so that what else the machine
    does meets all of them.
    """
    taken: list[list[Cost]] = [[] for _ in lines]
    for line in lines:
        once(line)  # fills caches
    for _ in range(runs):
        for line, costs in zip(lines, taken):
            costs.append(once(line))
    return [Cost(*map(statistics.median, zip(*costs))) for costs in taken]


def megabytes(cost: Cost) -> str:
    """Its peak memory, for a note."""
    return f"peak {cost.peak_bytes / 1e6:.0f} MB"


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| job | beside | ours | peer | ratio | target | |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        peer = "–" if row.peer is None else f"{row.peer:.2f} {row.unit}"
        ratio = "–" if not row.peer else f"{row.ours / row.peer:.2f}×"
        ours = f"{row.ours:.2f} {row.unit}"
        lines.append(f"| {row.job} | {row.beside} | {ours} | {peer} | {ratio} | {row.target} | {row.note} |")
    return "\n".join(lines)
