"""Numbers as a sentence says them."""

from __future__ import annotations

from typing import Union

from sretool.report import units
from sretool.report.units import UNKNOWN, bytes_text, duration_text
from sretool.sockets.model import Socket

Fields = dict[str, Union[float, int, str, None]]


def span(ms: float) -> str:
    """A time as a person says it: 120 ms, 3.2 s, 42 s, 6m24s, 2h00m."""
    if ms < 1000:
        return f"{ms:.0f} ms"
    return (
        f"{ms / 1000:.1f} s"
        if ms < 10_000
        else f"{ms / 1000:.0f} s"
        if ms < 60_000
        else duration_text(ms / 1000)
    )


def soon(ms: float) -> str:
    """`in 3.2 s`, or `now`."""
    return f"in {span(ms)}" if ms else "now"


def ms_text(value: float | None) -> str:
    """Milliseconds, also those of a loopback."""
    return f"{value:.3f}" if value is not None and value < 0.1 else units.ms_text(value)


def who(row: Socket) -> str:
    """Its process, as the one that acts."""
    return "the application" if row.process is None else f"{row.process}[{row.pid}]"


def nth(number: int) -> str:
    """1st, 2nd, 11th."""
    ending = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def times(number: int) -> str:
    """A number of things before `unanswered`."""
    return "one" if number == 1 else str(number)


def percent(ratio: float | None) -> str:
    """83%, 4.1%."""
    if ratio is None:
        return "-"
    return f"{ratio:.0%}" if ratio >= 0.1 or not ratio else f"{ratio:.1%}"


def rate(rate: float | None) -> str:
    """1.0MB/s."""
    return UNKNOWN if rate is None else f"{bytes_text(rate)}B/s"
