"""Which group a person means: a path, a unit, a container or a pid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sretool.cgroups.mounts import Mount
from sretool.errors import Missing, SourceError, SretoolError, UsageError
from sretool.host import engines
from sretool.host.attribution import Attribution, attribute, cgroup_path, matches
from sretool.host.engines import Container, name_of
from sretool.host.source import PID_DIGITS, Source
from sretool.report.escape import clean

NAMED_LIMIT = 8


def paths(source: Source, mounts: Iterable[Mount], errors: list[SretoolError]) -> list[str]:
    """Every group of every hierarchy, as its path is shown."""
    found: dict[str, None] = {}
    for mount in mounts:
        try:
            names = source.walk(mount.point)
        except SourceError as error:
            errors.append(error)
            continue
        found.update(dict.fromkeys(map(mount.path, names)))
    return [clean(path) for path in found]


def find(
    source: Source, target: str, mounts: list[Mount], every: list[str], errors: list[SretoolError]
) -> str:
    """The path of the group that `target` names.

    Raises:
        UsageError: it names several; they are listed.
        Missing: there is none, or no such process.
        SourceError, ParseError: the cgroup of that process cannot be read.
    """
    if target.isdecimal() and len(target) <= PID_DIGITS:
        return _of_pid(source, target)
    if target.startswith("/"):
        return _by_path(target, mounts, every)
    whose = {path: attribute(path) for path in every}
    containers = engines.named(source, errors, whose.values())
    found = _named(target, whose, containers)
    if not found:
        hint = "sretool cgroups tree --all lists them; a path begins with /"
        raise Missing(f"cgroup {target}", "no group, unit or container has that name", hint)
    if len(found) > 1:
        names = ", ".join(found[:NAMED_LIMIT]) + (
            f" and {len(found) - NAMED_LIMIT} more" if len(found) > NAMED_LIMIT else ""
        )
        raise UsageError(f"cgroup {target}", f"names {len(found)} groups: {names}", "give one of these paths")
    return found[0]


def _of_pid(source: Source, pid: str) -> str:
    try:
        return cgroup_path(source.read(f"/proc/{pid}/cgroup"))
    except Missing:
        raise Missing(f"process {pid}", "there is no such process", "it may have ended") from None


def _by_path(target: str, mounts: list[Mount], every: list[str]) -> str:
    known = set(every)
    wanted = "/" + "/".join(part for part in target.split("/") if part)
    # as it stands in the file system, below the mount of a hierarchy
    for mount in sorted(mounts, key=lambda mount: -len(mount.point)):
        if wanted == mount.point or wanted.startswith(mount.point + "/"):
            inside = clean(mount.path(wanted[len(mount.point) + 1 :] or "."))
            if inside in known:
                return inside
    if wanted in known:
        return wanted
    raise Missing(
        f"cgroup {target}", "there is no such group", "it may be gone; sretool cgroups tree lists them"
    )


def _named(target: str, whose: Mapping[str, Attribution], containers: dict[str, Container]) -> list[str]:
    """Groups by what they are called: by the whole name, else by a part of it or a pattern. Of groups
    within one another that are called so, the outermost.
    """

    def names(path: str) -> list[str]:
        one, last = whose[path], path.rpartition("/")[2]
        found = [last]
        if last.removeprefix("_") == one.unit:
            found += [one.unit, one.unit.rpartition(".")[0]]
        if one.container and one.container in last:
            known = containers.get(one.container)
            found += [one.container, name_of(one, containers) or ""]
            found += [known.id, known.name, known.pod] if known is not None else []
        elif not one.container:
            found.append(one.pod)
        return [name for name in found if name]

    every = {path: names(path) for path in whose}
    exact = [path for path, found in every.items() if target in found]
    if not exact and len(target) >= 4:  # docker takes the first digits of an id
        exact = [
            path for path in every if whose[path].container and path.rpartition("/")[2].startswith(target)
        ]
    part = exact or [path for path, found in every.items() if any(matches(target, name) for name in found)]
    return _outermost(part)


def _outermost(found: list[str]) -> list[str]:
    kept: list[str] = []
    for path in sorted(found):
        if not any(path.startswith(above.rstrip("/") + "/") for above in kept):
            kept.append(path)
    return kept
