"""The host-wide checks, by subject."""

from __future__ import annotations

from typing import Any

from sretool.report.check import Rule
from sretool.triage.checks import clock, cpu, disks, files, filesystems, memory, units

CHECKS: tuple[Rule[Any], ...] = (
    *cpu.CHECKS,
    *memory.CHECKS,
    *filesystems.CHECKS,
    *disks.CHECKS,
    *files.CHECKS,
    *clock.CHECKS,
    *units.CHECKS,
)
