"""The answer: which of the causes in the chain counts, and the sentence that says it."""

from __future__ import annotations

import re

from sretool.procs.table import Proc
from sretool.procs.why import started
from sretool.procs.why.chain import Chain
from sretool.procs.why.model import Link, Restarts, Why
from sretool.procs.why.read import DELETED, Detail, Sample
from sretool.report.times import rfc3339
from sretool.report.units import duration_text

_LIBRARY = re.compile(rb"[^\n]* (/[^\n]*\.so[.\d]*) \(deleted\)")
_LIBRARIES_SHOWN = 50
_WRITABLE = 0o002
# the nearest of these above the target is its cause; others in the chain only carry it on
_CAUSES = {
    "container": "container",
    "unit": "systemd",
    "session": "login",
    "supervisor": "supervisor",
    "cron": "cron",
    "at": "at",
    "multiplexer": "multiplexer",
    "ssh": "ssh",
    "login": "login",
}


def build(found: Sample, given: str) -> Why:
    """What was read, as the answer about its target."""
    target = found.target
    assert target is not None
    main, chain = target.main, Chain(found, target.main)
    detail = chain.detail(main)
    cause, clause = _cause(chain, main)
    restarts = _restarts(found, chain, main)
    tracer = _tracer(found, detail)
    login = None if detail.loginuid is None else found.users.get(detail.loginuid) or str(detail.loginuid)
    known = found.containers.get(main.whose.container)
    return Why(
        given,
        target.kind,
        target.how,
        main.pid,
        main.comm,
        main.command,
        main.user,
        main.uid,
        main.state,
        rfc3339(max(0.0, main.started)),
        round(main.age_s, 2),
        main.own_unit,
        main.whose.container if known is None else known.called,
        cause,
        _sentence(main, clause, restarts),
        chain.starter_gone,
        login,
        len(target.group),
        _comes_back(found, chain, cause),
        restarts,
        detail.exe,
        _exe_state(detail),
        None if detail.folder is None else bool(detail.folder.mode & _WRITABLE),
        _stale(found, main),
        None if found.listeners is None else [one for one in found.listeners if not _loopback(one)],
        tracer,
        chain.links,
    )


def _sentence(main: Proc, clause: str, restarts: Restarts | None) -> str:
    again = ""
    if restarts is not None and restarts.count is not None:
        times = {0: "never restarted", 1: "restarted once"}.get(
            restarts.count, f"restarted {restarts.count} times"
        )
        again = f", {times}"
    return f"{main.called} {clause}; started {duration_text(main.age_s)} ago{again}"


def _cause(chain: Chain, main: Proc) -> tuple[str, str]:
    """(cause, what the sentence says)."""
    if main.kernel:
        return "kernel", "is a thread of the kernel, which made it" + (
            "" if main.pid == 2 else " through kthreadd"
        )
    if main.pid == 1:
        return "kernel", "is the init: the kernel starts it first, and everything else comes from it"
    if main.ppid == 0:
        return "unknown", (
            "was started from outside this PID namespace (docker exec, kubectl exec, nsenter), "
            "where its parent is"
        )
    shell = ""
    above = chain.links[:-1]
    for at in range(len(above) - 1, -1, -1):
        link = above[at]
        if link.kind == "shell" and not shell:
            shell = link.name
        elif link.kind in _CAUSES:
            return _said(chain, link, above[:at], shell)
    return _no_cause(chain, main, shell)


def _said(chain: Chain, link: Link, above: list[Link], shell: str) -> tuple[str, str]:
    kind = _CAUSES[link.kind]
    who = _who(chain)
    typed = f" in {shell}" if shell else ""
    if kind == "container":
        return kind, f"runs in {link.says.replace('a container', f'container {link.name}', 1)}"
    if kind == "systemd":
        if chain.unit is None:
            return kind, f"runs because it is in {link.name}, {link.says}"
        gone = f" (of {link.name}, but its own starter has ended)" if chain.starter_gone else ""
        return kind, f"runs because {link.name} {link.says}{gone}"
    if kind == "cron":
        jobs = [f"{job.path} line {job.number} ({job.schedule})" for job in chain.jobs[:3]]
        return kind, f"runs because {link.name} started it" + (
            f": {' or '.join(jobs)}" if jobs else ", by a crontab"
        )
    if kind == "at":
        return kind, f"runs because {link.name} started it as a job given to at(1)"
    if kind == "supervisor":
        return kind, f"runs because {link.name} keeps it running{_under(above)}"
    if kind == "multiplexer":
        return kind, f"runs because {who} started it{typed} under {link.name}, which outlives the login"
    session = chain.session
    if kind == "ssh" or (session is not None and (session.remote or session.service == "sshd")):
        host = f" from {session.remote_host}" if session is not None and session.remote_host else ""
        where = f", session {session.id}" if session is not None else ""
        gone = "; its own starter has ended" if chain.starter_gone else ""
        return "ssh", f"runs because {who} started it{typed} over ssh{host}{where}{gone}"
    gone = "; its own starter has ended" if chain.starter_gone else ""
    return kind, f"runs because {who} started it{typed} in a login, {link.name}{gone}"


