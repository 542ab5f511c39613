"""--only, --skip and --set: what they take, and how they refuse."""

from __future__ import annotations

import pytest

from sretool.command.thresholds import with_thresholds
from sretool.errors import UsageError
from sretool.triage.choose import chosen
from sretool.triage.domains import probe_rules, rules

EVERY = {rule.id: rule for rule in rules()}


def test_ids_are_unique_and_every_rule_explains_itself() -> None:
    every = [*rules(), *probe_rules()]
    assert len({rule.id for rule in every}) == len(every)
    for rule in every:
        assert rule.about, rule.id
        assert rule.reads
        assert rule.window
        assert rule.remedy
        assert rule.refs
        assert all(threshold.source for threshold in rule.thresholds.values())


def test_a_subject_means_all_of_it() -> None:
    assert set(chosen(EVERY, ["fs"], [])) == {"fs.space", "fs.inodes", "fs.read-only", "fs.hung"}
    assert set(chosen(EVERY, ["fs,cpu.steal"], ["fs.hung", "fs.inodes"])) == {
        "fs.space",
        "fs.read-only",
        "cpu.steal",
    }


@pytest.mark.parametrize(
    ("only", "skip", "says"),
    [
        (["fs.spcae"], [], "did you mean 'fs.space'"),
        ([], ["nonsense"], "see sretool checks list"),
        ([""], [], "no check is named ''"),
        (["fs.space"], ["fs"], "leave no check to run"),
    ],
)
def test_bad_choices(only: list[str], skip: list[str], says: str) -> None:
    with pytest.raises(UsageError) as raised:
        chosen(EVERY, only, skip)
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("fs.space.warning", "is not CHECK.THRESHOLD=VALUE"),
        ("warning=3", "is not CHECK.THRESHOLD=VALUE"),
        ("fs.spcae.warning=3", "did you mean 'fs.space'"),
        ("fs.space.wrong=3", "it has warning, critical, critical_gib"),
        ("fs.space=3", "which threshold of fs.space?"),
        ("fs.hung.x=3", "it has none"),
        ("fs.space.warning=", "no number"),
        ("fs.space.warning=nan", "no number"),
        ("fs.space.warning=-1", "no number"),
        ("fs.space.warning=5%", "no number"),
    ],
)
def test_bad_thresholds(given: str, says: str) -> None:
    with pytest.raises(UsageError) as raised:
        with_thresholds(rules(), [given])
    assert says in str(raised.value)


def test_thresholds_change_copies_only() -> None:
    changed = {
        rule.id: rule for rule in with_thresholds(rules(), ["fs.space.warning=7.5", "fs.space.critical=1"])
    }
    assert changed["fs.space"].overrides == {"warning": 7.5, "critical": 1.0}
    assert EVERY["fs.space"].overrides == {}
