"""From a made-up /proc to rows."""

from __future__ import annotations

import errno
import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from procfs import host, process, stat_line

from sretool.errors import Denied, Missing, ParseError
from sretool.host.fake import Fake
from sretool.host.source import Bulk
from sretool.procs.list import read
from sretool.procs.list.model import Process, Processes

ALL = read.EVERYTHING._replace(delays=False)  # of netlink, which a made-up host has not
LIGHT = read.ask_for(read.LIGHT_FIELDS)


def rows(source: Fake, ask: read.Ask = ALL) -> dict[int, Process]:
    return {row.pid: row for row in built(source, ask).processes}


def built(source: Fake, ask: read.Ask = ALL) -> Processes:
    earlier = source.earlier
    return read.build(read.sample(source, ask), None if earlier is None else read.sample(earlier, ask))


def test_a_row_whole() -> None:
    row = rows(host(process(7, ticks=250, threads=4, majflt=9), uids={7: 33}))[7]
    told = {name: getattr(row, name) for name in row.__struct_fields__}
    assert {name: value for name, value in told.items() if value not in (None, UNSET)} == {
        "pid": 7,
        "ppid": 1,
        "user": "web",
        "uid": 33,
        "state": "sleeping",
        "rss_bytes": 40960,
        "threads": 4,
        "age_s": 999.0,
        "unit": "app.service",
        "container": "",
        "pod": "",
        "comm": "app",
        "command": "app -x",
        "nice": 0,
        "cpu_time_s": 2.5,
        "virtual_bytes": 1 << 20,
        "major_faults": 9,
        "kernel": False,
        "cgroup": "/system.slice/app.service",
        "engine": "",
        "container_name": "",
        "pod_name": "",
        "namespace": "",
        "image": "",
        "started_at": "2027-01-15T08:00:01.000Z",
        "policy": "other",
        "realtime_priority": 0,
        "fds": 3,
        "fd_limit": 1024,
        "threads_limit": 63000,
    }


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
    reading = read.sample(host(process(7), gone, half), ALL)
    found = {row.pid: row for row in read.build(reading).processes}
    assert set(found) == {7, 10}
    assert (found[10].unit, found[10].command) == (None, None)
    assert reading.errors == []


def test_what_is_denied_is_null_and_noted() -> None:
    reading = read.sample(host(process(7, cmdline=errno.EACCES)), ALL)
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
        read.sample(Fake({}), ALL)


def test_damaged_stat_costs_its_row_and_is_noted() -> None:
    reading = read.sample(host(process(7), {"/proc/8/stat": b"8 (x) S 1"}), ALL)
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


def test_nothing_is_read_that_was_not_asked_for() -> None:
    class Watched(Fake):
        read_files: set[str] = set()

        def bulk(self, parent: str, entries: Any, files: Any, *, guarded: bool = False) -> Bulk:
            self.read_files.update(files)
            return super().bulk(parent, entries, files, guarded=guarded)

    for fields, files in (
        ({"pid", "rss_bytes"}, {"stat"}),
        ({"command"}, {"stat", "cmdline"}),
        ({"swap_bytes", "seccomp"}, {"stat", "status"}),
        ({"pss_bytes"}, {"stat", "smaps_rollup"}),
        ({"write_bytes_per_s"}, {"stat", "io"}),
        ({"fd_limit", "unit", "oom_score_adj"}, {"stat", "limits", "cgroup", "oom_score", "oom_score_adj"}),
    ):
        made = host(process(7))
        made.__class__ = Watched
        Watched.read_files = set()
        read.sample(made, read.ask_for(fields))
        assert Watched.read_files == files


STATUS = """Name:\tapp
VmSize:\t  1024 kB
VmRSS:\t  400 kB
RssAnon:\t  100 kB
RssFile:\t  200 kB
RssShmem:\t  100 kB
VmSwap:\t  50 kB
NoNewPrivs:\t1
Seccomp:\t2
voluntary_ctxt_switches:\t{voluntary}
nonvoluntary_ctxt_switches:\t{forced}
"""


