"""A whole triage, and what a watch costs the host it watches."""

from __future__ import annotations

from collections.abc import Iterator

from bench import crowd
from bench.measure import SRETOOL, Row, beside, once

ROUNDS = 5


def rows() -> Iterator[Row]:
    """triage, watch."""
    (ours,) = beside((SRETOOL, "triage"))
    yield Row("triage with its 1 s sample", "–", ours.wall_s, None, "s", "≤ 3 s")
    yield Row("the same, CPU time", "–", ours.cpu_s, None, "s", "≤ 0.6 s")
    with crowd.processes(500):
        with crowd.cgroups(300) as hierarchies:
            (ours,) = beside((SRETOOL, "triage"))
        if hierarchies:
            job = f"the same, 500 processes, 300 cgroups in each of {hierarchies} hierarchies"
            yield Row(job, "–", ours.cpu_s, None, "s", "≤ 0.6 s")
        # what the start costs is in both
        line = (SRETOOL, "procs", "list", "--watch", "--jsonl", "--count")
        short, long = once((*line, "2")), once((*line, str(2 + ROUNDS)))
    share = (long.cpu_s - short.cpu_s) / (long.wall_s - short.wall_s)
    yield Row("watch procs at 1 s, 500 processes", "one core", share * 100, 100.0, "%", "≤ 0.02×")
