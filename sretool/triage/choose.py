"""Which checks to run: --only, --skip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sretool.command.thresholds import unknown_check
from sretool.errors import UsageError
from sretool.report.check import Rule


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


def without_probes(
    wanted: dict[str, Rule[Any]],
    probes: Sequence[Rule[Any]],
    only: Sequence[str],
    targets: Sequence[str],
    baseline: str | None,
) -> dict[str, Rule[Any]]:
    """Those of the rules that send nothing.

    Raises:
        UsageError: what was asked for needs probes.
    """
    for flag, given in (("--probe-target", targets), ("--baseline", baseline)):
        if given:
            raise UsageError(flag, "is for the probes", "add --probe")
    ids = {rule.id for rule in probes}
    left = {id_: rule for id_, rule in wanted.items() if id_ not in ids}
    if only and len(left) < len(wanted):
        asked = next(id_ for id_ in wanted if id_ in ids)
        raise UsageError("--only", f"{asked} sends packets", "add --probe")
    return left


def _expand(flag: str, names: Sequence[str], ids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for name in (part.strip() for given in names for part in given.split(",")):
        matching = [id_ for id_ in ids if id_ == name or id_.partition(".")[0] == name]
        if not matching:
            raise unknown_check(flag, name, ids)
        found.update(matching)
    return found