def test_parts_of_a_row_from_their_files() -> None:
    def moment(voluntary: int, forced: int, written: int, **more: Any) -> Fake:
        files = {
            **process(7, majflt=voluntary),
            "/proc/7/status": STATUS.format(voluntary=voluntary, forced=forced),
            "/proc/7/io": f"rchar: 1\nwchar: 9\nread_bytes: 4096\nwrite_bytes: {written}\n",
            "/proc/7/smaps_rollup": "00-ff ---p 00000000 00:00 0 [rollup]\nRss: 400 kB\nPss: 300 kB\n"
            "Pss_Anon: 1 kB\nSwap: 50 kB\nSwapPss: 25 kB\n",
            "/proc/7/oom_score": "667\n",
            "/proc/7/oom_score_adj": "-998\n",
        }
        made = host(files, **more)
        made._links["/proc/7/ns/net"] = "net:[4026531840]"
        return made

    row = rows(moment(25, 4, 12288, mono=1002.0, earlier=moment(5, 4, 4096)))[7]
    assert (row.anon_bytes, row.file_bytes, row.shmem_bytes) == (102400, 204800, 102400)
    assert (row.swap_bytes, row.pss_bytes, row.swap_pss_bytes) == (51200, 307200, 25600)
    assert (row.seccomp, row.no_new_privs) == ("filter", True)
    assert (row.voluntary_switches_per_s, row.involuntary_switches_per_s) == (10.0, 0.0)
    assert (row.read_bytes_per_s, row.write_bytes_per_s, row.major_faults_per_s) == (0.0, 4096.0, 10.0)
    assert (row.oom_score, row.oom_score_adj) == (667, -998)
    assert (row.net_namespace, row.pid_namespace) == (4026531840, None)


def test_a_reused_pid_has_no_rates() -> None:
    before = host({**process(7, majflt=1), "/proc/7/io": "read_bytes: 1\nwrite_bytes: 1\n"})
    now = host(
        {**process(7, majflt=9, started=900), "/proc/7/io": "read_bytes: 9\nwrite_bytes: 9\n"},
        mono=1001.0,
        earlier=before,
    )
    row = rows(now)[7]
    assert (row.read_bytes_per_s, row.major_faults_per_s, row.voluntary_switches_per_s) == (None, None, None)


def test_a_kernel_thread_has_no_memory_and_a_denied_one_is_unknown() -> None:
    kernel = {**process(2, flags=0x200000), "/proc/2/status": "Name:\tkthreadd\n", "/proc/2/smaps_rollup": 3}
    hidden = {**process(7), "/proc/7/status": errno.EACCES, "/proc/7/smaps_rollup": errno.EACCES}
    found = rows(host(kernel, hidden))
    assert (found[2].anon_bytes, found[2].swap_bytes, found[2].pss_bytes) == (0, 0, 0)
    assert (found[7].anon_bytes, found[7].swap_bytes, found[7].pss_bytes) == (None, None, None)


def test_a_pid_that_is_another_process_by_the_second_look_is_not_described() -> None:
    now = read.sample(host(process(7)), read.Ask())
    data = read.build(now)
    other = host(process(7, started=999, cmdline=b"other\0"))
    read.complete(data.processes, read.details(other, now, read.ask_for({"command", "unit"}), [7]))
    assert (data.processes[0].command, data.processes[0].unit) == (None, None)
    same = host(process(7, cmdline=b"mine\0"))
    read.complete(data.processes, read.details(same, now, read.ask_for({"command", "unit", "user"}), [7]))
    assert (data.processes[0].command, data.processes[0].unit) == ("mine", "app.service")
    assert data.processes[0].user == "root"


def threaded(switches: int, load: str = "2.00 1 1 1/90 5", **more: Any) -> Fake:
    files = {
        **process(7, threads=2),
        "/proc/7/task/7/stat": stat_line(7),
        "/proc/7/task/8/stat": stat_line(8, state=b"D"),
        "/proc/7/task/8/wchan": "rpc_wait",
        "/proc/7/task/8/status": f"Name:\tw\nvoluntary_ctxt_switches:\t{switches}\n",
        "/proc/loadavg": load,
    }
    return host(files, **more)


@pytest.mark.parametrize(
    ("now", "load", "stuck"),
    [
        (5, "2.00 1 1 1/90 5", 1),
        (6, "2.00 1 1 1/90 5", 0),
        (5, "0.40 1 1 1/90 5", 0),
        (5, "2.00 1 1 3/90 5", 0),
    ],
)
def test_a_thread_in_d_behind_a_sleeping_leader(now: int, load: str, stuck: int) -> None:
    row = rows(threaded(now, load, mono=1001.0, earlier=threaded(5, load)))[7]
    assert (row.stuck_threads, row.thread_wchan) == (stuck, "rpc_wait" if stuck else None)


