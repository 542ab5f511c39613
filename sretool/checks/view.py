"""The reference of checks as text."""

from __future__ import annotations

from sretool.checks.model import Check, Checks
from sretool.command import Look
from sretool.report.table import Block, Line, Lines, Table, columns_for


def listing(data: Checks, look: Look) -> list[Block]:
    """One row a check."""
    columns = columns_for(
        look.fields,
        flexible=("reads", "window", "about", "remedy"),
        drop=("reads", "window"),
        cells={"thresholds": lambda row: " ".join(f"{t.name}={t.value:g}" for t in row.thresholds)},
    )
    return [Table(columns, data.checks, hidden=look.hidden)]


def explanation(data: Check, look: Look) -> list[Block]:
    """Everything there is to know about one check."""
    head: list[Line] = [[(data.id, "strong"), (f": {data.title}", "")]]
    blocks: list[Block] = [Lines(head), Lines(_paragraphs(data.about))]
    blocks.append(
        Lines([[("reads   ", "dim"), (data.reads, "")], [("window  ", "dim"), (data.window, "")]], indent=8)
    )
    if data.thresholds:
        blocks.append(
            Lines(
                [
                    [(f"  {t.name}", "strong"), (f" {t.value:g} {t.unit}", ""), (f"  ({t.source})", "dim")]
                    for t in data.thresholds
                ],
                title=f"Thresholds (--set {data.id}.NAME=VALUE)",
                indent=4,
            )
        )
    blocks.append(Lines([f"  {data.remedy}"], title="What to do", indent=2))
    if data.refs:
        blocks.append(Lines([f"  {ref}" for ref in data.refs], title="See"))
    return blocks


def _paragraphs(about: str) -> list[str]:
    """The docstring's paragraphs as single lines, which the printer wraps to the terminal. A line
    that opens with a severity begins anew; a sentence that follows one is its own line too.
    """
    lines: list[str] = []
    for paragraph in about.split("\n\n"):
        if lines:
            lines.append("")
        fresh = True
        for line in paragraph.splitlines():
            if fresh or line.startswith(("info:", "warning:", "warning, critical:", "critical:")):
                lines.append(line.strip())
            else:
                lines[-1] += " " + line.strip()
            fresh = False
    return lines
