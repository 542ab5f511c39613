"""Bad input gets one clear line, exit code 64, and one document where JSON was asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cli import Outcome, sretool
from everything import COMMANDS, GROUPS, line, passive, takes

EVERY = pytest.mark.parametrize("words", COMMANDS)
LISTINGS = pytest.mark.parametrize("words", [words for words in COMMANDS if takes(words, "--fields")])


def refused(outcome: Outcome) -> str:
    """The one line of a usage error."""
    assert outcome.code == 64, outcome.err
    assert outcome.out == ""
    assert outcome.err.startswith(("sretool: ", "sretool "))  # the tool, or the command it is about
    assert outcome.err.count("\n") == 1
    return outcome.err


@EVERY
def test_unknown_option(words: str, valid: Any, recording: Path, tmp_path: Path) -> None:
    given = [*line(words, tmp_path, recording), "--no-such-option"]
    message = refused(sretool(*given))
    assert "--no-such-option" in message
    assert f"sretool {words} --help" in message
    outcome = sretool(*given, "--json")
    answer = valid(words, outcome)
    assert outcome.code == 64
    assert outcome.err == ""
    assert [error["code"] for error in answer["errors"]] == ["usage"]


@EVERY
def test_bad_value(words: str, recording: Path, tmp_path: Path) -> None:
    given = line(words, tmp_path, recording)
    assert "purple" in refused(sretool(*given, "--color", "purple"))
    assert "--deadline" in refused(sretool(*given, "--deadline", "soon"))


@pytest.mark.parametrize("words", [words for words in COMMANDS if takes(words, "--set")])
def test_a_threshold_of_no_check_is_refused_not_ignored(words: str, recording: Path, tmp_path: Path) -> None:
    assert "no check is named" in refused(sretool(*line(words, tmp_path, recording), "--set", "no.such=1"))


@EVERY
def test_nan_is_no_number_of_seconds(words: str, recording: Path, tmp_path: Path) -> None:
    given = line(words, tmp_path, recording)
    for option in ("--deadline", "--timeout", "--sample"):
        if takes(words, option):
            assert option in refused(sretool(*given, option, "nan"))


def test_mistyped_values_and_options_are_told_in_our_words() -> None:
    assert "'x' is not a number (" in refused(sretool("procs", "list", "--sample", "x"))
    assert "'x' is not a whole number (" in refused(sretool("procs", "list", "--limit", "x"))
    message = refused(sretool("procs", "list", "--lmit", "3"))
    assert message == "sretool procs list --lmit: no such option (did you mean '--limit'?)\n"


def test_a_watch_without_a_period_gives_nothing() -> None:
    assert "--sample" in refused(sretool("triage", "--watch", "--sample", "0"))


def test_an_option_without_a_command_is_not_called_unknown() -> None:
    assert refused(sretool("--limit", "3", "procs")).startswith("sretool procs: missing command")
    assert "'lst'" not in (message := refused(sretool("-q", "procs", "lst")))
    assert "did you mean 'list'?" in message


@EVERY
def test_too_many_arguments(words: str, recording: Path, tmp_path: Path) -> None:
    if any(param.argument and param.multiple for param in COMMANDS[words].params):
        pytest.skip("it takes any number of words")
    assert "words still (see" in refused(sretool(*line(words, tmp_path, recording), "more", "words", "still"))


@pytest.mark.parametrize(
    "words", [w for w, c in COMMANDS.items() if any(p.argument and p.required for p in c.params)]
)
def test_missing_argument(words: str) -> None:
    metavar = next(param.metavar for param in COMMANDS[words].params if param.argument)
    assert metavar.lower() in refused(sretool(*words.split())).lower()


@LISTINGS
@pytest.mark.parametrize("option", ["--fields", "--sort"])
def test_unknown_field_lists_the_valid_ones(words: str, option: str, recording: Path, tmp_path: Path) -> None:
    message = refused(sretool(*line(words, tmp_path, recording), option, "no_such_field"))
    assert "no_such_field" in message
    for name in COMMANDS[words].spec.row.__struct_fields__:
        assert name in message


@pytest.mark.parametrize("words", passive())
def test_from_something_that_is_no_recording(words: str, recording: Path, tmp_path: Path) -> None:
    given = line(words, tmp_path, recording)
    foreign = tmp_path / "foreign"
    foreign.write_bytes(b"not a recording\n" * 100)
    assert str(foreign) in refused(sretool(*given, "--from", foreign))
    assert "absent" in refused(sretool(*given, "--from", tmp_path / "absent"))


@pytest.mark.parametrize("group", GROUPS)
def test_unknown_command_names_the_nearest(group: str) -> None:
    names = {
        words.removeprefix(f"{group} ").split()[0]
        for words in COMMANDS
        if words.startswith(f"{group} ".lstrip())
    }
    name = max(names, key=len)
    message = refused(sretool(*group.split(), f"{name}x"))
    assert f"did you mean '{name}'?" in message


@pytest.mark.parametrize("about", ["schema", "help"])
def test_commands_about_commands_name_the_nearest(about: str, valid: Any) -> None:
    assert "did you mean 'sockets'?" in refused(sretool(about, "sokets", "list"))
    assert "did you mean 'listen'?" in refused(sretool(about, "sockets", "lsten"))
    assert valid(about, sretool(about, "sokets", "--json"))["errors"][0]["code"] == "usage"


def test_schema_of_a_group_names_its_commands() -> None:
    message = refused(sretool("schema", "sockets"))
    assert "list" in message
    assert "listen" in message


def test_an_error_before_any_command_is_a_document_too(valid: Any) -> None:
    outcome = sretool("no-such-command", "--json")
    assert outcome.code == 64
    assert valid("", outcome)["schema"] == "sretool.error/1"


def test_no_arguments_show_the_help_on_stderr() -> None:
    outcome = sretool()
    assert outcome.code == 64
    assert outcome.out == ""
    assert "triage" in outcome.err


@pytest.mark.parametrize("words", [*COMMANDS, *GROUPS])
def test_help_is_plain_and_fits(words: str) -> None:
    outcome = sretool(*words.split(), "--help")
    assert outcome.code == 0
    assert outcome.err == ""
    assert max(map(len, outcome.out.splitlines())) <= 100
    assert sretool("help", *words.split()).out == outcome.out
    if words in COMMANDS:
        for example, _ in COMMANDS[words].spec.examples:
            assert example.split()[-1] in outcome.out
