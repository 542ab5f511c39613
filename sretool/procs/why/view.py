"""The chain as a person reads it: the answer on top, then causes from the first down to the target."""

from __future__ import annotations

from sretool.command import Look
from sretool.procs.why.model import Link, Why
from sretool.report.escape import cut, escape, width
from sretool.report.table import FINDINGS, Block, Line, Lines
from sretool.report.units import duration_text

_WORDS = {"gone": "", "process": "", "become": "", "unit": ""}
_IMPLIED = ("parent", "cgroup", "enabled", "wanted by", "triggered by", "restart", "schedule", "last trigger")
_LEAST = 24


def explanation(data: Why, look: Look) -> list[Block]:
    """The sentence, the chain, what is odd, and what could not be told."""
    top: list[Line] = [[(data.because, "strong")]]
    found = data.found_by + (f", with {data.workers} more below it" if data.workers else "")
    if data.target_kind != "pid":
        top.append([(f"{data.target}: {found}", "dim")])
    lines: list[Line] = []
    for depth, link in enumerate(data.links):
        lines += _link(link, depth, link is data.links[-1], look)
    unseen: list[Line] = [
        [
            ("could not tell whether ", "warning"),
            (f"{verdict.title.replace('nothing ', 'anything ')}: {verdict.reason}", ""),
        ]
        for verdict in data.checks
        if verdict.outcome == "unknown"
    ]
    return [
        Lines(top, indent=2),
        Lines(lines, indent=4),
        FINDINGS,
        *([Lines(unseen, indent=2)] if unseen else []),
    ]


def _link(link: Link, depth: int, last: bool, look: Look) -> list[Line]:
    indent = "  " * max(0, depth - 1) + ("└─" if depth else "")
    word = _WORDS.get(link.kind, link.kind)
    name = link.name + (f" {word}" if word and word not in link.name else "")
    since = f"  {_since(link)}" if link.age_s is not None or link.user else ""
    says = f": {link.says}" if link.says else ""
    if look.terminal.columns is not None and not look.verbose:
        # a command line may be longer than a screen; what it runs as and since when is not to be lost
        says = cut(says, max(_LEAST, look.terminal.columns - len(indent) - width(escape(name)) - len(since)))
    below = "  " * (depth + 1)
    proofs = [one for one in link.evidence if look.verbose or one.what not in _IMPLIED]
    lines: list[Line] = [
        [(indent, "dim"), (name, "strong" if last else ""), (says, ""), (since, "dim")],
    ]
    lines += [[(f"{below}{one.what}: {one.value}  ({one.source})", "dim")] for one in proofs]
    return lines


def _since(link: Link) -> str:
    parts = [f"for {duration_text(link.age_s)}"] if link.age_s is not None else []
    return ", ".join(([link.user] if link.user else []) + parts)
