"""The probes of one triage, sent while it waits for its second reading anyway."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from sretool.command.run import Run
from sretool.errors import SretoolError, UsageError
from sretool.host.source import Source
from sretool.net.trace.model import Path
from sretool.report.check import Rule
from sretool.triage.domains import Domain
from sretool.triage.probe import gateways, paths, sizes
from sretool.triage.probe.checks import GATEWAYS, PATHS, SIZES
from sretool.triage.probe.model import Changes, Gateways, Sizes

MOST_TARGETS = 16
_LATEST_S = 3.0
"""Beyond the sample: every probe has its own, shorter, timeout."""


class Probing:
    """What is asked, and by when. `during` is for the sampler; afterwards `domains` are those of triage
    that judge what came.

    Raises:
        UsageError: it cannot be asked so.
    """

    def __init__(
        self, run: Run, wanted: Sequence[Rule[Any]], targets: Sequence[str], baseline: str | None
    ) -> None:
        if len(targets) > MOST_TARGETS:
            raise UsageError("--probe-target", f"{len(targets)} are more than {MOST_TARGETS}", "name fewer")
        ids = {rule.id for rule in wanted}
        self._terminal = run.terminal
        self._gateways = any(rule.id in ids for rule in GATEWAYS)
        self._baseline: list[Path] | None = None
        if baseline is not None:
            self._baseline = paths.wanted(baseline, targets)
        self._again = any(rule.id in ids for rule in PATHS)
        self._sized = any(rule.id in ids for rule in SIZES)
        self._targets = list(dict.fromkeys(targets))
        self._found: dict[str, Any] = {}

    def during(self, source: Source, until: Callable[[], bool]) -> None:
        """Send, and wait for the answers: as long as `until` says, and as their timeouts need. Each of the
        probes costs only itself: what fails, or does not come to its end, is unknown.
        """
        self._found = {}
        jobs: dict[str, Callable[[], Any]] = {}
        if self._gateways:
            jobs["gateways"] = lambda: gateways.ask(source)
        for number, path in enumerate(self._baseline or () if self._again else ()):
            jobs[f"path {number}"] = lambda path=path: paths.again(path, self._terminal)  # type: ignore[misc]
        for host in self._targets if self._sized else ():
            jobs[f"size {host}"] = lambda host=host: sizes.ask(source, host)  # type: ignore[misc]
        workers = []
        for name, job in jobs.items():
            # daemons: a resolver that hangs in C cannot be stopped, only left behind
            workers.append(threading.Thread(target=self._one, args=(name, job), daemon=True))
            workers[-1].start()
        end = time.monotonic() + _LATEST_S
        while any(worker.is_alive() for worker in workers):
            if not until():
                end = time.monotonic() + _LATEST_S
            elif time.monotonic() > end:
                return
            next(worker for worker in workers if worker.is_alive()).join(0.05)

    def _one(self, name: str, job: Callable[[], Any]) -> None:
        try:
            self._found[name] = job()
        except SretoolError as error:
            self._found[name] = error

    def domains(self) -> tuple[Domain, ...]:
        """What was found, as triage judges it."""
        return (
            Domain(
                "gateways", GATEWAYS, _nothing, lambda _, __, state: self._of_gateways(state), _neighbours
            ),
            Domain("sizes", SIZES, _nothing, lambda _, __, ___: self._of_sizes()),
            Domain("paths", PATHS, _nothing, lambda _, __, ___: self._of_paths()),
        )

    def _of_gateways(self, states: Any) -> Gateways:
        found = self._found.get("gateways", Gateways([], "the probes did not come to their end"))
        if isinstance(found, SretoolError):
            raise found
        return gateways.with_neighbours(found, states)

    def _of_sizes(self) -> Sizes:
        found = Sizes([], [], wanted=bool(self._targets))
        for host in self._targets:
            one = self._found.get(f"size {host}")
            if isinstance(one, Sizes):
                found.found.extend(one.found)
                found.problems.extend(one.problems)
            else:
                found.problems.append(f"{host}: {_late(one)}")
        return found

    def _of_paths(self) -> Changes:
        if self._baseline is None:
            return Changes([], [], wanted=False)
        found = Changes([], [])
        for number, path in enumerate(self._baseline):
            one = self._found.get(f"path {number}")
            if isinstance(one, Changes):
                found.diffs.extend(one.diffs)
                found.problems.extend(one.problems)
            else:
                found.problems.append(f"{path.target}: {_late(one)}")
        return found


def _late(found: Any) -> str:
    return str(found) if isinstance(found, SretoolError) else "the probes did not come to their end"


def _nothing(source: Source) -> None:
    """There is nothing to read at the two moments."""


def _neighbours(source: Source) -> Any:
    """Read after the probes: what they made of the entries is the evidence."""
    try:
        return gateways.neighbours(source)
    except SretoolError:
        return None
