"""From a made-up /proc to one process."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oneprocess import LINKS, files, looked, made, made_of, status
from procfs import stat_line

from sretool.errors import Denied, Inconsistent, Missing, NotRecorded, UsageError
from sretool.host.fake import Fake
from sretool.host.source import Bulk
from sretool.procs.show import read, target
from sretool.procs.show.read import identity


def test_who_it_is() -> None:
    shown, _ = looked(made())
    one = shown.process
    assert (one.pid, one.comm, one.command) == (7, "app", "app --token=***")
    assert (one.exe, one.exe_deleted, one.cwd, one.root) == ("/usr/bin/app", True, "/srv", "/")
    assert (one.user, one.uids, one.groups, one.umask) == ("web", [33] * 4, [33, 44], "0022")
    assert (one.state, one.state_before, one.wchan) == ("sleeping", None, "ep_poll")
    assert (one.age_s, one.login_user, one.terminal, one.namespace_pids) == (999.0, None, None, [7])
    assert [(up.pid, up.comm, up.unit) for up in one.ancestors] == [(1, "systemd", "init.scope")]


def test_what_it_uses_and_may_use() -> None:
    shown, _ = looked(made())
    memory = shown.memory
    assert (memory.rss_bytes, memory.pss_bytes, memory.uss_bytes) == (1500 << 10, 900 << 10, 150 << 10)
    assert (memory.anon_bytes, memory.swap_bytes, memory.maps) == (116 << 10, None, 3)
    assert (memory.oom_score, memory.oom_score_adj, memory.host_ratio) == (666, -1000, 0.0938)
    limits = {one.name: (one.soft, one.hard, one.used) for one in shown.limits or ()}
    assert limits["cpu"] == (None, None, 1)
    assert limits["stack"] == (8388608, None, 132 << 10)
    assert limits["nofile"] == (10, 4096, 8)
    assert limits["nproc"] == (100, 200, 1)
    assert limits["memlock"] == (8388608, 8388608, 4096)
    assert limits["vm.max_map_count"] == (65530, None, 3)
    assert limits["kernel.threads-max"] == (1000, None, 300)
    assert (shown.limits or [None])[0].name == "nofile"  # type: ignore[union-attr]  # the nearest comes first
    assert (shown.cpu.cpu_ratio, shown.cpu.run_delay_ratio, shown.window_s) == (None, None, None)
    assert shown.cpu.cpus_allowed == "0-1"


def test_its_group_and_the_limit_that_binds() -> None:
    shown, _ = looked(made())
    assert shown.group is not None
    assert (shown.group.unit, shown.group.slice) == ("app.service", "system.slice")
    memory = next(one for one in shown.group.limits or () if one.resource == "memory")
    # its own limit is the smaller one, and leaves more
    assert (memory.path, memory.own_limit, memory.headroom) == ("/system.slice", 1000000, 100000)


def test_rates_of_two_readings() -> None:
    more = {"schedstat": "5500000000 1250000000 10\n", "status": status(rss=1600, switches=9)}
    io = "syscr: 10\nsyscw: 24\nread_bytes: 5120\nwrite_bytes: 8192\n"
    shown, _ = looked(made(ticks=150, io=io, **more, mono=1001.0, earlier=made()))
    assert (shown.window_s, shown.cpu.cpu_ratio, shown.cpu.user_ratio) == (1.0, 0.5, 0.5)
    assert (shown.cpu.run_delay_ratio, shown.cpu.voluntary_switches_per_s) == (0.25, 4.0)
    assert shown.io is not None
    assert (shown.io.read_bytes_per_s, shown.io.writes_per_s) == (1024.0, 4.0)
    assert shown.memory.growth_bytes_per_s == 100 << 10
    (thread,) = shown.threads.busiest
    assert (thread.tid, thread.cpu_ratio, thread.run_delay_ratio) == (7, 0.5, 0.25)


def test_another_process_by_the_same_number_makes_no_rates() -> None:
    shown, _ = looked(made(ticks=150, started=101, mono=1001.0, earlier=made()))
    assert (shown.window_s, shown.cpu.cpu_ratio, shown.io and shown.io.read_bytes_per_s) == (None, None, None)


def test_what_is_open() -> None:
    found = looked(made())[0].files
    assert found is not None
    assert found.kinds == {
        "file": 3, "device": 1, "pipe": 1, "eventpoll": 1, "memfd": 1, "directory": 1,
    }  # fmt: skip
    assert (found.total, found.deleted, found.deleted_bytes) == (8, 1, 1 << 20)
    first = found.open[0]
    assert (first.fd, first.path, first.deleted, first.size_bytes) == (2, "/tmp/gone", True, 1 << 20)
    log = next(row for row in found.open if row.fd == 1)
    assert (log.size_bytes, log.space_bytes, log.position_bytes, log.mount) == (5000, 8192, 2500, "/data")


def test_what_it_may_do() -> None:
    found = looked(made())[0].security
    assert found.capabilities is not None
    assert found.signals is not None
    assert found.capabilities.effective == ["net_bind_service"]
    assert found.capabilities.dropped == []
    assert len(found.capabilities.lacking or ()) == 40
    assert (found.signals.ignored, found.signals.caught) == (["PIPE"], ["INT"])
    assert (found.seccomp, found.no_new_privs, found.label) == ("filter", False, None)
    assert {one.name: one.shared for one in found.namespaces or ()} == {"net": True, "mnt": False}


def test_environment_only_when_asked_and_masked() -> None:
    assert not isinstance(looked(made())[0].environment, dict)
    shown, _ = looked(made(), environment=True)
    assert shown.environment == {"HOME": "/root", "DB_PASSWORD": "***"}
    assert identity.environment(None) is None


def test_threads_by_place_and_those_that_do_not_move() -> None:
    def threads(switches: int) -> dict[str, Any]:
        return {
            f"/proc/7/task/{tid}/{name}": data
            for tid, state in ((7, b"S"), (8, b"D"), (9, b"D"))
            for name, data in (
                ("stat", stat_line(tid, b"w%d" % tid, state, threads=3)),
                ("status", status(tid, switches=switches if tid == 9 else 5)),
                ("schedstat", "1 1 1\n"),
                ("wchan", "ep_poll" if tid == 7 else "io_schedule"),
            )
        }  # fmt: skip

    before = made_of({**files(threads=3), **threads(5)})
    now = made_of({**files(threads=3), **threads(6)}, mono=1001.0, earlier=before)
    found = looked(now)[0].threads
    assert (found.total, found.states) == (3, {"disk-sleep": 2, "sleeping": 1})
    assert [(one.wchan, one.threads) for one in found.waiting] == [("io_schedule", 2), ("ep_poll", 1)]
    assert [(one.tid, one.comm, one.stuck) for one in found.blocked] == [(8, "w8", True), (9, "w9", False)]


def test_a_kernel_thread_has_no_memory_and_no_files() -> None:
    raw = {"/proc/7/stat": stat_line(7, b"kworker", flags=0x200000), "/proc/7/status": "Threads:\t1\n"}
    shown, errors = looked(made_of(raw))
    assert shown.process.kernel
    assert (shown.process.command, shown.process.exe, shown.memory.rss_bytes) == (None, None, None)
    assert [error for error in errors if "/proc/7" in error.what] == []


class Careful(Fake):
    """Blocks for ever where the kernel would."""

    def bulk(
        self, parent: str, entries: Sequence[str], files: Sequence[str], *, guarded: bool = False
    ) -> Bulk:
        for file in files:
            assert guarded or file not in ("cmdline", "environ", "maps", "smaps_rollup", "io"), file
            assert file not in ("smaps_rollup", "maps") or entries != ["7"], "never in D state"
        return super().bulk(parent, entries, files, guarded=guarded)


def test_a_process_in_d_state_does_not_hold_us_up() -> None:
    fake = made(state=b"D")
    fake.__class__ = Careful
    shown, errors = looked(fake)
    assert (shown.memory.pss_bytes, shown.memory.maps, shown.process.command) == (
        None,
        None,
        "app --token=***",
    )
    assert any(error.what == "/proc/7/smaps_rollup" for error in errors)


def test_what_we_may_not_read_is_null_and_said_once() -> None:
    closed = ("io", "cmdline", "maps", "smaps_rollup")
    fake = made(**dict.fromkeys(closed, errno.EACCES))
    shown, errors = looked(fake)
    assert (shown.io, shown.process.command, shown.memory.pss_bytes, shown.memory.maps) == (None,) * 4
    denied = {error.what for error in errors if isinstance(error, Denied)}
    assert denied == {f"/proc/7/{name}" for name in closed}


def test_no_such_process() -> None:
    with pytest.raises(Missing, match="no such process"):
        looked(made(), 8)


def test_hidepid_is_not_taken_for_absence() -> None:
    fake = made(facts={"identity": {"uid": 1000}})
    fake._files["/proc/self/mountinfo"] = b"22 1 0:21 / /proc rw - proc proc rw,hidepid=invisible\n"
    with pytest.raises(Denied, match="hidepid"):
        looked(fake, 8)


def test_a_process_that_was_not_recorded() -> None:
    with pytest.raises(NotRecorded):
        looked(made_of({"/proc/7/stat": errno.ENODATA}))


def test_a_thread_is_no_process() -> None:
    fake = made_of({**files(), "/proc/7/status": status(6)})
    with pytest.raises(UsageError, match=r"thread of process 6 \(sretool procs show 6\)"):
        looked(fake)


def test_a_pid_that_became_another_process_meanwhile() -> None:
    fake = made()
    now = read.sample(fake, read.Ask(7))
    fake._files["/proc/7/stat"] = stat_line(7, started=500)
    with pytest.raises(Inconsistent, match="another process has its number"):
        read.state(fake, now)


def test_one_that_ends_meanwhile_is_shown_as_far_as_it_was_read() -> None:
    fake = made()
    now = read.sample(fake, read.Ask(7))
    del fake._files["/proc/7/stat"]
    state = read.state(fake, now)
    assert any("it ended while" in error.message for error in state.errors)
    assert read.build(now, None, state).process.comm == "app"


KMSG = b"""\
3,1,500000000,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,\
oom_memcg=/system.slice,task_memcg=%s,task=app,pid=90,uid=0
3,2,500000001,-;Memory cgroup out of memory: Killed process 90 (app) total-vm:1kB, anon-rss:4kB, \
file-rss:8kB, shmem-rss:0kB, UID:0 pgtables:1kB oom_score_adj:0
"""


@pytest.mark.parametrize(
    ("cgroup", "ours"),
    [(b"/system.slice/app.service", True), (b"/system.slice/app.service/below", True), (b"/b", False),
     (b"/system.slice/app.service2", False)],
)  # fmt: skip
def test_kills_of_its_group(cgroup: bytes, ours: bool) -> None:
    fake = made()
    fake._files["/dev/kmsg"] = KMSG % cgroup
    kills = looked(fake)[0].kills
    assert kills is not None
    assert [kill.pid for kill in kills] == ([90] if ours else [])
    if ours:
        assert (kills[0].comm, kills[0].rss_bytes) == ("app", 12 << 10)
        assert "/system.slice" in kills[0].limit


@pytest.mark.parametrize("given_", ["", "0", "000", "99999999"])
def test_what_is_no_pid(given_: str) -> None:
    with pytest.raises(UsageError):
        target.pid(made(), given_, [])


def test_a_process_by_name_and_by_unit() -> None:
    assert [target.pid(made(), name, []) for name in ("7", "app", "app.service", "systemd")] == [7, 7, 7, 1]
    with pytest.raises(Missing):
        target.pid(made(), "other", [])


@given(
    st.sampled_from(sorted(files())).filter(lambda path: not path.endswith("/stat")),
    st.binary(max_size=200),
)
def test_any_bytes_in_any_file(path: str, raw: bytes) -> None:
    looked(made_of({**files(), path: raw}), environment=True)


@given(st.sampled_from(sorted(LINKS)), st.text(max_size=40))
def test_any_target_of_any_link(path: str, target: str) -> None:
    fake = made()
    fake._links[path] = target
    looked(fake)
