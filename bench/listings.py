"""Listings of many rows, piped."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator

from bench import crowd
from bench.measure import SRETOOL, Row, beside, megabytes, once

PSUTIL = "import psutil; psutil.net_connections('tcp')"
PS = ("ps", "-eo", "pid,ppid,user,stat,pcpu,pmem,rss,etimes,comm,cgroup,args")


def rows() -> Iterator[Row]:
    """Processes, sockets, routes, a recording."""
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
    yield _recording(20_000)
    if crowd.root():
        yield from _sockets(100_000)
        yield from _routes(100_000)
        yield from _streamed_routes(1_000_000)


def _recording(count: int) -> Row:
    with tempfile.TemporaryDirectory() as folder, crowd.processes(count):
        ours = once((SRETOOL, "snapshot", "save", f"{folder}/host.tar.gz"))
    note = f"{megabytes(ours)}, target 250; before: 111 s, 86 s of CPU, 944 MB"
    return Row(
        f"a recording of {count:,} processes, two moments, once", "–", ours.wall_s, None, "s", "≤ 15 s", note
    )


def _sockets(count: int) -> Iterator[Row]:
    with crowd.sockets(count) as inside:
        listing = (*inside, SRETOOL, "sockets", "list")
        ours, document, peer, known = beside(
            listing, (*listing, "--json"), (*inside, "ss", "-tanp"), (*inside, sys.executable, "-c", PSUTIL)
        )
        few, least = beside((*listing, "state listening"), (*inside, "ss", "-tlnp"))
        counting = (*inside, SRETOOL, "sockets", "summary", "--sample", "0")
        counted, health, each, infos = beside(
            counting, (*counting, "--by", "peer"), (*inside, "ss", "-tanp"), (*inside, "ss", "-tanOi")
        )
    job = f"{count:,} TCP sockets with process and unit"
    note = f"{megabytes(ours)}, target 150"
    yield Row(job, "ss -tanp", ours.wall_s, peer.wall_s, "s", "≤ 0.25×", note)
    yield Row(
        "the same, as JSON", "our own table", document.wall_s, ours.wall_s, "s", "≤ 1.3×", megabytes(document)
    )
    yield Row("the same, table", "psutil", ours.wall_s, known.wall_s, "s", "–", f"psutil {megabytes(known)}")
    yield Row("only those that listen", "ss -tlnp", few.wall_s, least.wall_s, "s", "–", megabytes(few))
    job = f"{count:,} sockets counted by state, process, peer"
    yield Row(job, "ss -tanp", counted.wall_s, each.wall_s, "s", "–", megabytes(counted))
    yield Row(
        "the same with path health", "ss -tanOi", health.wall_s, infos.wall_s, "s", "–", megabytes(health)
    )


def _routes(count: int) -> Iterator[Row]:
    with crowd.routes(count) as inside:
        listing = (*inside, SRETOOL, "net", "routes", "--json")
        ours, peer = beside(listing, (*inside, "ip", "-j", "route"))
    note = f"{megabytes(ours)}, target 120"
    yield Row(f"{count:,} routes, as JSON", "ip -j route", ours.wall_s, peer.wall_s, "s", "≤ 2.5×", note)


def _streamed_routes(count: int) -> Iterator[Row]:
    with crowd.routes(count) as inside:
        listing = (*inside, SRETOOL, "net", "routes", "--jsonl")
        ours, peer = beside(listing, (*inside, "ip", "-j", "route"))
    note = f"{megabytes(ours)}, target 30; ip {megabytes(peer)}"
    yield Row(
        f"{count:,} routes, as JSON lines", "ip -j route", ours.wall_s, peer.wall_s, "s", "≤ 2.5×", note
    )
