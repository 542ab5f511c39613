"""All that says why a process runs, as bytes of one moment.

Of one target everything is read of it and of its ancestors only; for a recording, of every process.
"""

from __future__ import annotations

import errno
import posixpath
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec import Struct

from sretool.errors import Denied, Missing, SourceError, SretoolError, from_errno
from sretool.host import engines, systemd
from sretool.host.engines import Container
from sretool.host.mountinfo import unescape
from sretool.host.secrets import mask, mask_lines
from sretool.host.source import Source, Stat, attempt
from sretool.host.systemd import Unit
from sretool.host.users import names
from sretool.procs.table import Proc, Table, table
from sretool.procs.target import Target, real_path, resolve
from sretool.procs.why.crontab import DIRECTORY, SPOOLS, SYSTEM
from sretool.sockets import read as sockets
from sretool.sockets.model import endpoint

SESSIONS = "/run/systemd/sessions"
_FILES = ("status", "loginuid")
_REMOTE = (
    b"nfs",
    b"cifs",
    b"smb3",
    b"9p",
    b"ceph",
    b"fuse",
    b"glusterfs",
    b"lustre",
    b"afs",
    b"ocfs2",
    b"gfs2",
)
_MEMORY = "/memfd:"
DELETED = " (deleted)"
# what a starter leaves in the environment of those it starts; nothing else of it is kept
VARIABLES = (
    *("INVOCATION_ID", "LISTEN_FDS", "LISTEN_FDNAMES", "SYSTEMD_EXEC_PID", "TRIGGER_UNIT"),
    *("SSH_CONNECTION", "SSH_TTY", "SUDO_USER", "SUDO_COMMAND", "TMUX", "STY", "XDG_SESSION_ID"),
    *("SUPERVISOR_PROCESS_NAME", "SUPERVISOR_GROUP_NAME", "PM2_HOME", "pm_id", "MONIT_SERVICE"),
    *("CRON_TZ", "KUBERNETES_SERVICE_HOST", "container", "NOMAD_ALLOC_ID"),
)


class Ask(NamedTuple):
    """Whom to explain; None: everybody, for a recording."""

    target: str | None = None


EVERYTHING = Ask()


class Detail(Struct):
    """What is read of one process of the chain. None: it could not be read, and `errors` says why
    where that matters. `disk` is what stands at the path of `exe` now, as the process sees it.
    """

    status: bytes | None = None
    loginuid: int | None = None
    environ: dict[str, str] | None = None
    exe: str | None = None
    running: Stat | None = None
    disk: Stat | None = None
    disk_gone: bool = False
    folder: Stat | None = None


class Sample(Struct):
    """One reading. `maps`, `listeners` and `namespace` (is its network namespace ours?) are of the
    target alone; None where they could not be read.
    """

    known: Table
    target: Target | None
    details: dict[int, Detail] = {}
    users: dict[int, str | None] = {}
    units: dict[str, Unit] = {}
    booted: bool = False
    sessions: dict[str, bytes] = {}
    containers: dict[str, Container] = {}
    crontabs: dict[str, bytes] = {}
    maps: bytes | None = None
    listeners: list[str] | None = None
    errors: list[SretoolError] = []


def sample(source: Source, ask: Ask) -> Sample:
    """Read it.

    Raises:
        UsageError, Missing: there is no one process that `ask.target` names.
        SourceError, ParseError: /proc cannot be listed, or the host's identity is not known.
    """
    known = table(source)
    errors: list[SretoolError] = []
    target = None if ask.target is None else resolve(source, ask.target, known, errors)
    found = Sample(known, target, errors=errors)
    if target is None:
        chain = [proc for proc in known.procs.values() if not proc.kernel]
        for path in ("/bin", "/sbin", "/lib", "/lib64"):  # a later target may be named through them
            attempt(errors, _link, source, path)
    else:
        chain = [target.main, *known.ancestors(target.main.pid)]
    _read_details(source, found, chain)
    if target is None or not target.main.kernel:
        _read_causes(source, found, chain)
    if target is not None and not target.main.kernel:
        _read_target(source, found, target.main)
    uids = [detail.loginuid for detail in found.details.values() if detail.loginuid is not None]
    found.users = names(source, uids, errors)
    if target is not None:
        _drop_noise(found)
    return found


def _link(source: Source, path: str) -> None:
    real_path(source, path)


def _read_details(source: Source, found: Sample, chain: Sequence[Proc]) -> None:
    pids = [str(proc.pid) for proc in chain]
    for pid, (status, login) in source.bulk("/proc", pids, _FILES).items():
        found.details[int(pid)] = Detail(None if isinstance(status, int) else status, _login(login))
    remote = _remote_mounts(source)
    for proc in chain:
        _read_exe(source, found.details[proc.pid], proc, remote)
    # of a process in D state it can block for ever (it takes the lock of its memory)
    free = [
        pid
        for pid, proc in zip(pids, chain)
        if proc.state not in ("disk-sleep", "zombie") and not proc.kernel
    ]
    for pid, (raw,) in source.bulk("/proc", free, ("environ",), guarded=True).items():
        if not isinstance(raw, int):
            # for a recording it is enough to have read it
            found.details[int(pid)].environ = None if found.target is None else _variables(raw)
        elif found.target is not None and pid == pids[0] and raw not in (errno.ENOENT, errno.ESRCH):
            found.errors.append(from_errno(raw, f"/proc/{pid}/environ"))


