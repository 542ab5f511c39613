"""Paths as `net trace` answers them, made by hand: by hop who answered, and how often and when."""

from __future__ import annotations

from typing import Any

from sretool.net.trace.model import Hop, Host, Path, Trace
from sretool.probe.stats import wilson

Times = dict[str, list[float]]


def hop(ttl: int, times: Times, sent: int = 3, answer: str = "time-exceeded") -> Hop:
    hosts = [
        Host(address, answer, 11, 0, len(rtts), rtts, *(None,) * 9)  # type: ignore[arg-type]
        for address, rtts in times.items()
    ]
    received = sum(map(len, times.values()))
    lost = max(0, sent - received)
    low, high = wilson(lost, sent)
    return Hop(
        ttl, hosts, sent, received, 0, 0, *(None,) * 9, lost / sent, low, high, "unknown"  # type: ignore
    )  # fmt: skip


def path(hops: list[Times], sent: int = 3, kind: type[Path] = Trace, **more: Any) -> Any:
    """The last hop is the target's, unless `reached` is False."""
    made = [hop(ttl, times, sent) for ttl, times in enumerate(hops, 1)]
    reached = more.get("reached", True)
    ends = [one for one in made if one.hosts]
    if reached and made:
        for host in made[-1].hosts:
            host.answer = "port-unreachable"
    fields: dict[str, Any] = dict(
        target="db-1",
        address="192.0.2.9",
        source_address="192.0.2.1",
        interface=None,
        protocol="udp",
        port=33434,
        method="udp-recverr",
        cannot_see=[],
        flow="per-probe",
        queries=sent,
        rounds=1,
        first_ttl=1,
        max_ttl=30,
        reached=reached,
        end_reason="reached" if reached else "silent",
        end_ttl=ends[-1].ttl if ends else None,
        end_address=ends[-1].hosts[0].address if ends else None,
        end_answer="port-unreachable" if reached else None,
        end_ttl_exact=True if reached else None,
        port_state="closed" if reached else "unknown",
        loop=[],
        target_answered=[True] * sent if reached else [],
        network_ms=100.0,
        hops=made,
        total=len(made),
        changes=[],
        strays=[],
        stray_replies=0,
    )
    return kind(**{**fields, **more})


def line(
    *names: str, step_ms: float = 10.0, count: int = 3, late_from: int = 99, late_ms: float = 0.0
) -> Any:
    """Hops by name, `-` is silent; from hop `late_from` on answers come `late_ms` later."""
    return [
        {}
        if name == "-"
        else {name: [ttl * step_ms + n / 10 + (late_ms if ttl >= late_from else 0) for n in range(count)]}
        for ttl, name in enumerate(names, 1)
    ]
