"""The live host's verbs against the standard library."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sretool.errors import Denied, Missing, SourceError, Stalled, Unsupported
from sretool.host import live as live_module
from sretool.host.live import Live

live = Live()


def test_read_gives_whole_files_also_those_longer_than_a_page(tmp_path: Path) -> None:
    long = tmp_path / "long"
    long.write_bytes(os.urandom(300_000))
    assert live.read(str(long)) == long.read_bytes()
    bulk = live.bulk(str(tmp_path), ["."], ["long", "absent"])
    assert bulk == {".": (long.read_bytes(), errno.ENOENT)}


def test_failures_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(Missing):
        live.read(str(tmp_path / "absent"))
    with pytest.raises(SourceError):
        live.read(str(tmp_path))
    if os.geteuid() != 0:
        locked = tmp_path / "locked"
        locked.touch(mode=0)
        with pytest.raises(Denied):
            live.read(str(locked))
    with pytest.raises(Unsupported):
        live.fact("no such fact")


def test_a_fifo_nobody_writes_to_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert live.read(str(tmp_path / "fifo")) == b""


def test_walk_lists_parents_before_children_and_follows_no_links(tmp_path: Path) -> None:
    (tmp_path / "b" / "inner").mkdir(parents=True)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "file").touch()
    assert live.walk(str(tmp_path)) == [".", "a", "b", "b/inner"]
    (tmp_path / "b-c").mkdir()  # "-" comes before "/"
    assert live.walk(str(tmp_path)) == [".", "a", "b", "b/inner", "b-c"]
    with pytest.raises(Missing):
        live.walk(str(tmp_path / "absent"))


@pytest.mark.parametrize("links", [1, 2])
def test_walk_goes_by_no_link_count_where_the_filesystem_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: int
) -> None:
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    (tmp_path / "d").mkdir()
    real = os.stat

    def stat(path: str, **how: Any) -> os.stat_result:
        found = list(real(path, **how))
        found[3] = links
        return os.stat_result(found)

    monkeypatch.setattr(os, "stat", stat)
    assert Live().walk(str(tmp_path)) == [".", "a", "a/b", "a/b/c", "d"]


def test_walk_of_control_groups_finds_what_find_does() -> None:
    root = "/sys/fs/cgroup"
    if not os.path.isdir(root):
        pytest.skip("no control groups are mounted")

    def found() -> list[str]:
        done = subprocess.run(
            ["find", root, "-type", "d", "-printf", "%P\n"], capture_output=True, check=False
        )
        return sorted(os.fsdecode(line) or "." for line in done.stdout.splitlines())

    before, ours, after = found(), sorted(Live().walk(root)), found()
    assert set(before) & set(after) <= set(ours) <= set(before) | set(after)


def test_statvfs_agrees_with_the_library() -> None:
    found = live.statvfs(["/", "/nowhere"])
    ours, theirs = found["/"], os.statvfs("/")
    assert not isinstance(ours, int)
    assert (ours.block_bytes, ours.blocks, ours.inodes) == (theirs.f_frsize, theirs.f_blocks, theirs.f_files)
    assert found["/nowhere"] == errno.ENOENT


def test_a_log_that_runs_over_while_it_is_read_is_read_on(monkeypatch: pytest.MonkeyPatch) -> None:
    given = iter([b"one\n", BrokenPipeError(), b"two\n", BlockingIOError()])

    def read(fd: int, size: int) -> bytes:
        item = next(given)
        if isinstance(item, OSError):
            raise item
        return item

    monkeypatch.setattr(live_module.os, "read", read)
    assert live_module._rest(0, b"") == b"one\ntwo\n"


def test_guarded_bulk_gives_what_bulk_gives() -> None:
    me = str(os.getpid())
    files = ["comm", "cmdline", "absent"]
    assert live.bulk("/proc", [me], files, guarded=True) == live.bulk("/proc", [me], files)


def test_commands_have_a_deadline_and_a_fixed_environment() -> None:
    done = live.run(["sh", "-c", "echo $LC_ALL; echo oops >&2; exit 3"])
    assert (done.exit_code, done.stdout, done.stderr) == (3, b"C\n", b"oops\n")
    with pytest.raises(Stalled):
        live.run(["sleep", "60"], timeout_s=0.1)
    with pytest.raises(Missing):
        live.run(["no-such-command-here"])


def test_facts_are_json() -> None:
    identity = json.loads(live.fact("identity"))
    assert identity["uid"] == os.geteuid()
    assert identity["clock_ticks_per_s"] == os.sysconf("SC_CLK_TCK")
    assert json.loads(live.fact("user", "0")) == "root"
    assert json.loads(live.fact("user", "4242424")) is None
    assert json.loads(live.fact("adjtimex")).keys() >= {"status", "max_error_us", "offset"}


def test_fd_links_show_our_own_files(tmp_path: Path) -> None:
    me = str(os.getpid())
    with (tmp_path / "open").open("w") as file:
        links = live.links("/proc", [me, "999999999"], "fd")
        mine = links[me]
        assert not isinstance(mine, int)
        assert mine[str(file.fileno())] == str(tmp_path / "open")
    assert links["999999999"] in (errno.ENOENT, errno.ESRCH)


def test_stats_follow_a_link_to_a_file_without_a_name(tmp_path: Path) -> None:
    with (tmp_path / "gone").open("wb") as file:
        file.write(b"x" * 10_000)
        file.flush()
        link = f"/proc/{os.getpid()}/fd/{file.fileno()}"
        assert live.stats([link])[link] == live.stat(link)
        (tmp_path / "gone").unlink()
        found = live.stats([link, str(tmp_path / "gone")])
        stat, theirs = found[link], os.fstat(file.fileno())
    assert not isinstance(stat, int)
    assert (stat.links, stat.inode, stat.device, stat.size_bytes) == (0, theirs.st_ino, theirs.st_dev, 10_000)
    assert found[str(tmp_path / "gone")] == errno.ENOENT
    assert live.stats([]) == {}


def test_after_three_files_that_hang_no_more_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def in_child(work: object, paths: list[str], timeout_s: float) -> Iterator[int]:
        for path in paths:
            asked.append(path)
            yield errno.ETIMEDOUT if path != "b" else errno.ENOENT

    monkeypatch.setattr(live_module, "in_child", in_child)
    found = live.stats(["a", "b", "c", "d", "e", "f"])
    assert asked == ["a", "b", "c", "d"]
    assert list(found.values()) == [errno.ETIMEDOUT, errno.ENOENT, *[errno.ETIMEDOUT] * 4]
