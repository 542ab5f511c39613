"""The stock tools on the same paths: what the files expect is what others see too, where they can.

Where a tool is wrong the file says so under `[wrong]`, and it is not asked.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import path_files
import pytest
from lab_tun import TunLab
from path_expect import answered
from paths import Path, straight

pytestmark = [pytest.mark.lab, pytest.mark.oracle]

SCENARIOS = {file.stem: path_files.read(file) for file in sorted(path_files.FOLDER.glob("*.toml"))}
ASKED = [
    ("traceroute", "udp", 4), ("traceroute", "icmp", 6), ("traceroute", "tcp", 4),
    ("mtr", "icmp", 4), ("tracepath", "udp", 4), ("tracepath", "udp", 6),
]  # fmt: skip
FLAG = {"udp": [], "icmp": ["-I"], "tcp": ["-T"]}
MTR_FLAG = {"udp": ["-u"], "icmp": [], "tcp": ["-T"]}


class Said(NamedTuple):
    """Addresses by TTL, None for nobody; labels by address."""

    hops: dict[int, str | None]
    labels: dict[str, list[tuple[int, int, int, int]]]


def traceroute(run: Callable[..., str], protocol: str, target: str, asked: dict[str, Any]) -> Said:
    first, last = asked.get("--first-ttl", 1), asked.get("--max-ttl", 30)
    wait = ["-w", 0.1 + asked.get("--timeout", 0.3), "-N", "32", "-q", "1"]
    out = run("traceroute", "-n", "-e", *wait, "-f", first, "-m", last, *FLAG[protocol], target)
    hops: dict[int, str | None] = {}
    labels = {}
    for ttl, address, rest in re.findall(r"^ *(\d+)  (\S+)(.*)$", out, re.M):
        hops[int(ttl)] = None if address == "*" else address
        if found := re.search(r"<MPLS:([^>]*)>", rest):
            entries = re.findall(r"L=(\d+),E=(\d+),S=(\d+),T=(\d+)", found[1])
            labels[address] = [tuple(map(int, entry)) for entry in entries]
    return Said(hops, labels)  # type: ignore[arg-type]


def mtr(run: Callable[..., str], protocol: str, target: str, asked: dict[str, Any]) -> Said:
    first, last = asked.get("--first-ttl", 1), asked.get("--max-ttl", 30)
    quick = ["-c", 1, "-i", "0.1", "-G", "0.2", "-Z", "1"]
    out = run("mtr", "-n", "-j", *quick, "-f", first, "-m", last, *MTR_FLAG[protocol], target)
    hubs = json.loads(out)["report"]["hubs"]
    return Said({int(hub["count"]): None if hub["host"] == "???" else hub["host"] for hub in hubs}, {})


def tracepath(run: Callable[..., str], protocol: str, target: str, asked: dict[str, Any]) -> Said:
    out = run("tracepath", "-n", "-m", asked.get("--max-ttl", 30), target)
    rows = re.findall(r"^ *(\d+):  (no reply|\S+)", out, re.M)
    return Said({int(ttl): None if who == "no reply" else who for ttl, who in rows}, {})


TOOLS = {"traceroute": traceroute, "mtr": mtr, "tracepath": tracepath}


def variants() -> Iterator[Any]:
    for name, raw in SCENARIOS.items():
        run = raw.get("run", {})
        if run.get("command", "trace") != "trace" or {"--report", "--ecmp"} & set(run.get("args", [])):
            continue
        for tool, protocol, family in ASKED:
            expect = path_files.chosen(raw["expect"], f"v{family}", protocol, "sockets")
            if (
                tool not in raw.get("wrong", {})
                and protocol in run.get("protocols", [protocol])
                and family in run.get("families", [family])
                and expect.get("hops") is not None
                # it asks one hop after the other, and waits three seconds for each that is silent
                and not (tool == "tracepath" and "*" in str(expect["hops"]))
            ):
                yield pytest.param(name, tool, protocol, family, id=f"{name}-{tool}-{protocol}{family}")


@pytest.fixture(scope="module")
def lab() -> Iterator[TunLab]:
    with TunLab(straight(1)) as lab:
        yield lab


@pytest.mark.parametrize(("name", "tool", "protocol", "family"), list(variants()))
def test_a_stock_tool_sees_the_same(lab: TunLab, name: str, tool: str, protocol: str, family: int) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"needs {tool}")
    raw = path_files.chosen(SCENARIOS[name], f"v{family}", protocol, "sockets")
    path = path_files.load(path_files.FOLDER / f"{name}.toml", family)
    args = raw.get("run", {}).get("args", [])
    asked = dict(zip(args[::2], args[1::2]))
    lab.play(path)

    def run(*argv: object) -> str:
        command = ["ip", "netns", "exec", lab.netns, *map(str, argv)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=15)
        assert done.stdout, done.stderr
        return done.stdout

    said = TOOLS[tool](run, protocol, path.target, asked)
    ways = raw["expect"]["hops"]
    ways = ways if ways and isinstance(ways[0], list) else [ways]
    assert any(agrees(said, way, path, asked.get("--first-ttl", 1)) for way in ways), (said.hops, ways)
    for node in path.every_node():
        if tool == "traceroute" and node.labels and node.address in said.hops.values():
            assert said.labels[node.address] == [tuple(map(int, label)) for label in node.labels]


def agrees(said: Said, way: list[str], path: Path, first_ttl: int) -> bool:
    """Hop by hop; a hop that a tool does not show did not answer it."""
    wanted = path_files.unfolded(way)
    for ttl, want in enumerate(wanted, first_ttl):
        address = said.hops.get(ttl)
        names = [] if address is None else [path_files.name_of(address, path)]
        if not answered(names, want.replace("+", "|")):
            return False
    beyond = [address for ttl, address in said.hops.items() if ttl >= first_ttl + len(wanted)]
    return not any(beyond)
