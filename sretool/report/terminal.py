"""What the output stream is: terminal or pipe, its width, colour, and whether it takes UTF-8."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal, NamedTuple, TextIO

ColorFlag = Literal["auto", "always", "never"]


class Terminal(NamedTuple):
    """`columns` and `lines` are None on a pipe, where nothing is cut. `moves`: a terminal whose cursor
    can be moved, so that a watch can redraw it.
    """

    is_terminal: bool
    columns: int | None
    lines: int | None
    color: bool
    unicode: bool
    moves: bool = False


def detect(stream: TextIO, env: Mapping[str, str], color: ColorFlag = "auto") -> Terminal:
    """Look at `stream` and the environment."""
    try:
        is_terminal = stream.isatty()
    except ValueError:  # closed
        is_terminal = False
    columns = lines = None
    if is_terminal:
        try:
            size = os.get_terminal_size(stream.fileno())
            columns, lines = size.columns or 80, size.lines or 24
        except (OSError, ValueError):
            columns, lines = 80, 24
        if env.get("COLUMNS", "").isdigit() and int(env["COLUMNS"]) > 0:
            columns = int(env["COLUMNS"])
    moves = is_terminal and env.get("TERM", "dumb") not in ("", "dumb", "unknown")
    return Terminal(
        is_terminal, columns, lines, _color(is_terminal, env, color), _unicode(stream, env), moves
    )


def _color(is_terminal: bool, env: Mapping[str, str], flag: ColorFlag) -> bool:
    # flag > NO_COLOR > FORCE_COLOR/CLICOLOR_FORCE > TERM=dumb > isatty
    if flag != "auto":
        return flag == "always"
    if env.get("NO_COLOR"):
        return False
    if env.get("FORCE_COLOR") or env.get("CLICOLOR_FORCE", "0") != "0":
        return True
    return is_terminal and env.get("TERM", "dumb") not in ("dumb", "unknown")


def _unicode(stream: TextIO, env: Mapping[str, str]) -> bool:
    if (stream.encoding or "ascii").lower().replace("-", "") != "utf8":
        return False
    # Python coerces the C locale to UTF-8 and sets LC_CTYPE (PEP 538): a stream that says utf-8
    # is then still a terminal that may not show it.
    locale = env.get("LC_ALL") or ""
    if not locale:
        ctype = env.get("LC_CTYPE", "")
        locale = env.get("LANG", "") if ctype in ("", "C.UTF-8") else ctype
        if ctype == "C.UTF-8" and locale not in ("", "C", "POSIX"):
            locale = ctype
    return locale.lower().replace("-", "").endswith("utf8")
