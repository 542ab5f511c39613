"""Failed systemd units."""

from __future__ import annotations

from typing import NamedTuple

from sretool.errors import ParseError
from sretool.host.source import Completed
from sretool.report.escape import text

BOOTED = "/run/systemd/system"  # sd_booted(3)
ARGV = ("systemctl", "list-units", "--state=failed", "--plain", "--no-legend", "--full", "--all")


class FailedUnit(NamedTuple):
    """A unit in state failed."""

    name: str
    description: str


def parse_failed(done: Completed) -> list[FailedUnit]:
    """What ARGV prints: `UNIT LOAD ACTIVE SUB DESCRIPTION` a line.

    Raises:
        ParseError: systemctl failed, or a line has no four words.
    """
    if done.exit_code != 0:
        said = text(done.stderr).strip().splitlines()
        raise ParseError("systemctl", said[0] if said else f"exit code {done.exit_code}")
    units = []
    for line in done.stdout.splitlines():
        # some versions mark the line with a bullet in spite of --plain
        words = text(line).lstrip("●*× ").split(None, 4)
        if not words:
            continue
        if len(words) < 4:
            raise ParseError("systemctl", f"not a unit's line: {text(line[:80])}")
        units.append(FailedUnit(words[0], words[4] if len(words) > 4 else ""))
    return units
