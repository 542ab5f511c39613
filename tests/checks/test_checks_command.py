"""`sretool checks list` and `explain`: made of the rules themselves."""

from __future__ import annotations

import io

import pytest
from cli import NOBODY, sretool

from sretool.checks.catalogue import catalogue
from sretool.checks.view import explanation
from sretool.command.run import Look
from sretool.report.table import write
from sretool.report.terminal import Terminal
from sretool.triage.domains import rules


@pytest.mark.parametrize("uid", [None, NOBODY])
def test_checks_list_and_explain(uid: int | None) -> None:
    answer = sretool("checks", "list", "--json", uid=uid).json
    ids = [row["id"] for row in answer["data"]["checks"]]
    triage = [rule.id for rule in rules()]
    assert ids[: len(triage)] == triage
    assert {"trace.loop", "dns.no-answer"} <= set(ids[len(triage) :])
    assert len(ids) == len(set(ids))
    assert answer["data"]["total"] == len(ids)
    text = sretool("checks", "explain", "cpu.saturation", uid=uid)
    assert text.code == 0
    for part in ("/proc/pressure/cpu", "--set cpu.saturation.NAME=VALUE", "avg10 25 %", "critical:", "See"):
        assert part in text.out


def test_every_check_can_be_explained() -> None:
    look = Look((), Terminal(False, 80, 24, False, True), False)
    for check in catalogue():
        out = io.StringIO()
        write(explanation(check, look), out, 80, True)
        text = " ".join(out.getvalue().split())
        for part in (check.id, check.title, check.remedy, *check.refs, *(t.source for t in check.thresholds)):
            assert " ".join(part.split()) in text
        assert max(map(len, out.getvalue().splitlines())) <= 80 or "https://" in text


def test_unknown_check_says_which_was_meant() -> None:
    done = sretool("checks", "explain", "fs.spaec")
    assert (done.code, done.out) == (64, "")
    assert "did you mean 'fs.space'?" in done.err


def test_checks_list_fits_80_columns_of_thresholds() -> None:
    done = sretool("checks", "list", "--fields", "id,thresholds")
    assert "fs.space" in done.out
    assert "warning=5 critical=3 critical_gib=5" in done.out
