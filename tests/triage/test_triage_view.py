"""The screen: one of 80 by 24 when little is wrong, worst first, nothing called clear that is not."""

from __future__ import annotations

import io

from hosts import Made, healthy, space

from sretool.command.options import Options
from sretool.command.output import finding_lines
from sretool.command.run import Look, Run
from sretool.report.table import FINDINGS, Lines, write
from sretool.report.terminal import Terminal
from sretool.triage.cli import triage
from sretool.triage.domains import rules
from sretool.triage.view import report

WIDTH = 80
JUDGED = len(rules()) - 2  # it has no swap


def screen(made: Made, lines: int | None = None, verbose: bool = False, **given: object) -> str:
    """The text of one triage of a made-up host, 80 columns wide."""
    terminal = Terminal(lines is not None, WIDTH, lines, False, True)
    run = Run(Options(**given), terminal)  # type: ignore[arg-type]
    run._source = made.source()
    answer = triage.spec.function(run)  # type: ignore[attr-defined]
    blocks = report(answer.data, Look((), terminal, verbose, 0, answer.findings))
    blocks = [
        Lines(finding_lines(answer.findings), indent=6) if block is FINDINGS else block
        for block in blocks
        if block is not FINDINGS or answer.findings
    ]
    out = io.StringIO()
    write(blocks, out, WIDTH, True)
    return out.getvalue()


def test_nothing_wrong_is_said_plainly_and_fits() -> None:
    text = screen(healthy())
    lines = text.splitlines()
    assert lines[0] == f"fake: nothing wrong found by {JUDGED} checks."
    assert "looked at: cpu (saturation, load, steal), memory" in text
    assert "this host has no swap" in text
    assert len(lines) <= 16
    assert max(map(len, lines)) <= WIDTH


def test_blind_checks_are_not_counted_as_clear() -> None:
    made = healthy()
    made.both("/proc/meminfo", 13)
    text = screen(made)
    assert f"nothing wrong found by {JUDGED - 1} checks; 3 checks could not look." in text
    assert "could not look: memory.available, memory.swapping: /proc/meminfo" in " ".join(text.split())


def test_worst_first_and_thresholds_told() -> None:
    made = healthy()
    made.statvfs["/"] = space(available=4 << 30)
    made.statvfs["/dev/shm"] = space(total=1 << 26, available=0)
    text = screen(made, set_=["fs.inodes.warning=6"])
    assert text.startswith(f"fake: 1 critical, 1 warning from {JUDGED} checks.")
    assert text.index("CRITICAL /dev/shm (tmpfs)") < text.index("WARNING  / (ext4)")
    assert "thresholds set: fs.inodes.warning=6" in text
    assert max(map(len, text.splitlines())) <= WIDTH


def test_what_was_clear_does_not_push_findings_off_the_screen() -> None:
    made = healthy()
    made.statvfs["/"] = space(available=4 << 30)
    made.statvfs["/dev/shm"] = space(total=1 << 26, available=0)
    made.both("/proc/loadavg", 13)
    text = screen(made, lines=24)
    assert len(text.splitlines()) <= 20
    assert "looked at: cpu, memory, fs, disk," in text
    assert "not on this host: memory.swapping, process.swapped-hot (-v says why)" in text
    assert "could not look: cpu.load: /proc/loadavg" in text
    whole = " ".join(screen(made, lines=24, verbose=True).split())
    assert "fs (space, inodes," in whole
    assert "memory.swapping, process.swapped-hot: this host has no swap" in whole


def test_summary_knows_what_it_does_not_know() -> None:
    made = healthy()
    made.both("/proc/loadavg", 13)
    text = screen(made)
    assert "load - - -" in text


def test_hostile_mount_names_do_not_reach_the_terminal() -> None:
    made = healthy()
    line = "40 27 0:99 / /mnt/\x1b[2Jevil rw - tmpfs tmpfs rw\n"
    made.both("/proc/self/mountinfo", str(made.now["/proc/self/mountinfo"]) + line)
    made.statvfs["/mnt/\x1b[2Jevil"] = space(available=0)
    text = screen(made)
    assert "\x1b" not in text
    assert "\\x1b[2Jevil" in text
