"""Every kind of cause, on a made-up host."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from causes import KTHREAD, SESSION, SYSTEM, Host

from sretool.host.fake import Fake
from sretool.procs.why import read
from sretool.procs.why.answer import build
from sretool.procs.why.checks import CHECKS
from sretool.procs.why.model import Why
from sretool.report.answer import Finding
from sretool.report.check import judge


def ask(host: Host | Fake, target: str) -> Why:
    source = host.source() if isinstance(host, Host) else host
    return build(read.sample(source, read.Ask(target)), target)


def found(why: Why) -> dict[str, Finding]:
    return {item.id: item for _, items in judge(CHECKS, why) for item in items}


def outcomes(why: Why) -> dict[str, str]:
    return {verdict.id: verdict.outcome for verdict, _ in judge(CHECKS, why)}


def kinds(why: Why) -> list[tuple[str, str]]:
    return [(link.kind, link.name) for link in why.links]


def service(host: Host, name: str = "web.service", pid: int = 50, **properties: object) -> None:
    host.process(pid, "web", "/usr/bin/web", "--port", "80", cgroup=SYSTEM.format(name))
    host.unit(
        name, **{"MainPID": pid, "UnitFileState": "enabled", "FragmentPath": f"/etc/{name}", **properties}
    )


def test_an_enabled_service() -> None:
    host = Host()
    service(host, WantedBy="multi-user.target", NRestarts=2, Restart="always", DropInPaths="/etc/a.conf")
    why = ask(host, "web")
    assert kinds(why) == [("init", "systemd[1]"), ("unit", "web.service"), ("process", "web[50]")]
    assert why.because == (
        "web[50] runs because web.service is enabled, wanted by multi-user.target; "
        "started 8m20s ago, restarted 2 times"
    )
    assert (why.cause, why.comes_back, why.starter_gone, why.unit) == ("systemd", True, False, "web.service")
    proofs = {proof.what: proof.value for proof in why.links[1].evidence}
    assert (proofs["file"], proofs["drop-ins"]) == ("/etc/web.service", "/etc/a.conf")
    assert found(why) == {}


def test_a_timer_and_its_last_trigger() -> None:
    host = Host()
    service(host, "job.service", TriggeredBy="job.timer", UnitFileState="static")
    host.unit(
        "job.timer",
        Triggers="job.service",
        TimersCalendar="{ OnCalendar=*-*-* 03:00:00 ; next_elapse=n/a }",
        LastTriggerUSecMonotonic="2h 38min 20s",
        WantedBy="timers.target",
    )
    why = ask(host, "50")
    assert kinds(why)[1:3] == [("timer", "job.timer"), ("unit", "job.service")]
    assert "job.service is started by job.timer (OnCalendar=*-*-* 03:00:00)" in why.because
    assert why.links[1].says == "waits for OnCalendar=*-*-* 03:00:00, last 8m20s ago"
    assert why.comes_back is True


def test_a_timer_that_nobody_enabled_does_not_come_back() -> None:
    host = Host()
    service(host, "job.service", TriggeredBy="job.timer")
    host.unit("job.timer", Triggers="job.service")
    assert ask(host, "50").comes_back is False


def test_socket_activation() -> None:
    host = Host()
    service(host, "echo.service", TriggeredBy="echo.socket")
    host.unit("echo.socket", Listen="127.0.0.1:7777 (Stream)", WantedBy="sockets.target")
    host.files["/proc/50/environ"] = "LISTEN_FDS=1\0SECRET=x\0"
    why = ask(host, "50")
    assert "echo.service is started by echo.socket on a connection to 127.0.0.1:7777 (Stream)" in why.because
    assert [proof.value for proof in why.links[-1].evidence if proof.what == "LISTEN_FDS"] == ["1"]


def test_a_transient_unit() -> None:
    host = Host()
    service(host, "run-1.service", Transient="yes", Description="[systemd-run] /usr/bin/web")
    why = ask(host, "50")
    assert "was started by hand as a transient unit" in why.because
    assert why.comes_back is False
    assert "process.not-permanent" in found(why)


def test_a_unit_started_by_hand() -> None:
    host = Host()
    service(host, UnitFileState="disabled")
    assert "nothing wants it" in ask(host, "50").because


def ssh_login(host: Host) -> None:
    host.process(30, "sshd", "sshd: /usr/sbin/sshd -D [listener]", cgroup=SYSTEM.format("ssh.service"))
    host.unit("ssh.service", MainPID=30, WantedBy="multi-user.target", UnitFileState="enabled")
    at = SESSION.format(3)
    host.process(40, "sshd", "sshd: alice [priv]", ppid=30, cgroup=at)
    host.process(41, "sshd", "sshd: alice@pts/0", ppid=40, cgroup=at, uid=1000, login=1000)
    host.process(42, "bash", "-bash", ppid=41, cgroup=at, uid=1000, login=1000)
    host.files["/run/systemd/sessions/3"] = (
        "USER=alice\nREMOTE=1\nREMOTE_HOST=192.0.2.7\nSERVICE=sshd\nTTY=pts/0\n"
    )


def test_ssh() -> None:
    host = Host()
    ssh_login(host)
    host.process(
        50, "vim", "/usr/bin/vim", ppid=42, session=42, cgroup=SESSION.format(3), uid=1000, login=1000
    )
    why = ask(host, "vim")
    assert (why.cause, why.login_user, why.comes_back) == ("ssh", "alice", False)
    assert "alice started it in bash[42] over ssh from 192.0.2.7, session 3" in why.because
    assert [kind for kind, _ in kinds(why)] == [
        "init", "unit", "ssh", "session", "ssh", "ssh", "shell", "process"
    ]  # fmt: skip


def test_sudo_keeps_who_it_was() -> None:
    host = Host()
    ssh_login(host)
    at = SESSION.format(3)
    host.process(50, "sudo", "sudo", "top", ppid=42, session=42, cgroup=at, uid=0, login=1000)
    host.process(51, "top", "top", ppid=50, session=42, cgroup=at, uid=0, login=1000, SUDO_USER="alice")
    why = ask(host, "top")
    assert why.user == "root"
    assert why.login_user == "alice"
    assert ("become", "sudo[50]") in kinds(why)
    assert why.links[-2].says == "alice became another user: sudo top"


def test_what_a_login_left_behind() -> None:
    host = Host()
    ssh_login(host)
    host.process(
        50, "worker", "/srv/worker", session=44, cgroup=SESSION.format(3), uid=1000, login=1000, ignored=1,
        SSH_CONNECTION="192.0.2.7 51022 192.0.2.1 22",
    )  # fmt: skip
    why = ask(host, "worker")
    assert (why.cause, why.starter_gone) == ("ssh", True)
    assert "over ssh from 192.0.2.7, session 3; its own starter has ended" in why.because
    gone = next(link for link in why.links if link.kind == "gone")
    proofs = {proof.what: proof.value for proof in gone.evidence}
    assert proofs["session leader"] == "pid 44, which has ended"
    assert proofs["ignores"] == "SIGHUP, as after nohup"


def test_an_orphan_of_which_nothing_remains() -> None:
    host = Host()
    host.process(50, "worker", "/srv/worker")
    why = ask(host, "worker")
    assert (why.cause, why.starter_gone, why.comes_back) == ("unknown", True, False)
    assert "its starter has ended and systemd[1] took it over" in why.because


def test_without_systemd_a_child_of_init_may_be_either() -> None:
    host = Host(booted=False)
    host.process(50, "worker", "/srv/worker")
    why = ask(host, "worker")
    assert (why.cause, why.starter_gone, why.comes_back) == ("init", False, None)
    host.process(60, "orphan", "/srv/orphan", session=59)
    assert ask(host, "orphan").starter_gone is True


def cron(host: Host) -> None:
    at = SYSTEM.format("cron.service")
    host.unit("cron.service", MainPID=60, WantedBy="multi-user.target", UnitFileState="enabled")
    host.process(60, "cron", "/usr/sbin/cron", "-f", cgroup=at)
    host.process(61, "cron", "/usr/sbin/CRON", "-f", ppid=60, cgroup=at)
    host.process(62, "sh", "/bin/sh", "-c", "/srv/job --all | tee /tmp/log", ppid=61, session=62, cgroup=at)
    host.process(63, "job", "/srv/job", "--all", ppid=62, session=62, cgroup=at)
    host.files["/etc/crontab"] = "# jobs\n*/5 * * * * root /srv/job --all | tee /tmp/log\n"


def test_cron_and_the_line() -> None:
    host = Host()
    cron(host)
    why = ask(host, "job")
    assert (why.cause, why.comes_back) == ("cron", True)
    assert "cron[61] started it: /etc/crontab line 2 (*/5 * * * *)" in why.because


def test_crontabs_that_may_not_be_read() -> None:
    host = Host()
    cron(host)
    host.files["/etc/crontab"] = errno.EACCES
    sample = read.sample(host.source(), read.Ask("job"))
    why = build(sample, "job")
    assert (why.cause, why.comes_back) == ("cron", None)
    assert [error.what for error in sample.errors] == ["/etc/crontab"]


def test_a_supervisor() -> None:
    host = Host()
    at = SYSTEM.format("supervisor.service")
    host.unit("supervisor.service", MainPID=60, WantedBy="multi-user.target", UnitFileState="enabled")
    host.process(60, "supervisord", "/usr/bin/python3", "/usr/bin/supervisord", cgroup=at)
    host.process(61, "web", "/srv/web", ppid=60, cgroup=at, SUPERVISOR_PROCESS_NAME="web")
    why = ask(host, "web")
    assert why.cause == "supervisor"
    assert "supervisord[60] keeps it running; supervisor.service is enabled" in why.because
    assert why.links[-2].evidence[-1].value == "SUPERVISOR_PROCESS_NAME=web"


def test_tmux() -> None:
    host = Host()
    at = SESSION.format(3)
    host.process(60, "tmux: server", "tmux", cgroup=at, uid=1000, login=1000)
    host.process(61, "bash", "-bash", ppid=60, cgroup=at, uid=1000, login=1000)
    host.process(62, "make", "make", ppid=61, session=61, cgroup=at, uid=1000, login=1000)
    why = ask(host, "make")
    assert why.cause == "multiplexer"
    assert "alice started it in bash[61] under tmux: server[60]" in why.because


CONTAINER = "4ac6" + "0" * 60


def test_a_container() -> None:
    host = Host()
    at = f"/system.slice/docker-{CONTAINER}.scope"
    shim = SYSTEM.format("containerd.service")
    host.process(60, "containerd-shim", "/usr/bin/containerd-shim-runc-v2", cgroup=shim)
    host.process(61, "redis-server", "redis-server", ppid=60, cgroup=at, uid=999)
    host.process(62, "redis-helper", "redis-helper", ppid=61, cgroup=at, uid=999)
    why = ask(host, "redis-server")
    assert (why.cause, why.container) == ("container", CONTAINER[:12])
    assert ("container", CONTAINER[:12]) in kinds(why)
    assert f"runs in container {CONTAINER[:12]} of docker" in why.because
    assert ask(host, f"container:{CONTAINER}").pid == 61
    assert ask(host, CONTAINER[:6]).pid == 61


def test_kernel_threads_and_init() -> None:
    host = Host()
    host.process(2, "kthreadd", ppid=0, flags=KTHREAD)
    host.process(9, "kworker/0:1", ppid=2, flags=KTHREAD)
    why = ask(host, "9")
    assert (why.cause, kinds(why)) == ("kernel", [("kernel", "kthreadd[2]"), ("kernel", "kworker/0:1[9]")])
    assert set(outcomes(why).values()) <= {"not-applicable", "clear"}
    assert ask(host, "1").cause == "kernel"
    assert "the kernel starts it first" in ask(host, "1").because


def test_what_came_from_outside_the_pid_namespace() -> None:
    host = Host(booted=False)
    host.process(70, "bash", "bash", ppid=0)
    why = ask(host, "70")
    assert (why.cause, why.comes_back) == ("unknown", None)
    assert "outside this PID namespace" in why.because


def test_a_worker_is_explained_through_its_master() -> None:
    host = Host()
    service(host, WantedBy="multi-user.target")
    for pid in (51, 52):
        host.process(pid, "web", "/usr/bin/web", ppid=50, cgroup=SYSTEM.format("web.service"))
    why = ask(host, "web")
    assert (why.pid, why.workers) == (50, 2)
    assert kinds(ask(host, "52"))[-2:] == [("process", "web[50]"), ("process", "web[52]")]


def test_parents_in_a_circle_end() -> None:
    host = Host()
    host.process(50, "a", "a", ppid=51)
    host.process(51, "b", "b", ppid=50)
    assert len(ask(host, "a").links) == 2


def test_healthy_is_silent_and_unread_is_unknown() -> None:
    host = Host()
    service(host, WantedBy="multi-user.target", NRestarts=0, Restart="always")
    assert outcomes(ask(host, "50")) == dict.fromkeys([rule.id for rule in CHECKS], "clear")
    for link in ("/proc/50/exe", "/proc/50/ns/net"):
        del host.links[link]
    host.files["/proc/50/maps"] = errno.EACCES
    for id_ in (
        "process.deleted-exe",
        "process.stale-libraries",
        "process.writable-program",
        "process.root-public",
    ):
        assert outcomes(ask(host, "50"))[id_] == "unknown", id_


def fault(host: Host, **process: Any) -> dict[str, Finding]:
    host.unit("web.service", MainPID=50, WantedBy="multi-user.target", UnitFileState="enabled")
    host.process(50, "web", "/usr/bin/web", cgroup=SYSTEM.format("web.service"), **process)
    return {}


@pytest.mark.parametrize(
    ("path", "inode", "severity", "says"),
    [
        ("/usr/bin/web (deleted)", 77, "info", "was replaced since it started"),
        ("/usr/bin/web (deleted)", None, "warning", "was deleted since it started"),
        ("/memfd:x (deleted)", None, "warning", "runs from memory"),
    ],
)
def test_a_program_that_is_gone(path: str, inode: int | None, severity: str, says: str) -> None:
    host = Host()
    fault(host)
    host.on_disk(50, path, inode=inode)
    finding = found(ask(host, "50"))["process.deleted-exe"]
    assert finding.severity == severity
    assert says in finding.summary


def test_a_file_really_named_deleted_is_no_deleted_file() -> None:
    host = Host()
    fault(host)
    host.on_disk(50, "/usr/bin/web", inode=1050)
    assert ask(host, "50").exe_state == "same"


def test_old_libraries() -> None:
    host = Host()
    fault(host)
    host.files["/proc/50/maps"] = (
        "7f0 r-xp 0 fe:1 9   /usr/lib/libssl.so.3 (deleted)\n"
        "7f1 r--p 0 fe:1 9   /usr/lib/libssl.so.3 (deleted)\n"
        "7f2 r--p 0 fe:1 9   /usr/lib/libc.so.6\n7f3 rw-s 0 0:1 9 /dev/zero (deleted)\n"
    )
    why = ask(host, "50")
    assert why.stale_libraries == ["/usr/lib/libssl.so.3"]
    assert "process.stale-libraries" in found(why)


@pytest.mark.parametrize(("exe", "mode"), [("/tmp/x", 0o1777), ("/srv/open/x", 0o777)])
def test_a_program_anyone_may_replace(exe: str, mode: int) -> None:
    host = Host()
    fault(host)
    host.on_disk(50, exe, inode=1050, mode=mode)
    assert "process.writable-program" in found(ask(host, "50"))


def test_stopped_and_traced() -> None:
    host = Host()
    host.process(70, "gdb", "gdb")
    fault(host, state="t", tracer=70)
    finding = found(ask(host, "50"))["process.stopped"]
    assert (finding.severity, finding.summary) == ("warning", "web[50] is stopped by gdb[70]")
    fault(host, state="S", tracer=70)
    assert found(ask(host, "50"))["process.stopped"].severity == "info"


def test_a_restart_loop() -> None:
    host = Host()
    service(host, NRestarts=9, Restart="always", ExecMainStartTimestampMonotonic=int((10_000 - 3) * 1e6))
    assert "restarted 9 times" in found(ask(host, "50"))["process.restart-loop"].summary
    host = Host()
    service(host, NRestarts=9, Restart="always", ExecMainStartTimestampMonotonic=int((10_000 - 900) * 1e6))
    assert "process.restart-loop" not in found(ask(host, "50"))
