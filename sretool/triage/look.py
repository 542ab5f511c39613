"""One look at the host: every domain's readings of the same second, and every check's verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sretool.errors import SretoolError
from sretool.host.source import Source
from sretool.report.answer import Finding
from sretool.report.check import Rule, Verdict, judge
from sretool.triage.domains import Domain

Readings = dict[str, Any]
"""What each domain's `sample` gave, by domain name; the SretoolError it raised where it did."""


@dataclass
class Look:
    """What was seen and how it was judged."""

    models: dict[str, Any] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    errors: list[SretoolError] = field(default_factory=list)


def sampler(domains: Sequence[Domain]) -> Callable[[Source], Readings]:
    """One function that reads every domain, so that all of them speak of the same moment."""

    def sample(source: Source) -> Readings:
        return {domain.name: _attempt(domain.sample, source) for domain in domains}

    return sample


def state_of(domains: Sequence[Domain], source: Source) -> Readings:
    """What is read once."""
    return {domain.name: _attempt(domain.state, source) for domain in domains if domain.state is not None}


def _attempt(read: Callable[[Source], Any], source: Source) -> Any:
    try:
        return read(source)
    except SretoolError as error:
        return error


def judged(
    domains: Sequence[Domain],
    now: Readings,
    before: Readings | None,
    state: Readings,
    chosen: Mapping[str, Rule[Any]],
) -> Look:
    """Build every domain's model and run the chosen checks on it. A domain that could not be read
    or built makes its own checks unknown, and no others.
    """
    look = Look()
    for domain in domains:
        rules = [chosen[rule.id] for rule in domain.rules if rule.id in chosen]
        old = (before or {}).get(domain.name)
        readings = (now[domain.name], None if isinstance(old, SretoolError) else old, state.get(domain.name))
        failed = next((item for item in readings if isinstance(item, SretoolError)), None)
        model: Any = None
        if failed is None:
            for item in readings:
                look.errors += [error for error in getattr(item, "errors", ()) if error not in look.errors]
            try:
                model = domain.build(*readings)
            except SretoolError as error:
                failed = error
        if failed is not None:
            look.errors.append(failed)
            look.verdicts += [
                Verdict(
                    rule.id, rule.title, "unknown", f"{failed.what}: {failed.message}", dict(rule.overrides)
                )
                for rule in rules
            ]
            continue
        look.models[domain.name] = model
        for verdict, findings in judge(rules, model):
            look.verdicts.append(verdict)
            look.findings += findings
    return look
