"""Traces as a graph for Graphviz (https://graphviz.org/doc/info/lang.html). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from msgspec import UNSET

from sretool.net.trace.ecmp.model import Ecmp, Link, Node
from sretool.net.trace.model import Host, Path, Trace
from sretool.report.answer import Finding
from sretool.report.escape import escape
from sretool.report.units import count_text, ms_text, ratio_text


class _Node(NamedTuple):
    label: tuple[str, ...]
    style: tuple[str, ...] = ()


class _Graph:
    """Nodes by id, edges by their ends; what several paths share is drawn once."""

    def __init__(self) -> None:
        self.nodes: dict[str, _Node] = {}
        self.edges: dict[tuple[str, str], tuple[str, ...]] = {}

    def node(self, id: str, label: tuple[str, ...], *style: str) -> str:
        self.nodes.setdefault(id, _Node(label, style))
        return id

    def edge(self, start: str, end: str, *style: str) -> None:
        # seen beats not seen, whichever path says so first
        if not style or (start, end) not in self.edges:
            self.edges[start, end] = style


def dot(trace: Trace, findings: Sequence[Finding]) -> str:
    """A directed graph: this host, who answered, the targets. Solid edges were seen: one flow passed both
    ends, or there was only one way. Dashed ones lead past hosts that did not answer, or between hops
    with several hosts, where it was not seen which leads to which. Of --ecmp a leg that loses is red.
    """
    graph = _Graph()
    for path in (trace, *(trace.others or ())):
        _add(graph, path)
    return "\n".join(_text(graph)) + "\n"


def _text(graph: _Graph) -> Iterator[str]:
    yield 'digraph "net trace" {'
    yield "  rankdir=LR"
    yield '  node [shape=box fontname="sans-serif" fontsize=10]'
    yield '  edge [fontname="sans-serif" fontsize=9]'
    for name, node in graph.nodes.items():
        # \n is DOT's own line break; each line stands in the middle
        label = "\\n".join(_escaped(line) for line in node.label if line)
        yield f'  {_quoted(name)} [label="{label}"{"".join(f" {style}" for style in node.style)}]'
    for (start, end), style in graph.edges.items():
        yield f"  {_quoted(start)} -> {_quoted(end)}" + (f" [{' '.join(style)}]" if style else "")
    yield "}"


def _escaped(text: str) -> str:
    """Inside the quotes of a label: backslashes would be DOT's escapes (escString), and an ampersand
    begins an HTML entity.
    """
    return escape(text).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'


def _add(graph: _Graph, path: Path) -> None:
    here = graph.node(f"from {path.source_address}", (path.source_address, "this host"), "shape=ellipse")
    last = _by_flow(graph, path, here, path.ecmp) if path.ecmp is not UNSET else _by_hop(graph, path, here)
    if not path.reached:
        names = () if path.target == path.address else (path.address,)
        end = graph.node(
            f"to {path.address}", (path.target, *names, path.end_reason), "style=dashed", "color=red"
        )
        for start in last:
            graph.edge(start, end, "style=dashed", "color=red")


def _by_hop(graph: _Graph, path: Path, here: str) -> list[str]:
    last, silent = [here], 0
    for hop in path.hops:
        if not hop.hosts:
            silent += 1
            continue
        loss_ratio = hop.loss_ratio if len(hop.hosts) == 1 else None  # of several: nobody knows whose
        hosts = [_host(graph, path, host, hop.ttl, loss_ratio) for host in hop.hosts]
        for start in last:
            for end in dict.fromkeys(hosts):
                graph.edge(start, end, *_past(silent, len(last) > 1 and len(hosts) > 1))
        last, silent = list(dict.fromkeys(hosts)), 0
    return last


def _past(silent: int, unsure: bool) -> list[str]:
    if silent:
        return ["style=dashed", f"label={_quoted(count_text(silent, 'silent hop'))}"]
    return ["style=dashed"] if unsure else []


def _host(graph: _Graph, path: Path, host: Host, ttl: int, loss_ratio: float | None) -> str:
    address = host.address or f"unknown address at hop {ttl}"
    label = _label(path, address, host, host.rtt_avg_ms, loss_ratio)
    return graph.node(address, label, *_target(path, host.address))


def _label(
    path: Path, address: str, host: Host | Node, rtt_ms: float | None, loss_ratio: float | None
) -> tuple[str, ...]:
    """A host's name, address and AS, what it takes to get there, and what is lost."""
    names = [address]
    name = host.name or ""
    if address == path.address and path.target not in (address, name):
        names.insert(0, path.target)
    if name:
        names.insert(0, name)
    if host.origin and host.origin.asn is not None:
        names.append(f"AS{host.origin.asn} {host.origin.name or ''}".rstrip())
    figures = [] if rtt_ms is None else [f"{ms_text(rtt_ms)} ms"]
    figures += [f"loss {ratio_text(loss_ratio)}"] if loss_ratio else []
    return (*names, ", ".join(figures))


def _target(path: Path, address: str | None) -> list[str]:
    reached = path.reached and address in (path.address, path.end_address)
    return ["style=bold", "peripheries=2"] if reached else []


def _by_flow(graph: _Graph, path: Path, here: str, ecmp: Ecmp) -> list[str]:
    """The links that flows were seen to take, and the legs that lose."""
    legs = {leg.address: leg for diamond in ecmp.diamonds for leg in diamond.legs}
    for hop in ecmp.hops:
        for node in hop.nodes:
            leg = legs.get(node.address)
            loss_ratio = None if leg is None else leg.loss_ratio
            label = _label(path, node.address, node, node.rtt_avg_ms, loss_ratio)
            style = ["color=red"] if leg is not None and leg.verdict == "loses" else []
            graph.node(node.address, label, *style, *_target(path, node.address))
    links: dict[tuple[str, str], list[Link]] = {}
    for link in ecmp.links:  # legs of unequal length pass the same two hosts at several TTLs
        links.setdefault((link.from_address or here, link.to_address), []).append(link)
    for (start, end), found in links.items():
        flows = {flow for link in found for flow in link.flows}
        silent = min(link.to_ttl - link.from_ttl - 1 for link in found)
        said = count_text(len(flows), "flow") + (f", {count_text(silent, 'silent hop')}" if silent else "")
        seen = not silent and not all(link.assumed for link in found)
        graph.edge(start, end, *([] if seen else ["style=dashed"]), f"label={_quoted(said)}")
    ends = {link.to_address for link in ecmp.links} - {link.from_address for link in ecmp.links}
    return sorted(ends) or [here]
