"""Listeners as a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sretool.command import Look
from sretool.report.table import Block, Style, Table
from sretool.report.units import UNKNOWN, bytes_text, number_text
from sretool.sockets.listen.model import Listener, Listening
from sretool.sockets.view import columns


def listeners(data: Listening, look: Look) -> list[Block]:
    """One row a listener; UDP queues are bytes, and say so."""
    cells = {"accept_queue": _queue, "accept_queue_limit": _limit}
    drop = ("container", "user", "interface", "pid", "reach", "unit", "drops", "protocol")
    styles: dict[str, Callable[[Any], Style]] = {"accept_queue": _full, "drops_per_s": _dropping}
    return [
        Table(
            columns(look.fields, cells, drop, styles),
            data.listeners,
            empty="nothing listens, or nothing that matches",
            hidden=look.hidden,
        )
    ]


def _queue(row: Listener) -> str:
    return number_text(row.accept_queue) if row.protocol == "tcp" else _in_bytes(row.recv_q_bytes)


def _limit(row: Listener) -> str:
    return number_text(row.accept_queue_limit) if row.protocol == "tcp" else _in_bytes(row.recv_q_limit_bytes)


def _in_bytes(value: int | None) -> str:
    return UNKNOWN if value is None else f"{bytes_text(value)}B"


def _full(row: Listener) -> Style:
    return "critical" if row.full else ""


def _dropping(row: Listener) -> Style:
    return "critical" if row.drops_per_s else ""
