"""Queueing disciplines as a table, and their classes below it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sretool.command import Look
from sretool.net.qdisc.model import Qdisc, Qdiscs, TrafficClass
from sretool.report.table import Block, Column, Style, Table, columns_for
from sretool.report.units import UNKNOWN, text_for

_TITLES = {
    "backlog_bytes": "BACKLOG",
    "backlog_packets": "WAITING",
    "bytes_per_s": "B/S",
    "packets_per_s": "PKT/S",
    "drops_per_s": "DROP/S",
    "overlimits_per_s": "OVER/S",
    "requeues_per_s": "REQUEUE/S",
}
_NUMBERS = (
    *("backlog_packets", "drops", "packets", "bytes", "overlimits", "requeues", "ifindex"),
    *("packets_per_s", "bytes_per_s", "drops_per_s", "overlimits_per_s", "requeues_per_s"),
)
_DROP = (
    *(
        "counters",
        "requeues_per_s",
        "packets_per_s",
        "overlimits_per_s",
        "backlog_bytes",
        "handle",
        "options",
    ),
    *("drops", "parent"),
)
_OF_CLASS = (
    *("dev", "kind", "classid", "parent", "leaf", "backlog_packets", "drops", "drops_per_s", "bytes_per_s"),
    "options",
)


def listing(data: Qdiscs, look: Look) -> list[Block]:
    """One row a discipline; with --classes one row a class below."""
    blocks: list[Block] = [
        Table(_columns(look.fields), data.qdiscs, empty="no queueing discipline matches", hidden=look.hidden)
    ]
    if isinstance(data.classes, list):
        blocks.append(Table(_columns(_OF_CLASS), data.classes, title="classes", empty="no classes"))
    return blocks


def _columns(fields: Sequence[str]) -> list[Column[Any]]:
    return columns_for(
        fields,
        titles=_TITLES,
        cells={
            "options": _options,
            "counters": _counters,
            "bytes": lambda row: text_for("_bytes", row.bytes),
        },
        right=_NUMBERS,
        flexible=("options", "dev"),
        drop=[name for name in _DROP if name in fields],
        styles={"drops_per_s": _dropping},
    )


def _options(row: Qdisc | TrafficClass) -> str:
    # pfifo_fast has the same map everywhere
    return ", ".join(_pair(*item) for item in row.options.items() if item[0] != "priomap") or UNKNOWN


def _pair(name: str, value: object) -> str:
    """`rate 1Mbit/s`, `ecn`, `latency 50.0 ms`."""
    if isinstance(value, bool):
        return name if value else f"no {name}"
    if name.endswith("_bytes_per_s") and isinstance(value, int):
        return f"{_words(name, '_bytes_per_s')} {_bits(value * 8)}"
    for suffix, unit in (("_packets", " packets"), ("_ms", " ms"), ("_bytes", "B"), ("_ratio", "")):
        if name.endswith(suffix):
            return f"{_words(name, suffix)} {text_for(name, value)}{unit}"
    return f"{_words(name, '')} {text_for(name, value)}"


def _words(name: str, suffix: str) -> str:
    return name.removesuffix(suffix).replace("_", " ")


def _bits(per_s: float) -> str:
    """As tc writes rates: thousands, not 1024."""
    for unit in ("", "k", "M", "G"):
        if per_s < 1000 or unit == "G":
            break
        per_s /= 1000
    return f"{per_s:.4g}{unit}bit/s"


def _counters(row: Qdisc | TrafficClass) -> str:
    return ", ".join(f"{name} {value}" for name, value in row.counters.items() if value) or UNKNOWN


def _dropping(row: Qdisc | TrafficClass) -> Style:
    return "warning" if row.drops_per_s else ""
