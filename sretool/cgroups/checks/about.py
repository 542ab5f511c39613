"""What the findings about groups have in common."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from sretool.cgroups.model import Cgroup
from sretool.report.answer import Subject
from sretool.report.check import NotApplicable, Unknown

SHOWN_LIMIT = 5


def subject(row: Cgroup) -> Subject:
    """The group as a finding's subject."""
    return Subject("cgroup", row.path, row.name, row.unit)


def show(path: str) -> str:
    """The command that looks closer."""
    return f"sretool cgroups show {shlex.quote(path)}"


def processes(row: Cgroup, sort: str) -> str:
    """The command that lists who is in it."""
    return f"sretool procs list --cgroup {shlex.quote(row.path)} --sort {sort}"


def number(value: object) -> float:
    """A counter or a ratio; 0 where it is not known."""
    return value if isinstance(value, (int, float)) else 0


def percent(value: object) -> float | None:
    """A ratio in percent; None where it is not known."""
    return round(value * 100, 1) if isinstance(value, (int, float)) else None


def two_readings(window_s: float | None) -> None:
    """A counter alone says how often since the group was made, not how often now."""
    if window_s is None:
        raise Unknown("it takes two readings, and there was one")


def some(rows: Iterable[Cgroup], field: str, why: str) -> None:
    """There must be one group that has the field."""
    if not any(isinstance(getattr(row, field), (int, float, str)) for row in rows):
        raise NotApplicable(why)


def deepest(rows: Sequence[Cgroup]) -> list[Cgroup]:
    """Of these groups those that hold no other of them: what a child does counts above it too."""
    paths = {row.path for row in rows}
    above = {path[:at] or "/" for path in paths if path != "/" for at in range(len(path)) if path[at] == "/"}
    return [row for row in rows if row.path not in above]
