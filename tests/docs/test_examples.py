"""The jq and cut lines of the documentation, run as they stand on answers of this host."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys

import pytest
from cli import ROOT, environment

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not here"),
]
LINES = [
    line.strip()
    for name in ("README.md", "docs/json.md")
    for line in (ROOT / name).read_text().splitlines()
    if line.startswith("    sretool ") and re.search(r"\| (jq|cut) ", line) and "--changes" not in line
]
MAY_BE_EMPTY = ("select(", "triage")


@pytest.mark.parametrize("line", LINES)
def test_a_line_of_jq_fits_the_answer(line: str) -> None:
    # every host of the examples is this one; nothing is sent beyond it
    here = re.sub(r"\bb\.example\b", "127.0.0.2", line)
    here = re.sub(r"[\w-]+\.example\b", "127.0.0.1", here)
    here = here.replace("--report -c 5", "--report -c 2 --sample 0.1")
    script = f'sretool() {{ {shlex.quote(sys.executable)} -m sretool "$@"; }}; {here}'
    done = subprocess.run(
        ["sh", "-c", script], env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout or any(word in line for word in MAY_BE_EMPTY)
    assert "| cut" not in line or done.stdout.startswith("ttl,address,rtt_avg_ms\n")
    for row in done.stdout.splitlines():
        assert row.replace("\t", ""), "a row of nothing but unknown keys"


def test_there_are_such_lines() -> None:
    assert len(LINES) >= 7
