"""Listings of many rows, piped."""

from __future__ import annotations

from collections.abc import Iterator

from bench import crowd
from bench.measure import SRETOOL, Row, beside, megabytes

PS = ("ps", "-eo", "pid,ppid,user,stat,pcpu,pmem,rss,etimes,comm,cgroup,args")


def rows() -> Iterator[Row]:
    """Processes, sockets, routes."""
    for count, target in ((4_000, "≤ 1.2×"), (20_000, "≤ 1.0×")):
        with crowd.processes(count):
            ours, peer = beside((SRETOOL, "procs", "list", "--sample", "0"), PS)
        yield Row(
            f"{count:,} processes, one sample",
            "ps -eo …",
            ours.wall_s,
            peer.wall_s,
            "s",
            target,
            megabytes(ours),
        )
    if crowd.root():
        yield from _sockets(100_000)
        yield from _routes(100_000)


def _sockets(count: int) -> Iterator[Row]:
    with crowd.sockets(count) as inside:
        listing = (*inside, SRETOOL, "sockets", "list")
        ours, document, peer = beside(listing, (*listing, "--json"), (*inside, "ss", "-tanp"))
    job = f"{count:,} TCP sockets with process and unit"
    note = f"{megabytes(ours)}, target 150"
    yield Row(job, "ss -tanp", ours.wall_s, peer.wall_s, "s", "≤ 0.25×", note)
    yield Row(
        "the same, as JSON", "our own table", document.wall_s, ours.wall_s, "s", "≤ 1.3×", megabytes(document)
    )


def _routes(count: int) -> Iterator[Row]:
    with crowd.routes(count) as inside:
        listing = (*inside, SRETOOL, "net", "routes", "--json")
        ours, peer = beside(listing, (*inside, "ip", "-j", "route"))
    note = f"{megabytes(ours)}, target 120"
    yield Row(f"{count:,} routes, as JSON", "ip -j route", ours.wall_s, peer.wall_s, "s", "≤ 2.5×", note)
