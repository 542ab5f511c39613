"""What a check is, and how a set of them judges a model.

A check is a pure function from a model to findings. It raises `Unknown` when what it needs was not
read, and `NotApplicable` when the host has no such thing; neither is ever "clear".
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar

from msgspec import Meta, Struct

from sretool.report.answer import Evidence, Finding, Severity, Subject
from sretool.report.units import count_text

M = TypeVar("M")


class Unknown(Exception):
    """The check could not be made; the message says what was not read."""


class NotApplicable(Exception):
    """There is nothing here for this check; the message says what is absent."""


class Threshold(NamedTuple):
    """A number a check holds a measurement against, and who published it."""

    value: float
    unit: str
    source: str


class Verdict(Struct, frozen=True):
    """What became of one check."""

    id: Annotated[str, Meta(description="permanent name, as in `sretool checks list`")]
    title: Annotated[str, Meta(description="what it finds, in a few words")]
    outcome: Annotated[
        Literal["found", "clear", "unknown", "not-applicable"],
        Meta(description="unknown: it could not be read; never counted as clear"),
    ]
    reason: Annotated[str, Meta(description="why it is unknown or not applicable")] = ""
    overrides: Annotated[dict[str, float], Meta(description="thresholds changed by --set")] = {}


class Rule(Generic[M]):
    """A check together with what a person needs to trust it.

    `judge(model, rule)` is the function itself; inside it `rule[name]` is a threshold's value, with
    overrides applied, and `rule.finding(...)` builds a finding with the rule's own id and remedy.
    """

    def __init__(
        self,
        judge: Callable[[M, Rule[M]], Iterable[Finding]],
        *,
        id: str,
        title: str,
        reads: str,
        window: str,
        thresholds: Mapping[str, Threshold],
        remedy: str,
        refs: tuple[str, ...],
    ) -> None:
        self.judge = judge
        self.id = id
        self.title = title
        self.reads = reads
        self.window = window
        self.thresholds = dict(thresholds)
        self.remedy = remedy
        self.refs = refs
        self.about = inspect.cleandoc(judge.__doc__ or "")
        self.overrides: dict[str, float] = {}

    def __getitem__(self, name: str) -> float:
        return self.overrides.get(name, self.thresholds[name].value)

    def finding(
        self,
        severity: Severity,
        summary: str,
        *,
        subject: Subject,
        evidence: list[Evidence],
        next: list[str],
        remedy: str = "",
        title: str = "",
    ) -> Finding:
        """A finding of this rule; `remedy` and `title` where this case needs its own."""
        return Finding(
            id=self.id,
            severity=severity,
            title=title or self.title,
            summary=summary,
            subject=subject,
            evidence=evidence,
            remedy=remedy or self.remedy,
            next=next,
            refs=list(self.refs),
        )


def check(
    *,
    id: str,
    title: str,
    reads: str,
    window: str,
    remedy: str,
    thresholds: Mapping[str, Threshold] | None = None,
    refs: tuple[str, ...] = (),
) -> Callable[[Callable[[M, Rule[M]], Iterable[Finding]]], Rule[M]]:
    """Make a Rule of a judging function; its docstring becomes `checks explain`."""

    def wrap(judge: Callable[[M, Rule[M]], Iterable[Finding]]) -> Rule[M]:
        return Rule(
            judge,
            id=id,
            title=title,
            reads=reads,
            window=window,
            thresholds=thresholds or {},
            remedy=remedy,
            refs=refs,
        )

    return wrap


def others(found: int, noun: str) -> str:
    """What the summary of the first of several alike says of the rest."""
    return f"; the same holds for {count_text(found - 1, f'more {noun}')}" if found > 1 else ""


def judge(rules: Iterable[Rule[Any]], model: object) -> Iterator[tuple[Verdict, list[Finding]]]:
    """Run every rule on the model: its verdict, and its findings."""
    for rule in rules:
        findings: list[Finding] = []
        outcome: Literal["found", "clear", "unknown", "not-applicable"]
        reason = ""
        try:
            findings.extend(rule.judge(model, rule))
            outcome = "found" if findings else "clear"
        except NotApplicable as why:
            outcome, reason = "not-applicable", str(why)
        except Unknown as why:
            outcome, reason = ("found" if findings else "unknown"), str(why)
        yield Verdict(rule.id, rule.title, outcome, reason, dict(rule.overrides)), findings
