"""What drops packets, as tables."""

from __future__ import annotations

from sretool.command import Look
from sretool.net.firewall.model import Firewall, Rule
from sretool.report.table import Block, Line, Lines, Style, Table, columns_for
from sretool.report.units import text_for

_TITLES = {"dropped_per_s": "DROPS/S", "dropping": "DROPPING", "device": "DEV", "priority": "PRIO"}
_CHAINS = ("family", "table", "chain", "hook", "priority", "device", "policy", "rules", "dropping")


def report(data: Firewall, look: Look) -> list[Block]:
    """The rules that drop, the chains they are in, and what cannot be seen."""
    blocks: list[Block] = [
        Table(
            columns_for(
                look.fields,
                titles=_TITLES,
                right=("packets", "bytes", "dropped", "handle", "dropped_per_s"),
                flexible=("rule",),
                drop=[
                    name for name in ("bytes", "verdict", "hook", "family", "table") if name in look.fields
                ],
                styles={"dropped_per_s": _style, "dropped": _style},
            ),
            data.rules,
            empty=_nothing(data),
            hidden=look.hidden,
        )
    ]
    if data.chains:
        columns = columns_for(
            ("backend", *_CHAINS) if data.iptables else _CHAINS,
            titles=_TITLES,
            cells={
                "device": lambda row: row.device or "",
                "priority": lambda row: text_for("", row.priority),
            },
            right=("priority", "rules", "dropping"),
            drop=("device", "priority", "backend"),
        )
        blocks.append(Table(columns, data.chains, title="chains the kernel calls"))
    lines = _notes(data)
    return [*blocks, Lines(lines, indent=2)] if lines else blocks


def _nothing(data: Firewall) -> str:
    if data.nftables is None or data.iptables is None:
        return "no rule could be read that drops or rejects"
    return "no rule here drops or rejects" if data.chains else "no firewall rules here"


def _notes(data: Firewall) -> list[Line]:
    if not data.uncounted:
        return []
    many = data.uncounted > 1
    which = f"{data.uncounted} have no counter of their own" if many else "1 has no counter of its own"
    text = f"{which}: what {'they drop' if many else 'it drops'} cannot be seen"
    return [[(f"{text} (put `counter` in front of the verdict)", "dim")]]


def _style(row: Rule) -> Style:
    return "warning" if row.dropped else ""
