"""Where hierarchies are mounted, from mountinfo of v1, v2 and hybrid hosts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sretool.cgroups.mounts import Mount, mounts

V2 = b"29 23 0:30 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = (
    b"32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    b"35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
    b"40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd\n"
)


def test_v2() -> None:
    assert mounts(V2) == [Mount("/sys/fs/cgroup", "/", frozenset({"v2"}))]


def test_v1_with_optional_fields() -> None:
    assert [set(mount.controllers) for mount in mounts(V1)] == [
        {"cpu", "cpuacct"},
        {"memory"},
        {"name=systemd"},
    ]


def test_a_bind_mount_in_a_container_shows_part_of_the_tree() -> None:
    part = V1.replace(b" / /sys/fs/cgroup/memory", b" /docker/4f5c /mnt/with\\040space")
    mount = mounts(part)[1]
    assert mount.point == "/mnt/with space"
    assert mount.path(".") == "/docker/4f5c"
    assert mount.path("a/b") == "/docker/4f5c/a/b"


def test_of_two_mounts_the_one_that_shows_more() -> None:
    both = V2.replace(b" / /sys/fs/cgroup", b" /a /x") + V2
    assert [mount.point for mount in mounts(both)] == ["/sys/fs/cgroup"]
    assert Mount("/x", "/", frozenset()).path("a") == "/a"
    assert Mount("/x", "/", frozenset()).path(".") == "/"


def test_nothing_mounted() -> None:
    assert mounts(b"22 1 0:21 / /proc rw - proc proc rw\n") == []


@given(st.binary(max_size=400))
def test_any_bytes(raw: bytes) -> None:
    mounts(raw)
    mounts(b"29 23 0:30 / " + raw + b" rw - cgroup2 " + raw)
