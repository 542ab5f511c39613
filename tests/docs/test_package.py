"""The wheel, as `pip install .` and `pipx install .` see it."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

TOP = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


def run(*argv: object) -> str:
    done = subprocess.run(
        list(map(str, argv)),
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    if "No matching distribution" in done.stderr or "ConnectionError" in done.stderr:
        pytest.skip("no package index within reach")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", folder, TOP)
    (made,) = folder.glob("*.whl")
    return made


def test_the_wheel_holds_man_pages_completions_and_no_tests(wheel: Path) -> None:
    names = [name.partition(".data/data/")[2] or name for name in ZipFile(wheel).namelist()]
    assert {f"share/man/man1/{page.name}" for page in (TOP / "man").glob("*.1")} <= set(names)
    assert "share/bash-completion/completions/sretool" in names
    assert "share/zsh/site-functions/_sretool" in names
    assert "share/fish/vendor_completions.d/sretool.fish" in names
    assert not [name for name in names if name.startswith(("tests", "tools", "bench"))]


def test_an_installation_works_with_what_it_requires_alone(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    scripts = tmp_path / "venv/bin"
    run(scripts / "python", "-m", "pip", "install", "-q", wheel)
    assert run(scripts / "sretool", "--version").startswith("sretool ")
    assert '"status":"ok"' in run(scripts / "sretool", "version", "--json")
    assert "processes" in run(scripts / "sretool", "procs", "list", "--sample", "0", "--json")
    assert (tmp_path / "venv/share/man/man1/sretool.1").is_file()
    assert (tmp_path / "venv/share/bash-completion/completions/sretool").is_file()
