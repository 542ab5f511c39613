"""Bytes of the kernel, documented, odd and hostile."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hosts import MOUNTINFO, diskstats, meminfo, space, stat, vmstat
from hypothesis import given
from hypothesis import strategies as st

from sretool.errors import ParseError
from sretool.host import mountinfo, oom
from sretool.host.fake import Fake
from sretool.host.source import Completed, StatVfs
from sretool.triage.read import clock, cpu, disks, files, filesystems, memory, units

PARSERS: list[tuple[Callable[[bytes], Any], str]] = [
    (cpu.parse_stat, stat()),
    (cpu.parse_load, "0.1 0.2 0.3 1/2 3"),
    (memory.parse_meminfo, meminfo()),
    (memory.parse_vmstat, vmstat()),
    (oom.parse_oom_kills, "3,10,5,-;Out of memory: Killed process 9 (a) total-vm:1\n"),
    (disks.parse_diskstats, diskstats()),
    (files.parse_file_nr, "1 0 10"),
    (mountinfo.parse_mountinfo, MOUNTINFO),
    (filesystems.parse_fstab, "/dev/x / ext4 defaults 0 1"),
    (clock.parse_adjtimex, '{"status": 1, "offset": 2, "max_error_us": 3}'),
    (lambda raw: units.parse_failed(Completed(0, raw, b"")), "a.service loaded failed failed A\n"),
]


@pytest.mark.parametrize(("parse", "good"), PARSERS)
@given(data=st.data())
def test_hostile_bytes_raise_nothing_but_parse_error(
    parse: Callable[[bytes], Any], good: str, data: st.DataObject
) -> None:
    raw = bytearray(good.encode())
    if data.draw(st.booleans()):
        raw = bytearray(data.draw(st.binary(max_size=200)))
    else:
        for _ in range(data.draw(st.integers(1, 5))):
            at = data.draw(st.integers(0, len(raw)))
            raw[at : at + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=10))
    try:
        parse(bytes(raw))
    except ParseError:
        pass


@pytest.mark.parametrize(("parse", "good"), PARSERS)
def test_documented_form_parses(parse: Callable[[bytes], Any], good: str) -> None:
    assert parse(good.encode())


def test_counters_that_step_back_give_no_negative_share() -> None:
    now, before = cpu.parse_stat(stat(idle=-50, user=10).encode()), cpu.parse_stat(stat().encode())
    use = cpu.use(now, before)
    assert use is not None
    assert use.busy_ratio == 1.0


def test_disk_times_wrap_at_32_bits() -> None:
    old = disks.parse_diskstats(b" 8 0 sda 10 0 0 4294967290 0 0 0 0 0 4294967290 4294967290\n")
    new = disks.parse_diskstats(b" 8 0 sda 20 0 0 94 0 0 0 0 0 94 94\n")
    (disk,) = disks.rates(new, old, ["sda"], 1.0)
    assert disk.read_await_ms == 10.0
    assert disk.utilisation_ratio == 0.1
    assert disk.write_await_ms is None


def test_a_disk_made_anew_has_no_rates() -> None:
    old = disks.parse_diskstats(b" 8 0 sda 900 0 0 1 0 0 0 0 0 1 1\n")
    new = disks.parse_diskstats(b" 8 0 sda 2 0 0 1 0 0 0 0 0 1 1\n")
    assert disks.rates(new, old, ["sda"], 1.0) == []


def test_whole_disks_leaves_out_what_has_no_queue_of_its_own() -> None:
    names = ["dm-0", "loop0", "nvme0n1", "ram1", "sda", "zram0"]
    assert disks.whole_disks(names, {"dm-0"}) == ["nvme0n1", "sda"]


def mount(line: str) -> mountinfo.Mount:
    return mountinfo.parse_mountinfo(line.encode())[0]


def test_hidden_mounts_are_not_asked() -> None:
    mounts = mountinfo.parse_mountinfo(
        b"1 0 8:1 / / rw - ext4 /dev/a rw\n"
        b"2 1 8:2 / /srv rw - ext4 /dev/b rw\n"
        b"3 2 8:3 / /srv/deep rw - ext4 /dev/c rw\n"
        b"4 2 8:4 / /srv rw - ext4 /dev/d rw\n"  # stacked on 2: hides it and what lies below it
        b"5 4 8:5 / /srv/other rw - ext4 /dev/e rw\n"
    )
    assert [found.source for found in mountinfo.visible(mounts)] == ["/dev/a", "/dev/d", "/dev/e"]


def test_the_kernels_own_stack_of_mounts() -> None:
    mounts = mountinfo.parse_mountinfo(
        b"24 27 0:6 / /dev rw - devtmpfs devtmpfs rw\n"
        b"25 24 0:23 / /dev/shm rw - tmpfs old rw\n"
        b"27 1 254:0 / / rw - ext4 /dev/vda rw\n"
        b"30 25 0:27 / /dev/shm rw - tmpfs new rw\n"
    )
    assert [found.source for found in mountinfo.visible(mounts)] == ["devtmpfs", "/dev/vda", "new"]


def test_each_filesystem_once_by_its_best_name() -> None:
    mounts = [
        mount("1 0 8:1 /sub /bind rw - ext4 /dev/a rw"),
        mount("2 0 8:1 / /data ro - ext4 /dev/a rw"),
        mount("3 0 8:1 / /much/longer rw - ext4 /dev/a rw"),
        mount("4 0 0:5 / /proc rw - proc proc rw"),
        mount("5 0 7:1 / /snap/x ro - squashfs /dev/loop1 ro"),
    ]
    assert [found.point for found in filesystems.with_capacity(mounts)] == ["/much/longer"]


def test_overlay_is_counted_only_where_its_own_filesystem_is_unseen() -> None:
    root = mount("1 0 8:1 / / rw - ext4 /dev/a rw")
    overlay = mount("2 1 0:50 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw")
    full = space(available=0)
    both = filesystems.spaces([root, overlay], {root.point: full, overlay.point: full})
    assert [found.mount.type for found in both.spaces] == ["ext4"]
    alone = filesystems.spaces([overlay], {overlay.point: full})
    assert [found.mount.type for found in alone.spaces] == ["overlay"]


def test_statvfs_answers_are_told_apart() -> None:
    names = ("good", "dead", "gone", "denied")
    mounts = [mount(f"{i} 0 8:{i} / /{name} rw - nfs4 s:/{name} rw") for i, name in enumerate(names)]
    found = filesystems.spaces(
        mounts,
        {"/good": space(), "/dead": errno.ETIMEDOUT, "/gone": errno.ENOENT, "/denied": errno.EACCES},
    )
    assert [item.mount.point for item in found.spaces] == ["/good"]
    assert [item.point for item in found.hung] == ["/dead"]
    assert [(item.point, number) for item, number in found.unread] == [("/denied", errno.EACCES)]


def test_a_dead_server_costs_one_wait() -> None:
    lines = ["1 0 8:1 / / rw - ext4 /dev/a rw"]
    sources = ["filer:/a", "filer:/b", "filer:/c", "other:/a", "other:/b", "//smb/x", "//smb/y"]
    lines += [f"{i} 1 0:{i} / /m{i} rw - nfs4 {name} rw" for i, name in enumerate(sources, 2)]
    mounts = mountinfo.parse_mountinfo("\n".join(lines).encode())
    asked: list[tuple[str, ...]] = []

    class Host(Fake):
        def statvfs(self, paths: Sequence[str], timeout_s: float = 2.0) -> dict[str, StatVfs | int]:
            asked.append(tuple(paths))
            return super().statvfs(paths, timeout_s)

    answers: dict[str, StatVfs | int] = {found.point: space() for found in mounts}
    answers["/m2"] = errno.ETIMEDOUT
    found = filesystems.ask_space(Host(statvfs=answers), mounts, 1.0)
    assert asked == [("/",), ("/m2",), ("/m5",), ("/m6",), ("/m7",), ("/m8",)]
    assert (found["/m3"], found["/m4"]) == (errno.EHOSTDOWN, errno.EHOSTDOWN)
    assert all(isinstance(found[f"/m{i}"], StatVfs) for i in (5, 6, 7, 8))


def test_octal_escapes_and_optional_fields() -> None:
    found = mount(r"36 35 98:0 /a\040b /mnt\011x rw,noatime master:1 shared:2 - ext3 /dev/r\134x rw,errors=c")
    assert (found.root, found.point, found.source) == ("/a b", "/mnt\tx", "/dev/r\\x")
    assert "errors=c" in found.super_options
