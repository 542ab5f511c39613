"""Graphs, read back by the grammar of the DOT language."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest
import traces
from hypothesis import given
from hypothesis import strategies as st

from sretool.net.trace.dot import dot
from sretool.net.trace.model import Trace
from sretool.probe.origins import Origin
from sretool.report.escape import escape

_TOKEN = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*")|([A-Za-z_]\w*|-?\d+)|(->|[{}\[\]=;]))')
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


class Graph(NamedTuple):
    nodes: dict[str, dict[str, str]]
    edges: dict[tuple[str, str], dict[str, str]]

    def label(self, node: str) -> list[str]:
        return self.nodes[node]["label"].split("\n")


def _tokens(text: str) -> list[str]:
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        assert match, text[at : at + 60]
        found.append(match.group().strip())
        at = match.end()
    return found


def _shown(text: str) -> str:
    """A label as it is drawn (escString, HTML entities)."""
    drawn = re.sub(r"\\(.)", lambda match: {"n": "\n"}.get(match[1], match[1]), text)
    assert not re.search(r"&(?!amp;)", drawn)
    return drawn.replace("&amp;", "&")


def read(text: str) -> Graph:
    """https://graphviz.org/doc/info/lang.html, as much of it as is written."""
    tokens = iter(_tokens(text))
    assert [next(tokens) for _ in range(3)] == ["digraph", '"net trace"', "{"]
    graph = Graph({}, {})
    token = next(tokens)
    while token != "}":
        name, token = token, next(tokens)
        target = None
        if token == "->":
            target, token = next(tokens), next(tokens)
        elif token == "=":
            next(tokens)
            token = next(tokens)
            continue
        attributes: dict[str, str] = {}
        if token == "[":
            while (key := next(tokens)) != "]":
                assert next(tokens) == "="
                value = next(tokens)
                attributes[key] = _shown(value[1:-1]) if value.startswith('"') else value
            token = next(tokens)
        ends = [
            _shown(end[1:-1]) if end.startswith('"') else end for end in (name, target) if end is not None
        ]
        if target is not None:
            graph.edges[ends[0], ends[1]] = attributes
        elif name not in ("node", "edge"):
            assert ends[0] not in graph.nodes
            graph.nodes[ends[0]] = attributes
    assert not list(tokens)
    assert {end for edge in graph.edges for end in edge} <= set(graph.nodes), "an edge to nowhere"
    return graph


HERE = "from 10.0.0.254"


def simple() -> Trace:
    return traces.trace(
        traces.hop(1, traces.host("10.0.0.1", 1.5, name="core-1.lab")),
        traces.hop(2),
        traces.hop(3),
        traces.hop(4, traces.host("10.0.4.1", 40.0), traces.host("10.0.4.2", 41.0), loss_ratio=0.25),
        traces.hop(5, traces.host("10.0.5.1", 50.0), traces.host("10.0.5.2", 51.0)),
        traces.hop(6, traces.host("10.9.0.9", 60.0, origin=Origin(64500, None, "Nine & Co")), loss_ratio=0.5),
    )


def test_hosts_silent_hops_and_what_was_not_seen() -> None:
    graph = read(dot(simple(), []))
    assert graph.label(HERE) == ["10.0.0.254", "this host"]
    assert graph.label("10.0.0.1") == ["core-1.lab", "10.0.0.1", "1.50 ms"]
    assert graph.label("10.0.4.2") == ["10.0.4.2", "41.0 ms"], "whose loss it is, of two, nobody knows"
    assert graph.label("10.9.0.9") == ["web-1", "10.9.0.9", "AS64500 Nine & Co", "60.0 ms, loss 50.0%"]
    assert graph.nodes["10.9.0.9"]["peripheries"] == "2"
    assert graph.edges[HERE, "10.0.0.1"] == {}
    assert graph.edges["10.0.0.1", "10.0.4.1"] == {"style": "dashed", "label": "2 silent hops"}
    for near in ("10.0.4.1", "10.0.4.2"):
        for far in ("10.0.5.1", "10.0.5.2"):
            assert graph.edges[near, far] == {"style": "dashed"}
    assert graph.edges["10.0.5.2", "10.9.0.9"] == {}
    assert len(graph.edges) == 9


