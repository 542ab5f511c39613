"""Sockets as tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import structs

from sretool.command import Look
from sretool.report.table import Block, Column, Style, Table, columns_for
from sretool.report.units import UNKNOWN, bytes_text, number_text
from sretool.sockets.model import DEFAULT_FIELDS, Socket, Sockets, endpoint

_TITLES = {
    "protocol": "PROTO",
    "recv_q_bytes": "RECV-Q",
    "send_q_bytes": "SEND-Q",
    "local_address": "LOCAL",
    "remote_address": "REMOTE",
    "accept_queue": "QUEUE",
    "accept_queue_limit": "LIMIT",
    "accept_queue_peak": "PEAK",
    "accept_queue_least": "LEAST",
    "accept_queue_limited_by": "LIMITED BY",
    "syn_queue": "SYN",
    "syn_queue_limit": "SYN LIMIT",
    "group_size": "SHARE",
    "drops_per_s": "DROPS/S",
}
_NUMBERS = (
    "local_port",
    "remote_port",
    "recv_q_bytes",
    "send_q_bytes",
    "accept_queue",
    "accept_queue_limit",
    "accept_queue_before",
    "accept_queue_peak",
    "accept_queue_least",
    "syn_queue",
    "syn_queue_limit",
    "group_size",
    "retransmits",
    "retransmits_total",
    "drops",
    "drops_per_s",
    "pid",
    "inode",
    "uid",
)
_PATH_COLUMNS = 18
"""Room for most IPv4 addresses with their port, and for the start of a path."""
_NAME_COLUMNS = 16


def listing(data: Sockets, look: Look) -> list[Block]:
    """One row a socket; a listener's queues stand where ss has them too."""
    cells = {"recv_q_bytes": _recv_q, "send_q_bytes": _send_q}
    drop = ("container", "user", "interface", "pid", "unit", "send_q_bytes", "recv_q_bytes", "protocol")
    fields = look.fields
    if fields == DEFAULT_FIELDS and any(isinstance(row.netns, str) for row in data.sockets):
        fields = ("netns", *fields)
    shown = columns(fields, cells, drop, {})
    least = {"NETNS": _NAME_COLUMNS}
    if any(row.family not in ("inet", "inet6") for row in data.sockets):
        # an address is never cut, the path of a UNIX socket may have to be
        least |= {"LOCAL": _PATH_COLUMNS, "REMOTE": _PATH_COLUMNS}
    shown = [
        structs.replace(column, flexible=True, least=least[column.title]) if column.title in least else column
        for column in shown
    ]
    return [Table(shown, data.sockets, empty="no socket matches", hidden=look.hidden)]


def columns(
    fields: tuple[str, ...],
    cells: Mapping[str, Callable[[Any], str]],
    drop: tuple[str, ...],
    styles: dict[str, Callable[[Any], Style]],
) -> list[Column[Any]]:
    """Columns of sockets; address and port make one where both are wanted."""
    shown, texts = list(fields), dict(cells)
    if "container" not in shown:
        texts["unit"] = container_or_unit
    for end, cell in (("local", _local), ("remote", _remote)):
        if f"{end}_address" in shown and f"{end}_port" in shown:
            shown.remove(f"{end}_port")
            texts[f"{end}_address"] = cell
    return columns_for(
        shown,
        titles=_TITLES,
        cells=texts,
        right=_NUMBERS,
        flexible=("unit", "process", "cgroup"),
        drop=[name for name in drop if name in shown],
        styles=styles,
    )


def container_or_unit(row: Any) -> str:
    """Of a row with both: the container it is in, else its unit."""
    if row.container:
        return f"container:{row.container_name or row.container}"
    return row.unit or UNKNOWN


def line(row: Socket) -> str:
    """`tcp established 192.0.2.1:50000 > 192.0.2.2:443 nginx[812] nginx.service`."""
    words = [row.protocol, row.state, _local(row), *([">", _remote(row)] if row.remote_address else [])]
    if row.process is not None:
        words.append(f"{row.process}[{row.pid}]")
    return " ".join([*words, *([where] if (where := container_or_unit(row)) != UNKNOWN else [])])


def _local(row: Any) -> str:
    if row.family == "packet" and row.interface:
        return f"{row.local_address}%{row.interface}"
    if row.family == "netlink" and row.local_port == 0:
        return f"{row.local_address}:kernel"
    return endpoint(row.local_address, row.local_port)


def _remote(row: Socket) -> str:
    """Of a UNIX socket what its peer is bound to, else who that is."""
    if row.remote_address is not None or not row.peer_inode:
        return endpoint(row.remote_address, row.remote_port)
    return f"{row.peer_process}[{row.peer_pid}]" if row.peer_process else f"inode {row.peer_inode}"


def _recv_q(row: Socket) -> str:
    return bytes_text(row.recv_q_bytes) if row.recv_q_bytes is not None else number_text(row.accept_queue)


def _send_q(row: Socket) -> str:
    return (
        bytes_text(row.send_q_bytes) if row.send_q_bytes is not None else number_text(row.accept_queue_limit)
    )
