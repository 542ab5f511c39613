"""One reader's result: a value, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar, Union

from sretool.errors import Missing, SretoolError, Unsupported
from sretool.report.check import NotApplicable, Unknown

T = TypeVar("T")
V = TypeVar("V")
Raw = Union[V, SretoolError]
"""What a verb of the Source gave, or what it raised."""


@dataclass(frozen=True)
class Part(Generic[T]):
    """A value, or why it could not be had."""

    value: T | None = None
    error: SretoolError | None = None

    def need(self) -> T:
        """The value.

        Raises:
            Unknown: there is none; the message says what could not be read and why.
        """
        if self.value is None:
            raise Unknown(self.why)
        return self.value

    def need_if_present(self, absent: str) -> T:
        """The value, of something a host need not have.

        Raises:
            NotApplicable: with `absent`, when this host has no such file.
            Unknown: there is one, and it could not be read.
        """
        if isinstance(self.error, (Missing, Unsupported)):
            raise NotApplicable(absent)
        return self.need()

    @property
    def why(self) -> str:
        """The reason as one line."""
        return "was not read" if self.error is None else f"{self.error.what}: {self.error.message}"


def attempt(verb: Callable[..., V], *args: object) -> Raw[V]:
    """`verb(*args)`, or the SretoolError it raised."""
    try:
        return verb(*args)
    except SretoolError as error:
        return error


def parsed(parse: Callable[[V], T], raw: Raw[V]) -> Part[T]:
    """`parse(raw)` as a Part: what could not be read or parsed is a reason, not an exception."""
    if isinstance(raw, SretoolError):
        return Part(error=raw)
    try:
        return Part(parse(raw))
    except SretoolError as error:
        return Part(error=error)
