"""From a made-up /proc to rows."""

from __future__ import annotations

import errno
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from procfs import host, process, stat_line

from sretool.errors import Denied, Missing, ParseError
from sretool.host.fake import Fake
from sretool.host.source import Bulk
from sretool.procs import read
from sretool.procs.model import Process, Processes


def rows(source: Fake, ask: read.Ask = read.EVERYTHING) -> dict[int, Process]:
    return {row.pid: row for row in built(source, ask).processes}


def built(source: Fake, ask: read.Ask = read.EVERYTHING) -> Processes:
    earlier = source.earlier
    return read.build(read.sample(source, ask), None if earlier is None else read.sample(earlier, ask))


def test_a_row_whole() -> None:
    row = rows(host(process(7, ticks=250, threads=4, majflt=9), uids={7: 33}))[7]
    assert row == Process(
        7,
        1,
        "web",
        33,
        "sleeping",
        None,
        40960,
        4,
        999.0,
        "app.service",
        "",
        "",
        "app",
        "app -x",
        0,
        2.5,
        1 << 20,
        9,
        False,
        "/system.slice/app.service",
        "",
        None,
        None,
        None,
        3,
        1024,
    )


def test_cpu_is_what_was_used_between_the_readings() -> None:
    before = host(process(7, ticks=100), process(8, ticks=100), process(9, ticks=500), mono=1000.0)
    now = host(
        process(7, ticks=150),  # half a core of 1 s
        process(8, ticks=900, started=101),  # another process by the same number
        process(9, ticks=499),  # a counter that went backwards
        process(10, ticks=5),  # new
        mono=1001.0,
        earlier=before,
    )
    assert {pid: row.cpu_ratio for pid, row in rows(now).items()} == {7: 0.5, 8: None, 9: None, 10: None}
    assert built(now).window_s == 1.0


def test_clocks_of_another_boot_give_no_rates() -> None:
    now = host(process(7, ticks=150), mono=10.0, earlier=host(process(7, ticks=100), mono=1000.0))
    assert rows(now)[7].cpu_ratio is None
    assert built(now).window_s is None


def test_the_busiest_first_then_the_largest() -> None:
    before = host(*(process(pid) for pid in (1, 2, 3)))
    now = host(process(1, rss=5), process(2, rss=9), process(3, ticks=3), mono=1001.0, earlier=before)
    assert [row.pid for row in built(now).processes] == [3, 2, 1]


def test_what_was_not_asked_is_not_read_and_absent() -> None:
    class Watched(Fake):
        asked: set[str] = set()

        def bulk(self, parent: str, entries: Any, files: Any, *, guarded: bool = False) -> Bulk:
            self.asked.update(files)
            return super().bulk(parent, entries, files, guarded=guarded)

    made = host(process(7))
    made.__class__ = Watched
    data = built(made, read.ask_for(["pid", "rss_bytes"]))
    assert Watched.asked == {"stat"}
    document = msgspec.to_builtins(data.processes[0])
    assert document["rss_bytes"] == 40960
    assert not {"user", "uid", "unit", "container", "command", "fds", "wchan"} & set(document)
    assert read.ask_for(["unit"]) == read.Ask(cgroups=True)
    assert read.ask_for(["fds", "user"]) == read.Ask(users=True, fds=True)


def test_one_that_vanished_is_dropped_without_a_word() -> None:
    gone = {"/proc/8/stat": errno.ESRCH, "/proc/9/stat": errno.ENOENT}
    half = process(10)
    half["/proc/10/cgroup"] = half["/proc/10/cmdline"] = errno.ESRCH
    reading = read.sample(host(process(7), gone, half), read.EVERYTHING)
    found = {row.pid: row for row in read.build(reading).processes}
    assert set(found) == {7, 10}
    assert (found[10].unit, found[10].command) == (None, None)
    assert reading.errors == []


def test_what_is_denied_is_null_and_noted() -> None:
    reading = read.sample(host(process(7, cmdline=errno.EACCES)), read.EVERYTHING)
    assert read.build(reading).processes[0].command is None
    assert [(type(error), error.what) for error in reading.errors] == [(Denied, "/proc/7/cmdline")]


def test_hidepid_is_said_to_who_is_not_root() -> None:
    mount = "22 1 0:21 / /proc rw - proc proc rw,hidepid=invisible\n"
    identity = {"uid": 1000, "clock_ticks_per_s": 100, "page_bytes": 4096, "cpus": 1}
    for uid, notes in ((1000, 1), (0, 0)):
        source = host(
            process(7), facts={"identity": {**identity, "uid": uid}}, **{"/proc/self/mountinfo": mount}
        )
        assert len(read.sample(source, read.Ask()).errors) == notes


