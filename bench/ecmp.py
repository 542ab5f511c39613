"""Every way of simulated paths: time beside the farthest RTT, probes beside what the MDA needs at least."""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Iterator
from typing import Any

from bench.measure import SRETOOL, Row

HOPS, RUNS = 12, 3


def rows() -> Iterator[Row]:
    """One way, and diamonds at hop 4 of 12."""
    from lab_tun import TunLab
    from paths import straight
    from ways import diamond

    from sretool.net.trace.ecmp.stopping import flows_for

    with TunLab(straight(HOPS)) as lab:
        data = _answers(lab)
        yield Row(
            "--ecmp of 12 hops with one way: network time",
            "the farthest RTT",
            statistics.median(one["network_ms"] for one in data),
            120.0,
            "ms",
            "≤ 1.5×",
        )
    for width in (2, 4, 16):
        with TunLab(diamond(width, before=3, after=HOPS - 4)) as lab:
            data = _answers(lab)
        found = [len(one["hops"][3]["nodes"]) for one in data]
        job = f"--ecmp of 12 hops, {width} ways at hop 4"
        note = f"ways found: {', '.join(map(str, found))}"
        taken = statistics.median(one["discovery_ms"] for one in data)
        yield Row(f"{job}: until all are known", "the farthest RTT", taken, 120.0, "ms", "", note)
        # six flows a hop with one next hop, and a leg's own next hop is looked for too
        least = flows_for(1) * (HOPS - 2 + width) + flows_for(width)
        yield Row(
            f"{job}: probes until then",
            "the MDA's least",
            statistics.median(one["probes_sent"] - _of_legs(one) for one in data),
            float(least),
            "probes",
            "",
            "180 of them are the first burst, to 30 hops",
        )


def _answers(lab: Any) -> list[dict[str, Any]]:
    argv = ["ip", "netns", "exec", lab.netns, SRETOOL, "net", "trace", "--ecmp", "--json", lab.path.target]
    return [
        json.loads(subprocess.run(argv, capture_output=True, check=False).stdout)["data"]["ecmp"]
        for _ in range(RUNS)
    ]


def _of_legs(ecmp: dict[str, Any]) -> int:
    return sum(leg["sent"] for stretch in ecmp["diamonds"] for leg in stretch["legs"])
