"""What a person names, as one process."""

from __future__ import annotations

import pytest
from causes import SYSTEM, Host
from hosts import listener

from sretool.errors import Ambiguous, Missing, SretoolError, UsageError
from sretool.procs import target
from sretool.procs.table import table
from sretool.procs.target import Target, resolve


@pytest.fixture
def host() -> Host:
    host = Host()
    at = SYSTEM.format("nginx.service")
    host.process(50, "nginx", "nginx: master process /usr/sbin/nginx", cgroup=at, exe="/usr/sbin/nginx")
    for pid in (51, 52):
        host.process(pid, "nginx", "nginx: worker process", ppid=50, cgroup=at, uid=33, exe="/usr/sbin/nginx")
    host.unit("nginx.service", Names="nginx.service www.service", MainPID=50)
    host.unit("nightly.timer", Triggers="nightly.service", SubState="waiting")
    crash = {"ActiveState": "activating", "SubState": "auto-restart", "NRestarts": 33}
    host.unit("crash.service", ExecMainCode=1, ExecMainStatus=3, **crash)
    host.process(70, "python3", "/usr/bin/python3", "/srv/app.py", cgroup="/")
    host.process(71, "sleep", "sleep", "5")
    host.process(72, "sleep", "sleep", "6", ppid=70)
    return host


def test_a_zombie_is_its_parents(host: Host) -> None:
    host.process(73, "python3", ppid=70, state="Z", cgroup="/elsewhere")
    found = find(host, "python3")
    assert (found.main.pid, [proc.pid for proc in found.group]) == (70, [73])


def find(host: Host, given: str) -> Target:
    source = host.source()
    return resolve(source, given, table(source), [])


@pytest.mark.parametrize(
    ("given", "pid", "kind"),
    [
        ("50", 50, "pid"),
        ("pid:52", 52, "pid"),
        ("nginx", 50, "name"),
        ("ngin*", 50, "name"),
        ("name:nginx", 50, "name"),
        ("NGIN", 50, "name"),
        ("app.py", 70, "name"),
        ("nginx.service", 50, "unit"),
        ("unit:nginx", 50, "unit"),
        ("www.service", 50, "unit"),
        ("/usr/sbin/nginx", 50, "file"),
        ("/usr/sbin/../sbin/nginx", 50, "file"),
        ("/srv/app.py", 70, "file"),
        ("file:/srv/app.py", 70, "file"),
    ],
)
def test_one_is_meant(host: Host, given: str, pid: int, kind: str) -> None:
    found = find(host, given)
    assert (found.main.pid, found.kind) == (pid, kind)


def test_workers_come_along(host: Host) -> None:
    assert {proc.pid for proc in find(host, "nginx").group} == {51, 52}


def test_a_link_leads_to_what_runs(host: Host) -> None:
    host.links |= {
        "/sbin": "usr/sbin",
        "/etc/alternatives/web": "/sbin/nginx",
        "/usr/bin/web": "/etc/alternatives/web",
    }
    assert find(host, "/usr/bin/web").main.pid == 50
    host.links["/loop"] = "/loop"
    assert target.real_path(host.source(), "/loop/x") == "/loop/x"


def test_who_listens_comes_before_who_is_connected(host: Host) -> None:
    host.netlink["inet-diag/tcp/4"] = [listener(8080, 0, 128, 0, inode=7001)]
    host.links["/proc/70/fd/3"] = "socket:[7001]"
    assert (find(host, ":8080").main.pid, find(host, "port:8080").kind) == (70, "port")
    host.links["/proc/1/fd/40"] = "socket:[7001]"  # init keeps the sockets it passes on
    assert find(host, ":8080").main.pid == 70


def test_who_has_a_file_open_maps_it_or_works_there(host: Host) -> None:
    host.links["/proc/71/fd/1"] = "/var/log/x (deleted)"
    assert find(host, "/var/log/x").how == "it has open: /var/log/x"
    host.files["/proc/70/maps"] = "7f0 r-xp 0 fe:1 9                /usr/lib/libssl.so.3\n"
    assert find(host, "/usr/lib/libssl.so.3").how == "it has mapped: /usr/lib/libssl.so.3"
    host.links["/proc/72/cwd"] = "/mnt/usb"
    assert find(host, "/mnt/usb").main.pid == 72


def test_a_thread_leads_to_its_process(host: Host) -> None:
    host.files["/proc/99/status"] = "Name:\tworker\nTgid:\t70\n"
    found = find(host, "99")
    assert (found.main.pid, found.how) == (70, "its thread 99")


def test_unrelated_processes_are_listed(host: Host) -> None:
    with pytest.raises(Ambiguous) as caught:
        find(host, "sleep")
    assert [what for what, _ in caught.value.matches] == ["pid 71", "pid 72"]
    assert "root, since 2027-01-15T" in caught.value.matches[0][1]
    assert caught.value.matches[0][1].endswith("sleep 5")


@pytest.mark.parametrize(
    ("given", "kind", "says"),
    [
        ("999", Missing, "there is no such process"),
        ("nosuch", Missing, "no process, unit or container"),
        ("nightly.timer", Missing, "has no process: it is active (waiting), it starts nightly.service"),
        (
            "crash.service",
            Missing,
            (
                "has no process: it is activating (auto-restart), it was restarted 33 times, its last "
                "process exited with code 3"
            ),
        ),
        ("unit:nosuch", Missing, "no process fits this unit"),
        ("/no/such", Missing, "no process runs"),
        (":9", Missing, "no process uses this port"),
        (":http", UsageError, "is no port"),
        (":70000", UsageError, "is no port"),
        ("pid:0", UsageError, "is no pid"),
        ("pid:x", UsageError, "is no pid"),
        ("99999999", UsageError, "is no pid"),
        ("a/b", UsageError, "is no absolute path"),
        (" ", UsageError, "is empty"),
    ],
)
def test_nothing_is_meant(host: Host, given: str, kind: type[SretoolError], says: str) -> None:
    with pytest.raises(kind) as caught:
        find(host, given)
    assert says in caught.value.message
