"""Exit codes, folded problems, judged checks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sretool.errors import Denied, Missing, from_errno
from sretool.report.answer import Evidence, Finding, Subject, exit_code_for, problems
from sretool.report.check import NotApplicable, Rule, Threshold, Unknown, check, judge
from sretool.report.times import rfc3339


def finding(severity: str) -> Finding:
    return Finding("x.y", severity, "t", "s", Subject("host", "h"), [], "r", [], [])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("severities", "fail_on", "code"),
    [
        ([], "warning", 0),
        (["info"], "warning", 0),
        (["info", "warning"], "warning", 1),
        (["warning", "critical"], "warning", 2),
        (["warning"], "critical", 0),
        (["critical"], "critical", 2),
        (["critical"], "never", 0),
    ],
)
def test_exit_code_goes_by_the_worst_finding_at_or_above_fail_on(
    severities: list[str], fail_on: str, code: int
) -> None:
    assert exit_code_for([finding(severity) for severity in severities], fail_on) == code  # type: ignore[arg-type]


def test_repeated_problems_fold_into_one_with_a_count() -> None:
    errors = [Denied(f"/proc/{pid}/io", "Permission denied", "run with sudo") for pid in (1, 2, 3, 3)]
    folded = problems([*errors, Missing("/x", "gone")])
    assert [(problem.code, problem.what) for problem in folded] == [
        ("permission-denied", "/proc/1/io and 2 more"),
        ("missing", "/x"),
    ]


def test_errno_becomes_the_error_that_it_means() -> None:
    import errno

    assert [from_errno(number, "x").code for number in (errno.ENOENT, errno.EPERM, errno.ETIMEDOUT)] == [
        "missing",
        "permission-denied",
        "stalled",
    ]
    assert from_errno(errno.ENODATA, "x").code == "not-recorded"
    assert from_errno(errno.EIO, "x").code == "unreadable"


@check(
    id="test.load",
    title="load is high",
    reads="/proc/loadavg",
    window="1 min",
    remedy="do less",
    thresholds={"warning": Threshold(2.0, "per CPU", "nobody")},
)
def load(model: float | None, rule: Rule[float | None]) -> Iterator[Finding]:
    """How load is judged."""
    if model is None:
        raise Unknown("/proc/loadavg was not read")
    if model < 0:
        raise NotApplicable("no CPU here")
    if model >= rule["warning"]:
        yield rule.finding(
            "warning",
            f"load is {model}",
            subject=Subject("host", "h"),
            evidence=[Evidence("load", model, "", rule["warning"], "/proc/loadavg")],
            next=["sretool procs list"],
        )


@pytest.mark.parametrize(
    ("model", "outcome"), [(3.0, "found"), (1.0, "clear"), (None, "unknown"), (-1.0, "not-applicable")]
)
def test_a_check_that_could_not_look_is_never_clear(model: float | None, outcome: str) -> None:
    [(verdict, findings)] = judge([load], model)
    assert verdict.outcome == outcome
    assert bool(findings) == (outcome == "found")
    assert bool(verdict.reason) == (outcome in ("unknown", "not-applicable"))


def test_thresholds_can_be_overridden_and_the_verdict_says_so() -> None:
    load.overrides["warning"] = 5.0
    try:
        [(verdict, findings)] = judge([load], 3.0)
    finally:
        load.overrides.clear()
    assert (verdict.outcome, verdict.overrides, findings) == ("clear", {"warning": 5.0}, [])


def test_times_are_rfc3339_utc() -> None:
    assert rfc3339(1_795_479_032.1239) == "2026-11-24T00:10:32.123Z"
