"""`sretool triage` as it is typed: on this host, whatever state it is in."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from cli import NOBODY, environment, sretool

from sretool.triage.domains import rules


@pytest.mark.parametrize("uid", [None, NOBODY])
def test_live_answer_has_a_verdict_for_every_check(uid: int | None) -> None:
    done = sretool("triage", "--json", "--sample", "0.3", uid=uid)
    answer = done.json
    assert answer["schema"] == "sretool.triage/1"
    assert [row["id"] for row in answer["data"]["checks"]] == [rule.id for rule in rules()]
    for row in answer["data"]["checks"]:
        assert row["outcome"] in ("found", "clear", "unknown", "not-applicable")
        assert row["reason"] or row["outcome"] in ("found", "clear")
    worst = {finding["severity"] for finding in answer["findings"]}
    expected = 2 if "critical" in worst else 1 if "warning" in worst else 0
    assert done.code == answer["exit_code"] == expected
    assert answer["data"]["host"]["uptime_s"] > 0
    assert answer["data"]["host"]["sample_s"] >= 0.3
    assert (answer["status"] == "partial") == bool(answer["errors"])


def test_worst_findings_come_first() -> None:
    findings = sretool("triage", "--json", "--sample", "0.2").json["findings"]
    ranks = [["critical", "warning", "info"].index(finding["severity"]) for finding in findings]
    assert ranks == sorted(ranks)


def test_one_reading_still_judges_what_needs_no_rate() -> None:
    checks = {row["id"]: row for row in sretool("triage", "--json", "--sample", "0").json["data"]["checks"]}
    assert checks["cpu.steal"]["outcome"] == "unknown"
    assert checks["memory.available"]["outcome"] in ("clear", "found")


def test_all_unknown_exits_3() -> None:
    done = sretool("triage", "--only", "cpu.steal,disk.latency", "--sample", "0")
    assert done.code == 3
    assert "no check could be made; nothing is known" in done.out


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--only", "cpu.stael"), "did you mean 'cpu.steal'?"),
        (("--skip", "everything"), "see sretool checks list"),
        (("--set", "fs.space.warning=much"), "'much' is no number"),
        (("--set", "fs.space.nothing=1"), "it has warning, critical, critical_gib"),
    ],
)
def test_bad_usage_is_one_line_and_64(args: tuple[str, ...], says: str) -> None:
    done = sretool("triage", *args)
    assert (done.code, done.out) == (64, "")
    assert says in done.err
    assert done.err.count("\n") == 1
    as_json = sretool("--json", "triage", *args)
    assert as_json.code == 64
    assert as_json.json["errors"][0]["code"] == "usage"


def test_overrides_are_in_the_answer() -> None:
    done = sretool("triage", "--json", "--only", "memory.available", "--set", "memory.available.warning=100")
    (check,) = done.json["data"]["checks"]
    assert check["overrides"] == {"warning": 100}
    assert check["outcome"] == "found"
    assert done.code in (1, 2)
    assert sretool(
        "triage", "--only", "memory.available", "--set", "memory.available.warning=100", "--fail-on", "never"
    ).code == 0  # fmt: skip


def test_watch_as_json_lines() -> None:
    done = sretool("triage", "-w", "--count", "2", "--sample", "0.1", "--jsonl", "--only", "memory")
    assert [json.loads(line)["schema"] for line in done.out.splitlines()] == ["sretool.triage/1"] * 2


def test_no_rich_when_piped() -> None:
    code = (
        "import sys; from sretool.cli import run; run(['triage', '--sample', '0.05']);"
        "print([name for name in ('rich', 'psutil', 'pyroute2', 'scapy', 'dns') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
