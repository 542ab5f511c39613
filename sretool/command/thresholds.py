"""Checks named on the command line, and the thresholds that --set gives them."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

from sretool.errors import UsageError
from sretool.report.check import Rule


def unknown_check(flag: str, given: str, known: Sequence[str]) -> UsageError:
    """No check has that id: say which was probably meant."""
    import difflib

    near = difflib.get_close_matches(given, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else "see sretool checks list"
    return UsageError(flag, f"no check is named {given!r}", hint)


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
