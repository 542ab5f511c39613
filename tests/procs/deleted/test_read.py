"""Deleted files from links, stat and mounts."""

from __future__ import annotations

import errno
import os
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sretool.errors import Missing
from sretool.host.fake import Fake
from sretool.host.source import Stat, StatVfs
from sretool.procs.deleted import read
from sretool.procs.deleted.model import Deleted
from sretool.procs.deleted.places import device_of
from sretool.procs.deleted.read import MARK

HERE = """\
27 1 254:1 / / rw - ext4 /dev/vda1 rw
28 27 254:2 / /var rw - xfs /dev/vda2 rw
29 28 254:2 /lib/x /srv/bind rw - xfs /dev/vda2 rw
31 27 0:40 / /mnt/nfs rw - nfs4 filer:/export rw
40 28 0:50 / /var/lib/docker/overlay2/a/merged rw - overlay overlay \
rw,lowerdir=/var/lib/docker/l,upperdir=/var/lib/docker/overlay2/a/diff,workdir=/var/lib/docker/w
"""
THERE = """\
500 499 0:50 / / rw - overlay overlay rw,lowerdir=/x,upperdir=/var/lib/docker/overlay2/a/diff,workdir=/y
501 500 254:2 /volumes/v /data rw - xfs /dev/vda2 rw
502 500 0:77 / /run/secrets rw - tmpfs tmpfs rw
"""
ROOT, VAR = os.makedev(254, 1), os.makedev(254, 2)
SPACE = StatVfs(4096, 1000, 500, 250, 100, 50, 50, 0)


def gone(inode: int, device: int = VAR, *, blocks: int = 8, size: int = 100, links: int | None = 0) -> Stat:
    return Stat(0o100644, inode, device, 0, size, blocks, 0.0, links)


class Host:
    """Processes and what they hold; each fd is (target, stat, mount id)."""

    def __init__(self) -> None:
        self.files: dict[str, Any] = {"/proc/self/mountinfo": HERE}
        self.links: dict[str, str] = {}
        self.stats: dict[str, Stat] = {}

    def process(
        self, pid: int, fds: dict[int, tuple[str, Stat, int]], cgroup: str = "/system.slice/app.service"
    ) -> Host:
        self.files |= {f"/proc/{pid}/comm": f"app{pid}\n", f"/proc/{pid}/cgroup": f"0::{cgroup}\n"}
        self.links[f"/proc/{pid}/fd/0"] = "/dev/null"
        for fd, (target, stat, mount) in fds.items():
            self.links[f"/proc/{pid}/fd/{fd}"] = target
            self.stats[f"/proc/{pid}/fd/{fd}"] = stat
            self.files[f"/proc/{pid}/fdinfo/{fd}"] = f"pos:\t0\nflags:\t02\nmnt_id:\t{mount}\n"
        return self

    def answer(self, ask: read.Ask | None = None, mount: str | None = None) -> Deleted:
        fake = Fake(self.files, links=self.links, stats=self.stats, statvfs={"/": SPACE, "/var": SPACE})
        return read.build(read.sample(fake, ask or read.Ask()), mount)


def test_a_file_is_counted_once_and_its_holders_are_named() -> None:
    log = ("/var/log/app.log (deleted)", gone(5, blocks=80), 28)
    temp = ("/var/tmp/t (deleted)", gone(6, blocks=8), 29)
    host = Host().process(10, {3: log, 4: log}).process(11, {7: log}).process(12, {1: log, 2: temp})
    found = host.answer()
    assert [(file.path, file.pids, file.fd) for file in found.files] == [
        ("/var/log/app.log", [10, 11, 12], 3),
        ("/var/tmp/t", [12], 2),
    ]
    (held,) = found.filesystems
    assert (held.mount, held.type, held.held_bytes, held.files, held.processes) == (
        "/var",
        "xfs",
        45056,
        2,
        3,
    )
    assert (held.total_bytes, held.available_bytes, held.held_ratio) == (4096000, 1024000, 0.011)
    first, second = found.holders
    assert (first.pid, first.files, first.space_bytes, first.processes, first.path) == (
        12,
        2,
        45056,
        1,
        "/var/log/app.log",
    )
    # a server and its worker hold the same: one row
    assert (second.pid, second.files, second.processes, second.fd) == (10, 1, 2, 3)
    assert second.called == "app10 (app.service)".replace(" (", "[10] (")
    assert "truncate -s 0 /proc/10/fd/3" in second.remedy


