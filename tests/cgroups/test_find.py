"""Which group a name means."""

from __future__ import annotations

import pytest

from sretool.cgroups.find import find, paths
from sretool.cgroups.mounts import mounts
from sretool.errors import Missing, UsageError
from sretool.host.fake import Fake

ROOT = "/sys/fs/cgroup"
ID = "4f5c0e8b9a1d" + "0123456789ab" * 4 + "cdef"
GROUPS = [
    "/",
    "/init.scope",
    "/system.slice",
    "/system.slice/nginx.service",
    "/system.slice/nginx.service/worker",
    "/system.slice/nginx-exporter.service",
    "/system.slice/cron.service",
    f"/system.slice/docker-{ID}.scope",
    f"/system.slice/docker-{ID}.scope/init",
    "/user.slice/user-1000.slice/session-3.scope",
    "/user.slice/user-1000.slice/user@1000.service/app.slice/cron.service",
]
MOUNTINFO = f"29 23 0:30 / {ROOT} rw - cgroup2 cgroup2 rw\n"


def named(target: str) -> str:
    files = {f"{ROOT}{path.rstrip('/')}/cgroup.procs": "" for path in GROUPS}
    files |= {"/proc/7/cgroup": "0::/system.slice/nginx.service/worker\n"}
    docker = [{"Id": ID, "Names": ["/shop-web-1"], "Image": "shop/web:3"}]
    source = Fake(files, facts={"engine docker /run/docker.sock": docker})
    mounted = mounts(MOUNTINFO.encode())
    return find(source, target, mounted, paths(source, mounted, []), [])


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("nginx.service", "/system.slice/nginx.service"),
        ("nginx", "/system.slice/nginx.service"),
        ("nginx-e", "/system.slice/nginx-exporter.service"),
        ("session-3.scope", "/user.slice/user-1000.slice/session-3.scope"),
        ("system.slice", "/system.slice"),
        ("worker", "/system.slice/nginx.service/worker"),
        (ID[:12], f"/system.slice/docker-{ID}.scope"),
        (ID, f"/system.slice/docker-{ID}.scope"),
        ("shop-web-1", f"/system.slice/docker-{ID}.scope"),
        ("/system.slice/cron.service", "/system.slice/cron.service"),
        ("/system.slice/cron.service/", "/system.slice/cron.service"),
        (f"{ROOT}/system.slice/cron.service", "/system.slice/cron.service"),
        (ROOT, "/"),
        ("/", "/"),
        ("7", "/system.slice/nginx.service/worker"),
        ("*exporter*", "/system.slice/nginx-exporter.service"),
    ],
)
def test_names(target: str, path: str) -> None:
    assert named(target) == path


def test_a_name_of_several_lists_them() -> None:
    with pytest.raises(UsageError) as caught:
        named("cron.service")
    assert "names 2 groups: /system.slice/cron.service, /user.slice/" in caught.value.message
    with pytest.raises(UsageError, match="names 2 groups"):
        named("*nginx*")


@pytest.mark.parametrize("target", ["nonesuch", "/nonesuch", "/system.slice/nonesuch", "99", "", "\x1b[31m"])
def test_none(target: str) -> None:
    with pytest.raises((Missing, UsageError)):
        named(target)
