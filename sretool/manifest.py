"""How a group names its commands: strings only, so that one command imports only what it needs."""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple


class Entry(NamedTuple):
    """A command or a group: `target` is `module:name`, `help` the first line of its docstring."""

    target: str
    help: str


class Group(NamedTuple):
    """Commands under one word, by section of the help."""

    help: str
    sections: dict[str, dict[str, Entry]]

    @property
    def entries(self) -> dict[str, Entry]:
        """Every command of the group, in help order."""
        return {name: entry for section in self.sections.values() for name, entry in section.items()}


def resolve(target: str) -> Any:
    """The object that `module:name` names."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)
