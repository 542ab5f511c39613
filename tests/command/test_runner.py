"""What every command gets from `@command`, shown on a small one."""

from __future__ import annotations

import contextlib
import json
from typing import Annotated, Any

import pytest
import typer
from msgspec import Struct

from sretool.cli import hoist, new_command
from sretool.command import How, Look, Run, command
from sretool.command.options import FailOn, Options
from sretool.command.runner import run_command
from sretool.errors import Denied, SretoolError
from sretool.report.answer import Answer, Finding, Subject
from sretool.report.table import Block, Table, columns_for


class Row(Struct):
    name: str
    size_bytes: int | None


class Rows(Struct):
    rows: list[Row]
    total: int


def view(data: Rows, look: Look) -> list[Block]:
    return [Table(columns_for(look.fields), data.rows, hidden=look.hidden)]


def as_csv(data: Rows, findings: Any) -> str:
    return "".join(f"{row.name!a},{row.size_bytes}\r\n" for row in data.rows) + f"\u00fc{len(findings)}\r\n"


def finding(severity: str) -> Finding:
    return Finding("x.y", severity, "t", "it broke", Subject("host", "h"), [], "mend it", ["sretool x"], [])  # type: ignore[arg-type]


@command(
    "test.rows",
    view="test_runner:view",
    options=("passive", "list", "sampled"),
    rows="rows",
    default_fields=("name", "size_bytes"),
    how=(How("ls {where}", "the files"),),
    examples=(("sretool test rows", "try"),),
    forms={"csv": "test_runner:as_csv"},
)
def rows(
    run: Run,
    severity: Annotated[str, typer.Option("--severity")] = "",
    denied: Annotated[bool, typer.Option("--denied")] = False,
    where: Annotated[str, typer.Option("--where")] = "/",
) -> Answer[Rows]:
    """List rows."""
    if severity == "interrupt":
        raise KeyboardInterrupt
    if severity == "error":
        raise SretoolError("thing", "did not work", "try again")
    if severity in ("hang", "hang in a reader"):
        import time

        with contextlib.suppress(*([SretoolError] if severity == "hang in a reader" else [])):
            time.sleep(60)
    if denied:
        run.errors.append(Denied("/secret", "Permission denied", "run with sudo"))
    found = [Row("b", 1), Row("a", 300), Row("c\x1b[31m", None)]
    return Answer(data=Rows(found, 3), findings=[finding(severity)] if severity else [])


SPEC = rows.spec  # type: ignore[attr-defined]
GIVEN = {"severity": "", "denied": False, "where": "/"}


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setitem(__import__("sys").modules, "test_runner", __import__("sys").modules[__name__])

    def call(given: dict[str, Any] | None = None, **options: Any) -> tuple[int, str, str]:
        code = run_command(SPEC, Options(**options), {**GIVEN, **(given or {})})
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_json_is_the_envelope(call: Any) -> None:
    code, out, err = call(json=True)
    document = json.loads(out)
    assert (code, err) == (0, "")
    assert document["schema"] == "sretool.test.rows/1"
    assert (document["status"], document["exit_code"], document["source"]) == ("ok", 0, "live")
    assert document["data"] == {
        "rows": [
            {"name": "b", "size_bytes": 1},
            {"name": "a", "size_bytes": 300},
            {"name": "c\x1b[31m", "size_bytes": None},
        ],
        "total": 3,
    }
    assert document["elapsed_ms"] > 0
    assert document["collected_at"].endswith("Z")


def test_fields_sort_and_limit_work_on_json_and_text_alike(call: Any) -> None:
    document = json.loads(call(json=True, fields="name", sort="size_bytes", limit=2)[1])
    assert document["data"] == {"rows": [{"name": "a"}, {"name": "b"}], "total": 3}
    document = json.loads(call(json=True, sort="-size_bytes")[1])
    assert [row["name"][0] for row in document["data"]["rows"]] == ["b", "a", "c"]
    document = json.loads(call(json=True, sort="name")[1])
    assert [row["name"][0] for row in document["data"]["rows"]] == ["a", "b", "c"]
    code, out, _ = call(fields="size_bytes", limit=1)
    assert (code, out.split()) == (0, ["SIZE", "1", "(2", "more:", "--limit", "0", "shows", "all)"])


def test_jsonl_is_a_row_a_line_and_an_end(call: Any) -> None:
    lines = [json.loads(line) for line in call(jsonl=True)[1].splitlines()]
    assert [line.get("name", "")[:1] for line in lines] == ["b", "a", "c", ""]
    assert (lines[-1]["type"], lines[-1]["status"], lines[-1]["exit_code"]) == ("end", "ok", 0)
    assert "data" not in lines[-1]


def test_what_could_not_be_read_makes_it_partial_and_is_said(call: Any) -> None:
    code, _, err = call({"denied": True})
    assert code == 0
    assert err.startswith("sretool: /secret: Permission denied (")
    document = json.loads(call({"denied": True}, json=True)[1])
    assert document["status"] == "partial"
    assert document["errors"][0]["code"] == "permission-denied"
    assert call({"denied": True}, quiet=True)[2] == ""


