"""Which differences of two answers that are no traces matter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sretool.report.answer import RANK, Evidence, Finding, Subject
from sretool.report.check import Rule, check
from sretool.report.units import count_text
from sretool.snapshot.diff.model import Change

Changes = Sequence[Change]


@check(
    id="snapshot.finding-new",
    title="a finding that was not there",
    reads="the findings of both answers, by check and subject",
    window="two answers",
    remedy="see what the finding itself says: the later answer has its evidence and remedy",
)
def finding_new(changes: Changes, rule: Rule[Changes]) -> Iterator[Finding]:
    """The later answer has a finding that the earlier one has not, or has it as worse. It is as severe as
    that finding.
    """
    for change in changes:
        if change.kind != "finding-new" or change.impact == "info":
            continue
        worse = "" if change.before is None else "; it was less severe before"
        yield rule.finding(
            change.impact,
            f"{change.after}  ({change.subject}){worse}",
            subject=Subject(kind="check", id=change.subject, name=change.where),
            evidence=[Evidence("finding", change.subject, source="findings of the later answer")],
            next=[f"sretool checks explain {change.subject}"],
        )


@check(
    id="snapshot.table-changed",
    title="what the host is set up with changed",
    reads="rows of routes, rules, addresses, links, firewall rules, queueing disciplines and listeners",
    window="two answers",
    remedy="find out whose change it was, and whether it was meant",
)
def table_changed(changes: Changes, rule: Rule[Changes]) -> Iterator[Finding]:
    """Rows came, went or changed in a listing that stays the same on a host where nobody changes
    anything. Rows of processes, connections and neighbours come and go, and are only told.
    """
    tables: dict[str, list[Change]] = {}
    for change in changes:
        if change.kind.startswith("row-") and RANK[change.impact]:
            tables.setdefault(change.subject, []).append(change)
    for name, rows in tables.items():
        kinds = [
            f"{sum(row.kind == kind for row in rows)} {word}"
            for kind, word in (("row-gone", "gone"), ("row-changed", "changed"), ("row-came", "new"))
            if any(row.kind == kind for row in rows)
        ]
        shown = ", ".join(row.where for row in rows[:3]) + (", …" if len(rows) > 3 else "")
        yield rule.finding(
            "warning",
            f"{name}: {', '.join(kinds)} ({shown})",
            subject=Subject(kind="listing", id=name, name=count_text(len(rows), "row")),
            evidence=[Evidence("rows that differ", len(rows), "rows", source="both answers")],
            next=[],
        )


CHECKS = (finding_new, table_changed)