def _login(raw: bytes | int) -> int | None:
    """The login uid; None when there was no login (2^32-1), or nobody keeps it."""
    if isinstance(raw, int) or not raw.strip().isdigit() or len(raw) > 11:
        return None
    number = int(raw)
    return None if number == (1 << 32) - 1 else number


def _variables(raw: bytes) -> dict[str, str]:
    found = {}
    for item in raw.split(b"\0"):
        key = item.partition(b"=")[0].decode("ascii", "replace")
        if key in VARIABLES:
            found[key] = mask(item[:1024]).partition(b"=")[2].decode("utf-8", "backslashreplace")
    return found


def _remote_mounts(source: Source) -> tuple[str, ...]:
    """Where a filesystem is mounted whose server may be dead: stat(2) there can block for ever."""
    try:
        raw = source.read("/proc/self/mountinfo")
    except SourceError:
        return ()
    found = []
    for line in raw.splitlines():
        head, _, tail = line.partition(b" - ")
        fields = head.split()
        if len(fields) > 4 and tail.startswith(_REMOTE):
            found.append(unescape(fields[4]).decode("utf-8", "surrogateescape").rstrip("/") + "/")
    return tuple(found)


def _read_exe(source: Source, detail: Detail, proc: Proc, remote: tuple[str, ...]) -> None:
    """What runs, and what stands at its path: by inode, because a new file may have the same name."""
    if proc.kernel:
        return
    link = f"/proc/{proc.pid}/exe"
    try:
        detail.exe = source.readlink(link)
        if detail.exe.startswith(remote):
            return
        detail.running = source.stat(link)
        if detail.exe.startswith(_MEMORY):
            return
        path = f"/proc/{proc.pid}/root{detail.exe.removesuffix(DELETED)}"
        # the directory first: where it cannot be entered, a missing file means nothing
        detail.folder = source.stat(posixpath.dirname(path))
        detail.disk = source.stat(path)
    except Missing:
        detail.disk_gone = detail.folder is not None
    except SourceError:
        return


def _read_causes(source: Source, found: Sample, chain: Iterable[Proc]) -> None:
    """Units, sessions, containers and crontabs; the last two only where the chain asks for them."""
    everybody = found.target is None
    try:
        found.units, found.booted = systemd.read(source), True
    except Missing:
        pass
    except SretoolError as error:
        found.errors.append(error)
        found.booted = True
    if found.booted or everybody:
        for name in attempt(found.errors, source.listdir, SESSIONS) or ():
            if not name.endswith(".ref"):  # a pipe of logind's
                raw = attempt(found.errors, source.read, f"{SESSIONS}/{name}")
                if raw is not None:
                    found.sessions[name] = raw
    inside = {proc.whose.container for proc in chain} - {""}
    if inside:
        found.containers = engines.containers(source, found.errors, None if everybody else inside)
    if everybody or any(_is_cron(proc) for proc in chain):
        found.crontabs = _crontabs(source, found.errors)


def _is_cron(proc: Proc) -> bool:
    return "cron" in proc.comm or "cron" in proc.program


def _crontabs(source: Source, errors: list[SretoolError]) -> dict[str, bytes]:
    paths = [SYSTEM]
    for folder in (DIRECTORY, *SPOOLS):
        try:
            paths += [f"{folder}/{name}" for name in source.listdir(folder) if not name.startswith(".")]
        except Missing:
            continue
        except SourceError as error:
            errors.append(error)
    found = {}
    for path in paths:
        try:
            found[path] = mask_lines(source.read(path))
        except Missing:
            continue
        except SourceError as error:
            if error.errno != errno.EISDIR:
                errors.append(error)
    return found


def _read_target(source: Source, found: Sample, main: Proc) -> None:
    if main.state not in ("disk-sleep", "zombie"):
        raw = source.bulk("/proc", [str(main.pid)], ("maps",), guarded=True)[str(main.pid)][0]
        found.maps = None if isinstance(raw, int) else raw
    found.listeners = _listeners(source, main.pid, found.errors)


def _listeners(source: Source, pid: int, errors: list[SretoolError]) -> list[str] | None:
    """Addresses and ports that the process listens on with TCP; None when that is not known."""
    try:
        if source.readlink(f"/proc/{pid}/ns/net") != source.readlink("/proc/self/ns/net"):
            return None
    except SourceError:
        return None
    targets = source.links("/proc", [str(pid)], "fd")[str(pid)]
    if isinstance(targets, int):
        return None
    held = {target for target in targets.values() if target.startswith("socket:[")}
    if not held:
        return []
    asked = sockets.sample(
        source, sockets.LISTENERS._replace(udp_states=0, owners=False, users=False, counters=False)
    )
    errors += asked.errors
    if asked.errors:
        return None
    rows = sockets.build_list(asked).sockets
    return [endpoint(row.local_address, row.local_port) for row in rows if f"socket:[{row.inode}]" in held]


def _drop_noise(found: Sample) -> None:
    """Of what the whole table could not show, only what hides a process matters here."""
    found.errors += [
        error for error in found.known.errors if isinstance(error, Denied) and error.what == "/proc"
    ]
