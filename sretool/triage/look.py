"""One look at the host: every domain's readings of the same second, and every check's verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from sretool.errors import SretoolError
from sretool.host.source import Source
from sretool.report.answer import Finding
from sretool.report.check import Rule, Verdict, judge
from sretool.triage.domains import Domain, Join
from sretool.triage.joins import REPLACES

Readings = dict[str, Any]
"""What each domain's `sample` gave, by domain name; the SretoolError it raised where it did."""
Rules = Mapping[str, Rule[Any]]
TOLD_BY = "told by "


@dataclass
class Look:
    """What was seen and how it was judged. A model that could not be built is the SretoolError
    that says why.
    """

    models: dict[str, Any] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    errors: list[SretoolError] = field(default_factory=list)


def needed(domains: Sequence[Domain], joins: Sequence[Join], chosen: Rules) -> list[Domain]:
    """The domains that the chosen checks read. The host's own readings are always among them: the
    answer opens with a line of them.
    """
    wanted = {"host"}
    for domain in domains:
        wanted.update(domain.name for rule in domain.rules if rule.id in chosen)
    for join in joins:
        wanted.update(name for rule in join.rules if rule.id in chosen for name in join.needs)
    return [domain for domain in domains if domain.name in wanted]


def sampler(domains: Sequence[Domain], *, before: bool = False) -> Callable[[Source], Readings]:
    """One function that reads every domain, so that all of them speak of the same moment; `before` one
    that only reads what the reading after it is compared with.
    """

    def sample(source: Source) -> Readings:
        return {
            domain.name: _attempt(domain.before if before and domain.before else domain.sample, source)
            for domain in domains
        }

    return sample


def state_of(domains: Sequence[Domain], source: Source) -> Readings:
    """What is read once."""
    return {domain.name: _attempt(domain.state, source) for domain in domains if domain.state is not None}


def _attempt(read: Callable[[Source], Any], source: Source) -> Any:
    try:
        return read(source)
    except SretoolError as error:
        return error


def models_of(
    domains: Sequence[Domain], now: Readings, before: Readings | None, state: Readings, look: Look
) -> None:
    """Build every domain's model. One that could not be read or built costs its own checks."""
    noted: dict[tuple[str, str, str], SretoolError] = {}
    for domain in domains:
        old = None if before is None else before[domain.name]
        readings = (now[domain.name], None if isinstance(old, SretoolError) else old, state.get(domain.name))
        failed = next((item for item in readings if isinstance(item, SretoolError)), None)
        try:
            look.models[domain.name] = domain.build(*readings) if failed is None else failed
        except SretoolError as error:
            look.models[domain.name] = error
        # what building could not parse stands in the same lists as what could not be read
        for item in (look.models[domain.name], readings[0], readings[2]):
            errors = [item] if isinstance(item, SretoolError) else getattr(item, "errors", ())
            noted.update(((error.code, error.what, error.message), error) for error in errors)
    look.errors += noted.values()


def verdicts_of(
    domains: Sequence[Domain], joins: Sequence[Join], look: Look, every: Rules, chosen: Rules
) -> None:
    """Run the chosen checks on the models; joins last, because their findings replace others."""
    for domain in domains:
        _judge(domain.rules, look.models[domain.name], look, chosen)
    for join in joins:
        if not any(rule.id in chosen for rule in join.rules):
            continue
        failed = [look.models[name] for name in join.needs if isinstance(look.models[name], SretoolError)]
        model = failed[0] if failed else join.build(look.models, every)
        _judge(join.rules, model, look, chosen)
    _give_way(look)


def _judge(rules: Sequence[Rule[Any]], model: Any, look: Look, chosen: Rules) -> None:
    wanted = [chosen[rule.id] for rule in rules if rule.id in chosen]
    if isinstance(model, SretoolError):
        why = f"{model.what}: {model.message}"
        look.verdicts += [
            Verdict(rule.id, rule.title, "unknown", why, dict(rule.overrides)) for rule in wanted
        ]
        return
    for verdict, findings in judge(wanted, model):
        look.verdicts.append(verdict)
        look.findings += findings


def _give_way(look: Look) -> None:
    """Where a join tells the cause, the finding it explains would only repeat it with a worse
    remedy. Its check keeps its verdict, and says where its finding went.
    """
    told = {(REPLACES[item.id], item.subject.id): item.id for item in look.findings if item.id in REPLACES}
    gone = {id_: by for (id_, _), by in told.items()}
    look.findings = [item for item in look.findings if (item.id, item.subject.id) not in told]
    look.verdicts = [
        msgspec.structs.replace(verdict, reason=verdict.reason or TOLD_BY + gone[verdict.id])
        if verdict.id in gone
        else verdict
        for verdict in look.verdicts
    ]
