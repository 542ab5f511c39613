"""A watch on a terminal: redrawn in place, good at any size, and the cursor always comes back."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from cli import environment
from hypothesis import given
from hypothesis import strategies as st

from sretool.command.screen import laid_out
from sretool.report.escape import width

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


def test_a_line_over_a_longer_one_leaves_nothing_of_it() -> None:
    assert laid_out(["ab", "c"], 80, 24) == "\x1b[Hab\x1b[K\r\nc\x1b[K\x1b[J"


def test_a_full_line_is_not_erased_behind_its_last_column() -> None:
    assert laid_out(["abcd", "\x1b[2mabcd\x1b[0m"], 4, 24) == "\x1b[Habcd\r\n\x1b[2mabcd\x1b[0m\x1b[J"


@given(st.lists(st.text("ab中", max_size=4), max_size=40), st.integers(1, 30))
def test_never_more_lines_than_rows(lines: list[str], rows: int) -> None:
    drawn = laid_out(lines, 8, rows).removeprefix("\x1b[H").split("\r\n")
    assert len(drawn) <= rows
    assert all(width(re.sub(r"\x1b\[[0-9;]*[mKJ]", "", line)) <= 16 for line in drawn)


class Tty:
    """A command on a terminal of its own."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process, self._master, self.text = process, master, ""

    def until(self, wanted: str) -> str:
        """Everything up to and with what matches."""
        end = time.monotonic() + 30
        while not (found := re.search(wanted, self.text, re.S)):
            assert time.monotonic() < end, self.text[-3000:]
            if select.select([self._master], [], [], 1)[0]:
                try:
                    self.text += os.read(self._master, 1 << 16).decode()
                except OSError:  # its last holder is gone
                    break
        assert found, self.text[-3000:]
        seen, self.text = self.text[: found.end()], self.text[found.end() :]
        return seen

    def size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())


@contextmanager
def on_a_terminal(*args: str, **env: str) -> Iterator[Tty]:
    master, slave = pty.openpty()
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "sretool", *args],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment(**{"TERM": "xterm", **env}),
        start_new_session=True,
        cwd="/",
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
    )
    os.close(slave)
    try:
        yield Tty(process, master)
    finally:
        process.kill()
        process.wait()
        os.close(master)


WATCH = ("procs", "list", "--watch", "--sample", "0.3")


def test_rows_before_rates_and_redrawn_without_clearing() -> None:
    with on_a_terminal(*WATCH, "--count", "2") as tty:
        seen = tty.until("first reading, rates follow")
        assert HIDE in seen
        frames = tty.until(re.escape(SHOW)).split("\x1b[H")
        assert "COMMAND" in frames[0]
        assert [len(re.findall(r"over \d", frame)) for frame in frames] == [0, 1, 1]
        assert "\x1b[2J" not in "".join(frames)
        assert tty.process.wait(30) == 0


@pytest.mark.parametrize(("how", "code"), [("\x03", 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_the_cursor_comes_back(how: object, code: int) -> None:
    with on_a_terminal(*WATCH) as tty:
        tty.until("over 0")
        if isinstance(how, str):
            tty.press(how)
        else:
            tty.process.terminate()
        tty.until(re.escape(SHOW))
        assert tty.process.wait(30) in (code, 128 - code)


def test_another_size_is_drawn_at_once() -> None:
    with on_a_terminal("procs", "list", "--watch", "--sample", "600") as tty:
        tty.until("first reading.*\x1b\\[J")
        tty.size(60, 10)
        seen = tty.until("first reading.*\x1b\\[J")
        lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", seen).split("\n")
        assert len(lines) <= 10
        assert max(map(len, lines)) <= 60


def test_a_terminal_that_cannot_move_its_cursor_gets_answers_one_below_the_other() -> None:
    with on_a_terminal(*WATCH, "--count", "2", TERM="dumb") as tty:
        tty.process.wait(30)
        seen = tty.until("COMMAND.*COMMAND")
        assert "\x1b" not in seen
