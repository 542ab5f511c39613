"""Colour, width and character set, by the contract's order."""

from __future__ import annotations

import io

import pytest

from sretool.report.terminal import detect


class Stream(io.StringIO):
    def __init__(self, terminal: bool, encoding: str = "utf-8") -> None:
        super().__init__()
        self._terminal, self._encoding = terminal, encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return self._terminal


@pytest.mark.parametrize(
    ("terminal", "env", "flag", "color"),
    [
        (True, {"TERM": "xterm"}, "auto", True),
        (False, {"TERM": "xterm"}, "auto", False),
        (True, {"TERM": "dumb"}, "auto", False),
        (True, {}, "auto", False),
        (True, {"TERM": "xterm", "NO_COLOR": "1"}, "auto", False),
        (True, {"TERM": "xterm", "NO_COLOR": ""}, "auto", True),
        (False, {"FORCE_COLOR": "1"}, "auto", True),
        (False, {"CLICOLOR_FORCE": "1"}, "auto", True),
        (False, {"CLICOLOR_FORCE": "0"}, "auto", False),
        (False, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, "auto", False),
        (False, {"NO_COLOR": "1"}, "always", True),
        (True, {"TERM": "xterm", "FORCE_COLOR": "1"}, "never", False),
    ],
)
def test_colour(terminal: bool, env: dict[str, str], flag: str, color: bool) -> None:
    assert detect(Stream(terminal), env, flag).color is color  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("env", "encoding", "unicode"),
    [
        ({"LANG": "en_US.UTF-8"}, "utf-8", True),
        ({"LANG": "C"}, "utf-8", False),
        ({}, "utf-8", False),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, "utf-8", False),  # what PEP 538 makes of LANG=C
        ({"LANG": "de_DE.UTF-8", "LC_CTYPE": "C.UTF-8"}, "utf-8", True),
        ({"LANG": "C", "LC_CTYPE": "en_US.UTF-8"}, "utf-8", True),
        ({"LC_ALL": "C", "LANG": "en_US.UTF-8"}, "utf-8", False),
        ({"LC_ALL": "C.UTF-8"}, "utf-8", True),
        ({"LANG": "en_US.UTF-8"}, "iso8859-1", False),
    ],
)
def test_character_set(env: dict[str, str], encoding: str, unicode: bool) -> None:
    assert detect(Stream(True, encoding), env).unicode is unicode


def test_a_pipe_has_no_width_and_a_terminal_obeys_columns() -> None:
    assert detect(Stream(False), {"COLUMNS": "40"}).columns is None
    assert detect(Stream(True), {"COLUMNS": "40"}).columns == 40
    assert detect(Stream(True), {}).columns == 80
