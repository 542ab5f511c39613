"""Who it is and what it may do."""

from __future__ import annotations

from sretool.errors import SretoolError
from sretool.host.attribution import attribute, cgroup_path
from sretool.host.secrets import mask
from sretool.procs.masks import capabilities, signals
from sretool.procs.show.model import Ancestor, Capabilities, Identity, Namespace, Security, Signals
from sretool.procs.show.read.moments import Moments, number, waits_in
from sretool.procs.show.read.state import Above, State
from sretool.procs.stat import parse, state_name, terminal_name
from sretool.procs.status import Status
from sretool.report.escape import clean, text
from sretool.report.times import rfc3339

COMMAND_LIMIT = 4096
_CMDLINE_LIMIT_BYTES = 1 << 16
_ENVIRON_LIMIT_BYTES = 1 << 18
_MARK = " (deleted)"
_SECCOMP = {0: "disabled", 1: "strict", 2: "filter"}  # include/uapi/linux/seccomp.h
_NOT_SET = (1 << 32) - 1


def identity(moments: Moments, state: State) -> Identity:
    """Who it is."""
    now, more, status = moments.now.line, moments.now.more, moments.now.status
    sample = moments.now.sample
    exe = _link(state, "exe")
    ticks = sample.who.clock_ticks_per_s if sample.who is not None else 100
    age = max(0.0, sample.clock.boot - now.started_ticks / ticks)
    effective = None if status.uids is None else status.uids.effective
    login = number(state.raw("loginuid"))
    return Identity(
        int(sample.pid),
        text(now.comm),
        None if now.kernel else command(state.raw("cmdline")),
        None if exe is None else exe.removesuffix(_MARK),
        None if exe is None else exe.endswith(_MARK),
        _link(state, "cwd"),
        _link(state, "root"),
        state_name(now.state),
        None if moments.before is None else state_name(moments.before.line.state),
        waits_in(sample.raw("wchan")),
        now.kernel,
        now.ppid,
        None if effective is None else state.users.get(effective),
        None if status.uids is None else list(status.uids),
        None if status.gids is None else list(status.gids),
        None if status.groups is None else list(status.groups),
        None if login is None or login == _NOT_SET else state.users.get(login) or str(login),
        rfc3339(max(0.0, sample.clock.wall - age)),
        round(age, 2),
        terminal_name(more.terminal),
        more.session,
        more.group,
        None if status.namespace_pids is None else list(status.namespace_pids),
        status.tracer_pid,
        None if status.umask is None else f"{status.umask:04o}",
        [_ancestor(one, moments, ticks) for one in state.ancestors],
    )


def _link(state: State, name: str) -> str | None:
    found = state.links.get(name)
    return clean(found) if isinstance(found, str) else None


def command(raw: bytes | None) -> str | None:
    """The command line as a person types it, secrets masked and not longer than a page."""
    if raw is None:
        return None
    whole = mask(raw[:_CMDLINE_LIMIT_BYTES]).rstrip(b"\0").replace(b"\0", b" ")
    line = text(whole)
    return line if len(line) <= COMMAND_LIMIT else line[: COMMAND_LIMIT - 1] + "…"


def environment(raw: bytes | None) -> dict[str, str] | None:
    """Variables by name, secrets masked. Of those given twice the first counts, as for getenv(3)."""
    if raw is None:
        return None
    found: dict[str, str] = {}
    for item in mask(raw[:_ENVIRON_LIMIT_BYTES]).split(b"\0"):
        name, equals, value = item.partition(b"=")
        if equals:
            found.setdefault(text(name), text(value))
    return found


def _ancestor(above: Above, moments: Moments, ticks: int) -> Ancestor:
    comm = started = None
    unit = ""
    try:
        line = parse(above.stat, above.pid)
        clock = moments.now.sample.clock
        comm = text(line.comm)
        started = rfc3339(max(0.0, clock.wall - max(0.0, clock.boot - line.started_ticks / ticks)))
        unit = attribute(cgroup_path(above.cgroup)).unit if isinstance(above.cgroup, bytes) else ""
    except SretoolError as error:
        moments.now.sample.errors.append(error)
    return Ancestor(int(above.pid), comm, unit, started)


def security(moments: Moments, state: State) -> Security:
    """What it may do, and what confines it."""
    status, who = moments.now.status, moments.now.sample.who
    label = (state.raw("attr/current") or b"").rstrip(b"\0\n")
    return Security(
        _capabilities(status, state),
        _signals(status, who.machine if who is not None else ""),
        None if status.seccomp is None else _SECCOMP.get(status.seccomp, f"unknown-{status.seccomp}"),
        status.seccomp_filters,
        status.no_new_privs,
        text(label) or None,
        _namespaces(state),
    )


def _capabilities(status: Status, state: State) -> Capabilities | None:
    sets = (
        status.capabilities_effective,
        status.capabilities_permitted,
        status.capabilities_inheritable,
        status.capabilities_ambient,
    )
    if sets[0] is None:
        return None
    last = number(state.host.get("/proc/sys/kernel/cap_last_cap"))
    whole = None if last is None or not 0 <= last < 64 else (2 << last) - 1
    bounding = status.capabilities_bounding
    dropped = None if whole is None or bounding is None else capabilities(whole & ~bounding)
    lacking = None if whole is None else capabilities(whole & ~(status.capabilities_effective or 0))
    effective, permitted, inheritable, ambient = (capabilities(one or 0) for one in sets)
    return Capabilities(effective, permitted, inheritable, ambient, dropped, lacking)


def _signals(status: Status, machine: str) -> Signals | None:
    if status.signals_caught is None:
        return None
    masks = (
        (status.signals_pending or 0) | (status.signals_pending_shared or 0),
        status.signals_blocked or 0,
        status.signals_ignored or 0,
        status.signals_caught,
    )
    return Signals(*(signals(one, machine) for one in masks))


def _namespaces(state: State) -> list[Namespace] | None:
    if not isinstance(state.namespaces, dict):
        return None
    return [
        Namespace(name, _inode(target), target == state.theirs[name] if name in state.theirs else None)
        for name, target in sorted(state.namespaces.items())
        if not name.endswith("_for_children")
    ]


def _inode(target: str) -> int | None:
    digits = target.rpartition("[")[2].rstrip("]")  # pid:[4026531836]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 20 else None
