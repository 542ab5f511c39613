"""Interfaces as a table, and one of them on one screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from msgspec.structs import replace

from sretool.command import Look
from sretool.net.links.model import LinkRow, LinkRows, Netns, Stats, Value
from sretool.net.links.words import meaning
from sretool.report.sections import Row, Section, blocks
from sretool.report.table import FINDINGS, Block, Line, Lines, Style, Table, columns_for
from sretool.report.units import UNKNOWN, bytes_text, count_text, number_text

_DROP = (
    *("ifindex", "flags", "mtu", "rx_packets_per_s", "tx_packets_per_s", "carrier_down_count", "master"),
    *("speed_mbit_per_s", "link", "kind"),
)
_TITLES = {
    "ifname": "NAME",
    "operstate": "STATE",
    "speed_mbit_per_s": "SPEED",
    "rx_bytes_per_s": "RX/S",
    "tx_bytes_per_s": "TX/S",
    "rx_packets_per_s": "RXPKT/S",
    "tx_packets_per_s": "TXPKT/S",
    "errors_per_s": "ERR/S",
    "drops_per_s": "DROP/S",
    "carrier_down_count": "LOST",
    "address": "HARDWARE",
}
_PLAIN = ("rx_packets", "tx_packets", "rx_bytes", "tx_bytes", "multicast", "rx_compressed", "tx_compressed")
TROUBLES = tuple(name for name in Stats.__struct_fields__ if name not in _PLAIN)
_DICTS = ("details", "port", "grew", "driver_stats", "driver_stats_grew")
_STATS_SHOWN = 40
_LEAST = {"NAME": 15, "LINK": 22}


def listing(data: LinkRows, look: Look) -> list[Block]:
    """One row an interface, then what went wrong during the sample, in words. Of one alone, all of it."""
    columns = columns_for(
        look.fields,
        titles=_TITLES,
        cells={
            "speed_mbit_per_s": lambda row: _speed(row.speed_mbit_per_s),
            "link": _link,
            "link_netns": lambda row: UNKNOWN if row.link_netns is None else _whose(row.link_netns),
            "kind": _kind,
            "ports": _ports,
            "stats": lambda row: UNKNOWN if row.stats is None else _pairs(_counted(row.stats)) or "all 0",
            "allowances": lambda row: (
                _pairs({one.name: one.total for one in row.allowances or ()}) or UNKNOWN
            ),
            **{name: _dict_cell(name) for name in _DICTS},
        },
        right=tuple(name for name in look.fields if name.endswith(("_per_s", "_count", "losses"))),
        flexible=("link", "ifname", "alias"),
        drop=[name for name in _DROP if name in look.fields],
        styles={
            "operstate": _state,
            "errors_per_s": _growing("errors_per_s"),
            "drops_per_s": _growing("drops_per_s"),
        },
    )
    columns = [replace(column, least=_LEAST.get(column.title, column.least)) for column in columns]
    table = Table(columns, data.links, empty="no interface matches", hidden=look.hidden)
    if len(data.links) == 1 and not look.hidden:
        return [table, FINDINGS, *blocks(_sections(data.links[0], data.window_s), look.terminal.columns)]
    grown = [line for row in data.links for line in _grown(row, look.verbose)]
    return [table, Lines(grown, indent=2)] if grown else [table]


def line(row: LinkRow) -> str:
    """`eth0 up mtu 1500 master br0 [broadcast multicast up lower_up]`."""
    words = [row.ifname, *([row.kind] if row.kind else []), row.operstate]
    words += [f"{name} {value}" for name in ("mtu", "link", "master") if (value := getattr(row, name))]
    return f"{' '.join(words)} [{' '.join(row.flags)}]"


def _speed(speed: int | None) -> str:
    if speed is None:
        return UNKNOWN
    return f"{number_text(speed / 1000)}G" if speed >= 1000 else f"{speed}M"


def _kind(row: LinkRow) -> str:
    return row.kind or ("loopback" if "loopback" in row.flags else "device")


def _link(row: LinkRow) -> str:
    if row.link is None:
        return UNKNOWN
    return row.link if row.link_netns is None else f"{row.link} in {_whose(row.link_netns)}"


def _whose(netns: Netns) -> str:
    """Whom a person would call the owner of a namespace."""
    if netns.container:
        return f"container:{netns.container_name or netns.container}"
    if netns.path is not None:
        return f"netns:{netns.path.rpartition('/')[2]}"
    if netns.process is not None:
        return f"{netns.process}[{netns.pid}]"
    return f"another namespace (nsid {netns.nsid})"


def _dict_cell(name: str) -> Callable[[LinkRow], str]:
    def cell(row: LinkRow) -> str:
        value = getattr(row, name)
        return _pairs(value) or UNKNOWN if isinstance(value, dict) else UNKNOWN

    return cell


def _counted(stats: Stats) -> dict[str, Value]:
    return {name: value for name in Stats.__struct_fields__ if (value := getattr(stats, name))}


def _ports(row: LinkRow) -> str:
    return ", ".join(f"{name} {state}" for name, state in row.ports.items()) or UNKNOWN


def _pairs(values: Mapping[str, Value]) -> str:
    return ", ".join(f"{name} {_text(name, value)}" for name, value in values.items())


def _text(name: str, value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return UNKNOWN
    return number_text(value) if isinstance(value, float) else str(value)


def _state(row: LinkRow) -> Style:
    """One that is meant to be up and is not."""
    return "warning" if "up" in row.flags and row.operstate in ("down", "lowerlayerdown") else ""


def _growing(field: str) -> Callable[[LinkRow], Style]:
    return lambda row: "warning" if getattr(row, field) else ""


def _grown(row: LinkRow, verbose: bool) -> Iterator[Line]:
    """Each counter of trouble that grew (verbose: that ever counted), and what it counts."""
    grew = row.grew or {}
    for name in TROUBLES:
        total = getattr(row.stats, name) if row.stats is not None else 0
        if grew.get(name) or (verbose and total):
            yield _counter(row.ifname, name, total, grew.get(name))


def _counter(ifname: str, name: str, total: int, grew: int | None) -> Line:
    style: Style = "warning" if grew else ""
    more = f" +{grew}" if grew else ""
    return [
        (f"{ifname} {name}{more}".lstrip(), style),
        (f" ({total} since it was made): {meaning(name)}", ""),
    ]


def _sections(row: LinkRow, window_s: float | None) -> Iterator[Section]:
    yield Section("interface", list(_about(row)))
    yield Section("counters", list(_counters(row)))
    if row.allowances:
        over = "" if window_s is None else f", and over {window_s:.3g} s"
        rows: list[Row] = []
        for one in row.allowances:
            grew = f" +{one.grew}" if one.grew else ""
            rows.append(
                (
                    "",
                    [
                        (f"{one.name} {one.total}{grew}", "warning" if one.grew else ""),
                        (f": {one.meaning}", ""),
                    ],
                )
            )
        yield Section(f"what the instance may use (since the driver was loaded{over})", rows)
    stats = row.driver_stats
    if isinstance(stats, dict):
        grown = row.driver_stats_grew if isinstance(row.driver_stats_grew, dict) else {}
        first = sorted((name for name in stats if stats[name]), key=lambda name: name not in grown)
        lines: list[Row] = [
            ("", [(f"{name} {stats[name]}", ""), (f" +{grown[name]}" if name in grown else "", "strong")])
            for name in first[:_STATS_SHOWN]
        ]
        left = len(first) - len(lines)
        if left:
            lines.append(("", f"and {left} more: --json, or ethtool -S {row.ifname}"))
        yield Section("of its driver, those that are not 0 (growing first)", lines)


def _about(row: LinkRow) -> Iterator[Row]:
    details = _pairs(row.details)
    yield "kind", f"{_kind(row)}: {details}" if details else _kind(row)
    if row.alias or row.altnames:
        yield "also", ", ".join([*([row.alias] if row.alias else []), *row.altnames])
    carrier = {True: "carrier", False: "no carrier", None: "carrier unknown"}[row.carrier]
    speed = (
        ""
        if row.speed_mbit_per_s is None
        else f", {_speed(row.speed_mbit_per_s)}bit/s {row.duplex or ''}".rstrip()
    )
    yield (
        "state",
        f"{row.operstate}, {carrier}{speed}, mtu {number_text(row.mtu)}; flags {','.join(row.flags)}",
    )
    if row.carrier_down_count is not None:
        lost = "" if row.carrier_losses is None else f", {row.carrier_losses} over the sample"
        came = count_text(row.carrier_up_count or 0, "time")
        yield "carrier", f"came {came}, went {count_text(row.carrier_down_count, 'time')}{lost}"
    if row.address:
        yield "hardware", row.address
    if row.driver:
        firmware = f", firmware {row.firmware}" if row.firmware else ""
        yield "driver", f"{row.driver}{firmware}{f', at {row.bus}' if row.bus else ''}"
    if row.link is not None:
        yield "other end" if row.kind == "veth" else "on", _link(row) + _proof(row.link_netns)
    if row.master is not None:
        port = _pairs(row.port)
        yield "port of", f"{row.master}: {port}" if port else row.master
    if row.ports:
        yield "ports", _ports(row)
    sending, length, receiving = map(number_text, (row.num_tx_queues, row.txqlen, row.num_rx_queues))
    yield "queues", f"{row.qdisc or UNKNOWN}, {sending} transmit of {length} packets, {receiving} receive"
    if row.xdp:
        yield "xdp", row.xdp


def _proof(netns: Netns | None) -> str:
    if netns is None:
        return ""
    parts = [
        *([f"net:[{netns.inode}]"] if netns.inode is not None else []),
        *([netns.path] if netns.path else []),
        *([f"pid {netns.pid} {netns.process or ''}".rstrip()] if netns.pid is not None else ["no process"]),
        *([netns.unit] if netns.unit else []),
    ]
    return f" ({', '.join(parts)})"


def _counters(row: LinkRow) -> Iterator[Row]:
    if row.stats is None:
        return
    for way, label in (("rx", "received"), ("tx", "sent")):
        size, packets = getattr(row.stats, f"{way}_bytes"), getattr(row.stats, f"{way}_packets")
        rate, per_s = getattr(row, f"{way}_bytes_per_s"), getattr(row, f"{way}_packets_per_s")
        now = "" if rate is None else f"; now {bytes_text(rate)}B/s, {number_text(round(per_s, 1))} packets/s"
        yield label, f"{bytes_text(size)}B in {packets} packets{now}"
    troubles = [name for name in TROUBLES if getattr(row.stats, name)]
    for name in troubles:
        line = _counter("", name, getattr(row.stats, name), (row.grew or {}).get(name))
        yield "", line
    if not troubles:
        yield "trouble", "no error and no drop since it was made"
