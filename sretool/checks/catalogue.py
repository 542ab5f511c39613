"""The reference is made of the rules themselves, so it cannot disagree with them."""

from __future__ import annotations

from sretool.checks.model import Check, CheckThreshold
from sretool.triage.domains import groups


def catalogue() -> list[Check]:
    """Every check of every domain, in the order triage runs them."""
    return [
        Check(
            id=rule.id,
            domain=name,
            title=rule.title,
            reads=rule.reads,
            window=rule.window,
            about=rule.about,
            thresholds=[CheckThreshold(name, *threshold) for name, threshold in rule.thresholds.items()],
            remedy=rule.remedy,
            refs=list(rule.refs),
        )
        for name, rules in groups()
        for rule in rules
    ]
