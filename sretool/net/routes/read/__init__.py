"""Routes read from the kernel: one sample, and the models derived from it."""

from __future__ import annotations

import ipaddress

from sretool.errors import ParseError
from sretool.net.routes.model import Route, Routes
from sretool.net.routes.read import decode
from sretool.net.routes.read.decision import ask_for, ask_kernel, build_decision, explain
from sretool.net.routes.read.decode import EVERY, Wanted
from sretool.net.routes.read.health import Health
from sretool.net.routes.read.lookup import Flow
from sretool.net.routes.read.sample import COUNTERS, EVERYTHING, Ask, Sample, sample


def build(now: Sample, wanted: Wanted = EVERY, health: Health | None = None) -> Routes:
    """The routes, which `health` is shown; a family whose frames are damaged costs itself, and is noted
    in `now.errors`.
    """
    rows: list[Route] = []
    for family, frames in now.frames.items():
        kept = len(rows)
        try:
            found = decode.decode(frames, family, now.devices, now.tables, wanted)
            rows.extend(found if health is None else health.see(found))
        except ParseError as error:
            del rows[kept:]
            now.errors.append(error)
    return Routes(rows, len(rows))


def flow_to(destination: str, from_address: str | None, mark: int | None, uid: int) -> Flow:
    """A flow from the addresses that the user typed.

    Raises:
        ValueError: not an address, or two of different families.
    """
    to = ipaddress.ip_address(destination)
    source = b"" if from_address is None else ipaddress.ip_address(from_address).packed
    if source and len(source) != len(to.packed):
        raise ValueError("of different address families")
    return Flow(to.packed, source, mark or 0, uid)


__all__ = [
    "COUNTERS",
    "EVERY",
    "EVERYTHING",
    "Ask",
    "Flow",
    "Sample",
    "Wanted",
    "ask_for",
    "ask_kernel",
    "build",
    "build_decision",
    "explain",
    "flow_to",
    "sample",
]
