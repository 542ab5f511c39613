"""Start-up cost held by what is imported, which is the same on every machine; milliseconds are not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli import environment
from everything import COMMANDS, GROUPS, line

HEAVY = {
    "rich",
    "psutil",
    "pyroute2",
    "scapy",
    "dns",
    "asyncio",
    "pydantic",
    "click",
    "ssl",
    "multiprocessing",
}
# what a command cannot do without
ALLOWED = {"dns trace": {"dns", "asyncio", "ssl"}}

PROBE = """
import json, sys
from sretool.__main__ import main
sys.argv = ["sretool", *sys.argv[1:]]
try:
    code = main()
finally:
    print("\\n" + json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


def modules(*args: str) -> set[str]:
    """Every module imported by `sretool ARGS` with its output in a pipe."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *args],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    found: list[str] = json.loads(done.stderr.splitlines()[-1])
    return set(found)


def tops(found: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in found}


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_version_imports_neither_typer_nor_our_commands(flag: str) -> None:
    found = modules(flag)
    assert "typer" not in tops(found)
    assert {name for name in found if name.startswith("sretool.")} == {"sretool.__main__"}


def bare_typer() -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", "import typer, sys, json; print(json.dumps(sorted(sys.modules)))"],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("group", GROUPS)
def test_help_of_a_group_imports_little_more_than_typer(group: str) -> None:
    found = modules(*group.split(), "--help")
    assert not tops(found) & HEAVY
    assert "msgspec" not in tops(found)
    ours = {name for name in found - bare_typer() if name.startswith("sretool")}
    assert not {name for name in ours if name.startswith(("sretool.command", "sretool.host"))}
    assert len(found - bare_typer() - ours) <= 10


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("words", COMMANDS)
def test_a_piped_command_imports_only_what_it_needs(words: str, form: str, tmp_path: Path) -> None:
    recording = tmp_path / "recording.tar.gz"
    if words == "snapshot show":
        modules("snapshot", "save", str(recording), "--sample", "0")
    found = modules(*line(words, tmp_path, recording), *(["--json"] if form == "json" else []))
    assert not (tops(found) & HEAVY) - ALLOWED.get(words, set())
    if words in ("help", "schema"):  # they import the command they were asked about
        return
    owners = {
        name.split(".")[1] for name in found if name.endswith((".cli", ".commands")) and name != "sretool.cli"
    }
    assert owners <= {words.split(maxsplit=1)[0]}, "another group's commands were imported"


@pytest.mark.parametrize("words", COMMANDS)
def test_the_help_of_a_command_imports_nothing_heavy(words: str) -> None:
    assert not tops(modules(*words.split(), "--help")) & HEAVY
