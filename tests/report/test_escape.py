"""Hostile names cannot touch the terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sretool.report.escape import ascii_only, clean, cut, escape, text, width


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("plain name", "plain name"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("two\nlines\ttab\r", r"two\x0alines\x09tab\x0d"),
        ("right\u202eleft", r"right\u202eleft"),
        ("\x9b31m", r"\x9b31m"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("raw\udcff", r"raw\xff"),
        ("line\u2028sep", r"line\u2028sep"),
        ("größe 日本", "größe 日本"),
    ],
)
def test_escape(hostile: str, shown: str) -> None:
    assert escape(hostile) == shown


@given(st.text())
def test_escaped_text_has_no_control_or_format_characters(hostile: str) -> None:
    assert all(unicodedata.category(char)[0] != "C" for char in escape(hostile))


@given(st.binary())
def test_kernel_bytes_become_valid_utf8(raw: bytes) -> None:
    text(raw).encode()
    assert clean(raw.decode("utf-8", "surrogateescape")) == text(raw)


@given(st.text(), st.integers(0, 60))
def test_cut_keeps_to_its_columns(name: str, columns: int) -> None:
    assert width(cut(escape(name), columns)) <= columns


def test_our_glyphs_have_ascii_forms() -> None:
    assert ascii_only("├─ a…→") == "|- a~>"
    assert ascii_only("é") == r"\xe9"
