"""From bytes to the answer; nothing is read here."""

from __future__ import annotations

from sretool.errors import ParseError
from sretool.host.attribution import Attribution, attribute, cgroup_path
from sretool.procs.show.model import Shown
from sretool.procs.show.read import group, held, identity, use
from sretool.procs.show.read.moments import moments
from sretool.procs.show.read.sample import Sample
from sretool.procs.show.read.state import State


def build(now: Sample, before: Sample | None, state: State, *, environment: bool = False) -> Shown:
    """The process in `now`; rates from two readings. What cannot be parsed costs its part and is noted
    in `now.errors`.

    Raises:
        ParseError: its stat line is none.
    """
    both = moments(now, before)
    path, whose = _where(now)
    shown = Shown(
        [],
        identity.identity(both, state),
        group.group(both, state, whose, path),
        use.limits(both, state),
        use.memory(both, state),
        use.cpu(both),
        use.io(both),
        use.delays(both),
        held.threads(both),
        held.files(state),
        held.sockets(now, state, whose, path),
        identity.security(both, state),
        group.kills(both, state, whose, path),
        group.log(state),
        round(both.window_s, 3) if both.window_s > 0 else None,
    )
    if environment:
        shown.environment = identity.environment(state.raw("environ"))
    return shown


def _where(now: Sample) -> tuple[str | None, Attribution]:
    raw = now.raw("cgroup")
    if raw is None:
        return None, Attribution()
    try:
        path = cgroup_path(raw)
    except ParseError as error:
        now.errors.append(error)
        return None, Attribution()
    return path, attribute(path)
