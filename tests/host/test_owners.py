from __future__ import annotations

import errno
from collections.abc import Sequence

import pytest

from sretool.host import owners
from sretool.host.fake import Fake
from sretool.host.source import Stat


class Counting(Fake):
    """Remembers whose fd directories were read."""

    def __init__(self, links, files=None, refused=(), missing=errno.EACCES, **more) -> None:
        names = {path.split("/")[2] for path in links} | set(refused)
        super().__init__(
            {**{f"/proc/{n}/comm": f"p{n}\n" for n in names}, **(files or {})}, links=links, **more
        )
        self.refused = set(refused)
        self.why = missing
        self.looked: list[str] = []

    def links(self, parent: str, entries: Sequence[str], directory: str):
        self.looked += entries
        found = super().links(parent, entries, directory)
        return {name: self.why if name in self.refused else targets for name, targets in found.items()}


def fds(**held: int) -> dict[str, str]:
    return {f"/proc/{pid[1:]}/fd/3": f"socket:[{inode}]" for pid, inode in held.items()}


def test_the_scan_stops_when_all_are_found():
    many = {f"/proc/{100 + n}/fd/0": f"socket:[{n}]" for n in range(1000)}
    source = Counting(many)
    found = owners.find(source, [0, 5])
    assert found.by_inode == {0: 100, 5: 105}
    assert len(source.looked) == owners.PIDS_PER_CALL
    owners.find(source, [0], every=True)
    assert len(source.looked) == owners.PIDS_PER_CALL + 1000


def test_nothing_wanted_is_nothing_read():
    source = Counting(fds(p7=1))
    assert owners.find(source, []) == owners.Owners({}, {}, set(), 0)
    assert source.looked == []


def test_init_is_asked_last():
    assert owners.find(Counting(fds(p1=9, p50=9)), [9]).by_inode == {9: 50}
    assert owners.find(Counting(fds(p1=9, p50=8)), [9]).by_inode == {9: 1}


def test_a_process_that_ended_leaves_its_pid_only():
    found = owners.find(Counting(fds(p7=1), files={"/proc/7/comm": errno.ESRCH}), [1])
    assert found.processes == {7: owners.Owner(7, None, None)}
    assert found.processes[7].attribution == owners.NOBODY_KNOWN


@pytest.mark.parametrize(
    ("refused", "why", "uid", "code"),
    [
        ((), 0, 0, None),  # all were seen: the rest is the kernel's
        ((), 0, 1000, "permission-denied"),  # hidepid hides the others
        (("8",), errno.EACCES, 0, "permission-denied"),  # root of a user namespace
        (("8",), errno.ENODATA, 0, None),  # a process younger than the recording
        (("7", "8"), errno.ENODATA, 0, "not-recorded"),
        (("7", "8"), errno.ENOENT, 0, None),  # both ended
    ],
)
def test_what_is_not_seen_is_said_once(refused, why, uid, code):
    source = Counting(fds(p7=1, p8=2), refused=refused, missing=why, facts={"identity": {"uid": uid}})
    error = owners.unseen(source, owners.find(source, [1, 3, 4]))
    assert (error and error.code) == code
    if code:
        assert "sockets is unknown" in error.message


def test_asking_one_process_hides_nothing():
    source = Counting(fds(p7=1, p8=2), facts={"identity": {"uid": 1000}})
    found = owners.find(source, [1, 2], [8])
    assert (found.by_inode, source.looked) == ({2: 8}, ["8"])
    assert owners.unseen(source, found, [8]) is None


def test_names_match_as_shell_patterns():
    files = {"/proc/7/comm": "nginx\n", "/proc/8/comm": b"ngi\xff\n", "/proc/9/comm": "sshd\n"}
    source = Fake(files)
    assert owners.named(source, "ngi*") == [7, 8]
    assert owners.named(source, "nginx") == [7]
    assert owners.named(source, "ngi*", [8, 9]) == [8]


@pytest.mark.parametrize("mount", ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"])
def test_cgroups_by_id(mount):
    def directory(inode: int) -> Stat:
        return Stat(0o40755, inode, 1, 0, 0, 0, 0.0)

    source = Fake(
        {f"{mount}/cgroup.controllers": "", f"{mount}/a.slice/b.service/cgroup.procs": ""},
        stats={
            mount: directory(1),
            f"{mount}/a.slice": directory(5),
            f"{mount}/a.slice/b.service": directory(6),
        },
    )
    assert owners.cgroups(source, {1, 6, 7}) == {6: "/a.slice/b.service"}


def test_no_cgroup_v2_is_no_answer():
    assert owners.cgroups(Fake({"/sys/fs/cgroup/memory/cgroup.procs": ""}), {1, 6}) == {}
