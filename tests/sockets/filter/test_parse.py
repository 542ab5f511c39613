from __future__ import annotations

import contextlib
import socket

import filters
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sretool.errors import UsageError
from sretool.sockets.filter.parse import DEPTH_LIMIT, parse
from sretool.sockets.filter.tree import (
    ALL,
    And,
    Autobound,
    Cgroup,
    Device,
    Field,
    Host,
    Mark,
    Name,
    Node,
    Not,
    Or,
    Port,
    State,
    states,
)
from sretool.sockets.states import ALL_STATES, BOUND_INACTIVE, EVERY

LOOPBACK = socket.inet_aton("127.0.0.1")
A, B, C = Port("local", "=", 1), Port("local", "=", 2), Port("local", "=", 3)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", ALL),
        ("sport = :443", Port("local", "=", 443)),
        ("sport=443", Port("local", "=", 443)),
        ("dport :http", Port("remote", "=", 80)),
        ("dport neq domain", Not(Port("remote", "=", 53))),
        ("sport geq 1024", Port("local", ">=", 1024)),
        ("sport<1024", Port("local", "<", 1024)),
        ("dst 10.0.0.0/8", Host("remote", bytes([10, 0, 0, 0]), 8)),
        ("dst 10/8", Host("remote", bytes([10, 0, 0, 0]), 8)),
        ("dst != 10/8", Not(Host("remote", bytes([10, 0, 0, 0]), 8))),
        ("src = 127.0.0.1:80", Host("local", LOOPBACK, 32, 80)),
        ("src 127.0.0.1/24:http", Host("local", LOOPBACK, 24, 80)),
        ("src *:80", Host("local", b"", 0, 80)),
        ("src :80", Host("local", b"", 0, 80)),
        ("src [::1]:80", Host("local", bytes(15) + b"\1", 128, 80)),
        ("src [::1/64]", Host("local", bytes(15) + b"\1", 64)),
        ("src ::1", Host("local", bytes(15) + b"\1", 128)),
        ("src ::1/64:80", Host("local", bytes(15) + b"\1", 64, 80)),
        ("src inet:*", Host("local", bytes(4), 0)),
        ("src unix:/run/*", Name("local", "/run/*")),
        ("dst @x", Name("remote", "@x")),
        ("dev = eth0", Device("eth0")),
        ("dev != eth0", Not(Device("eth0"))),
        ("fwmark 0x10/0xf0", Mark(0x10, 0xF0)),
        ("fwmark = 16", Mark(16, 0xFFFFFFFF)),
        ("cgroup /system.slice", Cgroup("/system.slice")),
        ("autobound", Autobound()),
        ("rtt_ms > 50", Field("rtt_ms", ">", 50)),
        ("rtt_ms le 1.5", Field("rtt_ms", "<=", 1.5)),
        ("process != 'Web Content'", Not(Field("process", "=", "Web Content"))),
        ('unit = "and"', Field("unit", "=", "and")),
        # precedence, and the and that is not written
        ("sport 1 or sport 2 and sport 3", Or((A, And((B, C))))),
        ("sport 1 sport 2 or sport 3", Or((And((A, B)), C))),
        ("( sport 1 | sport 2 ) && sport 3", And((Or((A, B)), C))),
        ("not sport 1 sport 2", And((Not(A), B))),
        ("!(sport 1 sport 2)", Not(And((A, B)))),
        ("! ! sport 1", Not(Not(A))),
    ],
)
def test_trees(text: str, tree: Node) -> None:
    assert parse(text) == tree


@pytest.mark.parametrize(
    ("text", "mask"),
    [
        ("state established", 1 << 1),
        ("state LISTENING", 1 << 10),
        ("state established state listen", 1 << 1 | 1 << 10),
        ("exclude listen", ALL_STATES & ~(1 << 10)),
        ("state connected exclude time-wait", ALL_STATES & ~(1 << 10 | 1 << 7 | 1 << 6)),
        ("state bucket", 1 << 3 | 1 << 6 | 1 << 12),
        ("state != listen", ALL_STATES & ~(1 << 10)),
    ],
)
def test_a_run_of_states_is_one_set(text: str, mask: int) -> None:
    assert parse(text) == State(mask)


@pytest.mark.parametrize(
    ("text", "mask"),
    [
        ("sport 1", ALL_STATES),
        ("state listen or sport 1", ALL_STATES),
        ("state listen sport 1", 1 << 10),
        ("not state listen", ALL_STATES & ~(1 << 10)),
        ("not ( state listen sport 1 )", ALL_STATES),
        ("not ( state listen or sport 1 )", ALL_STATES & ~(1 << 10)),
        ("state bound-inactive sport 1", 1 << BOUND_INACTIVE),
        ("state bound-inactive or sport 1", EVERY),
    ],
)
def test_states_of_whatever_fits(text: str, mask: int) -> None:
    assert states(parse(text)) == mask


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("foo", 1, "sport, dport"),
        ("spotr = 1", 1, "did you mean sport?"),
        ("nginx", 1, "process = nginx"),
        ("sport = :443 and", 17, "a term"),
        ("sport = ", 8, "a port"),
        ("sport = :70000", 9, "at most 65535"),
        ("sport = :" + "9" * 5000, 9, "at most 65535"),
        ("sport = nosuchservice", 9, "a port"),
        ("dst 10.0.0.300", 5, "an address"),
        ("dst 10.0.0.0/33", 5, "a prefix length of 0 to 32"),
        ("dst 1.2.3.4:x", 13, "an address"),
        ("dst example.com", 5, "an address"),
        ("dst > 1.2.3.4", 5, "= or !="),
        ("src inet6:1.2.3.4", 5, "of family inet6"),
        ("state lisen", 7, "established"),
        ("process > x", 9, "= or !="),
        ("rtt_ms = x", 10, "a number"),
        ("rtt_ms > nan", 10, "a number"),
        ("rtt_ms", 7, "an operator"),
        ("fwmark = z", 10, "a mark"),
        ("fwmark = 0x100000000", 10, "32 bits"),
        ("cgroup system.slice", 8, "a path"),
        ("( sport 1", 10, "a ) for the ( at column 1"),
        ("sport 1 )", 9, "and, or, or the end"),
        ("sport 1 or or sport 2", 12, "a term"),
        ("process = 'a", 11, "a closing quote"),
        ("'sport' = 1", 1, "without quotes"),
        ("not " * 200 + "sport 1", 401, f"at most {DEPTH_LIMIT}"),
    ],
)
def test_a_wrong_filter_says_where_and_what_was_expected(text: str, column: int, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert caught.value.what == "FILTER"
    assert caught.value.message.startswith(f"column {column}: expected ")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@given(filters.trees(filters.KERNEL))
def test_what_is_written_is_read_back(tree: Node) -> None:
    assert parse(filters.text(tree)) == tree


WORDS = (
    "(",
    ")",
    "!",
    "and",
    "or",
    "|",
    "sport",
    "dst",
    "=",
    ">",
    ":80",
    "::1",
    "10/8",
    "state",
    "listen",
    "x",
    "'",
    "process",
    "[",
    "]:",
)


@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)))
def test_any_text_is_a_tree_or_a_usage_error(text: str) -> None:
    with contextlib.suppress(UsageError):
        parse(text)
