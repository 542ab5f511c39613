"""Threads, files and sockets, in sentences."""

from __future__ import annotations

from collections.abc import Mapping

from sretool.procs.show.model import OpenFile, Shown, Thread
from sretool.procs.show.notes import full
from sretool.report.sections import Row, Section
from sretool.report.table import Span, Style
from sretool.report.units import bytes_text, count_text, ratio_text
from sretool.sockets.model import Socket, endpoint

_NOUNS = ("file", "directory", "device", "pipe", "socket", "memfd")
_COUNTS_SHOWN, _FILES_SHOWN, _SOCKETS_SHOWN, _THREADS_SHOWN = 8, 6, 8, 5


def _counts(found: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in list(found.items())[:_COUNTS_SHOWN])


def place(wchan: str) -> str:
    """A function of the kernel without what the compiler put behind its name."""
    return wchan.partition(".")[0] or wchan


def threads(data: Shown) -> Section:
    """How many, where they wait, which are busy; one that is alone has been told of already."""
    one = data.threads
    if one.total < 2:
        return Section("", [])
    rows: list[Row] = [("states", _counts(one.states))]
    if one.looked_at < one.total:
        rows.append(("", f"of {one.looked_at} looked at"))
    if one.waiting:
        places: dict[str, int] = {}
        for found in one.waiting:
            name = place(found.wchan)
            places[name] = places.get(name, 0) + found.threads
        rows.append(("wait in", _counts(places)))
    for number, thread in enumerate(one.blocked[:_THREADS_SHOWN]):
        stuck = ", did not move" if thread.stuck else ""
        text = (
            f"{thread.comm}[{thread.tid}] in {place(thread.wchan) if thread.wchan else 'the kernel'}{stuck}"
        )
        rows.append(("" if number else "D state", [(text, "critical" if thread.stuck else "warning")]))
    if one.busiest:
        rows.append(("busiest", ", ".join(map(_busy, one.busiest[:_THREADS_SHOWN]))))
    return Section(f"THREADS {one.total}", rows)


def _busy(thread: Thread) -> str:
    waited = (
        f" (waited {ratio_text(thread.run_delay_ratio)})" if (thread.run_delay_ratio or 0) >= 0.05 else ""
    )
    return f"{thread.comm}[{thread.tid}] {ratio_text(thread.cpu_ratio)}{waited}"


def files(data: Shown, verbose: bool) -> Section:
    """What is open: how much of what, what is deleted, what is large."""
    one = data.files
    if one is None:
        return Section("", [])
    kinds = [
        count_text(count, kind) if kind in _NOUNS else f"{count} {kind}" for kind, count in one.kinds.items()
    ]
    rows: list[Row] = [("open", ", ".join(kinds[:_COUNTS_SHOWN]))] if kinds else []
    listed = [row for row in one.open if row.kind == "file" and (row.deleted or row.size_bytes)]
    rows += [(f"fd {row.fd}", _file(row)) for row in (one.open if verbose else listed[:_FILES_SHOWN])]
    left = len(listed) - _FILES_SHOWN
    if left > 0 and not verbose:
        rows.append(("", [(f"and {left} more files: -v shows all", "dim")]))
    return Section(f"FILES {one.total}", rows)


def _file(row: OpenFile) -> list[Span]:
    style: Style = "warning" if row.deleted else ""
    size = ""
    if row.size_bytes is not None:
        size = f", {bytes_text(row.size_bytes)}{' bytes' if row.size_bytes < 1024 else ''}"
    at = ""
    if row.position_bytes and row.size_bytes and row.position_bytes != row.size_bytes:
        at = f", at {row.position_bytes / row.size_bytes:.0%}"
    where = f", on {row.mount}" if row.mount not in (None, "/") else ""
    return [(row.path, style), (f"{' deleted' if row.deleted else ''}{size}{at}{where}", style)]


def sockets(data: Shown, verbose: bool) -> Section:
    """Listeners, then what is queued."""
    one = data.sockets
    if one is None or not one.total:
        return Section("", [])
    inet = sum(one.states.values())
    other = f"{one.total - inet} other" if one.total > inet else ""
    rows: list[Row] = [("open", ", ".join(filter(None, [_counts(one.states), other])))]
    if one.host_namespace is False:
        rows.append(("", "in a network namespace of its own"))
    listed = [row for row in one.sockets if row.state == "listen" or row.recv_q_bytes or row.send_q_bytes]
    shown = one.sockets if verbose else listed[:_SOCKETS_SHOWN]
    rows += [(row.protocol if row.state == "unconnected" else row.state, _socket(row)) for row in shown]
    left = len(listed) - len(shown)
    if left > 0:
        rows.append(("", [(f"and {left} more: sretool sockets list --pid {data.process.pid}", "dim")]))
    return Section(f"SOCKETS {one.total}", rows)


def _socket(row: Socket) -> list[Span]:
    here = endpoint(row.local_address, row.local_port)
    if row.state == "listen":
        style: Style = "critical" if full(row) else ""
        return [
            (f"{row.protocol} {here}", ""),
            (f", queue {row.accept_queue} of {row.accept_queue_limit}", style),
        ]
    there = f" → {endpoint(row.remote_address, row.remote_port)}" if row.remote_address is not None else ""
    queued = [
        f"{name} {bytes_text(size)}"
        for name, size in (("unread", row.recv_q_bytes), ("unsent", row.send_q_bytes))
        if size
    ]
    return [(f"{row.protocol} {here}{there}" + (f", {', '.join(queued)}" if queued else ""), "")]
