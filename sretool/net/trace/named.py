"""Columns for what was looked up about a host: its name, and who announces its address."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar, Union

from msgspec import UNSET

from sretool.net.trace.ecmp.model import Node
from sretool.net.trace.model import Host
from sretool.report.table import Column

Named = Union[Host, Node]
R = TypeVar("R")


def columns(rows: Sequence[R], host: Callable[[R], Named | None]) -> list[Column[R]]:
    """Those that were asked for. A row without a host has nothing in them."""
    hosts = [found for found in map(host, rows) if found is not None]
    columns: list[Column[R]] = []
    if any(found.name is not UNSET for found in hosts):
        columns.append(Column("NAME", lambda row: _name(host(row)), flexible=True, least=20, drop=1))
    if any(found.origin is not UNSET for found in hosts):
        columns.append(Column("AS", lambda row: _origin(host(row)), flexible=True, least=8, drop=2))
    return columns


def _name(host: Named | None) -> str:
    return "" if host is None else host.name or "-"


def _origin(host: Named | None) -> str:
    if host is None or not host.origin or host.origin.asn is None:
        return "" if host is None else "-"
    return f"AS{host.origin.asn} {host.origin.name or ''}".rstrip()
