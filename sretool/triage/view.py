"""Triage on one screen: a verdict, the host, the findings, what was looked at and what was not."""

from __future__ import annotations

from collections.abc import Sequence

from sretool.command import Look
from sretool.report.answer import Finding
from sretool.report.check import Verdict
from sretool.report.table import FINDINGS, Block, Line, Lines, Style
from sretool.report.units import UNKNOWN, bytes_text, count_text, duration_text
from sretool.triage.look import TOLD_BY
from sretool.triage.model import HostSummary, Triage


def report(data: Triage, look: Look) -> list[Block]:
    """The findings stand between the verdict and what was looked at."""
    # findings alone may fill a screen: what was clear must not push the worst of them off it
    brief = look.terminal.lines is not None and bool(look.findings) and not look.verbose
    return [
        Lines([headline(data, look.findings), host_line(data.host)], indent=2),
        FINDINGS,
        Lines(looked_at(data.checks, brief), indent=2),
    ]


def headline(data: Triage, findings: Sequence[Finding]) -> Line:
    """The whole answer in one sentence."""
    name = data.host.hostname or "this host"
    unknown = sum(verdict.outcome == "unknown" for verdict in data.checks)
    judged = sum(verdict.outcome in ("found", "clear") for verdict in data.checks)
    blind = f"; {count_text(unknown, 'check')} could not look" if unknown else ""
    critical = sum(finding.severity == "critical" for finding in findings)
    warning = sum(finding.severity == "warning" for finding in findings)
    style: Style
    if critical or warning:
        parts = [f"{critical} critical"] if critical else []
        parts += [count_text(warning, "warning")] if warning else []
        said = f"{name}: {', '.join(parts)} from {count_text(judged, 'check')}{blind}."
        style = "critical" if critical else "warning"
    elif judged == 0:
        said = f"{name}: no check could be made; nothing is known."
        style = "warning"
    else:
        note = f", {len(findings)} to note" if findings else ""
        said = f"{name}: nothing wrong found by {count_text(judged, 'check')}{note}{blind}."
        style = "warning" if unknown else "good"
    return [(said, style)]


def host_line(host: HostSummary) -> Line:
    """What an engineer asks first."""
    loads = (host.load_1min, host.load_5min, host.load_15min)
    parts = [
        f"up {duration_text(host.uptime_s)}",
        UNKNOWN if host.cpus is None else count_text(host.cpus, "CPU"),
        f"load {' '.join(UNKNOWN if value is None else f'{value:.2f}' for value in loads)}",
        f"{UNKNOWN if host.cpu_busy_ratio is None else f'{host.cpu_busy_ratio:.0%}'} busy",
        f"{bytes_text(host.memory_available_bytes)}/{bytes_text(host.memory_total_bytes)} memory available",
    ]
    return [(", ".join(parts), "dim")]


def looked_at(checks: list[Verdict], brief: bool) -> list[Line]:
    """Which checks were made, which could not be and why, which have nothing to look at here; `brief`
    leaves to --verbose the names of the first and the reasons of the last.
    """
    lines: list[Line] = []
    judged = [verdict.id for verdict in checks if verdict.outcome in ("found", "clear")]
    if judged:
        subjects = dict.fromkeys(id_.partition(".")[0] for id_ in judged)
        said = f"{', '.join(subjects)} (-v names the checks)" if brief else _by_subject(judged)
        lines.append([("looked at: ", "strong"), (said, "")])
    unseen = [verdict for verdict in checks if verdict.outcome == "unknown"]
    lines += _by_reason("could not look: ", unseen, "warning")
    # a check that found something and could not see the rest has its reason too
    partly = [
        verdict
        for verdict in checks
        if verdict.outcome == "found" and verdict.reason and not verdict.reason.startswith(TOLD_BY)
    ]
    lines += _by_reason("found something, and could not see all: ", partly, "warning")
    absent = [verdict for verdict in checks if verdict.outcome == "not-applicable"]
    if brief and absent:
        said = f"{', '.join(verdict.id for verdict in absent)} (-v says why)"
        lines.append([("not on this host: ", "dim"), (said, "")])
    else:
        lines += _by_reason("not on this host: ", absent, "dim")
    changed = [
        f"{verdict.id}.{name}={value:g}" for verdict in checks for name, value in verdict.overrides.items()
    ]
    if changed:
        lines.append([("thresholds set: ", "strong"), (", ".join(changed), "")])
    return lines


def _by_reason(title: str, verdicts: list[Verdict], style: Style) -> list[Line]:
    reasons: dict[str, list[str]] = {}
    for verdict in verdicts:
        reasons.setdefault(verdict.reason, []).append(verdict.id)
    if not reasons:
        return []
    said = "; ".join(f"{', '.join(ids)}: {reason}" for reason, ids in reasons.items())
    return [[(title, style), (said, "")]]


def _by_subject(ids: list[str]) -> str:
    """`fs.space, fs.hung` as `fs (space, hung)`: the names a person must find, in half the room."""
    subjects: dict[str, list[str]] = {}
    for id_ in ids:
        subject, _, name = id_.partition(".")
        subjects.setdefault(subject, []).append(name)
    return ", ".join(f"{subject} ({', '.join(names)})" for subject, names in subjects.items())
