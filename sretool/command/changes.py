"""`--changes`: the rows of a listing that come, change and go, as they do."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from sretool.command import output
from sretool.command.run import Run
from sretool.report.answer import Answer
from sretool.report.change import Change
from sretool.report.escape import ascii_only, escape
from sretool.report.units import text_for


def follow(run: Run, changes: Iterable[Change], line: Callable[[Any], str]) -> Answer[Any]:
    """Print changes as they come, until they end, --count of them were printed, or ^C; `line` is a
    row as text. The answer is how it ended.
    """
    run.streams = True
    if run.options.jsonl:
        begin: Answer[Any] = Answer(data=None)
        output.stamp(begin, run)
        _out(
            msgspec.json.encode(
                {
                    "type": "begin",
                    "host": begin.host,
                    "source": begin.source,
                    "collected_at": begin.collected_at,
                }
            ).decode()
        )
    elif not run.options.quiet:
        output.say("sretool: changes are shown as they come; ^C ends")
    try:
        for change in itertools.islice(changes, run.options.count):
            _out(_document(run, change) if run.options.jsonl else _text(run, change, line))
    except KeyboardInterrupt:
        run.interrupted = True
    return Answer(data=None)


def _document(run: Run, change: Change) -> str:
    fields = run.fields()
    row = change.row if fields is None else output.narrowed_row(change.row, fields)
    return msgspec.json.encode(
        {"type": "change", "at": change.at, "change": change.change, "was": change.was, "row": row}
    ).decode()


def _text(run: Run, change: Change, line: Callable[[Any], str]) -> str:
    text = f"{change.at[11:]}  {change.change:7}  {line(change.row)}"
    if change.was:
        text += f"  (was {', '.join(f'{name} {text_for(name, old)}' for name, old in change.was.items())})"
    text = escape(text)
    return text if run.terminal.unicode else ascii_only(text)


def _out(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
