"""Which checks to run, and with which thresholds: --only, --skip, --set."""

from __future__ import annotations

import copy
import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any

from sretool.errors import UsageError
from sretool.report.check import Rule


def unknown_check(flag: str, given: str, known: Sequence[str]) -> UsageError:
    """No check has that id: say which was probably meant."""
    near = difflib.get_close_matches(given, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else "see sretool checks list"
    return UsageError(flag, f"no check is named {given!r}", hint)


def chosen(rules: Mapping[str, Rule[Any]], only: Sequence[str], skip: Sequence[str]) -> dict[str, Rule[Any]]:
    """The rules left by --only and --skip, by id. The part before the dot means all of a subject:
    `fs` is `fs.space`, `fs.inodes`, and so on.

    Raises:
        UsageError: a name is no check's, or nothing is left.
    """
    ids = list(rules)
    wanted = _expand("--only", only, ids) if only else set(ids)
    wanted -= _expand("--skip", skip, ids)
    if not wanted:
        raise UsageError("--only and --skip", "leave no check to run", "see sretool checks list")
    return {id_: rule for id_, rule in rules.items() if id_ in wanted}


def _expand(flag: str, names: Sequence[str], ids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for name in (part.strip() for given in names for part in given.split(",")):
        matching = [id_ for id_ in ids if id_ == name or id_.partition(".")[0] == name]
        if not matching:
            raise unknown_check(flag, name, ids)
        found.update(matching)
    return found


def with_thresholds(rules: Sequence[Rule[Any]], given: Sequence[str]) -> list[Rule[Any]]:
    """The rules with `CHECK.THRESHOLD=VALUE` applied, on copies.

    Raises:
        UsageError: not of that form, no such check or threshold, or no finite number of at least 0.
    """
    by_id = {rule.id: copy.copy(rule) for rule in rules}
    for item in given:
        name, equals, value = item.partition("=")
        id_, _, threshold = name.strip().rpartition(".")
        if not equals or not id_:
            raise UsageError("--set", f"{item!r} is not CHECK.THRESHOLD=VALUE", "see sretool checks list")
        if id_ not in by_id:
            if name.strip() in by_id:
                id_, threshold = name.strip(), ""
            else:
                raise unknown_check("--set", id_, list(by_id))
        rule = by_id[id_]
        if threshold not in rule.thresholds:
            has = ", ".join(rule.thresholds)
            what = f"{id_} has no threshold {threshold!r}" if threshold else f"which threshold of {id_}?"
            raise UsageError("--set", what, f"it has {has}" if has else "it has none")
        rule.overrides = {**rule.overrides, threshold: _number(item, value)}
    return list(by_id.values())


def _number(item: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number < 0:
        raise UsageError("--set", f"{item!r}: {value!r} is no number of at least 0")
    return number
