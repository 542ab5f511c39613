"""Parameters and counters of the kinds of queueing disciplines: TCA_OPTIONS and the kind's own statistics.

Names are those of `tc -j` with their units. Shapes: include/uapi/linux/pkt_sched.h.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Optional

from sretool.host import netlink
from sretool.net.qdisc.model import Value

WHAT = "route/qdisc"
# include/net/pkt_sched.h PSCHED_SHIFT: times in these structures are in units of 64 ns
TICK_NS = 64
_UNLIMITED = 0xFFFFFFFF
_RATESPEC = struct.Struct("=BBHhHI")

Values = dict[int, bytes]
Found = dict[str, Value]
Decoder = Callable[[bytes], Optional[Value]]


def _bool(raw: bytes) -> bool:
    return any(raw)


def _us(raw: bytes) -> float:
    return netlink.number(raw) / 1000


def _limited(raw: bytes) -> int | None:
    return None if netlink.number(raw) == _UNLIMITED else netlink.number(raw)


_ATTRIBUTES: dict[str, dict[int, tuple[str, Decoder]]] = {
    "fq_codel": {
        1: ("target_ms", _us),
        2: ("limit_packets", netlink.number),
        3: ("interval_ms", _us),
        4: ("ecn", _bool),
        5: ("flows", netlink.number),
        6: ("quantum_bytes", netlink.number),
        7: ("ce_threshold_ms", _us),
        8: ("drop_batch", netlink.number),
        9: ("memory_limit_bytes", netlink.number),
    },
    "codel": {
        1: ("target_ms", _us),
        2: ("limit_packets", netlink.number),
        3: ("interval_ms", _us),
        4: ("ecn", _bool),
        5: ("ce_threshold_ms", _us),
    },
    "fq": {
        1: ("limit_packets", netlink.number),
        2: ("flow_limit_packets", netlink.number),
        3: ("quantum_bytes", netlink.number),
        4: ("initial_quantum_bytes", netlink.number),
        5: ("pacing", _bool),
        7: ("maxrate_bytes_per_s", _limited),
        8: ("buckets", lambda raw: 1 << min(netlink.number(raw), 32)),
        9: ("refill_delay_ms", _us),
        12: ("ce_threshold_ms", lambda raw: None if netlink.number(raw) == _UNLIMITED else _us(raw)),
        14: ("horizon_ms", _us),
        15: ("horizon_drop", _bool),
    },
}


def options(kind: str, raw: bytes) -> Found:
    """What TCA_OPTIONS says; empty for a kind we do not know.

    Raises:
        ParseError: a length that does not fit.
    """
    if kind in _ATTRIBUTES:
        known, values = _ATTRIBUTES[kind], dict(netlink.attributes(raw, 0, WHAT))
        found = {
            name: decode(values[number]) for number, (name, decode) in known.items() if values.get(number)
        }
        return {name: value for name, value in found.items() if value is not None}
    decode = _OTHERS.get(kind)
    return decode(raw) if decode is not None and raw else {}


def class_options(kind: str, raw: bytes) -> Found:
    """What TCA_OPTIONS of a class says; empty for a kind we do not know.

    Raises:
        ParseError: a length that does not fit.
    """
    return _htb_class(raw) if kind == "htb" and raw else {}


def _rate(spec: bytes, wide: bytes | None) -> int:
    """Bytes a second of a struct tc_ratespec; from 34 Gbit/s on another attribute has them."""
    return netlink.number(wide) if wide else int(_RATESPEC.unpack(spec)[5])


def _burst(rate: int, ticks: int) -> int:
    """Bytes that a bucket holds, which the kernel keeps as the time they take at its rate."""
    return round(rate * ticks * TICK_NS / 1e9)


def _tbf(raw: bytes) -> Found:
    values = dict(netlink.attributes(raw, 0, WHAT))
    parms = values.get(1, b"")
    if len(parms) < 36:
        return {}
    limit, buffer, mtu = struct.unpack_from("=III", parms, 24)
    rate, peak = _rate(parms[:12], values.get(4)), _rate(parms[12:24], values.get(5))
    burst = _burst(rate, buffer)
    found: Found = {"rate_bytes_per_s": rate, "burst_bytes": burst, "limit_bytes": limit}
    waits = [(limit - burst) / rate] if rate else [0.0]
    if peak:
        least = _burst(peak, mtu)
        found |= {"peakrate_bytes_per_s": peak, "minburst_bytes": least}
        waits.append((limit - least) / peak)
    # the longest that a packet waits: tc calls it latency
    found["latency_ms"] = round(max(0.0, *waits) * 1000, 3)
    return found


def _htb(raw: bytes) -> Found:
    values = dict(netlink.attributes(raw, 0, WHAT))
    found: Found = {}
    init = values.get(2, b"")
    if len(init) >= 20:
        _, r2q, default, _, direct = struct.unpack_from("=5I", init)
        found = {"r2q": r2q, "default": f"{default:#x}", "direct_packets_stat": direct}
    if 5 in values:
        found["direct_qlen"] = netlink.number(values[5])
    return found


def _htb_class(raw: bytes) -> Found:
    values = dict(netlink.attributes(raw, 0, WHAT))
    parms = values.get(1, b"")
    if len(parms) < 44:
        return {}
    buffer, cbuffer, quantum, level, prio = struct.unpack_from("=5I", parms, 24)
    rate, ceil = _rate(parms[:12], values.get(6)), _rate(parms[12:24], values.get(7))
    return {
        "rate_bytes_per_s": rate,
        "ceil_bytes_per_s": ceil,
        "burst_bytes": _burst(rate, buffer),
        "cburst_bytes": _burst(ceil, cbuffer),
        "quantum_bytes": quantum,
        "level": level,
        "prio": prio,
    }


def _prio(raw: bytes) -> Found:
    if len(raw) < 20:
        return {}
    return {"bands": netlink.number(raw[:4]), "priomap": " ".join(map(str, raw[4:20]))}


def _fifo(unit: str) -> Callable[[bytes], Found]:
    return lambda raw: {f"limit_{unit}": netlink.number(raw[:4])} if len(raw) >= 4 else {}


def _netem(raw: bytes) -> Found:
    """Its structure comes first, its attributes behind."""
    if len(raw) < 24:
        return {}
    latency, limit, loss, _, duplicate, jitter = struct.unpack_from("=6I", raw)
    values = dict(netlink.attributes(raw, 24, WHAT))
    delay, wander = (
        netlink.number(values[number]) if values.get(number) else ticks * TICK_NS
        for number, ticks in ((10, latency), (11, jitter))
    )
    return {
        "delay_ms": round(delay / 1e6, 3),
        "jitter_ms": round(wander / 1e6, 3),
        "loss_ratio": round(loss / _UNLIMITED, 6),
        "duplicate_ratio": round(duplicate / _UNLIMITED, 6),
        "limit_packets": limit,
    }


_OTHERS: Mapping[str, Callable[[bytes], Found]] = {
    "tbf": _tbf,
    "htb": _htb,
    "prio": _prio,
    "pfifo_fast": _prio,
    "pfifo": _fifo("packets"),
    "pfifo_head_drop": _fifo("packets"),
    "bfifo": _fifo("bytes"),
    "netem": _netem,
}

_Layout = tuple[struct.Struct, tuple[str, ...]]
_COUNTERS: dict[str, _Layout] = {
    # struct tc_fq_codel_xstats: behind its type, which is 0 for a discipline
    "fq_codel": (
        struct.Struct("=4x9I"),
        (
            *("maxpacket_bytes", "drop_overlimit", "ecn_mark", "new_flow_count", "new_flows_len"),
            *("old_flows_len", "ce_mark", "memory_usage_bytes", "drop_overmemory"),
        ),
    ),
    # struct tc_fq_qd_stats, as far as every kernel has it
    "fq": (
        struct.Struct("=7Qq4I"),
        (
            *("gc_flows", "highprio_packets", "tcp_retrans", "throttled", "flows_plimit", "pkts_too_long"),
            *("allocation_errors", "", "flows", "inactive_flows", "throttled_flows", "unthrottle_latency_ns"),
        ),
    ),
    "class htb": (struct.Struct("=III"), ("lends", "borrows", "")),
}


def counters(kind: str, raw: bytes) -> dict[str, int]:
    """TCA_STATS_APP, else TCA_XSTATS, by its length; empty where we do not know the kind or this
    kernel sends less. `kind` of a class is `class KIND`.
    """
    known = _COUNTERS.get(kind)
    if known is None or len(raw) < known[0].size or (kind == "fq_codel" and netlink.number(raw[:4])):
        return {}
    return {name: value for name, value in zip(known[1], known[0].unpack_from(raw)) if name}