def test_a_name_that_ends_so_and_a_file_with_another_name_are_not_deleted() -> None:
    host = Host().process(
        10,
        {
            3: ("/var/really (deleted)", gone(5, links=1), 28),
            4: ("/var/linked (deleted)", gone(6, links=2), 28),
            5: ("/var/old recording (deleted)", gone(7, links=None), 28),
        },
    )
    found = host.answer()
    assert (found.files, found.filesystems, found.holders, found.processes) == ([], [], [], 1)


def test_memory_is_no_disk() -> None:
    own = os.makedev(0, 1)
    host = Host().process(
        10,
        {
            3: ("/memfd:x (deleted)", gone(5, own, blocks=16), 9),
            4: ("/SYSV00000000 (deleted)", gone(6, own, blocks=16), 9),
            # a file of that name on a disk is one
            5: ("/memfd:y (deleted)", gone(7, ROOT), 27),
        },
    )
    found = host.answer()
    assert (found.memory_files, found.memory_bytes) == (2, 16384)
    assert [(file.path, file.mount) for file in found.files] == [("/memfd:y", "/")]


def test_a_containers_files_are_where_their_space_is() -> None:
    host = Host().process(
        10,
        {
            3: ("/var/log/in (deleted)", gone(5, os.makedev(0, 50)), 500),
            4: ("/data/x (deleted)", gone(6), 501),
            5: ("/run/secrets/s (deleted)", gone(7, os.makedev(0, 77)), 502),
            6: ("/elsewhere (deleted)", gone(8, os.makedev(0, 99)), 999),
        },
    )
    host.files["/proc/10/mountinfo"] = THERE
    found = host.answer()
    assert {file.path: file.mount for file in found.files} == {
        "/var/log/in": "/var",
        "/data/x": "/var",
        "/run/secrets/s": "/run/secrets",
        "/elsewhere": None,
    }
    assert {row.mount: row.here for row in found.filesystems} == {
        "/var": True,
        "/run/secrets": False,
        None: False,
    }
    assert [row.total_bytes for row in found.filesystems if not row.here] == [None, None]


def test_one_filesystem_can_be_asked_for() -> None:
    host = Host().process(10, {3: ("/a (deleted)", gone(5, ROOT), 27), 4: ("/var/b (deleted)", gone(6), 28)})
    assert [row.path for row in host.answer(mount="/var/").holders] == ["/var/b"]
    assert [row.path for row in host.answer(mount="/").holders] == ["/a"]
    assert host.answer(mount="/srv/bind").holders == []


def test_executables_and_maps() -> None:
    host = Host().process(10, {3: ("/var/lib.so (deleted)", gone(5), 28)})
    host.links["/proc/10/exe"] = "/usr/bin/app (deleted)"
    host.stats["/proc/10/exe"] = gone(50, ROOT)
    host.files["/proc/10/stat"] = b"10 (app) S 1"
    host.files["/proc/10/maps"] = (
        "00400000-00401000 r-xp 00000000 fe:01 50    /usr/bin/app (deleted)\n"
        "7f00-7f01 r--p 00000000 fe:01 60      /usr/lib/old one.so (deleted)\n"
        "7f01-7f02 r-xp 00001000 fe:01 60      /usr/lib/old one.so (deleted)\n"
        "7f05-7f06 rw-s 00000000 00:01 61      /memfd:z (deleted)\n"
        "7f09-7f0a rw-p 00000000 00:00 0 \n"
    )
    host.stats["/proc/10/map_files/400000-401000"] = gone(50, ROOT)
    host.stats["/proc/10/map_files/7f00-7f01"] = gone(60, ROOT)
    host.stats["/proc/10/map_files/7f05-7f06"] = gone(61, os.makedev(0, 1))
    assert [(file.path, file.how) for file in host.answer().files] == [
        ("/usr/bin/app", "executable"),
        ("/var/lib.so", "open"),
    ]
    found = host.answer(read.Ask(mapped=True))
    assert [(file.path, file.how, file.fd) for file in found.files] == [
        ("/usr/bin/app", "executable", None),
        ("/usr/lib/old one.so", "mapped", None),
        ("/var/lib.so", "open", 3),
    ]
    assert found.memory_files == 1
    assert "restart app.service: it runs a file" in found.holders[0].remedy


