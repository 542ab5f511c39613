"""What a process is to those below it."""

from __future__ import annotations

import pytest

from sretool.procs.why.roles import role, script, ssh_user
from sretool.procs.why.session import Session, parse, session_id


@pytest.mark.parametrize(
    ("comm", "argv", "expected"),
    [
        ("sshd", ["sshd: alice@pts/0"], "ssh"),
        ("sshd-session", ["sshd-session: alice [priv]"], "ssh"),
        ("cron", ["/usr/sbin/cron", "-f"], "cron"),
        ("containerd-shim", ["/usr/bin/containerd-shim-runc-v2", "-id", "x"], "engine"),
        ("conmon", ["/usr/bin/conmon"], "engine"),
        ("supervisord", ["/usr/bin/python3", "/usr/bin/supervisord"], "supervisor"),
        ("python3", ["gunicorn: master [app]"], "supervisor"),
        ("PM2 v5.3.0: God", ["PM2 v5.3.0: God Daemon (/root/.pm2)"], "supervisor"),
        ("tmux: server", ["tmux", "new-session"], "multiplexer"),
        ("bash", ["-bash"], "shell"),
        ("sudo", ["sudo", "-i"], "become"),
        ("python3", ["python3", "bash.py"], "process"),
        ("kworker/0:1", [], "process"),
    ],
)
def test_role(comm: str, argv: list[str], expected: str) -> None:
    assert role(comm, argv) == expected


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["-bash"], ""),
        (["bash", "-l"], ""),
        (["sh", "-c", "sleep 5"], "sleep 5"),
        (["bash", "-lc", "sleep 5"], "sleep 5"),
        (["/bin/sh", "-e", "/opt/run.sh", "x"], "/opt/run.sh"),
        (["bash", "--norc"], ""),
        (["sh", "-c"], ""),
    ],
)
def test_what_a_shell_was_given(argv: list[str], expected: str) -> None:
    assert script(argv) == expected


def test_whose_connection_an_sshd_serves() -> None:
    assert ssh_user(["sshd: alice@pts/0"]) == ("alice", "pts/0")
    assert ssh_user(["sshd-session: alice [priv]"]) == ("alice", "")
    assert ssh_user(["sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups"]) == ("", "")


def test_a_session_as_logind_writes_it() -> None:
    raw = b"# private\nUID=1000\nUSER=alice\nREMOTE=1\nREMOTE_HOST=192.0.2.7\nTTY=pts/0\nSERVICE=sshd\n"
    assert session_id("session-c2.scope") == "c2"
    assert session_id("app.service") == ""
    assert parse("c2", raw) == Session("c2", "alice", "sshd", "pts/0", "192.0.2.7", True, "")
    assert parse("c2", None) == Session("c2")
