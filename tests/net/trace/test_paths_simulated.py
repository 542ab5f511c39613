"""The scenarios of tests/lab/paths without a packet: what they expect of raw networks, the engine
alone must say.
"""

from __future__ import annotations

from typing import Any

import msgspec
import path_files
import pytest
from path_expect import differences
from sim_network import SimNetwork
from trace_sim import traced

from sretool.net.trace.checks import CHECKS
from sretool.report.check import judge

SCENARIOS = {file.stem: path_files.read(file) for file in sorted(path_files.FOLDER.glob("*.toml"))}
PLAN = {"--timeout": "timeout_s", "--max-ttl": "max_ttl", "--first-ttl": "first_ttl", "--queries": "queries"}
VARIANTS = [("udp", 4), ("icmp", 6), ("tcp", 4)]
EXIT = {"info": 0, "warning": 1, "critical": 2}


def variants() -> list[Any]:
    found = []
    for name, raw in SCENARIOS.items():
        run = raw.get("run", {})
        if run.get("command", "trace") != "trace" or not set(run.get("args", [])[::2]) <= set(PLAN):
            continue
        if "raw" in run.get("methods", ["raw"]):
            found += [
                pytest.param(name, protocol, family, id=f"{name}-{protocol}{family}")
                for protocol, family in VARIANTS
                if protocol in run.get("protocols", [protocol]) and family in run.get("families", [family])
            ]
    return found


@pytest.mark.parametrize(("name", "protocol", "family"), variants())
def test_path(name: str, protocol: Any, family: int) -> None:
    raw = path_files.chosen(SCENARIOS[name], f"v{family}", protocol, "raw")
    path = path_files.load(path_files.FOLDER / f"{name}.toml", family)
    args = raw.get("run", {}).get("args", [])
    plan = {PLAN[option]: value for option, value in zip(args[::2], args[1::2])}
    network = SimNetwork(path, flow="fixed", transport=protocol)
    trace = traced(path, network, asked={"protocol": protocol}, **plan)
    findings = [finding for _, found in judge(CHECKS, trace) for finding in found]
    answer = {
        "exit_code": max((EXIT[finding.severity] for finding in findings), default=0),
        "findings": [{"id": finding.id} for finding in findings],
        "data": msgspec.to_builtins(trace),
    }
    wrong, late = differences(raw["expect"], answer, path)
    assert not [*wrong, *late]
