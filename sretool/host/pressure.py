"""Pressure stall information, as /proc/pressure/* and a cgroup's *.pressure files give it.

    some avg10=0.00 avg60=0.00 avg300=0.00 total=31415
    full avg10=0.00 avg60=0.00 avg300=0.00 total=2718

`some`: at least one task waited; `full`: all tasks that were not idle waited (Documentation/
accounting/psi.rst). Host-wide cpu `full` is 0 by definition, and absent before kernel 5.13.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from sretool.errors import ParseError
from sretool.host.decimal import integer


class Stall(NamedTuple):
    """One line. Averages are shares of time, 0 to 1, that the kernel keeps over 10, 60 and 300 s;
    `total_us` is the sum since boot, for windows of our own.
    """

    avg10_ratio: float
    avg60_ratio: float
    avg300_ratio: float
    total_us: int


class Pressure(NamedTuple):
    """Both lines; None where the kernel gives no such line."""

    some: Stall | None
    full: Stall | None


def parse(raw: bytes, what: str) -> Pressure:
    """A pressure file. `what` names it in the error.

    Raises:
        ParseError: neither line is there, or a number in it is none. Lines and keys that are not
            known are passed over.
    """
    found: dict[bytes, Stall] = {}
    for line in raw.splitlines():
        kind, *pairs = line.split() or [b""]
        if kind not in (b"some", b"full"):
            continue
        values = dict(pair.partition(b"=")[::2] for pair in pairs)
        try:
            # two decimals of a percent as the kernel prints them, no binary dust behind
            averages = [round(float(values[key]) / 100, 4) for key in (b"avg10", b"avg60", b"avg300")]
            total = integer(values[b"total"])
        except (KeyError, ValueError):
            raise ParseError(what, f"not a pressure line: {line[:80]!r}") from None
        if total < 0 or not all(map(math.isfinite, averages)):
            raise ParseError(what, f"not a pressure line: {line[:80]!r}")
        found[kind] = Stall(averages[0], averages[1], averages[2], total)
    if not found:
        raise ParseError(what, "neither a 'some' nor a 'full' line")
    return Pressure(found.get(b"some"), found.get(b"full"))


def share(now: Stall | None, before: Stall | None, elapsed_s: float) -> float | None:
    """The share of the time between two readings that was stalled, 0 to 1. None without two
    readings, and when the total went backwards (another boot, a cgroup made anew).
    """
    if now is None or before is None or elapsed_s <= 0 or now.total_us < before.total_us:
        return None
    # the kernel's total and our clock are read at slightly different instants
    return min(1.0, (now.total_us - before.total_us) / (elapsed_s * 1e6))