def test_no_proc_at_all() -> None:
    with pytest.raises(Missing):
        read.sample(Fake({}), read.EVERYTHING)


def test_damaged_stat_costs_its_row_and_is_noted() -> None:
    reading = read.sample(host(process(7), {"/proc/8/stat": b"8 (x) S 1"}), read.EVERYTHING)
    assert [row.pid for row in read.build(reading).processes] == [7]
    assert [type(error) for error in reading.errors] == [ParseError]


def test_a_hostile_name_stays_text() -> None:
    row = rows(host(process(7, comm=b"a)\n\x1b[2J\xff", cmdline=b"x\x1b[31m\0\xff\0")))[7]
    assert row.comm == "a)\n\x1b[2J\\xff"
    assert row.command == "x\x1b[31m \\xff"
    assert msgspec.json.decode(msgspec.json.encode(row))["comm"] == row.comm


def test_secrets_are_masked_and_two_megabytes_are_cut() -> None:
    found = rows(host(process(7, cmdline=b"app\0--password=hunter2\0"), process(8, cmdline=b"a" * 2_000_000)))
    assert found[7].command == "app --password=***"
    assert found[8].command == "a" * 4095 + "…"


def test_blocked_processes_are_asked_for_their_command_last_and_guarded() -> None:
    class Watched(Fake):
        calls: list[tuple[list[str], list[str], bool]] = []

        def bulk(self, parent: str, entries: Any, files: Any, *, guarded: bool = False) -> Bulk:
            self.calls.append((sorted(entries), list(files), guarded))
            return super().bulk(parent, entries, files, guarded=guarded)

    made = host(process(7), process(8, state=b"D", wchan="nfs_wait"))
    made.__class__ = Watched
    found = rows(made, read.Ask(commands=True, blocked=True))
    assert Watched.calls == [
        (["7", "8"], ["stat"], False),
        (["7"], ["cmdline"], False),
        (["8"], ["cmdline"], True),
        (["8"], ["wchan", "status"], False),
    ]
    assert found[8].wchan == "nfs_wait"
    assert found[7].wchan is None


@pytest.mark.parametrize(
    ("before", "now", "stuck"),
    [
        (process(7, state=b"D"), process(7, state=b"D"), True),
        (process(7, state=b"D", switches=5), process(7, state=b"D", switches=6), False),
        (process(7), process(7, state=b"D"), False),
        (process(7, state=b"D"), process(7), False),
        (process(7, state=b"D"), {**process(7, state=b"D"), "/proc/7/status": errno.EACCES}, None),
    ],
)
def test_stuck_is_blocked_twice_without_a_switch(before: Any, now: Any, stuck: Any) -> None:
    assert rows(host(now, mono=1001.0, earlier=host(before)))[7].stuck is stuck


def test_descriptors_without_a_sized_directory_are_counted() -> None:
    made = host(process(7))
    made._stats["/proc/self/fd"] = made._stats["/proc/self/fd"]._replace(size_bytes=0)
    made._links.update({"/proc/7/fd/0": "/dev/null", "/proc/7/fd/1": "/dev/null"})
    assert rows(made)[7].fds == 2


def test_an_unlimited_or_missing_limit_is_not_known() -> None:
    broken = {**process(8), "/proc/8/limits": "nonsense"}
    found = rows(host(process(7, limit="unlimited"), broken))
    assert (found[7].fd_limit, found[8].fd_limit) == (None, None)


def test_a_uid_without_a_name() -> None:
    source = host(
        process(7), process(8), uids={7: 1234, 8: 4321}, facts={"user 1234": "ldapjoe", "user 4321": None}
    )
    found = rows(source)
    assert (found[7].user, found[7].uid) == ("ldapjoe", 1234)
    assert (found[8].user, found[8].uid) == (None, 4321)


@given(st.binary(max_size=300), st.binary(max_size=300), st.binary(max_size=300), st.binary(max_size=200))
def test_any_bytes_in_every_file(cgroup: bytes, cmdline: bytes, limits: bytes, status: bytes) -> None:
    files = {
        "/proc/7/stat": stat_line(7, state=b"D"),
        "/proc/7/cgroup": cgroup,
        "/proc/7/cmdline": cmdline,
        "/proc/7/limits": limits,
        "/proc/7/status": status,
        "/proc/7/wchan": status,
    }
    msgspec.json.encode(built(host(files, mono=1001.0, earlier=host(files))))
