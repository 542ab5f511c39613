"""/proc/PID/stat: hostile names, unknown states, damage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sretool.errors import ParseError
from sretool.procs.stat import LETTERS, STATES, parse, state_letter, state_name

TAIL = b" 1 7 7 0 -1 4194560 11 12 13 14 150 50 17 18 20 -5 3 0 4200 1048576 256 18446744073709551615 1 1"


@pytest.mark.parametrize(
    "comm",
    [b"sleep", b"a b", b"((", b"))", b") R 1 (", b"evil)\nR 1 1", b"\x1b[31mred", b"", b"\xff\xfe", b"tab\t"],
)
def test_a_name_may_hold_anything(comm: bytes) -> None:
    line = parse(b"42 (" + comm + b") S" + TAIL + b"\n", "42")
    assert line.comm == comm
    assert (line.state, line.ppid, line.major_faults) == (b"S", 1, 13)
    assert (line.ticks, line.nice, line.threads) == (200, -5, 3)
    assert (line.started_ticks, line.virtual_bytes, line.rss_pages) == (4200, 1048576, 256)
    assert not line.kernel
    assert state_letter(b"42 (" + comm + b") D" + TAIL) == b"D"


def test_a_kernel_thread_by_its_flag() -> None:
    assert parse(b"2 (kthreadd) S" + TAIL.replace(b"4194560", b"2129984"), "2").kernel


def test_states() -> None:
    assert state_name(b"D") == "disk-sleep"
    assert state_name(b"I") == "idle"
    assert state_name(b"K") == "unknown-K"
    assert state_name(b"\xff") == "unknown-\\xff"
    assert {STATES[letter.encode()] for letter in LETTERS.values()} == set(STATES.values())


@pytest.mark.parametrize(
    "raw", [b"", b"1", b"1 (x)", b"1 (x) S 1 2 3", b"1 (x) S" + TAIL.replace(b" 150 ", b" x ")]
)
def test_damage_is_a_parse_error_that_names_the_file(raw: bytes) -> None:
    with pytest.raises(ParseError, match="/proc/77/stat"):
        parse(raw, "77")


@given(st.binary(max_size=400))
def test_any_bytes(raw: bytes) -> None:
    state_letter(raw)
    try:
        parse(raw, "1")
    except ParseError:
        pass


@given(st.binary(max_size=15).filter(lambda comm: b"\0" not in comm))
def test_any_name(comm: bytes) -> None:
    assert parse(b"1 (" + comm + b") Z" + TAIL, "1").comm == comm
