"""What a process is to those below it, from its name and arguments."""

from __future__ import annotations

import re
from collections.abc import Sequence

_NAMES = {
    "ssh": ("sshd", "sshd-session", "sshd-auth", "dropbear"),
    "login": ("login", "agetty", "getty", "mgetty", "gdm-session-wor", "sddm-helper", "lightdm", "xdm"),
    "cron": ("cron", "crond", "anacron", "fcron", "busybox-crond"),
    "at": ("atd",),
    "multiplexer": ("tmux", "tmux: server", "screen", "zellij", "dtach", "abduco", "mosh-server", "shpool"),
    "become": ("sudo", "su", "doas", "runuser", "pkexec", "machinectl", "run0"),
    "engine": (
        *("containerd-shim", "conmon", "dockerd", "containerd", "docker-proxy", "crio", "podman", "kubelet"),
        *("runc", "crun", "lxc-start", "systemd-nspawn", "incusd", "lxd", "rootlesskit", "buildkitd"),
    ),
    "supervisor": (
        *("supervisord", "runsvdir", "runsv", "s6-supervise", "s6-svscan", "svscan", "supervise"),
        *(
            "monit",
            "circusd",
            "god",
            "bluepill",
            "honcho",
            "foreman",
            "dinit",
            "nomad",
            "perpd",
            "daemontools",
        ),
        *("openrc-supervise-daemon", "supervise-daemon", "start-stop-daemon", "daemonize"),
    ),
    "shell": ("sh", "bash", "dash", "zsh", "ksh", "mksh", "fish", "ash", "tcsh", "csh", "nu", "busybox"),
}
_ROLE_OF = {name: role for role, names in _NAMES.items() for name in names}
# masters that keep workers: they say what they are in their title
_TITLES = {
    "supervisor": re.compile(
        r"PM2 v[\d.]+: God Daemon|pm2: |gunicorn: master|uwsgi(?:: | )master|unicorn(?:_rails)? master"
        r"|puma [\d.]+ \(|php-fpm: master|nginx: master|passenger watchdog|Passenger watchdog",
        re.IGNORECASE,
    ),
    "ssh": re.compile(r"sshd(?:-session)?: "),
    "multiplexer": re.compile(r"SCREEN\b|tmux: server"),
}


def role(comm: str, argv: Sequence[str]) -> str:
    """One of the kinds of `model.Link` that a starter can have; `process` for any other."""
    title = " ".join(argv[:3])
    for name, pattern in _TITLES.items():
        if pattern.match(title):
            return name
    program = argv[0].partition(" ")[0].rpartition("/")[2].lstrip("-") if argv else ""
    for name in (
        comm.lstrip("-"),
        program,
        comm.removeprefix("-").partition("-")[0] if "shim" in comm else "",
    ):
        if name in _ROLE_OF:
            return _ROLE_OF[name]
    return "engine" if comm.startswith("containerd-shim") else "process"


def script(argv: Sequence[str]) -> str:
    """What a shell was given to run: a script's path, or the text after -c; empty when it reads its
    commands from a person.
    """
    for at, word in enumerate(argv[1:], 1):
        if word == "-c" or (word.startswith("-") and not word.startswith("--") and word.endswith("c")):
            return argv[at + 1] if len(argv) > at + 1 else ""
        if not word.startswith(("-", "+")):
            return word
    return ""


def ssh_user(argv: Sequence[str]) -> tuple[str, str]:
    """(user, terminal) in the title of a session's sshd: `sshd: alice@pts/0`."""
    found = re.match(r"sshd(?:-session)?: (\S+?)(?:@(\S+))?(?: \[\w+\])?$", " ".join(argv).strip())
    return (found[1], found[2] or "") if found else ("", "")
