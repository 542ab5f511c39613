"""Each check on its fault, on a healthy host, and where it cannot tell."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from procfs import host, process, stat_line

from sretool.procs.list import read
from sretool.procs.list.checks import CHECKS
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
        "process.thread-limit": "clear",
        "process.realtime-hog": "unknown",
        "process.swapped-hot": "unknown",
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


def test_threads_stuck_behind_a_sleeping_leader_are_named() -> None:
    stuck = {
        **process(7, comm=b"java", threads=2),
        "/proc/7/task/8/stat": stat_line(8, state=b"D"),
        "/proc/7/task/8/wchan": "rpc_wait_bit_killable",
        "/proc/7/task/8/status": "Name:\tw\nvoluntary_ctxt_switches:\t9\n",
        "/proc/loadavg": "0.99 0.4 0.1 1/90 5\n",
    }
    (finding,) = looked([stuck], [stuck])["process.disk-sleep"][1]
    assert "1 thread of java[7] did not move in rpc_wait_bit_killable" in finding.summary


def test_threads_of_a_user_against_what_its_processes_may_have() -> None:
    for threads, severity in ((32, None), (33, "warning"), (39, "critical")):
        crowd = [process(7, comm=b"pool", threads=threads - 1, nproc="40"), process(8, nproc="63000")]
        found = looked(crowd, crowd, uids={7: 33, 8: 33})["process.thread-limit"][1]
        assert [finding.severity for finding in found] == ([severity] if severity else []), threads
        if found:
            assert found[0].subject.kind == "user"
            assert (found[0].subject.id, found[0].subject.name) == ("33", "web")
            assert "pool[7] may have no more than 40" in found[0].summary


def test_root_is_not_bound_and_others_do_not_count() -> None:
    crowd = [process(7, threads=500, nproc="40"), process(8, threads=39, nproc="40")]
    (finding,) = looked(crowd, crowd, uids={8: 33})["process.thread-limit"][1]
    assert finding.evidence[0].value == 39


def test_threads_of_the_host_against_the_smaller_limit() -> None:
    crowd = [process(7, comm=b"pool", threads=900)]
    more: dict[str, Any] = {"/proc/loadavg": "0 0 0 1/961 5\n", "/proc/sys/kernel/threads-max": "1000\n"}
    (finding,) = looked(crowd, crowd, **more)["process.thread-limit"][1]
    assert (finding.severity, finding.subject.id) == ("critical", "kernel.threads-max")
    assert "961 of at most 1000 threads" in finding.summary
    assert "900 of them in pool[7]" in finding.summary


def test_unread_limits_are_unknown() -> None:
    crowd = [process(7)]
    verdict, _ = looked(crowd, crowd, **{"/proc/sys/kernel/pid_max": errno.EACCES})["process.thread-limit"]
    assert verdict.outcome == "unknown"


def hog(**stat: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    return [process(7, comm=b"spin", ticks=95, **stat)], [process(7, comm=b"spin", **stat)]


@pytest.mark.parametrize(
    ("stat", "severity", "said"),
    [
        ({"policy": 1, "priority": 10}, "warning", "runs under fifo 10 and used 95% of a CPU"),
        ({"policy": 6}, "warning", "runs under deadline and used"),
        ({"nice": -15}, "info", "has nice -15"),
        ({"nice": -5}, None, ""),
        ({}, None, ""),
    ],
)
def test_who_takes_a_cpu_by_right(stat: dict[str, int], severity: str | None, said: str) -> None:
    found = looked(*hog(**stat))["process.realtime-hog"][1]
    assert [finding.severity for finding in found] == ([severity] if severity else [])
    if found:
        assert said in found[0].summary


def test_what_realtime_throttling_keeps_is_told() -> None:
    files: dict[str, Any] = {"/proc/sys/kernel/sched_rt_runtime_us": "-1\n"}
    (finding,) = looked(*hog(policy=2, priority=1), **files)["process.realtime-hog"][1]
    assert "of which the kernel keeps nothing back" in finding.summary
    (finding,) = looked(*hog(policy=2, priority=1))["process.realtime-hog"][1]
    assert finding.evidence[-1].value == 5.0


def swapping(back: int, faults: int, swap_kib: int) -> list[Finding]:
    meminfo = "MemTotal: 16000 kB\nSwapTotal: 1000000 kB\nSwapFree: 500000 kB\n"

    def moment(majflt: int, pages: int) -> dict[str, Any]:
        return {
            **process(7, comm=b"db", majflt=majflt),
            "/proc/7/status": f"Name:\tdb\nVmSize:\t9 kB\nVmSwap:\t{swap_kib} kB\n",
            "/proc/meminfo": meminfo,
            "/proc/vmstat": f"pswpin {pages}\n",
        }

    return looked([moment(10 + faults, back)], [moment(10, 0)])["process.swapped-hot"][1]


def test_a_process_that_works_in_swap() -> None:
    (finding,) = swapping(back=900, faults=800, swap_kib=200_000)
    assert "db[7] has 195M in swap and reads back 800 pages a second" in finding.summary
    assert swapping(back=0, faults=800, swap_kib=200_000) == [], "it faults on files"
    assert swapping(back=900, faults=0, swap_kib=200_000) == [], "it sleeps in swap"
    assert swapping(back=900, faults=800, swap_kib=1000) == [], "it has next to nothing there"


def test_a_host_without_swap_has_none_in_it() -> None:
    crowd = [process(7)]
    files: dict[str, Any] = {"/proc/meminfo": "MemTotal: 1 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n"}
    assert looked(crowd, crowd, **files)["process.swapped-hot"][0].outcome == "not-applicable"


def test_every_check_explains_itself() -> None:
    for rule in CHECKS:
        assert rule.about
        assert rule.reads
        assert rule.remedy
        assert rule.refs
