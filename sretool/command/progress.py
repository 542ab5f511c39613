"""One line on a terminal's stderr while the network is waited for, gone at the end."""

from __future__ import annotations

import os
import sys
from types import TracebackType

from sretool.command.options import Options
from sretool.report.escape import ascii_only, cut, escape, width
from sretool.report.terminal import detect


class Progress:
    """`with Progress(options, "tracing web-1") as progress:` Nothing is written to a pipe, nor with
    --quiet.
    """

    def __init__(self, options: Options, text: str) -> None:
        self._terminal = detect(sys.stderr, os.environ)
        self._columns = (self._terminal.columns or 80) - 1
        self._shown = self._terminal.is_terminal and not options.quiet
        self._text = text

    def __enter__(self) -> Progress:
        self.say(self._text)
        return self

    def say(self, text: str) -> None:
        """`text` in place of what stood there."""
        line = escape(text) + " …"
        if not self._terminal.unicode:
            line = ascii_only(line)
        line = cut(line, self._columns)
        # spaces rather than an escape sequence: the same on TERM=dumb
        line += " " * (self._columns - width(line))
        self._write("\r" + (line if self._terminal.unicode else ascii_only(line)))  # cut's own sign

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write("\r" + " " * self._columns + "\r")

    def _write(self, text: str) -> None:
        if not self._shown:
            return
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except (OSError, ValueError):
            self._shown = False
