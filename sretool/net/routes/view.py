"""Routes as tables."""

from __future__ import annotations

from collections.abc import Sequence

from sretool.command import Look
from sretool.net.routes.model import Decision, NextHop, Route, Routes
from sretool.report.table import Block, Line, Lines, Table, columns_for
from sretool.report.units import UNKNOWN, text_for

_DROP = ("family", "pref", "encap", "nhid", "tos", "src", "metrics", "scope", "protocol", "prefsrc", "flags")


def listing(data: Routes, look: Look) -> list[Block]:
    """One row a route; the legs of a multipath route stand in its gateway column."""
    fields = [name for name in look.fields if name != "nexthops" or "gateway" not in look.fields]
    columns = columns_for(
        fields,
        cells={"gateway": _gateway, "nexthops": _nexthops, "metrics": _metrics, "type": _type},
        right=("metric", "tos", "nhid"),
        flexible=("gateway",),
        drop=[name for name in _DROP if name in fields],
    )
    return [Table(columns, data.routes, empty="no route matches", hidden=look.hidden)]


def _type(row: Route) -> str:
    return row.type


def _gateway(row: Route) -> str:
    return row.gateway or _nexthops(row)


def _nexthops(row: Route) -> str:
    return legs(row.nexthops) or UNKNOWN


def legs(nexthops: Sequence[NextHop]) -> str:
    """`192.0.2.1 dev eth0 weight 2` for each leg."""
    return ", ".join(
        " ".join(
            [
                *([leg.gateway] if leg.gateway else []),
                *([f"dev {leg.dev}"] if leg.dev else []),
                *([f"weight {leg.weight}"] if leg.weight != 1 else []),
                *leg.flags,
            ]
        )
        for leg in nexthops
    )


def _metrics(row: Route) -> str:
    return " ".join(f"{name} {text_for(name, value)}" for name, value in row.metrics.items()) or UNKNOWN


def line(row: Route) -> str:
    """`10.0.0.0/24 via 192.0.2.1 dev eth0 table main protocol bird metric 20`."""
    words = [*([] if row.type == "unicast" else [row.type]), row.dst]
    if row.src:
        words.append(f"from {row.src}")
    if row.gateway:
        words.append(f"via {row.gateway}")
    if row.dev:
        words.append(f"dev {row.dev}")
    words += [f"table {row.table}", f"protocol {row.protocol}"]
    if row.metric:
        words.append(f"metric {row.metric}")
    if row.nhid:
        words.append(f"nhid {row.nhid}")
    if row.nexthops:
        words.append(f"legs {legs(row.nexthops)}")
    words += [f"{name} {text_for(name, value)}" for name, value in row.metrics.items()]
    return " ".join([*words, *row.flags])


def decision(data: Decision, look: Look) -> list[Block]:
    """A sentence, and the route behind it."""
    lines: list[Line] = [_sentence(data)]
    facts = [
        ("from", data.prefsrc or data.from_address),
        ("mtu", data.mtu),
        ("table", data.table),
        ("rule", data.rule_priority),
        ("method", data.method),
    ]
    lines.append("  " + "  ".join(f"{name} {value}" for name, value in facts if value is not None))
    if data.route is not None:
        lines.append(f"  route {entry(data.route)}")
    return [Lines(lines, indent=2)]


def _sentence(data: Decision) -> Line:
    if data.type == "none":
        return [(f"{data.destination}: no route", "critical")]
    if data.type in ("blackhole", "unreachable", "prohibit"):
        where = f"a {data.type} {'rule' if data.route is None else 'route'}"
        return [(f"{data.destination}: refused by {where}", "critical")]
    if data.type == "local":
        return f"{data.destination}: this host itself"
    if data.gateway is not None:
        return f"{data.destination}: to {data.gateway} on {data.dev}"
    if data.dev is None and data.route is not None:
        return f"{data.destination}: to one of {legs(data.route.nexthops)}"
    kind = "" if data.type == "unicast" else f" ({data.type})"
    return f"{data.destination}: on the link {data.dev}{kind}"


def entry(route: Route) -> str:
    """A route in the words of `ip route`."""
    words = [] if route.type == "unicast" else [route.type]
    words.append(route.dst)
    if route.gateway:
        words += ["via", route.gateway]
    if route.dev:
        words += ["dev", route.dev]
    words += ["table", route.table, "proto", route.protocol]
    if route.metric:
        words += ["metric", str(route.metric)]
    if route.nexthops:
        words.append(f"nexthops {legs(route.nexthops)}")
    return " ".join([*words, *route.flags])