@pytest.mark.parametrize(
    ("severity", "fail_on", "code"),
    [("warning", None, 0), ("warning", FailOn.warning, 1), ("critical", FailOn.critical, 2)],
)
def test_a_listing_fails_only_when_asked_to(call: Any, severity: str, fail_on: Any, code: int) -> None:
    found, out, _ = call({"severity": severity}, fail_on=fail_on)
    assert found == code
    assert f"{severity.upper():8} it broke" in out
    assert "next: sretool x" in out


def test_another_form_is_printed_as_it_was_made_and_problems_are_said(call: Any) -> None:
    code, out, err = call(
        {"denied": True, "severity": "warning"}, csv=True, sort="name", limit=1, fail_on=FailOn.warning
    )
    assert code == 1
    assert out == "'a',300\r\n\u00fc1\r\n"
    assert err.startswith("sretool: /secret: Permission denied")
    assert call({"denied": True}, csv=True, quiet=True)[2] == ""
    code, out, err = call({"severity": "error"}, csv=True)
    assert (code, out) == (3, "")
    assert err == "sretool: thing: did not work (try again)\n"


def test_a_command_takes_the_forms_it_has() -> None:
    assert "csv" in rows.__signature__.parameters  # type: ignore[attr-defined]
    assert not {"markdown", "dot"} & set(rows.__signature__.parameters)  # type: ignore[attr-defined]


def test_errors_are_one_line_or_one_document(call: Any) -> None:
    assert call({"severity": "error"}) == (3, "", "sretool: thing: did not work (try again)\n")
    code, out, err = call({"severity": "error"}, json=True)
    document = json.loads(out)
    assert (code, err, document["status"], document["data"]) == (3, "", "error", {})
    assert document["schema"] == "sretool.test.rows/1"


def test_an_interrupt_and_a_deadline_have_their_own_codes(call: Any) -> None:
    assert call({"severity": "interrupt"})[0] == 130
    # a reader that notes its errors and goes on does not outlive the deadline
    for where in ("hang", "hang in a reader"):
        code, _, err = call({"severity": where}, deadline=0.05)
        assert (code, "--deadline" in err) == (3, True)


@pytest.mark.parametrize(
    "options",
    [
        {"json": True, "jsonl": True},
        {"json": True, "csv": True},
        {"jsonl": True, "csv": True},
        {"csv": True, "watch": True},
        {"four": True, "six": True},
        {"count": 2},
        {"watch": True, "json": True},
        {"watch": True, "from_file": "x"},
        {"watch": True, "sample": 0.0},
        {"fields": "name,nonsense"},
        {"sort": "nonsense"},
        {"fields": ""},
    ],
)
def test_options_that_cannot_be_together_are_usage_errors(call: Any, options: dict[str, Any]) -> None:
    code, out, err = call(**options)
    assert code == 64
    assert "sretool:" in err or json.loads(out)["status"] == "error"


def test_a_wrong_field_lists_the_right_ones(call: Any) -> None:
    assert "the fields are name, size_bytes" in call(fields="nonsense")[2]


def test_a_watch_gives_one_document_a_round(call: Any) -> None:
    lines = call(watch=True, jsonl=True, sample=0.01, count=3)[1].splitlines()
    assert [json.loads(line)["schema"] for line in lines] == ["sretool.test.rows/1"] * 3


def test_how_shows_the_stock_commands_with_this_calls_values(call: Any) -> None:
    code, out, _ = call({"where": "/a b"}, how=True)
    assert (code, out) == (0, "# the files\nls '/a b'\n")
    document = json.loads(call(how=True, json=True)[1])
    assert document["data"]["how"] == [{"command": "ls /", "shows": "the files"}]


def test_shared_options_are_in_the_signature() -> None:
    flags = {flag for param in new_command("rows", rows).params for flag in param.opts}
    assert {"--json", "--fields", "--from", "--sample", "-w", "--how", "--severity", "--fail-on"} <= flags
    assert "--interface" not in flags


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["--json", "version"], ["version", "--json"]),
        (["--from", "x", "sockets", "list"], ["sockets", "list", "--from", "x"]),
        (["--from=x", "sockets", "--json", "list", "-v"], ["sockets", "list", "--from=x", "--json", "-v"]),
        (["sockets", "list", "--json"], ["sockets", "list", "--json"]),
        (["version"], ["version"]),
        (["--help"], ["--help"]),
        (["--nonsense", "version"], ["--nonsense", "version"]),
        (["--json", "sockets"], ["sockets"]),  # a group takes none: what is missing is a command
        (["--json", "sockets", "lst"], ["sockets", "lst"]),
        (["--json"], []),
        ([], []),
    ],
)
def test_shared_options_may_stand_before_the_command(given: list[str], meant: list[str]) -> None:
    assert hoist(given) == meant


def test_a_value_that_looks_like_a_command_is_not_one() -> None:
    assert hoist(["--from", "sockets", "version"]) == ["version", "--from", "sockets"]
