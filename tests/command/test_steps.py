"""Next steps: none that repeats the command, and on a recording none that asks the wrong host."""

from __future__ import annotations

import pytest

from sretool.command.steps import ahead
from sretool.report.answer import Finding, Subject

STEPS = ["sretool sockets listen --port 8080", "sretool triage --only cpu.steal -w --sample 10", "dmesg"]


def steps(typed: str = "triage", same: str = "", recording: str | None = None) -> list[str]:
    finding = Finding("a.b", "warning", "t", "s", Subject("socket", ":8080"), [], "r", STEPS, [])
    (found,) = ahead([finding], typed.split(), same, recording)
    return found.next


def test_another_command_keeps_all_steps():
    assert steps() == STEPS
    assert steps("sockets listen --port 80") == STEPS


@pytest.mark.parametrize("more", ["", "--json", "-w --sample 5", "--color=never -v", "--fail-on never"])
def test_the_command_itself_is_no_next_step(more: str):
    assert steps(f"sockets listen {more} --port 8080") == STEPS[1:]


def test_a_watch_is_another_command_than_one_look():
    assert STEPS[1] in steps("triage --only cpu.steal")
    assert STEPS[1] not in steps("triage --only cpu.steal -w --sample 10")


def test_what_the_target_came_to_counts():
    assert steps("sockets listen --port http-alt", same=STEPS[0]) == STEPS[1:]


def test_steps_on_a_recording_look_at_the_recording():
    assert steps(recording="a b.tar.gz") == [
        "sretool --from 'a b.tar.gz' sockets listen --port 8080",
        *STEPS[1:],
    ]
    assert steps("--from x sockets listen --port 8080", recording="x") == STEPS[1:]
