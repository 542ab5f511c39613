from __future__ import annotations

import io
import re
from typing import Any

import pytest
from paths import Node, Path, router, straight
from trace_sim import traced

from sretool.command.run import Look
from sretool.net.trace.view import trace as view
from sretool.report.table import write
from sretool.report.terminal import Terminal


def shown(
    path: Path, *, columns: int | None = 80, unicode: bool = True, target: str = "web-1", **plan: Any
) -> str:
    trace = traced(path, target=target, **plan)
    out = io.StringIO()
    look = Look((), Terminal(columns is not None, columns, 24, False, unicode), False)
    write(view(trace, look), out, columns, unicode)
    return out.getvalue()


def test_a_path() -> None:
    path = straight(8, silent=(3, 5, 6, 7))
    path.hops[1] = [router(2, 20.0, leg=1), router(2, 25.0, leg=2)]
    assert (
        shown(path)
        == """\
web-1 (10.99.255.1) from 10.99.0.254, UDP port 33434

TTL  ADDRESS      ANSWERED  MIN ms  AVG ms  MAX ms  ANSWER
  1  10.99.0.1         3/3    10.0    10.0    10.0
  2  10.99.1.2         1/3    20.0    20.0    20.0
     10.99.2.2         2/3    25.0    25.0    25.0
  3  no answer         0/3       -       -       -
  4  10.99.0.4         3/3    40.0    40.0    40.0
5–7  no answer         0/9       -       -       -
  8  10.99.255.1       3/3    80.0    80.0    80.0

reached at hop 8 (port closed); the trace took 160 ms
several hosts at one hop: each probe is its own flow and may take its own way
"""
    )


def test_a_silent_target() -> None:
    text = shown(straight(4, target_silent=True))
    assert "4–30  no answer" in text
    assert "the target is silent; the trace took 115" in text


def test_who_refuses() -> None:
    path = straight(4)
    path.end = Node("10.99.0.3", [30.0], (3, 13))
    text = shown(path)
    assert "admin-prohibited" in text
    assert "filtered on the way; the trace took 30." in text


def test_the_services_answer() -> None:
    path = straight(3)
    path.end = Node(path.target, [30.0], None, datagram=True)
    assert re.search(r"reached at hop 3 \(its service answered\); the trace took 30\.\d ms", shown(path))


def test_an_end_that_answers_under_another_address_is_named() -> None:
    path = straight(3)
    path.end = Node("10.99.77.1", [30.0], (3, 3))
    assert "(port closed, by 10.99.77.1)" in shown(path)


def test_what_is_not_known_is_said() -> None:
    path = straight(12)
    path.end.burst = 2  # type: ignore[union-attr]
    assert "loss not known: the target answered 2 of the first 2 probes" in shown(path)


@pytest.mark.parametrize("columns", [40, 60, 80])
@pytest.mark.parametrize("family", [4, 6])
def test_no_row_is_wider_than_the_terminal(columns: int, family: int) -> None:
    path = straight(6, family=family, silent=(2, 3, 4))
    path.hops[0][0].address = "fd99:1111:2222:3333:4444:5555:6666:7777" if family == 6 else "100.100.100.100"
    path.end = Node(path.target, [1234.5], (3, 13) if family == 4 else (1, 1))
    text = shown(path, columns=columns, timeout_s=5)
    lines = [line for line in text.splitlines() if not line.startswith("(no room for")]
    assert max(map(len, lines)) <= columns
    assert any("admin" in line for line in lines)


def test_ascii_and_hostile_names() -> None:
    text = shown(straight(8, silent=(3, 4, 5)), unicode=False, target="web\x1b[31m\u202e")
    assert text.isascii()
    assert "\x1b" not in text
    assert "3-5" in text


def test_a_loop_is_shown_once_round() -> None:
    path = straight(4)
    path.hops = path.hops[:3] + [[router(4, 44.0)], [router(5, 45.0)]] * 20
    text = shown(path)
    assert re.search(r"^ +4  10.99.0.4 +3/3", text, re.M)
    assert re.search(r"^ +5  10.99.0.5 +3/3", text, re.M)
    assert re.search(r"^6–30  the same, round and round +75/75", text, re.M)


def test_a_silent_tcp_port_may_be_filtered() -> None:
    text = shown(straight(4, target_silent=True), asked={"protocol": "tcp", "port": 443})
    assert "the target is silent (TCP port 443 filtered, or nobody there); the trace took" in text
