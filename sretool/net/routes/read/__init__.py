"""Routes read from the kernel: one sample, and the models derived from it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

from sretool.errors import Inconsistent, Missing, ParseError, SourceError, UsageError
from sretool.host.source import Source
from sretool.net.routes.model import Route, Routes
from sretool.net.routes.read import decode
from sretool.net.routes.read.decision import ask_for, ask_kernel, build_decision, explain
from sretool.net.routes.read.dump import dump_of
from sretool.net.routes.read.health import Health
from sretool.net.routes.read.lookup import Flow
from sretool.net.routes.read.names import tables
from sretool.net.routes.read.sample import COUNTERS, EVERYTHING, Ask, Sample, sample
from sretool.net.routes.read.wanted import EVERY, Wanted


def build(now: Sample, wanted: Wanted = EVERY, health: Health | None = None) -> Routes:
    """The routes, which `health` is shown; a family whose frames are damaged costs itself, and is noted
    in `now.errors`.
    """
    rows: list[Route] = []
    legs = now.legs()
    for family, frames in list(now.frames.items()):
        kept = len(rows)
        try:
            found = decode.decode(frames, family, now.devices, now.tables, wanted, legs)
            rows.extend(found if health is None else health.see(found))
        except ParseError as error:
            del rows[kept:], now.frames[family]
            now.errors.append(error)
    return Routes(rows, len(rows))


def stream(source: Source, now: Sample, families: Sequence[str], health: Health) -> Iterator[Route]:
    """The routes as they come, of a `now` without them; each family is one try. What could not be read,
    and that the table changed meanwhile, is noted in `now.errors`; a family that came to its end is
    in `now.frames`, without its frames.
    """
    legs = now.legs()
    for family in families:
        request = dump_of(family, health.wanted, now.devices)
        try:
            frames = source.stream(request)
            found = decode.decode(frames, family, now.devices, now.tables, health.wanted, legs)
            yield from health.see(found)
            now.frames[family] = []
        except Missing as error:
            if not request.strict:
                now.errors.append(error)
        except Inconsistent as error:
            now.frames[family] = []
            now.errors.append(error)
        except (SourceError, ParseError) as error:
            now.errors.append(error)


def prefix(text: str) -> tuple[bytes, int]:
    """A destination that the user typed: an address, a prefix, or `default` (of both families).

    Raises:
        ValueError: neither.
    """
    if text == "default":
        return b"", 0
    network = ipaddress.ip_network(text)
    return network.network_address.packed, network.prefixlen


def _address(what: str, text: str, hint: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address(text)
    except ValueError as error:
        raise UsageError(what, str(error), hint) from None


def flow_to(destination: str, from_address: str | None, mark: int | None, uid: int) -> Flow:
    """A flow from the addresses that the user typed.

    Raises:
        UsageError: not an address, or two of different families.
    """
    to = _address("DEST", destination, "give an address; `getent ahosts NAME` finds a name's")
    source = b""
    if from_address is not None:
        sender = _address("--from-addr", from_address, "give an IPv4 or IPv6 address of this host")
        if sender.version != to.version:
            message = f"{sender} is IPv{sender.version}, and {to} is IPv{to.version}"
            raise UsageError("--from-addr", message, "give two of one family")
        source = sender.packed
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
    "prefix",
    "sample",
    "stream",
    "tables",
]
