"""How often every hop is asked: once, round after round of a watch, or so many for a report."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import msgspec

from sretool.command.run import Run
from sretool.command.stream import event
from sretool.errors import UsageError
from sretool.net.trace.engine import Tracer
from sretool.net.trace.model import Path
from sretool.net.trace.round import Shot, words
from sretool.net.trace.session import Ask, Session, opened
from sretool.probe.network import Reply
from sretool.report.times import rfc3339

REPORT_ROUNDS = 10


def traced(ask: Ask, run: Run, report: bool) -> list[Path]:
    """The paths to every host, after one burst, one more round of a watch, or all of a report or of a
    stream of events.

    Raises:
        UsageError: it cannot be asked so.
        NetworkError: no address, no route, or no probe left this host.
    """
    _check(run, report)
    if ask.flows is not None and (report or run.options.watch):
        raise UsageError("--ecmp", "goes once over the path", "give it without --watch and --report")
    options = run.options
    events = Events(run) if options.jsonl else None
    session: Session | None = run.kept
    if session is None:
        session = run.kept = opened(ask, run, events.reply if events else None)
    else:
        session.go_on(options.sample)
    if events:
        events.rest(session)
    if report or (options.watch and events):
        _go_on(session, options.count or (REPORT_ROUNDS if report else None), options.sample, events)
        run.over = True
    paths = session.paths()
    if session.drive.overdue:
        run.over = True
        if report or paths[0].rounds == 1:
            session.note_deadline()
    if not options.watch or run.over or run.interrupted:
        session.close()
    if events:
        events.end(session, paths)
    return paths


def _check(run: Run, report: bool) -> None:
    if report and run.options.watch:
        raise UsageError("--report and --watch", "exclude each other", "give one of them")
    if report and run.options.sample == 0:
        raise UsageError("--report", "needs a period", "give --sample more than 0")


def _go_on(session: Session, rounds: int | None, period_s: float, events: Events | None) -> None:
    for number in itertools.count(2):
        if session.cut_short or (rounds is not None and number > rounds):
            break
        session.go_on(period_s)
        if events:
            events.rest(session)
    if not session.cut_short:
        session.settle()


class Events:
    """What happens, as JSON lines: replies as they come, then, after each round, what was not answered in
    time and what changed of the path; in the end the paths.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._ahead_s = time.time() - time.monotonic()
        self._news_told: dict[int, int] = {}
        self._lost_told: set[int] = set()

    def reply(self, tracer: Tracer, shot: Shot, reply: Reply) -> None:
        """A `Listener`."""
        if shot.rtt_s is None:
            return
        self._event(
            "reply",
            reply.at,
            tracer,
            ttl=shot.ttl,
            round=shot.round,
            address=reply.address,
            answer=words(tracer.plan.family, reply),
            rtt_ms=round(shot.rtt_s * 1000, 3),
        )

    def rest(self, session: Session) -> None:
        """What a round shows only when it is over."""
        now = time.monotonic()
        for target in session.targets:
            tracer = target.tracer
            told = self._news_told.get(id(tracer), 0)
            self._news_told[id(tracer)] = len(tracer.news)
            for news in tracer.news[told:]:
                self._event(
                    "change", news.at, tracer, ttl=news.ttl, round=news.round, was=news.was, now=news.now
                )
            for shot in self._lost(tracer, now):
                self._event("lost", shot.sent_at, tracer, ttl=shot.ttl, round=shot.round)

    def _lost(self, tracer: Tracer, now: float) -> Iterator[Shot]:
        for shot in tracer.given_up(now):
            if shot.id not in self._lost_told:
                self._lost_told.add(shot.id)
                yield shot

    def end(self, session: Session, paths: list[Path]) -> None:
        """What was found out."""
        self.rest(session)
        for path in paths:
            event(self._run, {"type": "path", **msgspec.to_builtins(path)})

    def _event(self, type_: str, at: float, tracer: Tracer, **more: object) -> None:
        event(
            self._run,
            {"type": type_, "at": rfc3339(at + self._ahead_s), "target": tracer.plan.target, **more},
        )