def _under(above: list[Link]) -> str:
    unit = next((link for link in reversed(above) if link.kind in ("unit", "container")), None)
    if unit is None:
        return ""
    return f", which runs in {unit.name}" if unit.kind == "container" else f"; {unit.name} {unit.says}"


def _who(chain: Chain) -> str:
    session = chain.session
    main = chain.main
    return (session.user if session is not None else "") or chain.login(main) or main.user or "somebody"


def _no_cause(chain: Chain, main: Proc, shell: str) -> tuple[str, str]:
    top = chain.links[0]
    if chain.starter_gone:
        parent = chain.links[-1].evidence[0].value
        who = chain.login(main)
        login = f"; {who} had logged in" if who else ""
        return "unknown", f"was left behind: its starter has ended and {parent} took it over{login}"
    if shell:
        return "shell", f"runs because {_who(chain)} started it in {shell}"
    if top.kind == "init":
        if main.ppid == 1:
            return (
                "init",
                f"runs because {top.name} started it, or took it over from a starter that has ended",
            )
        return "init", f"runs because {chain.links[-2].name} started it, below {top.name}"
    return "unknown", f"was started from outside this PID namespace, above {top.name}"


def _comes_back(found: Sample, chain: Chain, cause: str) -> bool | None:
    if cause == "kernel":
        return True
    if cause in ("ssh", "login", "multiplexer", "shell", "at"):
        return False
    if cause == "cron":
        return True if chain.jobs else None
    if cause == "systemd" and chain.starter_gone:
        return None
    if cause in ("systemd", "supervisor"):
        return None if chain.unit is None else started.comes_back(chain.unit, found.units)
    return False if chain.starter_gone else None


def _restarts(found: Sample, chain: Chain, main: Proc) -> Restarts | None:
    if chain.unit is not None:
        return started.restarts(chain.unit, found.known.clock.mono)
    container = found.containers.get(main.whose.container)
    if container is None or container.restarts is None:
        return None
    tops = [
        one for one in (main, *found.known.ancestors(main.pid)) if one.whose.container == main.whose.container
    ]
    return Restarts(container.restarts, "", "", False, round(tops[-1].age_s, 1))


def _tracer(found: Sample, detail: Detail) -> str | None:
    words = (detail.status or b"").partition(b"\nTracerPid:")[2].split(None, 1)[:1]
    if not words or not words[0].isdigit() or len(words[0]) > 7 or not int(words[0]):
        return None
    tracer = found.known.procs.get(int(words[0]))
    return f"pid {int(words[0])}" if tracer is None else tracer.called


def _exe_state(detail: Detail) -> str | None:
    if detail.exe is None:
        return None
    if detail.exe.startswith("/memfd:"):
        return "memory"
    if detail.disk_gone:
        return "removed"
    if detail.running is None or detail.disk is None:
        return None
    same = (detail.running.inode, detail.running.device) == (detail.disk.inode, detail.disk.device)
    # on a layered filesystem the numbers may differ for one file: the kernel's word decides
    return "same" if same or not detail.exe.endswith(DELETED) else "replaced"


def _stale(found: Sample, main: Proc) -> list[str] | None:
    if found.maps is None:
        return None
    return sorted({one.decode("utf-8", "backslashreplace") for one in _LIBRARY.findall(found.maps)})[
        :_LIBRARIES_SHOWN
    ]


def _loopback(endpoint: str) -> bool:
    return endpoint.startswith(("127.", "[::1]", "[::ffff:127."))
