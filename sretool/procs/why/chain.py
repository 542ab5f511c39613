"""The chain of causes of one process, from what was read."""

from __future__ import annotations

from sretool.host.systemd import Unit
from sretool.procs.table import Proc
from sretool.procs.why import crontab, started
from sretool.procs.why.model import Link, Proof
from sretool.procs.why.read import Detail, Sample
from sretool.procs.why.roles import role, script, ssh_user
from sretool.procs.why.session import Session, parse, session_id
from sretool.report.times import rfc3339

_STAT = "/proc/PID/stat field 4"
_ENVIRON = "/proc/PID/environ"
_INITS = ("init", "systemd", "tini", "dumb-init", "docker-init", "runit", "catatonit", "s6-svscan", "busybox")
_SIGHUP = 1


class Chain:
    """Links from the first cause down to the target, and what was noticed on the way."""

    def __init__(self, found: Sample, main: Proc) -> None:
        self.found = found
        self.main = main
        self.links: list[Link] = []
        self.unit: Unit | None = None
        self.session: Session | None = None
        self.jobs: list[crontab.Entry] = []
        procs = [main, *found.known.ancestors(main.pid)][::-1]
        self.starter_gone = bool(procs[1:]) and self._gone(main, procs[-2])
        above: Proc | None = None
        for proc in procs:
            self._enter(proc, above, procs)
            if proc is main and self.starter_gone and above is not None:
                self.links.append(self._gone_link(main, above))
            self.links.append(self._process(proc, above))
            above = proc

    def detail(self, proc: Proc) -> Detail:
        """What was read of it; nothing when it was not."""
        return self.found.details.get(proc.pid) or Detail()

    def _enter(self, proc: Proc, above: Proc | None, procs: list[Proc]) -> None:
        """Links for the container, session or unit that begins with this process."""
        if proc.whose.container and (above is None or above.whose.container != proc.whose.container):
            self.links.append(self._container(proc))
        elif proc.own_unit and (above is None or above.own_unit != proc.own_unit):
            if session_id(proc.own_unit):
                self._session(proc, procs)
            elif proc.own_unit != "init.scope":
                self._unit(proc)

    def _unit(self, proc: Proc) -> None:
        unit = self.found.units.get(proc.own_unit) or next(
            (one for one in self.found.units.values() if proc.own_unit in one.names), None
        )
        clock = self.found.known.clock
        if unit is not None and proc.own_unit != proc.whose.unit:
            unit = None  # a user's unit may be named as one of the system
        if unit is not None:
            self.links += started.links(unit, self.found.units, proc.cgroup or "", clock.mono, clock.wall)
        else:
            whose = "a unit of a user's manager" if proc.own_unit != proc.whose.unit else "a systemd unit"
            proofs = [Proof("cgroup", proc.cgroup or "", "/proc/PID/cgroup")]
            self.links.append(Link("unit", proc.own_unit, whose, evidence=proofs))
        self.unit = unit

    def _session(self, proc: Proc, procs: list[Proc]) -> None:
        id_ = session_id(proc.own_unit)
        read = parse(id_, self.found.sessions.get(id_))
        proofs = [Proof("cgroup", proc.cgroup or "", "/proc/PID/cgroup")]
        if id_ in self.found.sessions:
            parts = [read.service, read.terminal, read.remote_host]
            proofs.append(
                Proof("logind", " ".join(part for part in parts if part), f"/run/systemd/sessions/{id_}")
            )
        self.unit = None
        self.session = read = self._known_session(read, procs, proofs)
        how = (
            f" over ssh from {read.remote_host}"
            if read.remote_host
            else f" by {read.service}"
            if read.service
            else ""
        )
        at = f" on {read.terminal}" if read.terminal else ""
        self.links.append(
            Link(
                "session", f"session {id_}", f"{read.user or 'somebody'} logged in{how}{at}", evidence=proofs
            )
        )

    def _known_session(self, read: Session, procs: list[Proc], proofs: list[Proof]) -> Session:
        """What logind does not say, from the processes and their environment."""
        for one in procs:
            user, terminal = ssh_user(one.argv) if role(one.comm, one.argv) == "ssh" else ("", "")
            if user and user != "/usr/sbin/sshd":
                read = read._replace(
                    user=read.user or user, terminal=read.terminal or terminal, service=read.service or "sshd"
                )
                proofs.append(Proof("sshd", " ".join(one.argv), "/proc/PID/cmdline"))
        return remote(read, [self.detail(one) for one in procs[::-1]], proofs, self.login(self.main))

    def login(self, proc: Proc) -> str:
        """Who had logged in where it was started, empty when nobody had."""
        uid = self.detail(proc).loginuid
        return "" if uid is None else self.found.users.get(uid) or str(uid)

    def _container(self, proc: Proc) -> Link:
        short = proc.whose.container
        known = self.found.containers.get(short)
        proofs = [Proof("cgroup", proc.cgroup or "", "/proc/PID/cgroup")]
        self.unit = None
        if known is None:
            engine = proc.whose.engine or "an engine"
            return Link("container", short, f"a container of {engine}", evidence=proofs)
        said = known.source
        proofs += [
            Proof(what, value, said)
            for what, value in (
                ("id", known.id[:12]),
                ("image", known.image),
                ("compose project", known.project),
                ("pod", f"{known.namespace}/{known.pod}".strip("/")),
                ("restarts", "" if known.restarts is None else str(known.restarts)),
            )
            if value
        ]
        whose = f" of compose project {known.project}" if known.project else ""
        whose = f" of pod {known.namespace}/{known.pod}" if known.pod else whose
        image = f", image {known.image}" if known.image else ""
        return Link(
            "container",
            known.called,
            f"a container of {known.engine or proc.whose.engine or 'an engine'}{whose}{image}",
            started_at=known.started_at or None,
            evidence=proofs,
        )

    def _gone(self, main: Proc, parent: Proc) -> bool:
        """Its parent is one that takes orphans, and not the one that started it."""
        manager = parent.comm == "systemd" and parent.pid != 1
        if (parent.pid != 1 and not manager) or main.kernel:
            return False
        unit = self.found.units.get(main.own_unit)
        if session_id(main.own_unit):
            return True
        if main.own_unit and main.own_unit != "init.scope" and main.own_unit != parent.own_unit:
            # what systemd starts itself is the main process of a unit; a oneshot has none any more
            return unit is not None and unit.main_pid is not None and unit.main_pid != main.pid
        if parent.comm == "systemd":
            return self.found.booted
        detail, there = self.detail(main), self.found.known.procs
        left = main.session != main.pid and main.session > 1 and main.session not in there
        env = detail.environ or {}
        return (
            left
            or bool({"SSH_CONNECTION", "TMUX", "STY", "SUDO_USER"} & set(env))
            or detail.loginuid is not None
        )

    def _gone_link(self, main: Proc, parent: Proc) -> Link:
        detail = self.detail(main)
        proofs = [Proof("parent", parent.called, _STAT)]
        if main.session not in (0, main.pid) and main.session not in self.found.known.procs:
            proofs.append(
                Proof("session leader", f"pid {main.session}, which has ended", "/proc/PID/stat field 6")
            )
        if login := self.login(main):
            proofs.append(Proof("login", login, "/proc/PID/loginuid"))
        proofs += [
            Proof("left in its environment", f"{name}={value}", _ENVIRON)
            for name, value in (detail.environ or {}).items()
            if name in ("SSH_CONNECTION", "TMUX", "STY", "SUDO_USER", "SUDO_COMMAND", "XDG_SESSION_ID")
        ]
        if _ignores(detail.status, _SIGHUP):
            proofs.append(Proof("ignores", "SIGHUP, as after nohup", "/proc/PID/status SigIgn"))
        return Link(
            "gone", "its starter", f"has ended; {parent.called} took over what it left", evidence=proofs
        )

    def _process(self, proc: Proc, above: Proc | None) -> Link:
        kind = self._kind(proc, above)
        proofs = []
        if above is not None:
            proofs.append(Proof("parent", above.called, _STAT))
        says = proc.command
        if kind == "become" and above is not None:
            login = self.login(proc) or above.user or "somebody"
            says = f"{login} became another user: {proc.command}"
            proofs.append(Proof("login", login, "/proc/PID/loginuid"))
        elif kind == "cron" and proc is not self.main:
            self._cron(proc, proofs)
        elif kind == "supervisor":
            env = self.detail(self.main).environ or {}
            names = ("SUPERVISOR_PROCESS_NAME", "pm_id", "MONIT_SERVICE")
            proofs += [Proof("program", f"{name}={env[name]}", _ENVIRON) for name in names if name in env]
        if proc is self.main:
            env = self.detail(proc).environ or {}
            names = ("INVOCATION_ID", "LISTEN_FDS", "TRIGGER_UNIT")
            proofs += [Proof(name, env[name], _ENVIRON) for name in names if name in env]
        return Link(
            kind,
            proc.called,
            says,
            proc.pid,
            proc.user or (None if proc.uid is None else str(proc.uid)),
            rfc3339(max(0.0, proc.started)),
            round(proc.age_s, 2),
            proofs,
        )

    def _kind(self, proc: Proc, above: Proc | None) -> str:
        if proc.kernel:
            return "kernel"
        if proc.pid == 1:
            return "init"
        found = role(proc.comm, proc.argv)
        if proc is self.main or (found == "shell" and script(proc.argv)):
            return "process"
        # cron and sshd fork a child of their own for every job and connection
        return found

    def _cron(self, proc: Proc, proofs: list[Proof]) -> None:
        below = [one for one in self._path() if one.pid != proc.pid and role(one.comm, one.argv) != "cron"]
        user = below[0].user if below else None
        if not self.jobs:
            self.jobs = crontab.match(self.found.crontabs, [one.argv for one in below if one.argv], user)
            proofs += [
                Proof("job", f"{job.schedule} {job.command}", f"{job.path} line {job.number}")
                for job in self.jobs[:3]
            ]

    def _path(self) -> list[Proc]:
        """From the top down to the target."""
        return [self.main, *self.found.known.ancestors(self.main.pid)][::-1]


def remote(read: Session, details: list[Detail], proofs: list[Proof], login: str) -> Session:
    """The session with the peer that SSH_CONNECTION names (`address port address port`)."""
    for detail in details:
        words = (detail.environ or {}).get("SSH_CONNECTION", "").split()
        if len(words) == 4:
            proofs.append(
                Proof("ssh", f"from {words[0]} port {words[1]}", "/proc/PID/environ SSH_CONNECTION")
            )
            return read._replace(
                user=read.user or login,
                remote_host=read.remote_host or words[0],
                service=read.service or "sshd",
                remote=True,
            )
    return read._replace(user=read.user or login)


def _ignores(status: bytes | None, number: int) -> bool:
    words = (status or b"").partition(b"\nSigIgn:")[2].split(None, 1)[:1]
    try:
        return bool(words) and bool(int(words[0][:32], 16) >> (number - 1) & 1)
    except ValueError:
        return False