def test_a_watch_describes_again_what_changed_and_all_from_time_to_time() -> None:
    class Watched(Fake):
        described: list[str] = []

        def bulk(self, parent: str, entries: Any, files: Any, *, guarded: bool = False) -> Bulk:
            if "cmdline" in files:
                self.described = [*self.described, *entries]
            return super().bulk(parent, entries, files, guarded=guarded)

    def moment(mono: float, ticks: int, title: bytes) -> Any:
        made = host(process(7), process(8, ticks=ticks, cmdline=title), mono=mono)
        made.__class__ = Watched
        return made

    ask = read.ask_for(read.LIGHT_FIELDS)
    first = read.sample(moment(1000.0, 1, b"one\0"), ask)
    second_host = moment(1001.0, 2, b"two\0")
    second = read.sample(second_host, ask, first)
    assert second_host.described == ["8"]
    third_host = moment(1002.0, 2, b"three\0")
    third = read.sample(third_host, ask, second)
    assert third_host.described == []
    shown = {row.pid: row for row in read.build(third, second).processes}
    read.build(second, first)
    assert (shown[7].command, shown[8].command, shown[8].cpu_ratio) == ("app -x", "two", 0.0)
    assert (shown[8].unit, shown[8].user) == ("app.service", "root")
    late = read.sample(moment(1011.5, 2, b"three\0"), ask, third)
    assert {row.pid: row.command for row in read.build(late, third).processes} == {7: "app -x", 8: "three"}
    later = read.sample(moment(1012.5, 2, b"four\0"), ask, late)
    assert {row.pid: row.command for row in read.build(later, late).processes} == {7: "app -x", 8: "three"}


def test_an_unchanged_row_is_the_same_made_anew_or_again() -> None:
    ask = read.ask_for(read.LIGHT_FIELDS)
    samples = [read.sample(host(process(7, threads=2), mono=1000.0), ask)]
    for mono in (1001.0, 1002.0, 1003.0):
        samples.append(read.sample(host(process(7, threads=2), mono=mono), ask, samples[-1]))
    again = [read.build(now, before).processes[0] for before, now in itertools.pairwise(samples)]
    anew = read.build(
        read.sample(host(process(7, threads=2), mono=1003.0), ask),
        read.sample(host(process(7, threads=2), mono=1002.0), ask),
    ).processes[0]
    assert again[-1] == anew
    assert [row.age_s for row in again] == [1000.0, 1001.0, 1002.0]


_LOADS = ("0.10 0.10 0.10 1/100 99", "3.00 1 1 1/90 5")
_ONE = st.tuples(st.integers(1, 3), st.sampled_from([b"S", b"R", b"D"]), st.integers(1, 2), st.integers(0, 1))
_ROUND = st.tuples(
    st.dictionaries(st.integers(7, 11), _ONE, min_size=1),
    st.sampled_from(_LOADS),
    st.sampled_from([1, 4, 11]),
)


@settings(max_examples=60)
@given(st.lists(_ROUND, min_size=3, max_size=7), st.sampled_from([LIGHT, ALL]))
def test_rows_of_a_watch_are_those_of_two_readings(rounds: list[Any], ask: read.Ask) -> None:
    """Whoever comes, goes, runs, hangs or becomes another one: nothing of an older round shows."""
    mono, moments = 1000.0, []
    for there, load, step in rounds:
        mono += step
        made: dict[str, Any] = {"/proc/loadavg": load}
        for pid, (ticks, state, threads, began) in there.items():
            container = f"0::/docker/{str(ticks) * 64}\n"
            title = f"{ticks} {began}\0"
            made |= process(
                pid, cgroup=container, cmdline=title, state=state, ticks=ticks, threads=threads,
                started=100 + began, switches=len(moments) // 2, majflt=ticks, wchan="rpc_wait",
            )  # fmt: skip
            made |= {f"/proc/{pid}/task/{tid}/{file}": data for tid in (pid, 90 + pid) for file, data in (
                ("stat", stat_line(tid, state=b"D")), ("wchan", "rpc_wait"),
                ("status", f"Name:\tw\nvoluntary_ctxt_switches:\t{len(moments) // 3}\n"),
            )}  # fmt: skip
        uids = {pid: 33 * (one[0] % 2) for pid, one in there.items()}
        moments.append(host(made, mono=mono, uids=uids))
    last, before = None, None
    for moment in moments:
        now = read.sample(moment, ask, last)
        anew = read.sample(moment, ask)
        assert read.build(now, last) == read.build(anew, before)
        last, before = now, anew
