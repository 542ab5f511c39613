"""A trace over the simulated network, as `net trace` runs it over a live one."""

from __future__ import annotations

from typing import Any

from paths import Path
from sim_network import SimNetwork

from sretool.net.trace.build import Asked, build, whole
from sretool.net.trace.checks import CHECKS
from sretool.net.trace.drive import Drive
from sretool.net.trace.engine import Tracer
from sretool.net.trace.model import EndReason, Trace
from sretool.net.trace.round import Plan
from sretool.report.check import judge

OURS = {4: "10.99.0.254", 6: "fd99:0:0:ff::fe"}


def traced(
    path: Path,
    network: SimNetwork | None = None,
    *,
    rounds: int = 1,
    stop_at: float = float("inf"),
    asked: dict[str, Any] | None = None,
    target: str = "target.example",
    **plan: Any,
) -> Trace:
    """The path, judged, after so many rounds of a second."""
    network = network or SimNetwork(path)
    tracer = Tracer(Plan(path.target, path.family, source=OURS[path.family], **plan))
    drive = Drive(network, [tracer], stop_at=stop_at)
    stopped: EndReason | None = None
    try:
        drive.run()
        for _ in range(rounds - 1):
            until = network.now() + 1.0
            drive.begin_round(0.7)
            drive.run(until=until)
            drive.listen(until)
        if rounds > 1:
            drive.run()
    except KeyboardInterrupt:
        stopped = "interrupted"
    if drive.overdue:
        stopped = "deadline"
    if tracer.failures and not tracer.hops:
        raise tracer.failures[0]
    answer = build(tracer, Asked(target, OURS[path.family], **(asked or {})), network.now(), stopped)
    answer.checks = [verdict for verdict, _ in judge(CHECKS, answer)]
    return whole([answer])
