"""Pressure files: as documented, from the future, and damaged."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sretool.errors import ParseError
from sretool.host.pressure import Pressure, Stall, parse, share

BOTH = (
    b"some avg10=1.50 avg60=0.25 avg300=0.03 total=4384486\n"
    b"full avg10=0.00 avg60=0.01 avg300=100.00 total=12\n"
)


def test_both_lines() -> None:
    assert parse(BOTH, "x") == Pressure(Stall(0.015, 0.0025, 0.0003, 4384486), Stall(0.0, 0.0001, 1.0, 12))


def test_cpu_before_5_13_has_no_full_line() -> None:
    assert parse(BOTH.splitlines()[0], "x").full is None


def test_what_is_not_known_is_passed_over() -> None:
    assert parse(b"most avg10=x\n" + BOTH.replace(b" total", b" avg900=1.00 total"), "x") == parse(BOTH, "x")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        b"none",
        b"some",
        b"some avg10=1",
        b"some avg10=a avg60=0 avg300=0 total=1",
        b"some avg10=nan avg60=0 avg300=0 total=1",
        b"some avg10=0 avg60=0 avg300=0 total=-1",
    ],
)
def test_damage_names_the_file(raw: bytes) -> None:
    with pytest.raises(ParseError, match="/proc/pressure/io"):
        parse(raw, "/proc/pressure/io")


def test_share_of_a_window() -> None:
    def at(total: int) -> Stall:
        return Stall(0, 0, 0, total)

    assert share(at(1_500_000), at(1_000_000), 2.0) == 0.25
    assert share(at(9_000_000), at(1_000_000), 2.0) == 1.0
    assert share(at(1), at(2), 2.0) is None
    assert share(at(2), at(1), 0.0) is None
    assert share(None, at(1), 1.0) is None
    assert share(at(1), None, 1.0) is None


@pytest.mark.skipif(not os.path.exists("/proc/pressure/memory"), reason="kernel without PSI")
@pytest.mark.parametrize("kind", ["cpu", "memory", "io"])
def test_this_kernel(kind: str) -> None:
    path = f"/proc/pressure/{kind}"
    with open(path, "rb") as file:
        some = parse(file.read(), path).some
    assert some is not None
    assert 0 <= some.avg10_ratio <= 1


@given(st.binary(max_size=200) | st.text(alphabet="somefull avg10=.+e\n-36", max_size=120).map(str.encode))
def test_any_bytes(raw: bytes) -> None:
    try:
        parse(raw, "x")
    except ParseError:
        pass
