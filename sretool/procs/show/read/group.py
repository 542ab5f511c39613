"""Its control group, and what the logs say of it."""

from __future__ import annotations

from sretool.cgroups import read as cgroups
from sretool.cgroups.limits import bindings
from sretool.cgroups.model import Binding, Cgroups, lineage
from sretool.errors import SretoolError
from sretool.host import oom
from sretool.host.attribution import Attribution, attribute
from sretool.host.secrets import mask
from sretool.procs.show.model import Group, Kill, LogLine
from sretool.procs.show.read.moments import Moments
from sretool.procs.show.read.sample import v1_paths
from sretool.procs.show.read.state import State, entries
from sretool.report.times import rfc3339

KILLS_LIMIT = 20
MESSAGE_LIMIT = 500
# v1: the controllers of a resource
_CONTROLLERS = {"memory": "memory", "memory-swap": "memory", "pids": "pids", "cpu": "cpu", "cpuset": "cpuset"}
_PRIORITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")


def group(moments: Moments, state: State, whose: Attribution, path: str | None) -> Group | None:
    """Where it stands, and what really limits it."""
    sample = moments.now.sample
    if path is None:
        return None
    by_controller = v1_paths(sample.raw("cgroup") or b"")
    others = {name: at for name, at in by_controller.items() if at != path and "=" not in name}
    model = _model(moments)
    rows = [] if model is None else list(model.cgroups)
    own = next((row for row in rows if row.path == path), None)
    container = state.container
    return Group(
        path,
        others,
        *whose[:3],
        "" if container is None else container.called,
        whose.engine or ("" if container is None else container.engine),
        whose.pod,
        None if model is None else _bindings(model, path, by_controller),
        None if model is None else model.ancestors_hidden,
        own,
        sorted((row for row in rows if row is not own), key=lambda row: (-len(lineage(row.path)), row.path)),
    )


def _model(moments: Moments) -> Cgroups | None:
    now = moments.now.sample.group
    before = moments.before.sample.group if moments.before is not None else None
    if now is None:
        return None
    try:
        found = cgroups.build(now, before)
    except SretoolError as error:
        moments.now.sample.errors.append(error)
        return None
    moments.now.sample.errors += [error for error in now.errors if error not in moments.now.sample.errors]
    return found


def _bindings(model: Cgroups, path: str, by_controller: dict[str, str]) -> list[Binding]:
    """On v1 each resource by the path in its own hierarchy."""
    found: dict[str, Binding] = {}
    places = {path, *(by_controller.get(name, path) for name in _CONTROLLERS.values())}
    for place in sorted(places):
        for one in bindings(model, place):
            if by_controller.get(_CONTROLLERS.get(one.resource, ""), path) == place:
                found[one.resource] = one
    return list(found.values())


def kills(moments: Moments, state: State, whose: Attribution, path: str | None) -> list[Kill] | None:
    """OOM kills of its pid before it, of its group or below, of its unit; latest first."""
    if state.kills is None:
        return None
    sample = moments.now.sample
    inside = "\0" if path in (None, "/") else f"{path}/"

    def ours(kill: oom.OomKill) -> bool:
        if kill.pid == int(sample.pid):
            return True
        theirs = attribute(kill.cgroup)
        return (
            (kill.cgroup + "/").startswith(inside)
            or bool(whose.unit and theirs.unit == whose.unit and theirs.container == whose.container)
            or bool(whose.container and theirs.container == whose.container)
        )

    return [
        Kill(
            _when(sample.clock.wall - (sample.clock.mono - kill.at_s)),
            kill.pid,
            kill.name,
            kill.cgroup,
            kill.whose_limit,
            _resident(kill),
        )
        for kill in list(filter(ours, reversed(state.kills)))[:KILLS_LIMIT]
    ]


def _resident(kill: oom.OomKill) -> int | None:
    parts = (kill.anon_rss_bytes, kill.file_rss_bytes, kill.shmem_rss_bytes)
    return None if None in parts else sum(part or 0 for part in parts)


def _when(seconds: float) -> str:
    return rfc3339(min(max(0.0, seconds), 253_402_300_799.0))


def log(state: State) -> list[LogLine] | None:
    """The unit's last lines; None when the journal was not read."""
    if state.log is None:
        return None
    lines = []
    for entry in entries(state.log):
        message = entry.message or ""
        raw = (
            message.encode("utf-8", "surrogatepass")
            if isinstance(message, str)
            else bytes(byte & 0xFF for byte in message)
        )
        said = mask(raw[: 4 * MESSAGE_LIMIT]).decode("utf-8", "backslashreplace")[:MESSAGE_LIMIT]
        number = int(entry.priority) if entry.priority in tuple("01234567") else 4
        pid = int(entry.pid) if entry.pid.isascii() and entry.pid.isdigit() and len(entry.pid) < 8 else None
        at = float(entry.at_us[:17]) / 1e6 if entry.at_us.isascii() and entry.at_us.isdigit() else 0.0
        lines.append(LogLine(_when(at), _PRIORITIES[number], pid, said))
    return lines
