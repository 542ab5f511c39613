"""What an answer is: the envelope every command prints, findings, problems, exit codes."""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

from msgspec import Meta, Struct

from sretool.errors import ExitCode, SretoolError
from sretool.report.escape import clean

Severity = Literal["info", "warning", "critical"]
FailOn = Literal["warning", "critical", "never"]
RANK: dict[Severity, int] = {"critical": 2, "warning": 1, "info": 0}


class Subject(Struct, frozen=True, omit_defaults=True):
    """What a finding is about."""

    kind: Annotated[
        str, Meta(description="host, cpu, mount, disk, process, cgroup, socket, unit, hop, zone, server")
    ]
    id: Annotated[str, Meta(description="names it uniquely on this host")]
    name: Annotated[str, Meta(description="what a person calls it")] = ""
    unit: Annotated[str, Meta(description="its systemd unit, where known")] = ""
    pid: Annotated[int | None, Meta(description="its process, where known")] = None


class Evidence(Struct, frozen=True):
    """One measured fact behind a finding."""

    what: Annotated[str, Meta(description="what was measured")]
    value: Annotated[float | int | str | None, Meta(description="the measured value")]
    unit: Annotated[str, Meta(description="unit of value and threshold; empty for text")] = ""
    threshold: Annotated[float | int | str | None, Meta(description="the value it was held against")] = None
    source: Annotated[str, Meta(description="file, field or message it was read from")] = ""


class Finding(Struct, frozen=True):
    """A judgement: what is wrong, how we know, and what to do next. Ids are permanent."""

    id: Annotated[str, Meta(description="permanent name of the check that found it")]
    severity: Severity
    title: Annotated[str, Meta(description="a few words")]
    summary: Annotated[str, Meta(description="one sentence with the figures")]
    subject: Subject
    evidence: list[Evidence]
    remedy: Annotated[str, Meta(description="what to do about it")]
    next: Annotated[list[str], Meta(description="commands that look closer")]
    refs: Annotated[list[str], Meta(description="man pages, kernel documents, RFCs")]


class Problem(Struct, frozen=True):
    """Something that could not be read."""

    code: Annotated[str, Meta(description="stable word for scripts")]
    what: Annotated[str, Meta(description="the file, request or host")]
    message: Annotated[str, Meta(description="why")]
    hint: Annotated[str, Meta(description="what to do about it")] = ""


T = TypeVar("T")


class Answer(Struct, Generic[T], kw_only=True):
    """The envelope. A command fills `data`, `findings` and `errors`; the runner does the rest."""

    schema: Annotated[str, Meta(description="command and major version")] = ""
    tool_version: str = ""
    host: Annotated[str, Meta(description="host name of what was looked at")] = ""
    source: Annotated[str, Meta(description="live, or recording:FILE")] = "live"
    collected_at: Annotated[str, Meta(description="RFC 3339, UTC")] = ""
    elapsed_ms: Annotated[float, Meta(description="process start to document")] = 0.0
    status: Literal["ok", "partial", "error"] = "ok"
    exit_code: int = 0
    data: T
    findings: list[Finding] = []
    errors: list[Problem] = []


def problems(errors: list[SretoolError]) -> list[Problem]:
    """Errors as the envelope shows them; repeats of one kind are folded into one line with a
    count, so that 400 unreadable processes are one problem and not 400.
    """
    groups: dict[tuple[str, str, str], list[SretoolError]] = {}
    for error in errors:
        groups.setdefault((error.code, error.message, error.hint), []).append(error)
    folded = []
    for (code, message, hint), members in groups.items():
        names = list(dict.fromkeys(member.what for member in members))
        what = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
        folded.append(problem(code, what, message, hint))
    return folded


def problem(code: str, what: str, message: str, hint: str) -> Problem:
    """A Problem in valid UTF-8: what was asked may hold any byte that a command line can."""
    return Problem(code, clean(what), clean(message), clean(hint))


def worst(findings: list[Finding]) -> Severity | None:
    """The highest severity among the findings, None when there are none."""
    return max((finding.severity for finding in findings), key=RANK.__getitem__, default=None)


def exit_code_for(findings: list[Finding], fail_on: FailOn) -> ExitCode:
    """OK, WARNING or CRITICAL, by the worst finding at or above the threshold."""
    severity = worst(findings)
    if fail_on == "never" or severity is None or RANK[severity] < RANK[fail_on]:
        return ExitCode.OK
    return ExitCode.CRITICAL if severity == "critical" else ExitCode.WARNING
