"""What is generated is fresh, says what the commands say, and is well formed."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from everything import COMMANDS, GROUPS

from sretool.cli import ROOT, hoist, new_command
from sretool.manifest import Group
from tools.gen import __main__ as gen
from tools.gen import man, walk

TOP = Path(gen.ROOT)
EVERY = pytest.mark.parametrize("words", COMMANDS)


def needs(tool: str) -> str:
    found = shutil.which(tool)
    if found is None:
        pytest.skip(f"{tool} is not here")
    return found


def test_generated_files_are_fresh() -> None:
    assert gen.stale(gen.generated()) == []


def test_a_stale_and_a_left_over_file_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gen, "ROOT", tmp_path)
    files = {"man/sretool.1": "new\n", "docs/commands.md": "new\n"}
    (tmp_path / "man").mkdir()
    (tmp_path / "man/sretool.1").write_text("old\n")
    (tmp_path / "man/sretool-gone.1").write_text("of a command that is gone\n")
    assert gen.stale(files) == ["docs/commands.md", "man/sretool-gone.1", "man/sretool.1"]


@EVERY
def test_the_manifest_says_the_docstrings_first_line(words: str) -> None:
    command = COMMANDS[words]
    assert command.help == command.about.splitlines()[0]


def test_group_help_is_the_same_in_both_manifests() -> None:
    from sretool.manifest import resolve

    for name, entry in ROOT.entries.items():
        found = resolve(entry.target)
        if isinstance(found, Group):
            assert found.help == entry.help, name


@EVERY
def test_every_parameter_and_field_is_described(words: str) -> None:
    command = COMMANDS[words]
    for param in command.params:
        assert param.help, param.name
    rows = walk.row_fields(command.spec) + walk.beside_rows(command.spec)
    for field in rows:
        assert field.description, field.name


@EVERY
def test_every_example_parses(words: str) -> None:
    spec = COMMANDS[words].spec
    assert spec.examples
    command = new_command(spec.words.split()[-1], spec_function(words))
    for example, _ in spec.examples:
        parts = shlex.split(example, comments=True)
        given = parts[parts.index("sretool") + 1 :]
        ends = [at for at, part in enumerate(given) if part in ("|", ">", "&&", ";")]
        ordered = hoist(given[: ends[0]] if ends else given)
        assert ordered[: len(words.split())] == words.split(), example
        command.make_context("sretool", ordered[len(words.split()) :])


def spec_function(words: str) -> object:
    from sretool.manifest import resolve

    found: object = ROOT
    for word in words.split():
        assert isinstance(found, Group)
        found = resolve(found.entries[word].target)
    return found


@pytest.mark.parametrize("name", sorted(man.pages()))
def test_man_pages_are_clean(name: str) -> None:
    page = TOP / "man" / name
    if shutil.which("mandoc"):
        done = subprocess.run(
            ["mandoc", "-Tlint", "-W", "warning", str(page)], capture_output=True, text=True, check=False
        )
        # a date would be stale the day after
        assert [row for row in done.stdout.splitlines() if "missing date" not in row] == []
    else:
        needs("man")
        done = subprocess.run(
            ["man", "--warnings", "-l", str(page)],
            env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin", "MANPAGER": "cat"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stderr == ""


@EVERY
def test_a_man_page_has_every_section(words: str) -> None:
    page = (TOP / "man" / f"sretool-{words.replace(' ', '-')}.1").read_text()
    sections = re.findall(r"^\.SH (.*)$", page, re.MULTILINE)
    for section in (
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "OPTIONS",
        "FIELDS",
        "EXIT STATUS",
        "FILES",
        "EXAMPLES",
    ):
        assert section in sections
    for param in COMMANDS[words].params:
        for flag in param.flags:
            assert man.text(flag) in page


def test_hostile_words_stay_words_in_roff() -> None:
    assert man.text(".SH x") == "\\&.SH x"
    assert man.text("'a \\fB") == "\\&'a \\efB"
    assert man.text("a\n.b") == "a\n\\&.b"
    assert man.text("--x …") == "\\-\\-x \\[u2026]"


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "docs"])
def test_links_in_documents_lead_somewhere(name: str) -> None:
    path = TOP / name
    for document in [path] if path.is_file() else sorted(path.rglob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)", document.read_text()):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document}: {target}"


def test_every_command_is_in_the_reference() -> None:
    headings = re.findall(r"^## sretool (.*)$", (TOP / "docs/commands.md").read_text(), re.MULTILINE)
    assert headings == list(COMMANDS)
    assert set(GROUPS) - {""} == {words.rpartition(" ")[0] for words in COMMANDS} - {""}
