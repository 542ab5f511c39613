"""Network time and whole processes against simulated paths and name servers with known delays."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench import ecmp, mtu
from bench.crowd import root
from bench.measure import RUNS, SRETOOL, Row, beside, once

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/support"))  # the tests' own labs

CUT_S = 0.05


def rows() -> Iterator[Row]:
    """Traces, path MTUs and DNS traces."""
    if root():
        yield from _traces()
        yield from mtu.rows()
        yield from ecmp.rows()
    yield from _dns()


def _network_ms(argv: Sequence[str]) -> float:
    """The median of `data.network_ms`, of several paths the longest."""
    taken = []
    for _ in range(RUNS):
        done = subprocess.run([*argv, "--json"], capture_output=True, check=False)
        data = json.loads(done.stdout)["data"]
        taken.append(max(float(path["network_ms"]) for path in (data, *data.get("others", ()))))
    return statistics.median(taken)


def _traces() -> Iterator[Row]:
    from lab_tun import TunLab
    from paths import straight

    have = shutil.which("traceroute") is not None

    def lines(lab: Any) -> tuple[list[str], list[str]]:
        inside = ["ip", "netns", "exec", lab.netns]
        peer = [*inside, "traceroute", "-n", "-N16", lab.path.target]
        return [*inside, SRETOOL, "net", "trace", lab.path.target], peer

    with TunLab(straight(12)) as lab:
        ours, peer = lines(lab)
        job = "trace 12 hops, farthest RTT 120 ms"
        yield Row(f"{job}: network time", "the farthest RTT", _network_ms(ours), 120.0, "ms", "≤ 1.1×")
        if have:
            mine, theirs = beside(ours, peer)
            yield Row(
                "the same, whole process",
                "traceroute -N16",
                mine.wall_s * 1e3,
                theirs.wall_s * 1e3,
                "ms",
                "≤ 1.2×",
            )
        inside = ["ip", "netns", "exec", lab.netns]
        for tool, peer_argv in (
            ("mtr -r -c1", ["mtr", "-n", "-r", "-c1"]),
            ("tracepath", ["tracepath", "-n", "-m30"]),
        ):
            if shutil.which(peer_argv[0]) is not None:
                theirs_ms = once([*inside, *peer_argv, lab.path.target]).wall_s * 1e3
                own = once([*inside, SRETOOL, "net", "trace", lab.path.target]).wall_s * 1e3
                yield Row("the same, whole process", f"{tool}, once", own, theirs_ms, "ms", "")
        yield from _more_of_them(lab)
    for job, path, target in (
        ("the same, two hops silent: network time", straight(12, silent=(4, 7)), "≤ 350 ms"),
        ("the same, target silent: network time", straight(12, target_silent=True), "≤ 1200 ms"),
    ):
        with TunLab(path) as lab:
            ours, peer = lines(lab)
            waited = once(peer).wall_s * 1e3 if have else None
            yield Row(job, "traceroute -N16, once", _network_ms(ours), waited, "ms", target)


def _more_of_them(lab: Any) -> Iterator[Row]:
    """By every method, of many targets, and over rounds, on the path of 12 hops."""
    inside = ["ip", "netns", "exec", lab.netns, SRETOOL, "net", "trace"]
    for method in ("raw", "sockets"):
        for protocol in ("udp", "icmp", "tcp"):
            argv = [*inside, "--protocol", protocol, "--method", method, lab.path.target]
            try:
                yield Row(
                    f"trace 12 hops, {protocol} by {method}: network time",
                    "the farthest RTT",
                    _network_ms(argv),
                    120.0,
                    "ms",
                    "≤ 1.1×",
                )
            except KeyError:  # no ICMP sockets for this user
                continue
    many = [f"10.99.254.{number}" for number in range(1, 51)]
    yield Row(
        "trace of 50 targets at once, 12 hops each: network time of the slowest",
        "the farthest RTT",
        _network_ms([*inside, *many]),
        120.0,
        "ms",
        "the slowest's",
    )
    short, long = (once([*inside, "-w", "-c", str(count), lab.path.target]) for count in (2, 22))
    mtr = ["ip", "netns", "exec", lab.netns, "mtr", "-n", "-r", "-c"]
    theirs = None
    if shutil.which("mtr") is not None:
        few, lots = (once([*mtr, str(count), lab.path.target]) for count in (2, 22))
        theirs = (lots.cpu_s - few.cpu_s) / 20 * 100
    ours = (long.cpu_s - short.cpu_s) / 20 * 100
    yield Row("trace -w of 12 hops, a round a second: CPU of a core", "mtr -r", ours, theirs, "%", "")


def _dns() -> Iterator[Row]:
    from fakedns import Server, World, serve

    slow = (f"delay:{CUT_S}",)
    a, b, c, dead = "127.9.8.1", "127.9.8.2", "127.9.8.3", "127.9.8.4"
    zones = {
        ".": f"@ NS a.\ntest. NS a.test.\ntest. NS d.test.\na.test. A {b}\nd.test. A {{second}}\n",
        "test.": f"lab.test. NS a.lab.test.\na.lab.test. A {c}\n",
        "lab.test.": "www 60 A 192.0.2.1\n",
    }
    for job, second, target in (
        ("DNS trace, 3 cuts at 50 ms: network time", b, "≤ 220 ms"),
        ("the same, one of two servers dead: network time", dead, "≤ 4000 ms"),
    ):
        world = World(
            {name: text.replace("{second}", second) for name, text in zones.items()},
            {
                a: Server((".",), slow),
                b: Server(("test.",), slow),
                c: Server(("lab.test.",), slow),
                dead: Server(("test.",), ("drop",)),
            },
        )
        with tempfile.TemporaryDirectory() as folder, serve(world) as port:
            hints = Path(folder) / "hints"
            hints.write_text(f". 3600 NS a.\na. 3600 A {a}\n")
            argv = (SRETOOL, "dns", "trace", "www.lab.test", "--hints", str(hints), "--port", str(port))
            yield Row(job, "three round trips", _network_ms(argv), 3 * CUT_S * 1e3, "ms", target)
