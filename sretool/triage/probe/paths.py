"""The paths of a baseline, traced again as they were then."""

from __future__ import annotations

from collections.abc import Sequence

from sretool.command.options import Options
from sretool.command.run import Run
from sretool.errors import SretoolError, UsageError
from sretool.net.trace.diff.checks import CHECKS, limits
from sretool.net.trace.diff.compare import compare
from sretool.net.trace.diff.saved import baseline
from sretool.net.trace.model import Path
from sretool.net.trace.session import Ask, Session
from sretool.probe.live import Leaving
from sretool.report.terminal import Terminal
from sretool.triage.probe.model import Changes

TIMEOUT_S, DEADLINE_S = 1.0, 1.5
PER_SECOND, AT_ONCE = 1000.0, 100


def wanted(file: str, targets: Sequence[str]) -> list[Path]:
    """The saved paths to those targets.

    Raises:
        UsageError: the file is no trace, or not one to each of them.
    """
    _host, paths = baseline(file)
    names = ", ".join(path.target for path in paths[:3])
    if not targets:
        step = f"name whom to trace again: --probe-target {paths[0].target}"
        raise UsageError("--baseline", f"{file} has paths to {names}", step)
    found = [path for path in paths if path.target in targets or path.address in targets]
    for target in targets:
        if not any(target in (path.target, path.address) for path in found):
            raise UsageError("--baseline", f"{file} has no path to {target}", f"it has {names}")
    return found


def again(before: Path, terminal: Terminal) -> Changes:
    """Trace it again, by the same method, and compare; at most DEADLINE_S."""
    six = ":" in before.address
    run = Run(Options(four=not six, six=six, deadline=DEADLINE_S, interface=before.interface), terminal)
    try:
        # a saved file is no command line: what is out of bounds there was not traced by us
        if not (1 <= before.first_ttl <= before.max_ttl <= 255 and 0 <= (before.port or 0) <= 65535):
            raise UsageError("--baseline", "has TTLs or a port that cannot be")
        session = Session(_ask(before), run)
        try:
            session.begin()
            error = session.nothing_left()
            if error is not None:
                raise error
            path = session.paths()[0]
        finally:
            session.close()
    except SretoolError as error:
        return Changes([], [f"{before.target}: {error}"])
    return Changes([compare(before, path, limits(CHECKS))], [])


def _ask(before: Path) -> Ask:
    return Ask(
        hosts=[before.target],
        protocol=before.protocol,
        method="raw" if before.method.endswith("-raw") else "sockets",
        leaving=Leaving(port=before.port or 0, interface=before.interface),
        queries=min(6, max(1, before.queries)),
        first_ttl=before.first_ttl,
        max_ttl=before.max_ttl,
        timeout_s=TIMEOUT_S,
        per_s=PER_SECOND,
        parallel=AT_ONCE,
    )
