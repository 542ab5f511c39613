"""What may stand where a parameter's value goes: the part of completion that is the same in all shells."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from sretool.checks.catalogue import catalogue
from sretool.report.check import Rule
from sretool.triage.domains import groups, probe_rules
from tools.gen import walk

Kind = Literal["none", "words", "list", "file", "interface", "host", "user", "command"]


class Value(NamedTuple):
    """`words` are the values of kind `words`, and of kind `list`, which joins them by commas."""

    kind: Kind
    words: tuple[str, ...] = ()


_BY_METAVAR: dict[str, Kind] = {
    "FILE": "file",
    "IFACE": "interface",
    "HOST": "host",
    "USER": "user",
    "COMMAND…": "command",
}


def of(command: walk.Command | None, param: walk.Param) -> Value:
    """What completes this parameter of this command; None: before it is known which."""
    if param.choices:
        return Value("words", param.choices)
    if param.shared and param.name in ("fields", "sort"):
        if command is None:
            return Value("none")
        names = tuple(field.name for field in walk.row_fields(command.spec) if "." not in field.name)
        return Value("list" if param.name == "fields" else "words", names)
    if param.metavar == "ID" and command is not None:
        if command.words[0] == "checks":
            return Value("words", tuple(check.id for check in catalogue()))
        return Value("words", tuple(rule.id for rule in _judged()))
    if param.name == "set_":
        return Value("words", tuple(f"{rule.id}.{name}=" for rule in _judged() for name in rule.thresholds))
    return Value(_BY_METAVAR.get(param.metavar, "none"))


def _judged() -> list[Rule[Any]]:
    return [*(rule for _, rules in groups() for rule in rules), *probe_rules()]


def early() -> dict[str, bool]:
    """Every flag that may stand before the command's words, and whether it takes a value."""
    return {flag: param.takes_value for param in walk.shared_options() for flag in param.flags}


def paths(commands: list[walk.Command]) -> list[str]:
    """The words of every group and command, joined by blanks."""
    groups = [" ".join(branch.words) for branch in walk.branches() if branch.words]
    return groups + [" ".join(command.words) for command in commands]