def test_what_could_not_be_looked_at_is_told() -> None:
    class Closed(Fake):
        def links(self, parent: str, entries: Any, directory: str) -> Any:
            return {entry: errno.EACCES if entry == "11" else {} for entry in entries}

    fake = Closed({"/proc/10/stat": "", "/proc/11/stat": "", "/proc/self/mountinfo": HERE})
    now = read.sample(fake, read.Ask())
    assert [error.message for error in now.errors] == ["files of 1 of 2 processes could not be looked at"]
    assert (read.build(now).processes, read.build(now).unseen) == (1, 1)


def test_a_dead_mount_costs_its_own_part() -> None:
    class Dead(Fake):
        def stats(self, paths: Any, timeout_s: float = 1.0) -> Any:
            return {p: errno.ETIMEDOUT if p.endswith("/4") else gone(5) for p in paths}

    host = Host().process(10, {3: ("/var/a (deleted)", gone(5), 28), 4: ("/n (deleted)", gone(6), 31)})
    now = read.sample(Dead(host.files, links=host.links), read.Ask())
    assert [row.path for row in read.build(now).files] == ["/var/a"]
    assert ["did not answer" in error.message for error in now.errors] == [True]


def test_device_numbers_are_those_of_makedev() -> None:
    for major, minor in ((254, 1), (0, 50), (4095, 255), (8, 1048575), (259, 4096)):
        device = os.makedev(major, minor)
        assert device_of(gone(1, device)) == f"{major}:{minor}"
    assert struct.calcsize("=6QdQ") == 64


words = st.integers(-(1 << 63), (1 << 64) - 1)
targets = st.text("ab/\udc80 \x1b", max_size=8) | st.sampled_from(
    ["/var/x (deleted)", "/\udc80 (deleted)", "/memfd: (deleted)", MARK]
)


@given(
    st.dictionaries(st.sampled_from(["0", "7", "²", "x", "9" * 30, ""]), targets),
    st.tuples(words, words, words, words, words, words, st.floats(), st.none() | st.sampled_from([0, 1])),
    st.binary(max_size=60)
    | st.sampled_from([b"mnt_id:\t28\n", b"mnt_id:\t999\n", b"mnt_id:\n", b"mnt_id:\t-1"]),
    st.binary(max_size=60) | st.sampled_from([HERE.encode(), THERE.encode()]),
    st.binary(max_size=80),
)
def test_whatever_a_recording_holds(
    fds: dict[str, str], stat: Any, fdinfo: bytes, mounts: bytes, maps: bytes
) -> None:
    class Recorded(Fake):
        def stats(self, paths: Any, timeout_s: float = 1.0) -> Any:
            return dict.fromkeys(paths, Stat(*stat))

        def bulk(self, parent: str, entries: Any, files: Any, *, guarded: bool = False) -> Any:
            raw = {"maps": maps + b"\n0-1 r w 0 0 /x (deleted)", "mountinfo": mounts}
            return {entry: tuple(raw.get(file, fdinfo) for file in files) for entry in entries}

    links = {f"/proc/10/fd/{fd}": target for fd, target in fds.items()}
    host = Recorded({"/proc/10/stat": "", "/proc/self/mountinfo": mounts}, links=links)
    found = read.build(read.sample(host, read.Ask(mapped=True)))
    msgspec.json.encode(found)
    assert len(found.files) <= 1  # all are of one device and inode


@pytest.mark.parametrize(
    ("point", "hint"), [("/var/log", "it is on the filesystem of /var"), ("var", "findmnt")]
)
def test_a_folder_is_no_mount_point(point: str, hint: str) -> None:
    with pytest.raises(Missing, match="nothing is mounted there") as refused:
        Host().answer(mount=point)
    assert refused.value.hint.startswith(hint)
