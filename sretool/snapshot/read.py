"""What a recording says of itself."""

from __future__ import annotations

from typing import Any

from sretool.host.recording import Moment as Recorded
from sretool.report.escape import clean
from sretool.report.times import rfc3339
from sretool.snapshot.model import Moment, Snapshot


def describe(path: str, size_bytes: int, about: dict[str, Any], moments: list[Moment]) -> Snapshot:
    """The summary of a recording from its manifest's entries and its moments."""
    uid, left_out = about.get("uid"), about.get("left_out")
    return Snapshot(
        path=clean(path),
        size_bytes=size_bytes,
        host=str(about.get("host", "")),
        kernel=str(about.get("kernel", "")),
        boot_id=str(about["boot_id"]) if about.get("boot_id") else None,
        uid=uid if isinstance(uid, int) else None,
        tool_version=str(about.get("tool_version", "")),
        moments=moments,
        left_out=[clean(str(what)[:200]) for what in left_out[:100]] if isinstance(left_out, list) else [],
    )


def moment(number: int, moment: Recorded, files: int) -> Moment:
    """The summary of one of its moments, which has so many files."""
    return Moment(
        name=f"T{number}",
        at=rfc3339(moment.clock.wall),
        uptime_s=round(moment.clock.boot, 3),
        files=files,
        requests=sum(len(moment.index[section]) for section in ("netlink", "runs", "facts")),
        failures=len(moment.index["errors"]),
    )
