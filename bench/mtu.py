"""Path MTUs of simulated paths, beside tracepath."""

from __future__ import annotations

import json
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.measure import RUNS, SRETOOL, Row, beside, once

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/support"))  # the tests' own labs

HOPS, NARROW, MTU = 8, 4, 1400


def rows() -> Iterator[Row]:
    """Eight hops, 80 ms; behind the fourth only 1,400 bytes fit. Every node answers as seldom as Linux."""
    job = f"path MTU, {HOPS} hops, farthest RTT 80 ms, {MTU} bytes behind hop {NARROW}"
    yield from _row(
        f"{job}, said by the router: network time", "two round trips", ptb=True, target="≤ 2.2 RTT"
    )
    yield from _row("the same, never said (a black hole): network time", "tracepath, once", ptb=False)


def _row(job: str, peer: str, *, ptb: bool, target: str = "≤ 1000 ms") -> Iterator[Row]:
    from lab_tun import TunLab

    taken = []
    for _ in range(RUNS):
        # a path of its own each time: what routers answer in a second is limited
        with TunLab(_path(ptb)) as lab:
            inside = ["ip", "netns", "exec", lab.netns]
            ours = [*inside, SRETOOL, "net", "mtu", lab.path.target]
            data = json.loads(subprocess.run([*ours, "--json"], capture_output=True, check=False).stdout)[
                "data"
            ]
            right = data["path_mtu_bytes"] == MTU
            hole = data["black_hole"]
            right = right and (hole is None if ptb else hole["after"]["ttl"] == NARROW)
            taken.append(data["network_ms"] if right else float("inf"))
    ours_ms = statistics.median(taken)
    if ptb:
        yield Row(job, peer, ours_ms, 160.0, "ms", target)
    if shutil.which("tracepath") is None:
        if not ptb:
            yield Row(job, peer, ours_ms, None, "ms", target)
        return
    with TunLab(_path(ptb)) as lab:
        inside = ["ip", "netns", "exec", lab.netns]
        theirs = [*inside, "tracepath", "-n", "-m", str(HOPS + 2), lab.path.target]
        if ptb:
            mine, other = beside([*inside, SRETOOL, "net", "mtu", lab.path.target], theirs, runs=3)
            yield Row(
                "the same, whole process", "tracepath", mine.wall_s * 1e3, other.wall_s * 1e3, "ms", "≤ 1×"
            )
        else:
            cost = once(theirs)
            yield Row(job, peer, ours_ms, cost.wall_s * 1e3, "ms", target, f"tracepath: {_said(lab)}")


def _path(ptb: bool) -> Any:
    from paths import straight

    path = straight(HOPS)
    path.nodes(NARROW)[0].mtu, path.nodes(NARROW)[0].ptb = MTU, ptb
    for node in path.every_node():
        node.burst, node.per_s = 6, 1.0
    return path


def _said(lab: Any) -> str:
    """What tracepath thinks at its first hops; to its end it takes as long again."""
    argv: Sequence[str] = ("ip", "netns", "exec", lab.netns, "tracepath", "-n", "-m", "4", lab.path.target)
    out = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    found = re.findall(r"pmtu (\d+)", out)
    return f"pmtu {found[-1]}" if found else "no answer"
