"""Traces as a graph for Graphviz (https://graphviz.org/doc/info/lang.html). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from msgspec import UNSET

from sretool.net.trace.ecmp.model import Ecmp
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
    with several hosts, where it was not seen which leads to which.
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
        hosts = [_host(graph, path, host, hop.ttl, hop.loss_ratio) for host in hop.hosts]
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
    figures = [f"{ms_text(host.rtt_avg_ms)} ms"] if host.rtt_avg_ms is not None else []
    figures += [f"loss {ratio_text(loss_ratio)}"] if loss_ratio else []
    names = [address]
    if address == path.address and path.target not in (address, host.name or ""):
        names.insert(0, path.target)
    if host.name:
        names.insert(0, host.name)
    if host.origin and host.origin.asn is not None:
        names.append(f"AS{host.origin.asn} {host.origin.name or ''}".rstrip())
    return graph.node(address, (*names, ", ".join(figures)), *_target(path, host.address))


def _target(path: Path, address: str | None) -> list[str]:
    reached = path.reached and address in (path.address, path.end_address)
    return ["style=bold", "peripheries=2"] if reached else []


def _by_flow(graph: _Graph, path: Path, here: str, ecmp: Ecmp) -> list[str]:
    """The links that flows were seen to take; who they are is known from the hops."""
    known = {host.address: (hop, host) for hop in path.hops for host in hop.hosts}
    for hop in ecmp.hops:
        for node in hop.nodes:
            if node.address in known:
                at, host = known[node.address]
                _host(graph, path, host, hop.ttl, at.loss_ratio)
            else:
                time = "" if node.rtt_avg_ms is None else f"{ms_text(node.rtt_avg_ms)} ms"
                graph.node(node.address, (node.address, time), *_target(path, node.address))
    for link in ecmp.links:
        start = here if link.from_address is None else link.from_address
        label = f"label={_quoted(count_text(len(link.flows), 'flow'))}"
        silent = link.to_ttl - link.from_ttl - 1
        graph.edge(start, link.to_address, *(["style=dashed"] if silent or link.assumed else []), label)
    ends = {link.to_address for link in ecmp.links} - {link.from_address for link in ecmp.links}
    return sorted(ends) or [here]
