"""Listeners as a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sretool.command import Look
from sretool.report.table import Block, Line, Lines, Style, Table
from sretool.report.units import UNKNOWN, bytes_text, number_text
from sretool.sockets.listen.model import Group, Listener, Listening
from sretool.sockets.view import columns


def listeners(data: Listening, look: Look) -> list[Block]:
    """One row a listener; UDP queues are bytes, and say so. Below it, groups that are uneven."""
    cells = {"accept_queue": _queue, "accept_queue_limit": _limit}
    drop = ("container", "user", "interface", "pid", "reach", "syn_queue", "unit", "drops", "protocol")
    styles: dict[str, Callable[[Any], Style]] = {
        "accept_queue": _full,
        "accept_queue_peak": _was_full,
        "drops_per_s": _dropping,
    }
    blocks: list[Block] = [
        Table(
            columns(look.fields, cells, drop, styles),
            data.listeners,
            empty="nothing listens, or nothing that matches",
            hidden=look.hidden,
        )
    ]
    lines: list[Line] = [_group(group) for group in data.groups if group.uneven or look.verbose]
    if look.verbose:
        lines.append(_limits(data))
    return [*blocks, Lines(lines)] if lines else blocks


def _group(group: Group) -> Line:
    whose = f" (pid {group.fullest_pid})" if group.fullest_pid is not None else ""
    text = (
        f"{group.name} is shared by {group.members} listeners: at the fullest{whose} {group.fullest} waited "
        f"(limit {group.fullest_limit}), at the emptiest {group.emptiest}"
    )
    return [(text, ""), (": uneven", "warning")] if group.uneven else [(text, "dim")]


def _limits(data: Listening) -> Line:
    known = {
        "net.core.somaxconn": data.limits.somaxconn,
        "net.ipv4.tcp_max_syn_backlog": data.limits.tcp_max_syn_backlog,
        "net.ipv4.tcp_syncookies": data.limits.tcp_syncookies,
    }
    text = ", ".join(f"{name} {number_text(value)}" for name, value in known.items())
    looked = "" if data.looks is None else f"; peaks are of {data.looks} looks"
    return [(f"{text}{looked}", "dim")]


def _queue(row: Listener) -> str:
    return number_text(row.accept_queue) if row.protocol == "tcp" else _in_bytes(row.recv_q_bytes)


def _limit(row: Listener) -> str:
    return number_text(row.accept_queue_limit) if row.protocol == "tcp" else _in_bytes(row.recv_q_limit_bytes)


def _in_bytes(value: int | None) -> str:
    return UNKNOWN if value is None else f"{bytes_text(value)}B"


def _full(row: Listener) -> Style:
    return "critical" if row.full else ""


def _was_full(row: Listener) -> Style:
    peak, limit = row.accept_queue_peak, row.accept_queue_limit
    return "critical" if peak is not None and limit is not None and peak > limit else ""


def _dropping(row: Listener) -> Style:
    return "critical" if row.drops_per_s else ""
