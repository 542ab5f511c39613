"""Routes as tables."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from sretool.command import Look
from sretool.net.routes.model import Decision, Hop, NextHop, Route, Routes, WayBack
from sretool.report.table import Block, Line, Lines, Style, Table, columns_for
from sretool.report.units import UNKNOWN, duration_text, text_for

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
    # where packets go is what is looked for: the others go before an address is cut
    columns = [replace(column, least=20) if column.title == "GATEWAY" else column for column in columns]
    return [Table(columns, data.routes, empty="no route matches", hidden=look.hidden)]


def _type(row: Route) -> str:
    return row.type


def _gateway(row: Route) -> str:
    way = row.gateway or legs(row.nexthops)
    words = [f"nhid {row.nhid}" if row.nhid is not None else "", way, _encap(row)]
    return " ".join(filter(None, words)) or UNKNOWN


def _encap(row: Route | NextHop) -> str:
    """What packets are wrapped in, as `ip route` writes it."""
    return " ".join(filter(None, ("encap", row.encap, row.encap_to))) if row.encap else ""


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
                *([_encap(leg)] if leg.encap else []),
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
    """A sentence, the route behind it, why it is that one, and what is known of its next hops."""
    lines: list[Line] = [_sentence(data)]
    facts = [
        ("from", data.prefsrc or data.from_address),
        ("mtu", _mtu(data)),
        ("table", data.table),
        ("method", data.method),
    ]
    lines.append("  " + "  ".join(f"{name} {value}" for name, value in facts if value is not None))
    if data.rule_priority is not None:
        lines.append(f"  rule {data.rule_priority}: {data.rule_match}: {data.rule_does}")
    if data.route is not None:
        lines.append(f"  route {entry(data.route)}")
    lines += [f"  why: {line}" for line in data.why]
    if data.way_back is not None:
        lines.append(f"  way back: {_way_back(data.way_back)}")
    blocks: list[Block] = [Lines(lines, indent=2)]
    if data.hops:
        if len(data.hops) > 1:
            lines.append(f"  chosen by: a hash of {data.hash_policy}{_missing(data)}")
        fields = ("gateway", "dev", "weight", "neighbour", "operstate", "link_mtu", "chosen", "trouble")
        columns = columns_for(
            fields
            if len(data.hops) > 1
            else [field for field in fields if field not in ("weight", "chosen")],
            cells={"gateway": _hop},
            titles={"gateway": "NEXT HOP", "operstate": "LINK", "link_mtu": "LINK MTU"},
            right=("weight", "link_mtu"),
            flexible=("trouble",),
            drop=("link_mtu", "weight"),
            styles={"trouble": _trouble},
        )
        blocks.append(Table(columns, data.hops))
    return blocks


def _mtu(data: Decision) -> str | None:
    if data.mtu is None:
        return None
    expires = "" if data.mtu_expires_s is None else f", forgotten in {duration_text(data.mtu_expires_s)}"
    origin = {"path": "learnt from the path", "route": "of the route", "link": "of the link"}
    return f"{data.mtu} ({origin.get(data.mtu_source or '', 'origin unknown')}{expires})"


def _missing(data: Decision) -> str:
    if any(hop.chosen is not None for hop in data.hops):
        return ""
    if data.method == "computed":
        return ", with a secret that no recording holds"
    return ": --from-addr, --sport and --dport say which"


def _hop(row: Hop) -> str:
    return row.gateway or "on the link"


def _trouble(row: Hop) -> Style:
    return "warning" if row.trouble is not None else ""


def _way_back(way: WayBack) -> str:
    to = " and ".join(way.devs) or "nowhere"
    passes = {
        True: "the filter lets it in",
        False: "the filter drops it",
        None: "unknown whether it is let in",
    }
    return (
        f"out of {to} ({way.dst or 'no route'}); rp_filter {way.rp_filter or 'unknown'}: {passes[way.passes]}"
    )


def _sentence(data: Decision) -> Line:
    if data.type == "none":
        return [(f"{data.destination}: no route", "critical")]
    if data.type == "not-forwarded":
        return [(f"{data.destination}: not forwarded, forwarding is off on {data.iif}", "critical")]
    if data.type == "rp-filter":
        return [(f"{data.destination}: dropped by the reverse path filter of {data.iif}", "critical")]
    if data.type in ("blackhole", "unreachable", "prohibit"):
        where = f"{data.type} {'rule' if data.route is None else 'route'}"
        article = "an" if data.type == "unreachable" else "a"
        return [(f"{data.destination}: refused by {article} {where}", "critical")]
    if data.type == "local":
        return f"{data.destination}: this host itself"
    trouble = [hop.trouble for hop in data.hops if hop.chosen and hop.trouble is not None]
    if data.gateway is not None:
        way = f"{data.destination}: to {data.gateway} on {data.dev}"
        return [(f"{way}, but {trouble[0]}", "critical")] if trouble else way
    if data.dev is None and data.hops:
        return f"{data.destination}: to one of {len(data.hops)} next hops"
    kind = "" if data.type == "unicast" else f" ({data.type})"
    way = f"{data.destination}: on the link {data.dev}{kind}"
    return [(f"{way}, but {trouble[0]}", "critical")] if trouble else way


def entry(route: Route) -> str:
    """A route in the words of `ip route`."""
    words = [] if route.type == "unicast" else [route.type]
    words.append(route.dst)
    if route.nhid is not None:
        words += ["nhid", str(route.nhid)]
    if route.encap:
        words.append(_encap(route))
    if route.gateway:
        words += ["via", route.gateway]
    if route.dev:
        words += ["dev", route.dev]
    words += ["table", route.table, "proto", route.protocol]
    if route.metric:
        words += ["metric", str(route.metric)]
    words += [f"{name} {text_for(name, value)}" for name, value in route.metrics.items()]
    if route.nexthops:
        words.append(f"nexthops {legs(route.nexthops)}")
    return " ".join([*words, *route.flags])
