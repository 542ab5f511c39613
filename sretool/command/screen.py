"""A terminal that a watch redraws in place.

Clearing the screen and writing it anew flickers, over ssh visibly. So a frame is written over the
last one, line by line, erasing only what a line leaves over, in one write(2).
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Callable, Iterator, Sequence

from sretool.report.escape import width
from sretool.report.terminal import Terminal

_HOME, _ERASE_LINE, _ERASE_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
_HIDE, _SHOW = "\x1b[?25l", "\x1b[?25h"
_STYLED = re.compile(r"\x1b\[[0-9;]*m")
_RESET = "\x1b[0m"

Frame = Callable[[Terminal], Sequence[str]]
"""The lines of a frame for a terminal of that size, without their ends."""


class Screen:
    """`with screen.shown():` hides the cursor and gives it back whichever way the block is left."""

    def __init__(self, fd: int, measure: Callable[[], Terminal]) -> None:
        self._fd, self._measure = fd, measure
        self._frame: Frame | None = None
        self._drawing = self._stale = False
        self._rows = 0

    @contextlib.contextmanager
    def shown(self) -> Iterator[Screen]:
        """Redraw on a change of size; be a good citizen of ^Z."""
        kept = {
            number: signal.signal(number, handler)
            for number, handler in (
                (signal.SIGWINCH, self._resized),
                (signal.SIGTSTP, self._stopped),
                (signal.SIGCONT, self._continued),
            )
        }
        # what stood on the screen goes up into the terminal's history instead of being lost
        self._write(_HIDE + "\n" * ((self._measure().lines or 24) - 1) + _HOME + _ERASE_BELOW)
        try:
            yield self
        finally:
            for number, handler in kept.items():
                signal.signal(number, handler)
            with contextlib.suppress(OSError):
                self._write(f"\x1b[{max(1, self._rows)};1H\r\n{_SHOW}")

    def draw(self, frame: Frame) -> None:
        """Show a frame, and keep it for when the size changes."""
        self._frame = frame
        self._redraw()

    def _redraw(self) -> None:
        self._stale = True
        if self._frame is None or self._drawing:  # a signal during a redraw: that one goes round again
            return
        self._drawing = True
        while self._stale:
            self._stale = False
            terminal = self._measure()
            lines, rows = self._frame(terminal), terminal.lines or 24
            self._write(laid_out(lines, terminal.columns or 80, rows))
            self._rows = min(len(lines), rows)
        self._drawing = False

    def _write(self, text: str) -> None:
        # not through sys.stdout: a signal may come while that is at work, and it cannot be entered twice
        data = text.encode("utf-8", "backslashreplace")
        while data:
            data = data[os.write(self._fd, data) :]

    def _resized(self, signum: int, frame: object) -> None:
        self._redraw()

    def _stopped(self, signum: int, frame: object) -> None:
        self._write(f"\x1b[{max(1, self._rows)};1H\r\n{_SHOW}")
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)

    def _continued(self, signum: int, frame: object) -> None:
        signal.signal(signal.SIGTSTP, self._stopped)
        self._write(_HIDE)
        self._redraw()


def laid_out(lines: Sequence[str], columns: int, rows: int) -> str:
    """A frame as what is written: no more lines than there are rows, or the terminal would scroll."""
    if len(lines) > rows:
        lines = [*lines[: rows - 1], f"… {len(lines) - rows + 1} more lines"[:columns]]
    # behind the last column the cursor still stands on it: erasing there takes the character away
    ends = [
        "" if width(_STYLED.sub("", line)) >= columns else (_RESET if "\x1b" in line else "") + _ERASE_LINE
        for line in lines
    ]
    return _HOME + "\r\n".join(line + end for line, end in zip(lines, ends)) + _ERASE_BELOW
