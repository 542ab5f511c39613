from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cli import Outcome, sretool
from everything import COMMANDS
from jsonschema import Draft202012Validator

from sretool.command.output import HowData
from sretool.report import schema

Check = Callable[[str, Outcome], Any]


@cache
def validator(name: str, words: str) -> Draft202012Validator:
    if name == "sretool.error/1":
        return Draft202012Validator(schema.failure())
    if name == "sretool.how/1":
        return Draft202012Validator(schema.document(name, "how", HowData))
    spec = COMMANDS[words].spec
    assert name == spec.schema
    return Draft202012Validator(schema.document(spec.schema, f"sretool {spec.words}", spec.data, spec.row))


@pytest.fixture(scope="session", autouse=True)
def held() -> Iterator[None]:
    """A socket that is there for `sockets show`, whatever else this machine has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # each worker of a parallel run has one
        one.bind(("127.0.0.1", 5398))
        yield


@pytest.fixture(scope="session")
def valid() -> Check:
    """Check an answer of `words` in JSON: one document, valid by its schema, true about its exit code."""

    def check(words: str, outcome: Outcome) -> Any:
        assert outcome.out, f"nothing on stdout, exit code {outcome.code}: {outcome.err}"
        answer = outcome.json
        validator(answer["schema"], words).validate(answer)
        assert answer["exit_code"] == outcome.code
        assert (answer["status"] == "error") == (answer["data"] == {})
        assert outcome.code != 70, answer["errors"]
        return answer

    return check


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of this host."""
    path = tmp_path_factory.mktemp("recording") / "host.tar.gz"
    made = sretool("snapshot", "save", path, "--sample", "0.1")
    assert made.code == 0, made.err
    path.chmod(0o644)
    for parent in list(path.parents)[:4]:  # an ordinary user reads it too
        parent.chmod(parent.stat().st_mode | 0o055)
    return path
