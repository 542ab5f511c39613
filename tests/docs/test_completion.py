"""Completions exercised in the shells themselves; no Python starts on TAB."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from everything import COMMANDS, GROUPS

from tools.gen import walk

FILES = Path(__file__).resolve().parents[2] / "completions"


def shell(name: str, script: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not here")
    # nothing named python or sretool can be started
    done = subprocess.run(
        [found, "-c", script],
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout


def bash(*words: str) -> list[str]:
    """What TAB offers after these words; the last is the one being typed."""
    script = f"""
        source {shlex.quote(str(FILES / "sretool.bash"))}
        python() {{ echo started >&2; }}; python3() {{ echo started >&2; }}; sretool() {{ echo started >&2; }}
        [[ $(complete -p sretool) == "complete -F _sretool sretool" ]] || echo not registered >&2
        COMP_WORDS=({" ".join(map(shlex.quote, words))})
        COMP_CWORD={len(words) - 1}
        _sretool
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    return [row for row in shell("bash", script).splitlines() if row]


@pytest.mark.parametrize("group", GROUPS)
def test_bash_offers_the_names_of_a_group(group: str) -> None:
    branch = next(branch for branch in walk.branches() if " ".join(branch.words) == group)
    names = [name for section in branch.sections.values() for name in section]
    assert bash("sretool", *group.split(), "") == names
    assert bash("sretool", "--from", "x.tar.gz", *group.split(), "") == names
    assert bash("sretool", "help", *group.split(), "") == names
    assert bash("sretool", "schema", *group.split(), "") == names


@pytest.mark.parametrize("words", COMMANDS)
def test_bash_offers_every_flag_of_a_command(words: str) -> None:
    flags = [flag for param in COMMANDS[words].params for flag in param.flags]
    if words in ("help", "schema"):  # their words are looked for first; shared flags are offered
        assert set(flags) <= set(bash("sretool", words, "-"))
    else:
        assert bash("sretool", *words.split(), "-") == [*flags, "-h", "--help"]


def test_bash_completes_values() -> None:
    assert bash("sretool", "procs", "list", "--color", "a") == ["auto", "always"]
    assert bash("sretool", "procs", "list", "--color", "=", "ne") == ["never"]
    assert bash("sretool", "procs", "list", "--color", "=") == ["auto", "always", "never"]
    assert bash("sretool", "--color", "never", "pro") == ["procs"]
    assert bash("sretool", "procs", "list", "--fields", "pid,rss") == ["pid,rss_bytes"]
    assert bash("sretool", "procs", "list", "--sort", "rss") == ["rss_bytes"]
    assert bash("sretool", "checks", "explain", "fs.sp") == ["fs.space"]
    assert bash("sretool", "net", "trace", "-i", "l") == ["lo"]


def test_bash_completes_files(tmp_path: Path) -> None:
    made = tmp_path / "an incident.tar.gz"
    made.touch()
    assert bash("sretool", "--from", str(tmp_path / "an")) == [str(made)]
    assert bash("sretool", "snapshot", "show", str(tmp_path) + "/") == [str(made)]


def fish(line: str) -> list[str]:
    script = f"source {shlex.quote(str(FILES / 'sretool.fish'))}; complete -C {shlex.quote(line)}"
    return [row.partition("\t")[0] for row in shell("fish", script).splitlines()]


def test_fish_offers_names_flags_and_values() -> None:
    assert set(fish("sretool ")) == set(ROOT_NAMES)
    assert fish("sretool sockets lis") == ["list", "listen"]
    assert fish("sretool --from x help sockets liste") == ["listen"]
    assert fish("sretool procs list --fie") == ["--fields"]
    assert set(fish("sretool procs list --color ")) == {"auto", "always", "never"}
    assert fish("sretool checks explain fs.sp") == ["fs.space"]


ROOT_NAMES = [name for section in next(walk.branches()).sections.values() for name in section]


def zsh(*words: str) -> str:
    """What the completion system is asked to offer: its calls, printed in place of a menu."""
    return shell(
        "zsh",
        f"""
        _describe() {{ print -l -- "describe" "${{names[@]}}" }}
        _arguments() {{ print -l -- "arguments" "$words[1]" "$CURRENT" "$@" }}
        words=({" ".join(map(shlex.quote, words))}); CURRENT={len(words)}
        source {shlex.quote(str(FILES / "_sretool"))}
        """,
    )


def test_zsh_offers_names_flags_and_values() -> None:
    top = zsh("sretool", "").splitlines()
    assert [row.partition(":")[0] for row in top] == ["describe", *ROOT_NAMES]
    leaf = zsh("sretool", "--from", "x", "procs", "list", "--co").splitlines()
    assert leaf[:3] == ["arguments", "list", "2"]
    flags = re.findall(r"--[a-z-]+(?=\[)", "\n".join(leaf))
    for param in COMMANDS["procs list"].params:
        assert param.flags[-1] in flags
    assert any("(auto always never)" in row for row in leaf)
    assert zsh("sretool", "help", "sockets", "").splitlines()[0] == "describe"
