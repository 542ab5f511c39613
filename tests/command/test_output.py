"""The words of the one printer."""

from __future__ import annotations

import pytest

from sretool.command import output
from sretool.command.output import finding_lines, say
from sretool.report.answer import Evidence, Finding, Subject
from sretool.report.table import plain_text
from sretool.report.terminal import Terminal
from sretool.report.units import count_text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1, "kills", "1 kill"),
        (1, "processes", "1 process"),
        (1, "times", "1 time"),
        (1, "s", "1 s"),
        (2, "kills", "2 kills"),
        (0, "1/s", "0/s"),
        (12.5, "pages/s", "12.5 pages/s"),
        (0.25, "ratio", "25%"),
        (99.1, "%", "99.1%"),
        (1536, "bytes", "1.5K"),
        (None, "kills", "unknown"),
        ("no answer", "", "no answer"),
    ],
)
def test_evidence_is_a_measure_and_its_amount(value: object, unit: str, text: str) -> None:
    item = Evidence("seen there", value, unit, None, "/proc/x")  # type: ignore[arg-type]
    found = Finding("a.b", "warning", "t", "s", Subject("host", ""), [item], "r", [], [])
    assert plain_text(finding_lines([found])[1]) == f"   seen: seen there: {text}  (/proc/x)"


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [(0, "file", "0 files"), (1, "process", "1 process"), (3, "process", "3 processes"),
     (2, "directory", "2 directories")],
)  # fmt: skip
def test_counts(number: int, noun: str, text: str) -> None:
    assert count_text(number, noun) == text


@pytest.mark.parametrize("columns", [40, None])
def test_a_message_breaks_between_words(
    columns: int | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal(columns is not None, columns, None, False, True)
    monkeypatch.setattr(output, "detect", lambda *_: terminal)
    line = "sretool: /proc/812/fd: files of 3 of 90 processes could not be looked at (run with sudo)"
    say(line)
    lines = capsys.readouterr().err.splitlines()
    assert (len(lines) == 1) == (columns is None)
    assert all(len(part) <= (columns or 100) for part in lines)
    assert " ".join(part.strip() for part in lines) == line
