"""Signals, and streams that are closed, full, narrow or not UTF-8."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli import Outcome, environment, sretool
from everything import COMMANDS, ONE_READING, line, takes
from waiting import until_asleep

EVERY = pytest.mark.parametrize("words", COMMANDS)
SAMPLED = pytest.mark.parametrize(
    "words", sorted(words for words in COMMANDS if takes(words, "--sample") and words not in ONE_READING)
)


def start(*args: object, **popen: Any) -> subprocess.Popen[str]:
    popen = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **popen}
    return subprocess.Popen(
        [sys.executable, "-m", "sretool", *map(str, args)],
        env=environment(),
        stdin=subprocess.DEVNULL,
        text=True,
        **popen,
    )


def interrupted(words: str, tmp: Path, number: int, *more: str) -> Outcome:
    given = [word for word in line(words, tmp) if word not in ("--sample", "0")]
    process = start(*given, "--sample", "60", *more)
    until_asleep(process)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    return Outcome(process.returncode, out, err)


@SAMPLED
def test_interrupt_prints_what_is_known(words: str, valid: Any, tmp_path: Path) -> None:
    outcome = interrupted(words, tmp_path, signal.SIGINT, "--json")
    answer = valid(words, outcome)
    assert outcome.code == 130
    assert answer["status"] == "partial"
    assert answer["data"]


@SAMPLED
def test_terminate(words: str, tmp_path: Path) -> None:
    outcome = interrupted(words, tmp_path, signal.SIGTERM)
    assert outcome.code == 143
    assert "Traceback" not in outcome.err


@EVERY
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_a_closed_pipe_is_silent(words: str, form: list[str], recording: Path, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = start(*line(words, tmp_path, recording), *form, stdout=writer)
    os.close(writer)
    _, err = process.communicate(timeout=60)
    assert err == ""
    assert process.returncode == 141


def through_shell(redirect: str, *args: str) -> Outcome:
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirect}', "sh", sys.executable, "-m", "sretool", *args],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def said(outcome: Outcome) -> str:
    """The one line about standard output."""
    assert outcome.code == 3
    assert outcome.err.startswith("sretool: stdout: ")
    assert outcome.err.count("\n") == 1
    return outcome.err


@EVERY
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_a_full_disk_gets_one_line(words: str, form: list[str], recording: Path, tmp_path: Path) -> None:
    outcome = through_shell(">/dev/full", *line(words, tmp_path, recording), *form)
    assert "No space left" in said(outcome)


@pytest.mark.parametrize("args", [["--version"], ["--help"], ["version"], ["triage", "--json"]])
def test_a_closed_stdout_gets_one_line(args: list[str]) -> None:
    assert "closed" in said(through_shell(">&-", *args))


@EVERY
def test_a_closed_stderr_changes_nothing(words: str, valid: Any, recording: Path, tmp_path: Path) -> None:
    valid(words, through_shell("2>&-", *line(words, tmp_path, recording), "--json"))


@EVERY
def test_the_c_locale_gets_ascii(words: str, recording: Path, tmp_path: Path) -> None:
    outcome = sretool(*line(words, tmp_path, recording), env={"LC_ALL": "C"})
    assert outcome.code in (0, 1, 2, 3)
    assert outcome.out.isascii()
    assert outcome.err.isascii()


def on_a_terminal(columns: int, *args: str) -> str:
    """What a terminal of that width is sent."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "sretool", *args],
        env=environment(COLUMNS=str(columns), TERM="dumb"),
        stdin=subprocess.DEVNULL,
        stdout=follower,
        stderr=subprocess.DEVNULL,
    )
    os.close(follower)
    sent = b""
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:  # the kernel's EIO: the other end is closed
            break
        if not part:
            break
        sent += part
    os.close(leader)
    process.wait(timeout=60)
    return sent.decode()


@EVERY
@pytest.mark.parametrize("columns", [40, 80])
def test_a_narrow_terminal_wraps_no_row(words: str, columns: int, recording: Path, tmp_path: Path) -> None:
    text = on_a_terminal(columns, *line(words, tmp_path, recording))
    assert text.strip()
    too_wide = [row for row in text.split("\r\n") if len(row) > columns]
    assert not too_wide


FORMS = pytest.mark.parametrize(
    ("words", "form"),
    [(words, form) for words in COMMANDS for form in ("--csv", "--markdown", "--dot") if takes(words, form)],
)


@FORMS
def test_a_form_is_one_document_in_any_locale(words: str, form: str, recording: Path, tmp_path: Path) -> None:
    given = [*line(words, tmp_path, recording), form]
    outcome = sretool(*given, env={"LC_ALL": "C"})
    assert outcome.code in (0, 1, 2)
    assert outcome.out
    assert outcome.err == ""
    assert "\x1b" not in on_a_terminal(80, *given, "--color", "always")


@FORMS
def test_a_form_to_a_closed_pipe_or_a_full_disk(
    words: str, form: str, recording: Path, tmp_path: Path
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = start(*line(words, tmp_path, recording), form, stdout=writer)
    os.close(writer)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (141, "")
    assert "No space left" in said(through_shell(">/dev/full", *line(words, tmp_path, recording), form))


@FORMS
def test_one_form_at_a_time(words: str, form: str, valid: Any, recording: Path, tmp_path: Path) -> None:
    given = [*line(words, tmp_path, recording), form]
    other = "--dot" if form == "--csv" else "--csv"
    outcome = sretool(*given, other)
    assert (outcome.code, outcome.out) == (64, "")
    assert "exclude each other" in outcome.err
    answer = valid(words, sretool(*given, "--json"))
    assert [error["code"] for error in answer["errors"]] == ["usage"]
