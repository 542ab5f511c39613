"""What a watch keeps open, held against what is opened anew."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from cli import environment
from waiting import until

from sretool.host import kept, live
from sretool.host.kept import Watched
from sretool.host.live import Live
from sretool.host.source import pids


@contextmanager
def sleepers(count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    made = [subprocess.Popen(["sleep", "60"]) for _ in range(count)]
    try:
        yield made
    finally:
        for one in made:
            one.kill()
            one.wait()


def held() -> list[str]:
    """The processes whose stat this one has open."""
    mine = Live().links("/proc", [str(os.getpid())], "fd")[str(os.getpid())]
    assert isinstance(mine, dict)
    return sorted(
        path.split("/")[2] for path in mine.values() if path.endswith("/stat") and path[:6] == "/proc/"
    )


def state(source: Live, pid: str) -> bytes | int:
    raw = source.bulk("/proc", [pid], ["stat"])[pid][0]
    return raw if isinstance(raw, int) else raw.rpartition(b") ")[2][:1]


def test_what_is_open_is_read_anew_and_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Watched()
    with sleepers(2) as children:
        names = [str(child.pid) for child in children]
        until(lambda: {state(source, pid) for pid in names} == {b"S"})
        assert held() == sorted(names)
        opened: list[str] = []
        real = os.open

        def counted(path: str, *how: int) -> int:
            opened.append(path)
            return real(path, *how)

        monkeypatch.setattr(os, "open", counted)
        found = source.bulk("/proc", names, ["stat"])
        assert opened == []
        assert found == Live().bulk("/proc", names, ["stat"])
        os.kill(children[0].pid, signal.SIGSTOP)
        until(lambda: state(source, names[0]) == b"T")
        assert state(source, names[1]) == b"S"
        assert source.bulk("/proc", names, ["stat", "cgroup", "absent"]) == Live().bulk(
            "/proc", names, ["stat", "cgroup", "absent"]
        )
        assert held() == sorted(names)


def test_other_files_are_read_as_ever() -> None:
    source, me = Watched(), str(os.getpid())
    assert source.bulk("/proc", [me], ["comm", "stat"]).keys() == {me}
    assert source.bulk("/proc", [me], ["stat"], guarded=True).keys() == {me}
    assert source.bulk(f"/proc/{me}/task", [me], ["stat"]).keys() == {me}
    assert source.bulk("/proc", [me], []) == {me: ()}
    assert held() == []


def test_who_ended_is_closed_and_who_is_new_is_read() -> None:
    source = Watched()
    with sleepers(2) as (first, second):
        source.bulk("/proc", [str(first.pid)], ["stat"])
        first.kill()
        until(lambda: state(source, str(first.pid)) == b"Z")
        first.wait()
        names = [str(first.pid), str(second.pid)]
        found = source.bulk("/proc", names, ["stat"])
        assert found[names[0]] == (errno.ENOENT,)
        assert isinstance(found[names[1]][0], bytes)
        assert held() == [names[1]], "it was read once more and found gone"
    assert held() == [names[1]], "nobody asked of it since it ended"
    pids(source)
    assert held() == []


def test_all_are_closed_with_it() -> None:
    source, me = Watched(), str(os.getpid())
    source.bulk("/proc", [me], ["stat"])
    assert held() == [me]
    del source
    assert held() == []


REUSED = """
import os, signal, time
from pathlib import Path
from sretool.host.kept import Watched
from sretool.procs.stat import parse

def child():
    pid = os.fork()
    if pid == 0:
        signal.pause()
    return pid

def started():
    return parse(source.bulk("/proc", [str(pid)], ["stat"])[str(pid)][0], "").started_ticks

source, pid = Watched(), child()
before = started()
os.kill(pid, signal.SIGKILL)
os.waitpid(pid, 0)
while time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK") < before + 2:
    pass
Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
assert child() == pid
assert str(pid) in source.listdir("/proc")
assert started() > before
assert len([name for name in os.listdir("/proc/self/fd") if int(name) > 2]) == 2  # that, and the listing
os.kill(pid, signal.SIGKILL)
"""


def test_a_pid_in_use_again_is_another_process() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to say which pid comes next")
    argv = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", REUSED]
    done = subprocess.run(argv, capture_output=True, text=True, env=environment(), check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("most", [64, 20])
def test_with_few_descriptors_all_are_read_and_most_not_kept(most: int) -> None:
    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    with sleepers(80) as children:
        watch = "procs list -w --jsonl --sample 0.2 --count 2 --fields pid,command,cpu_ratio,fds"
        argv = [sys.executable, "-m", "sretool", *watch.split()]
        done = subprocess.run(
            argv, capture_output=True, text=True, env=environment(), preexec_fn=few, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        for answer in map(json.loads, done.stdout.splitlines()):
            assert (answer["status"], answer["errors"]) == ("ok", [])
            rows = {row["pid"]: row for row in answer["data"]["processes"]}
            for child in children:
                assert rows[child.pid] == {
                    "pid": child.pid,
                    "command": "sleep 60",
                    "cpu_ratio": 0.0,
                    "fds": 3,
                }


@pytest.fixture
def lowest() -> Iterator[int]:
    """The lowest free descriptor, above which all are free."""
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    taken = [os.open("/dev/null", os.O_RDONLY)]
    while taken[-1] < highest:
        taken.append(os.open("/dev/null", os.O_RDONLY))
    free = taken.pop()
    os.close(free)
    yield free
    for fd in taken:
        os.close(fd)


def test_a_quarter_of_the_descriptors_stays_free(monkeypatch: pytest.MonkeyPatch, lowest: int) -> None:
    monkeypatch.setattr(kept.resource, "getrlimit", lambda _: ((lowest + 2) * 4 // 3 + 1, 1 << 20))
    source = Watched()
    with sleepers(5) as children:
        names = [str(child.pid) for child in children]
        for _ in range(2):
            found = source.bulk("/proc", names, ["stat"])
            assert all(isinstance(found[pid][0], bytes) for pid in names)
            assert held() == sorted(names[:2])
    monkeypatch.setattr(kept.resource, "getrlimit", lambda _: (1 << 20, 1 << 20))
    assert Watched()._below == kept.MOST


def test_what_cannot_be_opened_is_its_errno(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: str, *how: int) -> int:
        raise OSError(errno.EMFILE, "too many")

    monkeypatch.setattr(live.os, "open", refused)
    assert Watched().bulk("/proc", ["1"], ["stat"]) == {"1": (errno.EMFILE,)}
