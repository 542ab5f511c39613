"""Interfaces as a table."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from sretool.command import Look
from sretool.net.addrs.model import AddressInfo, Link, Links
from sretool.report.table import Block, Style, Table, columns_for
from sretool.report.units import UNKNOWN

_DROP = ("flags", "alias", "kind", "qdisc", "master", "address", "mtu")


def listing(data: Links, look: Look) -> list[Block]:
    """One row an interface."""
    columns = columns_for(
        look.fields,
        cells={"addresses": _addresses},
        titles={"ifname": "NAME", "operstate": "STATE", "address": "HARDWARE"},
        right=("mtu", "txqlen", "ifindex"),
        flexible=("addresses", "flags"),
        drop=[name for name in _DROP if name in look.fields],
        styles={"operstate": _state},
    )
    # the addresses are what is looked for: the others go before these are cut to less than two
    columns = [replace(column, least=36) if column.title == "ADDRESSES" else column for column in columns]
    return [Table(columns, data.links, empty="no interface matches", hidden=look.hidden)]


def _addresses(row: Link) -> str:
    return " ".join(_one(address) for address in row.addresses or ()) or UNKNOWN


def _one(address: AddressInfo) -> str:
    peer = f" peer {address.peer}" if address.peer else ""
    notes = _troubles(address.flags)
    return f"{address.local}/{address.prefixlen}{peer}" + (f" ({','.join(notes)})" if notes else "")


def _troubles(flags: Sequence[str]) -> list[str]:
    return [flag for flag in flags if flag in ("tentative", "dadfailed", "deprecated")]


def _state(row: Link) -> Style:
    """An interface that is meant to be up and is not."""
    return "warning" if "up" in row.flags and row.operstate in ("down", "lowerlayerdown") else ""
