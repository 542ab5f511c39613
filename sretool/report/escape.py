"""Hostile text made safe, and text measured as a terminal measures it.

Names come from the kernel, the network and recordings. Nothing of them may move the cursor, change
a colour, reorder a line (bidirectional controls) or break a row.
"""

from __future__ import annotations

import unicodedata

_ASCII_GLYPHS = str.maketrans(
    {
        "─": "-",
        "│": "|",
        "├": "|",
        "└": "`",
        "…": "~",
        "→": ">",
        "·": ".",
        "–": "-",
        "×": "x",
        "≥": ">",
        "µ": "u",
        "●": "*",
    }
)


class _Shown(dict[int, "str | int"]):
    """What a character is shown as; each is looked up once, and str.translate does the rest."""

    def __missing__(self, code: int) -> str | int:
        shown: str | int = code
        # Cc and Cf control the terminal or the text direction; Cs is an undecodable byte; Zl and Zp
        # break lines; Co and Cn have no agreed width.
        if unicodedata.category(chr(code)) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
            if 0xDC80 <= code <= 0xDCFF:  # surrogateescape: a raw byte
                shown = f"\\x{code - 0xDC00:02x}"
            else:
                shown = f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
        self[code] = shown
        return shown


_shown = _Shown()


def escape(text: str) -> str:
    r"""`text` with every control, format and undecodable character written as \xNN or \uNNNN."""
    if text.isascii() and text.isprintable():
        return text
    return text.translate(_shown)


def text(raw: bytes) -> str:
    r"""Kernel bytes as text that is valid UTF-8: undecodable bytes become \xNN. Control characters
    stay, JSON escapes them; `escape` is for what a person looks at.
    """
    return raw.decode("utf-8", "backslashreplace")


def clean(name: str) -> str:
    r"""A name from os.listdir or os.readlink as `text` would give it: lone surrogates become \xNN."""
    return name if name.isascii() else text(name.encode("utf-8", "surrogateescape"))


def ascii_only(text: str) -> str:
    r"""Our own glyphs in ASCII, anything else outside ASCII as \uNNNN: for LANG=C."""
    if text.isascii():
        return text
    return text.translate(_ASCII_GLYPHS).encode("ascii", "backslashreplace").decode("ascii")


def width(text: str) -> int:
    """Columns `text` takes on a terminal (already escaped)."""
    if text.isascii():
        return len(text)
    columns = 0
    for char in text:
        if unicodedata.combining(char):
            continue
        columns += 2 if unicodedata.east_asian_width(char) in "WF" else 1
    return columns


def cut(text: str, columns: int) -> str:
    """`text` in at most `columns` columns, ending in `…` when something was cut."""
    if width(text) <= columns:
        return text
    if columns <= 0:
        return ""
    kept, used = [], 0
    for char in text:
        step = width(char)
        if used + step > columns - 1:
            break
        kept.append(char)
        used += step
    return "".join(kept) + "…"
