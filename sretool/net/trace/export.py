"""Traces for a spreadsheet and for a ticket. Pure."""

from __future__ import annotations

import csv as _csv
import io
import re
from collections.abc import Iterator, Sequence

import msgspec
from msgspec import UNSET

from sretool.command.output import finding_lines
from sretool.command.run import Look
from sretool.net.trace import view
from sretool.net.trace.ecmp.model import Node
from sretool.net.trace.model import Host, Path, Trace
from sretool.report import markdown as _markdown
from sretool.report.answer import Finding
from sretool.report.escape import escape
from sretool.report.table import Lines
from sretool.report.terminal import Terminal

# JSON's keys, path, hop and host side by side; only a path's `address` gets a name of its own here.
_PATH = ("target", "address", "source_address", "protocol", "port", "method", "flow", "reached", "end_reason")
_HOP = (
    "ttl", "sent", "received", "duplicates", "in_flight", "loss_ratio", "loss_low_ratio", "loss_high_ratio",
    "loss_verdict",
)  # fmt: skip
_HOST = (
    "address", "name", "answer", "icmp_type", "icmp_code", "replies", "rtt_min_ms", "rtt_avg_ms",
    "rtt_max_ms", "rtt_last_ms", "rtt_stdev_ms", "rtt_p50_ms", "rtt_p95_ms", "rtt_p99_ms", "jitter_ms",
    "reply_ttl", "return_hops", "nat", "rtts_ms", "labels", "interfaces",
)  # fmt: skip
_ORIGIN = ("asn", "prefix", "name", "country", "source")
# of --ecmp: what holds of the hop, of the host at it, and of the leg the host stands for
_WAY = ("balancing",)
_NODE = ("share_ratio",)
_LEG = ("sent", "received", "loss_ratio", "loss_low_ratio", "loss_high_ratio", "verdict")
COLUMNS = (
    *("target_address" if name == "address" else name for name in _PATH),
    *_HOP,
    *_HOST,
    *(f"origin_{name}" for name in _ORIGIN),
    *_WAY,
    *_NODE,
    *(f"leg_{name}" for name in _LEG),
)
"""Stable: columns are only added, at the end."""

# What a spreadsheet takes for a formula at the start of a cell, also in its full-width form, and behind
# the separator of the locales that write a decimal comma (OWASP, CSV Injection).
_FORMULA = re.compile(r"(^|;)(?=\s*[=+\-@\uff1d\uff0b\uff0d\uff20])")


def csv(trace: Trace, findings: Sequence[Finding]) -> str:
    """One row a host, also one that only --ecmp found, and one a silent hop (RFC 4180: CRLF, a header,
    quotes where needed). Unknown and not asked are empty, lists are JSON. Text that a spreadsheet would
    run as a formula begins with an apostrophe; no real host's name needs it.
    """
    text = io.StringIO()
    writer = _csv.writer(text)
    writer.writerow(COLUMNS)
    for path in (trace, *(trace.others or ())):
        for row in _rows(path):
            writer.writerow(map(_cell, row))
    return text.getvalue()


def _rows(path: Path) -> Iterator[list[object]]:
    hops = {hop.ttl: hop for hop in path.hops}
    ways = {hop.ttl: hop for hop in path.ecmp.hops} if path.ecmp else {}
    diamonds = path.ecmp.diamonds if path.ecmp else []
    legs = {(leg.ttl, leg.address): leg for diamond in diamonds for leg in diamond.legs}
    for ttl in sorted({*hops, *ways}):
        hop, way = hops.get(ttl), ways.get(ttl)
        nodes = {node.address: node for node in way.nodes} if way else {}
        answered = {host.address for host in hop.hosts} if hop else set()
        hosts: list[Host | Node | None] = list(hop.hosts) if hop else []
        hosts += [node for node in nodes.values() if node.address not in answered]
        for host in hosts or [None]:
            address = host.address if host else None
            yield [
                *_of(path, _PATH),
                *_of(hop or way, _HOP),
                *_of(host, _HOST),
                *_of(getattr(host, "origin", None), _ORIGIN),
                *_of(way, _WAY),
                *_of(nodes.get(address or ""), _NODE),
                *_of(legs.get((ttl, address)), _LEG),
            ]
    if not hops and not ways:
        yield [*_of(path, _PATH), *[None] * (len(COLUMNS) - len(_PATH))]


def _of(struct: object, names: Sequence[str]) -> list[object]:
    """The fields; None where there is no such struct, or it is one that does not have them."""
    return [getattr(struct, name, None) for name in names]


def _cell(value: object) -> str:
    if value is None or value is UNSET or value == []:
        return ""
    if isinstance(value, str):
        return _FORMULA.sub(r"\1'", escape(value))
    return escape(msgspec.json.encode(value).decode())


def markdown(trace: Trace, findings: Sequence[Finding]) -> str:
    """The tables and verdicts of the screen, at full width, and the findings under them."""
    blocks = view.trace(trace, Look((), Terminal(False, None, None, False, True), False))
    found = [Lines(finding_lines(findings))] if findings else []
    return _markdown.write([*blocks, *found])
