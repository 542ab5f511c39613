"""What a person sees, and what stands out."""

from __future__ import annotations

import io
from typing import Any

import pytest
from oneprocess import files, looked, made, made_of

from sretool.command import Look
from sretool.procs.show.model import Shown
from sretool.procs.show.notes import notes
from sretool.procs.show.view import shown
from sretool.report.escape import width
from sretool.report.sections import SIDE_BY_SIDE, Section, blocks
from sretool.report.table import write
from sretool.report.terminal import Terminal


def text(data: Shown, columns: int | None = None, verbose: bool = False) -> str:
    data.notes = notes(data)
    out = io.StringIO()
    terminal = Terminal(columns is not None, columns, 50, False, True)
    write(shown(data, Look((), terminal, verbose)), out, columns, True)
    return out.getvalue()


def told(data: Shown) -> list[str]:
    return [f"{note.severity} {note.text}" for note in notes(data)]


def test_a_deleted_program_and_a_limit_that_binds_come_first() -> None:
    lines = text(looked(made())[0]).splitlines()
    assert lines[0] == "app[7] · sleeping · web · app.service · up 16m39s · memory 1.5M"
    assert "warning   memory: 1.8M of 1.9M used (95%), the limit of /system.slice" in lines[1:3]
    assert "warning   it runs a deleted file, /usr/bin/app: upgraded or removed since it began" in lines[1:3]
    assert any(
        line.startswith("  memory      1.8M of 1.9M, 97.7K left (limit of /system.slice)") for line in lines
    )
    assert "hunter2" not in "\n".join(lines)
    assert "  OOM score   666 of 2000, is never chosen (adj -1000)" in lines


@pytest.mark.parametrize("columns", [40, 80, 100, SIDE_BY_SIDE, 200])
@pytest.mark.parametrize("verbose", [False, True])
def test_no_line_is_wider_than_the_terminal(columns: int, verbose: bool) -> None:
    data = looked(made(cmdline=b"app\0" + b"word " * 100 + b"x" * 300), environment=True)[0]
    for line in text(data, columns, verbose).splitlines():
        assert width(line) <= columns


def test_wide_terminals_hold_it_on_one_screen() -> None:
    assert len(text(looked(made())[0], 200).splitlines()) < 45


def test_two_columns_hold_the_same_words_as_one() -> None:
    section = [
        Section("A", [("one", "x " * 90 + "end"), ("two", [("y", "warning")])]),
        Section("B", [("c", "z")]),
    ]

    def words(columns: int | None) -> list[str]:
        out = io.StringIO()
        write(blocks(section, columns), out, columns, True)
        return sorted(out.getvalue().split())

    assert words(200) == words(80) == words(None)


def test_hostile_names_do_not_reach_the_terminal() -> None:
    evil = b"e)\n\x1b[31m(x"
    data = looked(made(stat={"comm": evil}, wchan=b"\x1b[2J", cmdline=b"a\x1b]0;t\x07\0"))[0]
    for columns in (80, 200):
        printed = text(data, columns)
        assert "\x1b" not in printed
        assert "\x07" not in printed
        assert "e)\\x0a\\x1b[31m(x[7]" in printed


def test_calm_processes_have_no_notes() -> None:
    data = looked(made())[0]
    data.process.exe_deleted = False
    assert data.group is not None
    data.group.limits = []
    assert [note for note in told(data) if "nofile" not in note] == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: setattr(data.process, "state", "zombie"), "systemd[1] does not wait for it"),
        (lambda data: setattr(data.process, "state", "stopped"), "SIGCONT"),
        (lambda data: setattr(data.process, "tracer_pid", 9), "process 9 traces it"),
        (
            lambda data: setattr(data.limits[0], "used_ratio", 0.96),
            "critical nofile: 8 of 10 descriptors used",
        ),
        (lambda data: setattr(data.cpu, "run_delay_ratio", 0.8), "waited for a CPU 0.8 s in each second"),
        (lambda data: setattr(data.files, "deleted_bytes", 2 << 30), "2.0G of space in 1 deleted files"),
        (lambda data: setattr(data.group.row, "frozen", True), "critical its group is frozen"),
        (
            lambda data: setattr(data.group.row, "memory_high_hits_in_sample", 3),
            "slowed down at memory.high 3",
        ),
        (lambda data: setattr(data.group.row, "memory_full_avg10_ratio", 0.5), "waited for memory 50%"),
    ],
)
def test_what_stands_out(change: Any, says: str) -> None:
    data = looked(made())[0]
    assert not any(says in note for note in told(data))
    change(data)
    assert any(says in note for note in told(data)), told(data)


def test_throttling_of_a_group_above() -> None:
    data = looked(made())[0]
    assert data.group is not None
    row = data.group.rows[0]
    row.throttled_ratio, row.throttled_periods, row.periods = 0.9, 9, 10
    assert f"warning {row.path} used up its CPU quota in 9 of 10 periods, and waited for the next" in told(
        data
    )
    assert f"  throttled   9 of 10 quota periods of {row.path}" in text(data).splitlines()
    row.periods = 4
    assert not any("quota" in note for note in told(data))


def test_root_is_not_held_to_the_number_of_threads() -> None:
    raw = {**files(), "/proc/7/status": files()["/proc/7/status"].replace("33\t33\t33\t33", "0\t0\t0\t0")}
    limits = {one.name: one.applies for one in looked(made_of(raw))[0].limits or ()}
    assert (limits["nproc"], limits["nofile"]) == (False, True)
