"""What it costs to say nothing yet."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from bench.measure import SRETOOL, Row, beside

RUNS = 15  # they are short


def rows() -> Iterator[Row]:
    """--version, and help of the root and of a group."""
    bare = (sys.executable, "-c", "pass")
    ours, peer = beside((SRETOOL, "--version"), bare, runs=RUNS)
    yield Row("--version", "python3 -c pass", ours.wall_s * 1e3, peer.wall_s * 1e3, "ms", "≤ 2×")
    for words in ((), ("procs",), ("net",)):
        ours, peer = beside((SRETOOL, *words, "--help"), (sys.executable, "-c", "import typer"), runs=RUNS)
        job = " ".join((*words, "--help"))
        yield Row(job, "python3 -c 'import typer'", ours.wall_s * 1e3, peer.wall_s * 1e3, "ms", "≤ 1.3×")
