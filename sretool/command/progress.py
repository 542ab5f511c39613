"""One line on a terminal's stderr while the network is waited for, gone at the end."""

from __future__ import annotations

import os
import sys
from types import TracebackType

from sretool.command.options import Options
from sretool.report.escape import ascii_only, cut, escape
from sretool.report.terminal import detect


class Progress:
    """`with Progress(options, "tracing web-1"):` Nothing is written to a pipe, nor with --quiet."""

    def __init__(self, options: Options, text: str) -> None:
        terminal = detect(sys.stderr, os.environ)
        self._columns = (terminal.columns or 80) - 1
        self._shown = terminal.is_terminal and not options.quiet
        line = escape(text) + " …"
        self._line = cut(line, self._columns)
        if not terminal.unicode:
            self._line = ascii_only(self._line)

    def __enter__(self) -> None:
        self._write("\r" + self._line)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # spaces rather than an escape sequence: the same on TERM=dumb
        self._write("\r" + " " * self._columns + "\r")

    def _write(self, text: str) -> None:
        if not self._shown:
            return
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except (OSError, ValueError):
            self._shown = False
