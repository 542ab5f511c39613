"""Each check on its fault, on a healthy host, and where it cannot tell."""

from __future__ import annotations

import errno
from typing import Any

from procfs import host, process

from sretool.procs import read
from sretool.procs.checks import CHECKS
from sretool.report.answer import Finding
from sretool.report.check import Verdict, judge


def looked(
    now: list[dict[str, Any]], before: list[dict[str, Any]] | None, **more: Any
) -> dict[str, tuple[Verdict, list[Finding]]]:
    earlier = None if before is None else read.sample(host(*before), read.TRIAGE)
    reading = read.sample(host(*now, mono=1001.0, **more), read.TRIAGE)
    return {verdict.id: (verdict, found) for verdict, found in judge(CHECKS, read.build(reading, earlier))}


def test_a_healthy_host_is_clear() -> None:
    crowd = [process(pid) for pid in range(1, 20)]
    assert {verdict.outcome for verdict, _ in looked(crowd, crowd).values()} == {"clear"}


def test_one_reading_knows_nothing_of_what_lasts() -> None:
    outcomes = {name: verdict.outcome for name, (verdict, _) in looked([process(1)], None).items()}
    assert outcomes == {
        "process.disk-sleep": "unknown",
        "process.zombies": "unknown",
        "process.fd-limit": "clear",
    }


def test_a_stuck_process_is_named_with_where_it_waits() -> None:
    stuck = [process(7, comm=b"cp", state=b"D", wchan="nfs_wait_bit_killable")]
    verdict, (finding,) = looked(stuck, stuck)["process.disk-sleep"]
    assert verdict.outcome == "found"
    assert finding.severity == "warning"
    assert "cp[7]" in finding.summary
    assert "nfs_wait_bit_killable" in finding.summary
    assert finding.subject.pid == 7
    assert finding.subject.unit == "app.service"


def test_a_kernel_thread_that_idles_in_d_is_no_warning() -> None:
    idle = [process(7, state=b"D", flags=0x200000)]
    assert [finding.severity for finding in looked(idle, idle)["process.disk-sleep"][1]] == ["info"]


def test_busy_io_is_not_stuck() -> None:
    outcome, found = looked([process(7, state=b"D", switches=90)], [process(7, state=b"D")])[
        "process.disk-sleep"
    ]
    assert (outcome.outcome, found) == ("clear", [])


def test_unread_switches_are_unknown() -> None:
    stuck = [{**process(7, state=b"D"), "/proc/7/status": errno.EACCES}]
    assert looked(stuck, stuck)["process.disk-sleep"][0].outcome == "unknown"


def zombies(count: int) -> list[dict[str, Any]]:
    return [process(9, comm=b"lazy")] + [process(100 + n, state=b"Z", ppid=9) for n in range(count)]


def test_zombies_by_number_with_their_parent() -> None:
    for count, severity in ((4, None), (5, "warning"), (19, "warning"), (20, "critical")):
        found = looked(zombies(count), zombies(count))["process.zombies"][1]
        assert [finding.severity for finding in found] == ([severity] if severity else []), count
        if found:
            assert "lazy[9]" in found[0].summary
            assert found[0].subject.pid == 9


def test_children_that_just_ended_are_no_pile() -> None:
    alive = [process(9, comm=b"lazy")] + [process(100 + n, ppid=9) for n in range(30)]
    assert looked(zombies(30), alive)["process.zombies"][1] == []


def test_descriptors_against_their_own_limit() -> None:
    crowd = [process(7, limit="100"), process(8, limit="1024")]
    for open_, severity in ((80, None), (81, "warning"), (95, "warning"), (96, "critical")):
        found = looked(crowd, crowd, fds={7: open_})["process.fd-limit"][1]
        assert [finding.severity for finding in found] == ([severity] if severity else []), open_


def test_unread_descriptors_are_counted_and_never_clear() -> None:
    crowd = [process(7), {**process(8), "/proc/8/limits": errno.EACCES}]
    verdict, _ = looked(crowd, crowd)["process.fd-limit"]
    assert verdict.outcome == "unknown"
    assert "1 of 2" in verdict.reason


def test_the_dead_and_the_kernel_need_no_descriptors() -> None:
    crowd = [process(7, state=b"Z", limit="x"), process(8, flags=0x200000, limit="x")]
    assert looked(crowd, crowd)["process.fd-limit"][0].outcome == "clear"


def test_every_check_explains_itself() -> None:
    for rule in CHECKS:
        assert rule.about
        assert rule.reads
        assert rule.remedy
        assert rule.refs
