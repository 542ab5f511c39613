"""Traces made by hand, for what shows and exports them."""

from __future__ import annotations

from typing import Any

from sretool.net.trace.ecmp.model import Diamond, Ecmp, EcmpHop, Leg, Link, Node
from sretool.net.trace.model import Hop, Host, Trace

_NO_FIGURES: dict[str, Any] = dict.fromkeys(
    (
        "rtt_min_ms", "rtt_avg_ms", "rtt_max_ms", "rtt_last_ms", "rtt_stdev_ms", "rtt_p50_ms", "rtt_p95_ms",
        "rtt_p99_ms", "jitter_ms",
    )
)  # fmt: skip


def host(address: str | None, ms: float = 10.0, **more: Any) -> Host:
    """Who answered three probes, after `ms` each."""
    figures = {
        **_NO_FIGURES,
        "rtt_min_ms": ms,
        "rtt_avg_ms": ms,
        "rtt_max_ms": ms,
        "rtt_last_ms": ms,
        "rtt_p50_ms": ms,
    }
    given = {
        "answer": "time-exceeded",
        "icmp_type": 11,
        "icmp_code": 0,
        "replies": 3,
        "rtts_ms": [ms] * 3,
        **figures,
        **more,
    }
    return Host(address=address, **given)


def hop(ttl: int, *hosts: Host, **more: Any) -> Hop:
    """Three probes of one TTL, answered by these."""
    given = {
        "sent": 3,
        "received": 3 if hosts else 0,
        "duplicates": 0,
        "in_flight": 0,
        "loss_ratio": 0.0 if hosts else 1.0,
        "loss_low_ratio": 0.0,
        "loss_high_ratio": 0.56,
        "loss_verdict": "none" if hosts else "unknown",
        **_NO_FIGURES,
        **more,
    }
    return Hop(ttl=ttl, hosts=list(hosts), **given)


def trace(*hops: Hop, target: str = "web-1", address: str = "10.9.0.9", **more: Any) -> Trace:
    """A path that reaches its target at the last of these hops; `more` says where it is another one."""
    last = hops[-1].ttl if hops else None
    given = {
        "source_address": "10.0.0.254",
        "interface": None,
        "protocol": "udp",
        "port": 33434,
        "method": "udp-recverr",
        "cannot_see": [],
        "flow": "per-probe",
        "queries": 3,
        "rounds": 1,
        "first_ttl": 1,
        "max_ttl": 30,
        "reached": True,
        "end_reason": "reached",
        "end_ttl": last,
        "end_address": address,
        "end_answer": "port-unreachable",
        "end_ttl_exact": True,
        "port_state": "closed",
        "loop": [],
        "target_answered": [True] * 3,
        "network_ms": 120.0,
        "hops": list(hops),
        "total": len(hops),
        "changes": [],
        "strays": [],
        "stray_replies": 0,
        **more,
    }
    return Trace(target=target, address=address, **given)


def hostile(text: str) -> Trace:
    """A path on which every name from outside is `text`."""
    from sretool.probe.network import Interface
    from sretool.probe.origins import Origin

    odd = host(
        "10.0.0.1",
        name=text,
        origin=Origin(64500, "10.0.0.0/8", text, None, text),
        interfaces=[Interface("incoming", 1, None, text, None)],
    )
    return trace(hop(1, odd, host(None, 11.0)), hop(2), hop(3, host("10.9.0.9", 30.0)), target=text or "x")


def _node(address: str, flows: list[int]) -> Node:
    return Node(address, "time-exceeded", flows, 0.5, 9.0, 10.0, 11.0)


def _leg(address: str, loss: float, verdict: str) -> Leg:
    figures = (30, 20, loss, 0.0, 1.0, 9.0, 10.0, 11.0)
    return Leg(2, address, [1, 2], 0.5, *figures, verdict=verdict)  # type: ignore[arg-type]


def balanced() -> Trace:
    """Three legs at hop 2, one of which loses and one of which only --ecmp found; hop 3 is silent."""
    path = trace(
        hop(1, host("10.0.0.1")),
        hop(2, host("10.0.2.1", name="leg-1.lab"), host("10.0.2.2")),
        hop(4, host("10.9.0.9", 60.0)),
    )
    hops = [(1, ["10.0.0.1"]), (2, ["10.0.2.1", "10.0.2.2", "10.0.2.3"]), (3, []), (4, ["10.9.0.9"])]
    links = [
        Link(0, None, 1, "10.0.0.1", [1, 2, 3, 4], False),
        Link(1, "10.0.0.1", 2, "10.0.2.1", [1, 2], False),
        Link(1, "10.0.0.1", 2, "10.0.2.2", [3], True),
        Link(1, "10.0.0.1", 2, "10.0.2.3", [4], False),
        Link(2, "10.0.2.1", 4, "10.9.0.9", [1, 2], False),
        Link(2, "10.0.2.2", 3, "10.9.0.9", [3], False),
        Link(2, "10.0.2.2", 4, "10.9.0.9", [3, 4], False),
    ]
    found = [
        EcmpHop(ttl, "per-flow" if nodes else "silent", [_node(address, [1]) for address in nodes], [], 0, 0)
        for ttl, nodes in hops
    ]
    found[1].nodes[0].name = "leg-1.lab"
    legs = [_leg("10.0.2.1", 0.33, "loses"), _leg("10.0.2.2", 0.0, "clear")]
    path.ecmp = Ecmp(
        confidence_ratio=0.95,
        complete=True,
        unfinished=[],
        flows=4,
        flows_most=64,
        probes_sent=99,
        discovery_ms=1.0,
        network_ms=2.0,
        hops=found,
        links=links,
        diamonds=[Diamond(2, 2, "per-flow", legs)],
        judged_at="10.9.0.9",
        loss_unknown="",
    )
    return path


HOSTILE = (
    "\x1b[31mred\x1b[0m", "a|b", "a`b``c", "a\nb\r\nc", 'say "hi"', "\u202egnp.exe", "\\", "\\|", "a\\",
    "\\n\\N\\G", "<script>alert(1)</script>", "[x](http://h)", "http://evil.example www.evil.example",
    "@all #1 !42", "**b** _i_ ~s~", "=1+1", "+1", "-2", "@SUM(A1)", "\t=1", "a;=1", "\uff1d1", "a,b", ";",
    "&lt;&quot;", "\x00", "\x7f\u0085\u2028", "\u200b", "| --- |", "```", "``` \n# h", "$(id) `id`",
    "\U0001f600", "e\u0301", "\u8a9e", " lead", "trail ", "'", "", '"]; x [label="y', "{|}", "//c", "/* c",
    "%s%n", "x" * 500,
)  # fmt: skip
"""What names may be."""
