"""Whose checks there are, and how each domain is read: the one list that `triage`, `checks` and
the tests go by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from sretool.host.source import Source
from sretool.report.check import Rule


class Domain(NamedTuple):
    """A domain as triage sees it. `sample` is called at both moments, or `before` at the first where
    less is enough there, and `state` once after them; `build` makes of what they gave (now, before,
    state) the model that `rules` judge.
    """

    name: str
    rules: tuple[Rule[Any], ...]
    sample: Callable[[Source], Any]
    build: Callable[[Any, Any, Any], Any]
    state: Callable[[Source], Any] | None = None
    before: Callable[[Source], Any] | None = None


class Join(NamedTuple):
    """Checks that need the models of several domains. `build` makes their model of those, by
    domain name, and of every rule by id (with overrides applied).
    """

    name: str
    rules: tuple[Rule[Any], ...]
    needs: tuple[str, ...]
    build: Callable[[Mapping[str, Any], Mapping[str, Rule[Any]]], Any]


def domains() -> tuple[Domain, ...]:
    """Every domain that is read, in the order of the answer's `checks`."""
    from sretool.cgroups import checks as cgroup_checks
    from sretool.cgroups import read as cgroups
    from sretool.procs.deleted import checks as deleted_checks
    from sretool.procs.deleted import read as deleted
    from sretool.procs.list import checks as process_checks
    from sretool.procs.list import read as procs
    from sretool.sockets.listen import checks as socket_checks
    from sretool.sockets.listen import read as listen
    from sretool.triage import checks, read

    return (
        Domain(
            "host",
            checks.CHECKS,
            partial(read.sample, ask=read.TRIAGE),
            read.build,
            partial(read.sample, ask=read.STATE_ONLY),
        ),
        Domain(
            "procs",
            process_checks.CHECKS,
            partial(procs.sample, ask=procs.TRIAGE),
            lambda now, before, _: procs.build(now, before),
            # whose each process is, and its descriptors and limits, are asked of it once
            before=partial(procs.sample, ask=procs.TRIAGE_BEFORE),
        ),
        Domain(
            "deleted",
            deleted_checks.CHECKS,
            lambda _: None,
            lambda _, __, state: deleted.build(state),
            partial(deleted.sample, ask=deleted.TRIAGE),
        ),
        Domain(
            "sockets",
            socket_checks.TRIAGE,
            # whose a listener is costs a look at every descriptor of the host: once is enough, and
            # the reading that has it is the newer one
            partial(listen.sample, ask=listen.TRIAGE_BEFORE),
            lambda _, before, state: listen.build(state, before),
            partial(listen.sample, ask=listen.TRIAGE),
        ),
        Domain(
            "cgroups",
            cgroup_checks.CHECKS,
            partial(cgroups.sample, ask=cgroups.COUNTERS),
            cgroups.build,
            partial(cgroups.sample, ask=cgroups.STATE),
        ),
    )


def joins() -> tuple[Join, ...]:
    """The checks that join domains; they come after all others."""
    from sretool.triage import joins

    return (
        Join("starved", (joins.accept_queue_starved,), ("host", "sockets", "cgroups"), joins.build_starved),
        Join("held", (joins.space_held,), ("host", "deleted"), joins.build_held),
    )


def groups() -> list[tuple[str, tuple[Rule[Any], ...]]]:
    """Every check there is, by whose it is, in the order of the answer's `checks`."""
    return [
        *((domain.name, domain.rules) for domain in domains()),
        *((join.name, join.rules) for join in joins()),
    ]


def probe_rules() -> list[Rule[Any]]:
    """The checks of `--probe`, which send packets; no other command runs them."""
    from sretool.triage.probe.checks import CHECKS

    return list(CHECKS)


def rules() -> list[Rule[Any]]:
    """Every check that sends nothing, in the same order."""
    return [rule for _, group in groups() for rule in group]
