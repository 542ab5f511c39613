"""Victims and culprits on a terminal."""

from __future__ import annotations

import io

from sretool.cgroups.top.model import SHOWN, Ranked, Top
from sretool.cgroups.top.view import top
from sretool.command import Look
from sretool.report.table import write
from sretool.report.terminal import Terminal

ROWS = [
    Ranked(
        name, f"/system.slice/{name}", name, "", role="own-limit", resource="cpu", stall_ratio=0.99,
        stall_share_ratio=0.98, use_share_ratio=0.97, cpu_ratio=0.96, cpu_stall_ratio=0.99,
        throttled_ratio=0.9, memory_current_bytes=100 << 20, memory_growth_bytes_per_s=0.0,
        memory_stall_ratio=0.0, io_bytes_per_s=1e6, io_stall_ratio=0.0, processes_total=1, why="",
    )
    for name in ("serial-getty@ttyS0.service", "serial-getty@ttyS1.service")
]  # fmt: skip


def shown(columns: int) -> str:
    out = io.StringIO()
    look = Look(SHOWN, Terminal(True, columns, 24, False, True), False)
    write(top(Top(ROWS, len(ROWS), "v2", True, 0, 1.0), look), out, columns, True)
    return out.getvalue()


def test_80_columns_tell_units_apart_by_the_ends_of_their_names() -> None:
    narrow = shown(80)
    assert all(row.name in narrow for row in ROWS)
    assert "(no room for OF WAIT:" in narrow
    assert "I/O /S" in narrow
    assert "OF WAIT  " in shown(200)
