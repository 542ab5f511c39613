"""`--how`: the stock commands behind the numbers exist and run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cli import environment, sretool
from everything import COMMANDS, line

EVERY = pytest.mark.parametrize("words", COMMANDS)
# of this machine's tools, those that answer without sending anything or changing anything
HARMLESS = {
    "cat", "ps", "ss", "ip", "grep", "uptime", "vmstat", "free", "df", "uname", "python3", "ls",
    "getconf", "head", "lsof", "findmnt", "readlink", "stat", "awk", "sort", "getent", "hostname", "tc",
}  # fmt: skip
# grep finds nothing, vmstat's or free's file is not there in a container: that is an answer too
ANSWERED = (0, 1)


def printed(words: str, tmp: Path, recording: Path) -> list[str]:
    outcome = sretool(*line(words, tmp, recording), "--how")
    assert outcome.code == 0, outcome.err
    return [row for row in outcome.out.splitlines() if row and not row.startswith("#")]


@EVERY
def test_how_in_text_and_json_say_the_same(words: str, valid: Any, recording: Path, tmp_path: Path) -> None:
    rows = printed(words, tmp_path, recording)
    assert rows
    answer = valid(words, sretool(*line(words, tmp_path, recording), "--how", "--json"))
    assert [row["command"] for row in answer["data"]["how"]] == rows


@EVERY
def test_how_is_shell_with_every_value_filled_in(words: str, recording: Path, tmp_path: Path) -> None:
    for row in printed(words, tmp_path, recording):
        done = subprocess.run(["bash", "-n", "-c", row], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        for param in COMMANDS[words].params:
            assert "{" + param.name + "}" not in row


@pytest.mark.oracle
@EVERY
def test_the_commands_of_how_run(words: str, recording: Path, tmp_path: Path) -> None:
    ran = 0
    for row in printed(words, tmp_path, recording):
        if row.split()[0] not in HARMLESS or shutil.which(row.split()[0]) is None:
            continue
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", row],
            env=environment(),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            errors="backslashreplace",
            timeout=30,
            check=False,
        )
        assert done.returncode in ANSWERED, f"{row}: {done.stderr}"
        assert "invalid option" not in done.stderr
        ran += 1
    if ran == 0:
        pytest.skip("none of its stock commands is here, or it sends packets")
