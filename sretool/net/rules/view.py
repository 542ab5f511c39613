"""Policy rules as a table."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from sretool.command import Look
from sretool.net.rules.model import RuleRow, Rules
from sretool.report.table import Block, Style, Table, columns_for
from sretool.report.units import UNKNOWN

_NUMBERS = (
    "priority", "goto", "uid_start", "uid_end", "sport_start", "sport_end", "dport_start", "dport_end",
    "suppress_prefixlength", "suppress_ifgroup", "tun_id", "realm_from", "realm_to",
)  # fmt: skip
_HEX = (
    "fwmark",
    "fwmask",
    "sport_mask",
    "dport_mask",
    "tos",
    "dscp",
    "dscp_mask",
    "flowlabel",
    "flowlabel_mask",
)
_LEAST = {"MATCH": 32, "DOES": 24}


def listing(data: Rules, look: Look) -> list[Block]:
    """One row a rule, in the order they are tried."""
    columns = columns_for(
        look.fields,
        cells={name: _hex(name) for name in _HEX},
        right=_NUMBERS,
        flexible=("match", "does"),
        drop=[name for name in ("flags", "protocol") if name in look.fields],
        styles={"does": _style},
    )
    # what a rule is about and what it does is why one looks: the others go before these are cut short
    columns = [replace(column, least=_LEAST.get(column.title, column.least)) for column in columns]
    return [Table(columns, data.rules, empty="no rule matches", hidden=look.hidden)]


def _hex(name: str) -> Callable[[RuleRow], str]:
    def cell(row: RuleRow) -> str:
        value = getattr(row, name)
        return UNKNOWN if value is None else f"{value:#x}"

    return cell


def _style(row: RuleRow) -> Style:
    """Rules that refuse, and rules that cannot do what they were made for."""
    if row.action in ("blackhole", "unreachable", "prohibit"):
        return "warning"
    return "warning" if {"unresolved", "iif_detached", "oif_detached"} & {*row.flags} else ""
