"""The script that a fresh clone starts with."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

DEV = Path(__file__).resolve().parents[2] / "dev"
FAKE = """#!/bin/sh
case "$*" in
*version_info*) echo 3.11 ;;
*) echo "no module named ensurepip" >&2; exit 1 ;;
esac
"""


def test_every_verb_is_in_the_help() -> None:
    done = subprocess.run([DEV, "no-such-verb"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no verb 'no-such-verb'" in done.stderr
    for verb in ("run", "test", "check", "bench", "gen"):
        assert f"./dev {verb}" in done.stderr


@pytest.mark.lab
@pytest.mark.parametrize("verb", ["run", "test", "check"])
def test_a_python_that_cannot_make_a_venv_names_the_package(verb: str, tmp_path: Path) -> None:
    # a clone without a venv, on a machine whose every Python is Debian's without python3-venv
    shutil.copy(DEV, tmp_path)
    shutil.copy(DEV.with_name("pyproject.toml"), tmp_path)
    fake = tmp_path / "python3"
    fake.write_text(FAKE)
    fake.chmod(0o755)
    script = f"""
        for python in /usr/bin/python3*; do
            [ ! -f "$python" ] || mount --bind {fake} "$(readlink -f "$python")"
        done
        exec {tmp_path}/dev {verb}
    """
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        "dev: python cannot make a virtual environment: run 'apt-get"
    )
    assert "python3-venv" in done.stderr
    assert not list(tmp_path.glob(".venv*"))