def test_a_target_that_is_not_reached() -> None:
    path = traces.trace(
        traces.hop(1, traces.host("10.0.0.1")),
        traces.hop(2),
        reached=False,
        end_reason="silent",
        end_address="10.0.0.1",
    )
    graph = read(dot(path, []))
    assert graph.label("to 10.9.0.9") == ["web-1", "10.9.0.9", "silent"]
    assert graph.edges["10.0.0.1", "to 10.9.0.9"]["style"] == "dashed"
    nothing = read(dot(traces.trace(reached=False, end_reason="local-failure"), []))
    assert list(nothing.edges) == [(HERE, "to 10.9.0.9")]


def test_paths_to_several_targets_share_their_routers() -> None:
    path = traces.trace(traces.hop(1, traces.host("10.0.0.1")), traces.hop(2, traces.host("10.9.0.9")))
    other = traces.trace(
        traces.hop(1, traces.host("10.0.0.1")),
        traces.hop(2, traces.host("10.9.0.8")),
        target="b",
        address="10.9.0.8",
    )
    path.others = [other]
    graph = read(dot(path, []))
    assert set(graph.nodes) == {HERE, "10.0.0.1", "10.9.0.9", "10.9.0.8"}
    assert set(graph.edges) == {(HERE, "10.0.0.1"), ("10.0.0.1", "10.9.0.9"), ("10.0.0.1", "10.9.0.8")}


def test_a_loop_is_a_circle() -> None:
    path = traces.trace(
        *(traces.hop(ttl, traces.host(f"10.0.0.{ttl % 2}")) for ttl in range(1, 6)),
        reached=False,
        end_reason="loop",
    )
    graph = read(dot(path, []))
    assert ("10.0.0.0", "10.0.0.1") in graph.edges
    assert ("10.0.0.1", "10.0.0.0") in graph.edges


def test_the_legs_of_ecmp() -> None:
    graph = read(dot(traces.balanced(), []))
    assert graph.label("10.0.2.1") == ["leg-1.lab", "10.0.2.1", "10.0 ms, loss 33.0%"]
    assert graph.nodes["10.0.2.1"]["color"] == "red"
    assert "color" not in graph.nodes["10.0.2.2"]
    assert graph.label("10.0.2.3") == ["10.0.2.3", "10.0 ms"]
    assert graph.nodes["10.9.0.9"]["peripheries"] == "2"
    assert graph.edges == {
        (HERE, "10.0.0.1"): {"label": "4 flows"},
        ("10.0.0.1", "10.0.2.1"): {"label": "2 flows"},
        ("10.0.0.1", "10.0.2.2"): {"label": "1 flow", "style": "dashed"},
        ("10.0.0.1", "10.0.2.3"): {"label": "1 flow"},
        ("10.0.2.1", "10.9.0.9"): {"label": "2 flows, 1 silent hop", "style": "dashed"},
        ("10.0.2.2", "10.9.0.9"): {"label": "2 flows"},
    }


def drawn(text: str) -> None:
    source = dot(traces.hostile(text), [])
    assert escape(flat := source.replace("\n", "")) == flat
    graph = read(source)
    assert len(graph.nodes) == 4
    if text:
        assert graph.label("10.0.0.1")[0] == escape(text)
        assert escape(text) in graph.label("10.9.0.9")[0]


@pytest.mark.parametrize("text", traces.HOSTILE)
def test_no_name_is_dot(text: str) -> None:
    drawn(text)


@given(ANY)
def test_no_name_at_all_is_dot(text: str) -> None:
    drawn(text)
