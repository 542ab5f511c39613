"""Rows that leave as they come: listings too long to be held."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable
from typing import Any

import msgspec

from sretool.command import output
from sretool.command.run import Run

ROWS_AT_ONCE = 250


def stream(run: Run, rows: Iterable[Any]) -> None:
    """Print rows as JSON lines, in their order, at most --limit of them, with the fields of --fields; ^C
    ends them. The answer that follows is how it ended.
    """
    run.streams = True
    fields = run.fields()
    encoder = msgspec.json.Encoder()
    rows = iter(rows if not run.options.limit else itertools.islice(rows, run.options.limit))
    sys.stdout.flush()
    try:
        while chunk := list(itertools.islice(rows, ROWS_AT_ONCE)):
            shown = chunk if fields is None else [output.narrowed_row(row, fields) for row in chunk]
            sys.stdout.buffer.write(encoder.encode_lines(shown))
        sys.stdout.flush()
    except KeyboardInterrupt:
        run.interrupted = True


def event(run: Run, document: dict[str, Any]) -> None:
    """Print one thing that happened as a JSON line, at once. The answer that follows is how it ended."""
    run.streams = True
    sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
    sys.stdout.flush()
