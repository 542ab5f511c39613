"""What a command says of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from sretool.report.answer import Answer


class How(NamedTuple):
    """One stock command, or one file, behind a command's numbers. `{name}` is replaced by the
    command's own parameter of that name.
    """

    command: str
    shows: str


class Spec(NamedTuple):
    """What `@command` was told, for the walker that writes man pages, completions and schemas."""

    name: str
    version: int
    function: Callable[..., Answer[Any]]
    data: Any
    view: str
    sets: tuple[str, ...]
    rows: str
    row: Any
    default_fields: tuple[str, ...]
    judges: bool
    sends: bool
    counted_by: str
    how: Sequence[How]
    examples: Sequence[tuple[str, str]]
    forms: Mapping[str, str]

    @property
    def schema(self) -> str:
        """The name in the answer's `schema`."""
        return f"sretool.{self.name}/{self.version}"

    @property
    def words(self) -> str:
        """What the user types: `sockets list`."""
        return self.name.replace(".", " ")
