"""Whether deleted files hold more space than they should."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from sretool.procs.deleted.model import Deleted, Held, Holder
from sretool.report.answer import Evidence, Finding, Subject
from sretool.report.check import Rule, Threshold, Unknown, check, others
from sretool.report.units import bytes_text, count_text

GB = 1000**3
SHOWN_LIMIT = 5


@check(
    id="process.deleted-files",
    title="a process holds deleted files",
    reads="links in /proc/PID/fd and /proc/PID/exe, stat(2) of the files behind them",
    window="now",
    thresholds={
        "gigabytes": Threshold(1, "GB", "risu, check for deleted files that are still open"),
        "files": Threshold(99, "files", "risu, check for deleted files that are still open"),
        "share": Threshold(1, "%", "judgement: less of its filesystem is worth a note, no more"),
    },
    remedy="restart the process, or have it reopen its files: the space comes back when it closes them",
    refs=("man:unlink(2)", "man:proc_pid_fd(5)", "man:logrotate(8)"),
)
def deleted_files(model: Deleted, rule: Rule[Deleted]) -> Iterator[Finding]:
    """A deleted file keeps its space until the last process closes it: du(1) does not see it, df(1)
    does. Most often a log that was removed or rotated below a program that goes on writing. Space is
    counted once, however many processes share a file; memory (memfd, shared memory) is not counted.

    warning: a process holds at least `gigabytes` GB on one filesystem, and at least `share` percent
    of it; or more than `files` deleted files. info: at least `gigabytes` GB, but less of the filesystem.
    """
    sizes = {row.mount: row for row in model.filesystems}
    many = [
        row for row in model.holders if row.space_bytes >= rule["gigabytes"] * GB or row.files > rule["files"]
    ]
    for row in many[:SHOWN_LIMIT]:
        held = sizes.get(row.mount)
        share = row.space_bytes / held.total_bytes if held is not None and held.total_bytes else None
        small = share is not None and share * 100 < rule["share"] and row.files <= rule["files"]
        of = "" if share is None or held is None else f" ({share:.1%} of {bytes_text(held.total_bytes)})"
        yield rule.finding(
            "info" if small else "warning",
            f"{row.called} holds {bytes_text(row.space_bytes)} of {row.mount or 'a filesystem'}{of} in "
            f"{count_text(row.files, 'deleted file')}" + others(len(many), "process"),
            subject=Subject("process", str(row.pid), row.process or "", row.whose, row.pid),
            evidence=_evidence(row, held, rule),
            next=["sretool procs deleted" + (f" --mount {shlex.quote(row.mount)}" if row.mount else "")],
            remedy=row.remedy,
        )
    if model.unseen:
        count = model.unseen + model.processes
        raise Unknown(f"/proc/PID/fd: files of {model.unseen} of {count} processes could not be looked at")
    if not model.processes:
        raise Unknown("/proc/PID/fd: no process could be looked at")


def _evidence(row: Holder, held: Held | None, rule: Rule[Deleted]) -> list[Evidence]:
    limit = rule["gigabytes"] * GB
    space = limit if row.space_bytes >= limit else None
    files = rule["files"] if row.files > rule["files"] else None
    return [
        Evidence("space of deleted files", row.space_bytes, "bytes", space, "/proc/PID/fd, st_blocks"),
        Evidence("deleted files", row.files, "files", files, "/proc/PID/fd, st_nlink 0"),
        Evidence("the largest", f"{row.path}, {bytes_text(row.path_space_bytes)}", "", None, row.link),
        Evidence(
            "available there",
            None if held is None else held.available_bytes,
            "bytes",
            None,
            "statvfs f_bavail",
        ),
    ]


CHECKS = (deleted_files,)
