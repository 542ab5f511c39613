"""One listing: what is read for all processes, and what only for those that will be shown."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from sretool.command import Run
from sretool.errors import UsageError
from sretool.procs.list import read
from sretool.procs.list.filters import Selection
from sretool.procs.list.model import Processes
from sretool.procs.list.tree import grown


def listed(run: Run, select: Selection, shown: Collection[str], *, port: int | None, tree: bool) -> Processes:
    """The processes that `select` keeps, those of --port among them.

    Raises:
        SourceError, ParseError: /proc cannot be listed.
        UsageError: --tree and --sort.
    """
    if tree and run.options.sort is not None:
        raise UsageError("--tree and --sort", "are two orders", "leave one of them out")
    if port is not None:
        from sretool.procs.list import ports

        select = select._replace(pids=ports.holders(run.source, port, run.errors))
    wanted = run.wanted(tuple(shown), read.LIGHT_FIELDS) | select.fields
    # what the text shows as the unit of a process in a container
    in_text = not run.options.json and not run.options.jsonl and "unit" in wanted
    ask = read.ask_for(wanted | ({"container_name"} if in_text else set()))
    # filters and --sort look at all rows, and rates need two readings; the rest may wait
    sort = {run.options.sort.removeprefix("-")} if run.options.sort is not None else set()
    early = read.ask_for(select.fields | sort)
    first = read.Ask(*(one and (two or now) for one, two, now in zip(ask, read.TWICE, early)))
    if not run.limit:
        first = ask
    both = read.Ask(*(one and two for one, two in zip(first, read.TWICE)))
    now, before = run.pair(
        partial(read.sample, ask=first, last=run.last), first=partial(read.sample, ask=both)
    )
    data = read.build(now, before, select.keeps if select.any and not tree else None)
    if tree:
        data = grown(data, select.keeps if select.any else None)
    rest = ask.without(first)
    if rest.parts:
        rows = run.shown(data.processes)
        more = read.details(run.source, now, rest, [row.pid for row in rows])
        read.complete(rows, more)
        run.errors += more.errors
    run.errors += now.errors
    return data
