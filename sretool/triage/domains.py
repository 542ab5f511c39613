"""Whose checks there are, and how each domain is read: the one list that `triage`, `checks` and
the tests go by.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from sretool.host.source import Source
from sretool.report.check import Rule


class Domain(NamedTuple):
    """A domain as triage sees it. `sample` is called at both moments, `state` once after them;
    `build` makes of what they gave (now, before, state) the model that `rules` judge.
    """

    name: str
    rules: tuple[Rule[Any], ...]
    sample: Callable[[Source], Any]
    build: Callable[[Any, Any, Any], Any]
    state: Callable[[Source], Any] | None = None


def domains() -> tuple[Domain, ...]:
    """Every domain with checks, in the order of the answer's `checks`."""
    from sretool.triage import checks, read

    return (
        Domain(
            "host",
            checks.CHECKS,
            partial(read.sample, ask=read.TRIAGE),
            read.build,
            partial(read.sample, ask=read.STATE_ONLY),
        ),
    )


def rules() -> list[Rule[Any]]:
    """Every check there is, in the same order."""
    return [rule for domain in domains() for rule in domain.rules]
