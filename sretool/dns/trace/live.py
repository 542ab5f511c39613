"""One trace over this host's network: options in, the model and our own failures out."""

from __future__ import annotations

import asyncio
import signal

from sretool.command import Run
from sretool.command.progress import Progress
from sretool.dns import hints as roots
from sretool.dns.network import LiveNetwork
from sretool.dns.question import parse_name, parse_type, special_use
from sretool.dns.trace.build import NOTHING_LEFT, build
from sretool.dns.trace.engine import Engine
from sretool.dns.trace.model import Trace
from sretool.dns.trace.state import Plan
from sretool.errors import DeadlineReached, ExitCode, NoRoute, SretoolError, UsageError

DEADLINE_S = 4.0


def trace(run: Run, name: str, rdtype: str, every: bool, hints: str | None, port: int) -> tuple[Trace, int]:
    """The trace, and the exit code where we could not look (0: by the findings).

    Raises:
        UsageError: the name, type, hints file or interface is wrong; nothing was sent.
    """
    options = run.options
    question, kind = parse_name(name), parse_type(rdtype)
    special = special_use(question)
    if hints is None and special is not None:
        raise UsageError(
            name, f"lies in {special}, which the root must not be asked for", "give --hints for your own root"
        )
    servers = roots.built_in() if hints is None else roots.read(hints)
    plan = Plan(
        name=question,
        type=kind,
        hints=servers,
        every=every,
        families=(4, 6) if options.family is None else (options.family,),
        deadline_s=DEADLINE_S if options.deadline is None else options.deadline,
        loopback=hints is not None,
    )
    network = LiveNetwork(port, 1.5 if options.timeout is None else options.timeout, options.interface)
    with Progress(options, f"tracing {name}") as progress:
        engine = Engine(plan, network, progress.say)
        stopped_by = asyncio.run(_until_stopped(engine))
    if signal.SIGTERM in stopped_by:
        signal.raise_signal(signal.SIGTERM)
    run.interrupted = signal.SIGINT in stopped_by
    data = build(engine, hints or "built-in", port, run.interrupted)
    run.errors += _failures(data, plan.deadline_s, engine.purse.refused)
    blind = data.end_reason in ("no-network", "deadline", "budget")
    return data, int(ExitCode.CANNOT_LOOK) if blind else 0


async def _until_stopped(engine: Engine) -> list[int]:
    """Run until the end, ^C or SIGTERM; the signals that came."""
    stop = asyncio.Event()
    caught: list[int] = []
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int) -> None:
        caught.append(number)
        stop.set()

    for number in before:
        loop.add_signal_handler(number, note, number)
    try:
        await engine.run(stop)
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
    return caught


def _failures(data: Trace, deadline_s: float, budget_refused: bool) -> list[SretoolError]:
    """What could not be looked at, and why."""
    errors: list[SretoolError] = []
    rows = [row for cut in data.cuts for row in cut.servers]
    for family, mark in ((4, False), (6, True)):
        unsent = [row for row in rows if row.error in NOTHING_LEFT and (":" in row.address) is mark]
        if unsent:
            why = f"{unsent[0].detail}; server addresses not asked: {len({row.address for row in unsent})}"
            errors.append(NoRoute(f"IPv{family}", why, f"-{10 - family} leaves them out"))
    late = {row.address for row in rows if row.error == "deadline"}
    if data.end_reason == "deadline":
        why = f"{deadline_s:g} s were over before there was an answer"
        errors.append(DeadlineReached("--deadline", why, "give it more"))
    elif late:
        why = f"{deadline_s:g} s were over while waiting for {len(late)} of the servers"
        errors.append(DeadlineReached("--deadline", why, "give it more"))
    if budget_refused:
        budget = SretoolError(
            data.name,
            f"the budget of {data.query_budget} queries ended the search",
            "--servers one needs fewer",
        )
        budget.code = "query-budget"
        errors.append(budget)
    return errors
