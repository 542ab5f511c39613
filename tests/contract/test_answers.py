"""Every command, run: one valid JSON document, whoever runs it and wherever the options stand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cli import NOBODY, sretool
from everything import COMMANDS, line, passive, takes

EVERY = pytest.mark.parametrize("words", COMMANDS)


@EVERY
def test_json_is_one_valid_document(words: str, valid: Any, recording: Path, tmp_path: Path) -> None:
    outcome = sretool(*line(words, tmp_path, recording), "--json")
    answer = valid(words, outcome)
    assert outcome.err == ""
    assert answer["schema"] == COMMANDS[words].spec.schema
    assert answer["source"] == "live"
    assert answer["elapsed_ms"] > 0
    if COMMANDS[words].spec.rows:
        rows = answer["data"][COMMANDS[words].spec.rows]
        assert answer["data"]["total"] == len(rows)


@EVERY
def test_json_before_the_words_is_the_same(words: str, valid: Any, recording: Path, tmp_path: Path) -> None:
    answer = valid(words, sretool("--json", *line(words, tmp_path, recording)))
    assert answer["schema"] == COMMANDS[words].spec.schema
    assert answer["status"] != "error", answer["errors"]


@EVERY
def test_text_is_for_reading(words: str, recording: Path, tmp_path: Path) -> None:
    outcome = sretool(*line(words, tmp_path, recording))
    assert outcome.code in (0, 1, 2, 3)
    assert outcome.out.strip()
    assert all(char.isprintable() or char == "\n" for char in outcome.out)
    assert "Traceback" not in outcome.err


@EVERY
def test_an_ordinary_user_gets_an_answer(words: str, valid: Any, recording: Path, tmp_path: Path) -> None:
    for parent in [tmp_path, *list(tmp_path.parents)[:3]]:
        parent.chmod(parent.stat().st_mode | 0o055)
    tmp_path.chmod(0o777)
    outcome = sretool(*line(words, tmp_path, recording), "--json", uid=NOBODY)
    answer = valid(words, outcome)
    assert answer["status"] in ("ok", "partial"), answer["errors"]
    for error in answer["errors"]:
        assert error["what"]
        assert error["message"]


@pytest.mark.parametrize("words", passive())
def test_a_recording_answers_like_a_host(words: str, valid: Any, recording: Path, tmp_path: Path) -> None:
    given = line(words, tmp_path, recording)
    after = valid(words, sretool(*given, "--from", recording, "--json"))
    before = valid(words, sretool(f"--from={recording}", *given, "--json"))
    assert after["source"].startswith("recording:")
    assert after["status"] != "error", after["errors"]
    assert before["data"] == after["data"]


@pytest.mark.parametrize("words", [words for words in COMMANDS if takes(words, "--fields")])
def test_fields_narrow_rows_and_stay_valid(words: str, valid: Any, recording: Path, tmp_path: Path) -> None:
    spec = COMMANDS[words].spec
    name = spec.row.__struct_fields__[0]
    answer = valid(
        words, sretool(*line(words, tmp_path, recording), "--fields", name, "--limit", 2, "--json")
    )
    rows = answer["data"][spec.rows]
    assert len(rows) <= 2
    assert all(list(row) == [name] for row in rows)


@EVERY
def test_schema_prints_what_validates_it(words: str) -> None:
    from sretool.report import schema

    spec = COMMANDS[words].spec
    outcome = sretool("schema", *words.split())
    assert outcome.code == 0
    assert outcome.json == schema.document(spec.schema, f"sretool {spec.words}", spec.data, spec.row)
    assert outcome.json["$id"] == spec.schema


def test_the_schema_of_a_failure_is_printed_too() -> None:
    from sretool.report import schema

    assert sretool("schema").json == schema.failure()
