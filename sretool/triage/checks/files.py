"""The host's table of open files."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.report.answer import Evidence, Finding, Severity
from sretool.report.check import Rule, Threshold, check
from sretool.triage.checks.evidence import HOST, percent
from sretool.triage.read import Host


@check(
    id="files.exhausted",
    title="the host runs out of open files",
    reads="/proc/sys/fs/file-nr",
    window="now",
    thresholds={
        "warning": Threshold(70, "%", "node-mixin NodeFileDescriptorLimit"),
        "critical": Threshold(90, "%", "node-mixin NodeFileDescriptorLimit"),
    },
    remedy="find the process that leaks descriptors; raise fs.file-max only if the use is meant",
    refs=("man:proc_sys_fs(5)",),
)
def exhausted(host: Host, rule: Rule[Host]) -> Iterator[Finding]:
    """Open files of all processes against fs.file-max. At the limit every open(2), socket(2) and
    accept(2) of an ordinary user fails with ENFILE. (A process's own limit is another check.)

    warning, critical: more than that many percent of the limit.
    """
    files = host.open_files.need()
    ratio = files.open / files.limit
    severity: Severity
    if ratio * 100 > rule["critical"]:
        severity = "critical"
    elif ratio * 100 > rule["warning"]:
        severity = "warning"
    else:
        return
    yield rule.finding(
        severity,
        f"{files.open} of {files.limit} open files are in use ({ratio:.0%})",
        subject=HOST,
        evidence=[
            Evidence("in use", percent(ratio), "%", rule[severity], "/proc/sys/fs/file-nr"),
            Evidence("open files", files.open, "files", None, "/proc/sys/fs/file-nr"),
            Evidence("fs.file-max", files.limit, "files", None, "/proc/sys/fs/file-nr"),
        ],
        next=["sretool procs list --sort fds"],
    )


CHECKS = (exhausted,)
