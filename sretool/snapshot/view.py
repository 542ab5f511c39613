"""Recordings as a person sees them."""

from __future__ import annotations

import shlex

from sretool.command import Look
from sretool.report.table import Block, Lines, Table, columns_for
from sretool.report.units import bytes_text
from sretool.snapshot.model import Snapshot

FIELDS = ("name", "at", "uptime_s", "files", "requests", "failures")


def snapshot(data: Snapshot, look: Look) -> list[Block]:
    """What it is, then its moments."""
    who = {None: "an unknown user", 0: "root"}.get(data.uid, f"uid {data.uid}, without others' files")
    return [
        Lines(
            [
                [(data.path, "strong"), (f"  {bytes_text(data.size_bytes)}", "")],
                f"host {data.host}, kernel {data.kernel}, recorded as {who} by sretool {data.tool_version}",
                *(f"left out of {what}" for what in data.left_out),
                f"look at it with: sretool --from {shlex.quote(data.path)} triage",
            ]
        ),
        Table(
            columns_for(FIELDS, titles={"failures": "NOT READ"}, right=FIELDS[3:]),
            data.moments,
        ),
    ]
