"""What is read of a process once: all but its counters."""

from __future__ import annotations

import contextlib
import errno
import json
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from msgspec import Struct

from sretool.errors import Denied, Inconsistent, Missing, ParseError, SourceError, SretoolError, from_errno
from sretool.host import engines, interfaces, netlink, oom
from sretool.host.attribution import attribute, cgroup_path
from sretool.host.source import Source, Stat, attempt, pids
from sretool.host.users import names
from sretool.procs.show.read.everyone import HOST_FILES
from sretool.procs.show.read.sample import GONE, Sample
from sretool.procs.stat import parse, state_letter
from sretool.procs.status import parse as parse_status
from sretool.sockets.read import diag

FILES_LIMIT = 1000
ANCESTORS_LIMIT = 64
LOG_LINES = 20
_LOG_TIMEOUT_S = 3.0
_NOBODY_LOGGED_IN = (1 << 32) - 1
CALM = ("limits", "oom_score", "oom_score_adj", "loginuid", "attr/current")

BLOCKING = ("cmdline", "maps", "smaps_rollup")


class Above(NamedTuple):
    """A process above: its pid, stat line and cgroup file."""

    pid: str
    stat: bytes
    cgroup: bytes | int


class State(Struct):
    """One reading, as bytes, an errno in place of what could not be read.

    files: of /proc/PID. links: exe, cwd, root. fds: fd. stats, fdinfos: by descriptor.
    namespaces: of the process; theirs: init's, or ours; ours: of the reader.
    tables: sockets, only those it holds; null when they could not be listed.
    """

    files: dict[str, bytes | int] = {}
    links: dict[str, str | int] = {}
    fds: dict[str, str] | int = {}
    stats: dict[str, Stat | int] = {}
    fdinfos: dict[str, bytes | int] = {}
    mountinfo: bytes = b""
    namespaces: dict[str, str] | int = {}
    theirs: dict[str, str] = {}
    ours: dict[str, str] = {}
    ancestors: list[Above] = []
    users: dict[int, str | None] = {}
    user_threads: int | None = None
    container: engines.Container | None = None
    tables: list[diag.Table] | None = None
    interfaces: dict[int, str] = {}
    kills: list[oom.OomKill] | None = None
    log: bytes | None = None
    host: dict[str, bytes] = {}
    errors: list[SretoolError] = []

    def raw(self, file: str) -> bytes | None:
        """What a file said; None when it was not read."""
        found = self.files.get(file)
        return found if isinstance(found, bytes) else None


def state(source: Source, now: Sample, *, environment: bool = False) -> State:
    """Read all else of the process in `now`: what can block for ever comes last, and in a child.

    Raises:
        Inconsistent: its pid is another process's by now.
    """
    found = State()
    line = parse(now.raw("stat") or b"", now.pid)
    bare = line.kernel or line.state in (b"Z", b"X", b"x")
    for path in HOST_FILES:
        raw = attempt(found.errors, source.read, path)
        if raw is not None:
            found.host[path] = raw
    _keep(found, now.pid, CALM, source.bulk("/proc", [now.pid], CALM)[now.pid])
    _read_namespaces(source, now, found)
    _read_ancestors(source, found, line.ppid)
    _read_users(source, now, found)
    _read_names(source, now, found)
    if not bare:
        _read_links(source, now, found)
        _read_fds(source, now, found)
        _read_sockets(source, now, found)
        # smaps_rollup walks the page tables under the lock that a process in D state may hold
        stuck = state_letter(now.raw("stat") or b"") == b"D"
        blocking = [*(BLOCKING[:1] if stuck else BLOCKING), *(["environ"] if environment else [])]
        items = source.bulk("/proc", [now.pid], blocking, guarded=True)[now.pid]
        if not source.live and "maps" in blocking and items[1] == errno.ENODATA:
            items = (items[0], errno.ESRCH, *items[2:])  # never recorded: no news
        _keep(found, now.pid, blocking, items)
        if stuck:
            message = "not read: in D state, reading its memory map could block for ever"
            found.errors.append(SretoolError(f"/proc/{now.pid}/smaps_rollup", message))
    _read_logs(source, now, found)
    _read_file_stats(source, now, found)
    _check_same(source, now, found, line.started_ticks)
    return found


def _keep(found: State, pid: str, files: Sequence[str], items: Sequence[bytes | int]) -> None:
    for file, item in zip(files, items):
        found.files[file] = item
        # without a security module attr/current is EINVAL
        if isinstance(item, int) and item not in (*GONE, errno.EINVAL):
            found.errors.append(from_errno(item, f"/proc/{pid}/{file}"))


def _read_links(source: Source, now: Sample, found: State) -> None:
    for name in ("exe", "cwd", "root"):
        try:
            found.links[name] = source.readlink(f"/proc/{now.pid}/{name}")
        except SourceError as error:
            found.links[name] = error.errno
            if error.errno not in GONE:
                found.errors.append(error)


def _read_namespaces(source: Source, now: Sample, found: State) -> None:
    links = source.links("/proc", [now.pid, "1", "self"], "ns")
    found.namespaces = links[now.pid]
    if isinstance(found.namespaces, int) and found.namespaces not in GONE:
        found.errors.append(from_errno(found.namespaces, f"/proc/{now.pid}/ns"))
    init, ours = links["1"], links["self"]
    found.ours = ours if isinstance(ours, dict) else {}
    found.theirs = init if isinstance(init, dict) else found.ours


def _read_ancestors(source: Source, found: State, ppid: int) -> None:
    seen = {0}
    while ppid not in seen and len(seen) <= ANCESTORS_LIMIT:
        seen.add(ppid)
        stat, cgroup = source.bulk("/proc", [str(ppid)], ["stat", "cgroup"])[str(ppid)]
        if isinstance(stat, int):
            break
        found.ancestors.append(Above(str(ppid), stat, cgroup))
        try:
            ppid = parse(stat, str(ppid)).ppid
        except ParseError:
            break


def _read_users(source: Source, now: Sample, found: State) -> None:
    """Names, and how many threads its user has, which `nproc` is held against."""
    wanted = []
    with contextlib.suppress(ParseError):
        uids = parse_status(now.raw("status") or b"", now.pid).uids
        if uids is not None:
            wanted += [uids.effective, uids.real]
            if uids.real:
                found.user_threads = _threads_of(source, uids.real)
    login = (found.raw("loginuid") or b"").strip()
    if login.isdigit() and len(login) <= 10 and int(login) != _NOBODY_LOGGED_IN:
        wanted.append(int(login))
    found.users = names(source, wanted, found.errors)


def _threads_of(source: Source, uid: int) -> int | None:
    try:
        every = pids(source)
    except SourceError:
        return None
    total = 0
    for pid, (raw,) in source.bulk("/proc", every, ["status"]).items():
        if isinstance(raw, bytes):
            with contextlib.suppress(ParseError):
                one = parse_status(raw, pid)
                if one.uids is not None and one.uids.real == uid:
                    total += one.threads or 0
    return total or None


def _read_names(source: Source, now: Sample, found: State) -> None:
    with contextlib.suppress(ParseError):
        whose = attribute(cgroup_path(now.raw("cgroup") or b""))
        if whose.container:
            known = engines.containers(source, found.errors, [whose.container])
            found.container = known.get(whose.container)


def _read_fds(source: Source, now: Sample, found: State) -> None:
    found.fds = source.links("/proc", [now.pid], "fd")[now.pid]
    if isinstance(found.fds, int):
        if found.fds not in GONE:
            found.errors.append(from_errno(found.fds, f"/proc/{now.pid}/fd"))
        return
    files = file_fds(found.fds)
    wanted = [f"fdinfo/{fd}" for fd in files]
    found.fdinfos = dict(zip(files, source.bulk("/proc", [now.pid], wanted)[now.pid])) if files else {}
    # in another mount namespace the ids of its own mounts count
    own = isinstance(found.namespaces, dict) and found.namespaces.get("mnt") != found.ours.get("mnt")
    for path in (f"/proc/{now.pid}/mountinfo" if own else "/proc/self/mountinfo",):
        found.mountinfo = attempt([], source.read, path) or b""


def file_fds(fds: dict[str, str]) -> list[str]:
    """Descriptors of what has a path, deleted ones first, at most FILES_LIMIT."""
    files = [fd for fd, target in fds.items() if target.startswith("/") and fd.isascii() and fd.isdigit()]
    files.sort(key=lambda fd: (not fds[fd].endswith(" (deleted)"), len(fd), fd))
    return files[:FILES_LIMIT]


def _read_file_stats(source: Source, now: Sample, found: State) -> None:
    """Sizes: the path leads to the file itself, which may be on a dead mount."""
    if isinstance(found.fds, int):
        return
    files = file_fds(found.fds)
    stats = source.stats([f"/proc/{now.pid}/fd/{fd}" for fd in files])
    found.stats = dict(zip(files, stats.values()))
    silent = [fd for fd, item in found.stats.items() if item == errno.ETIMEDOUT]
    if silent:
        message = f"{len(silent)} open files did not answer in time: their file system is dead, or very slow"
        found.errors.append(SretoolError(f"/proc/{now.pid}/fd/{silent[0]}", message))


def inodes(fds: dict[str, str]) -> set[int]:
    """The inodes of its sockets."""
    numbers = (target[8:-1] for target in fds.values() if target.startswith("socket:["))
    return {int(number) for number in numbers if number.isascii() and number.isdigit() and len(number) < 20}


def _read_sockets(source: Source, now: Sample, found: State) -> None:
    """Its TCP and UDP sockets; in another network namespace they are asked for there."""
    if isinstance(found.fds, int):
        return
    wanted = inodes(found.fds)
    if not wanted:
        found.tables = []
        return
    theirs = found.namespaces.get("net") if isinstance(found.namespaces, dict) else None
    netns = f"/proc/{now.pid}/ns/net" if theirs and theirs != found.ours.get("net", theirs) else None
    tables = []
    try:
        for protocol in ("tcp", "udp"):
            for family in diag.FAMILIES:
                request = diag.request(protocol, family, diag.ALL_STATES, info=False, memory=True)
                frames = netlink.noted(source.netlink(request, netns), request.key, found.errors)
                records = diag.decode(frames, protocol, family, diag.ALL_STATES)
                mine = [record for record in records if record[0][16] in wanted]
                tables.append(diag.Table(protocol, family, sorted(mine, key=diag.order)))
        if any(record[0][10] for table in tables for record in table.records) and netns is None:
            found.interfaces = interfaces.read(source)
    except (SourceError, ParseError) as error:
        if netns is not None and not isinstance(error, ParseError):
            error = from_errno(error.errno, netns)
        found.errors.append(error)
        return
    found.tables = tables


def log_argv(unit: str) -> list[str]:
    """The journal of a unit, this boot."""
    return [
        *("journalctl", "-q", "-b", "--no-pager", "-o", "json", "-p", "warning", "-n", str(LOG_LINES)),
        *("--output-fields=MESSAGE,PRIORITY,_PID", f"--unit={unit}"),
    ]


def _read_logs(source: Source, now: Sample, found: State) -> None:
    page_bytes = now.who.page_bytes if now.who is not None else 4096
    kernel = oom.read_log(source, found.errors, page_bytes)
    found.kills = None if kernel is None else kernel.kills
    found.log = b""
    with contextlib.suppress(ParseError):
        unit = attribute(cgroup_path(now.raw("cgroup") or b"")).unit
        if not source.live:  # the command line names the unit: nobody recorded it
            found.log = None
        elif unit:
            found.log = _journal(source, unit, found.errors)


def _journal(source: Source, unit: str, errors: list[SretoolError]) -> bytes | None:
    try:
        done = source.run(log_argv(unit), _LOG_TIMEOUT_S)
    except Missing:  # no systemd here, so no journal
        return b""
    except SourceError as error:
        errors.append(error)
        return None
    if done.exit_code == 0:
        return done.stdout
    hint = "run with sudo, or as a member of systemd-journal or adm"
    errors.append(Denied("journalctl", f"the log of {unit} could not be read", hint, errno=errno.EACCES))
    return None


def _check_same(source: Source, now: Sample, found: State, started_ticks: int) -> None:
    (raw,) = source.bulk("/proc", [now.pid], ["stat"])[now.pid]
    what = f"process {now.pid}"
    if isinstance(raw, int):
        if raw in GONE:
            message = "it ended while it was looked at: what was read last is missing"
            found.errors.append(Missing(what, message, errno=raw))
        return
    if parse(raw, now.pid).started_ticks != started_ticks:
        message = "it ended while it was looked at, and another process has its number"
        raise Inconsistent(what, message, "ask again for the new one")


class Entry(msgspec.Struct):
    """A line of `journalctl -o json`."""

    at_us: str = msgspec.field(default="", name="__REALTIME_TIMESTAMP")
    priority: str = msgspec.field(default="", name="PRIORITY")
    pid: str = msgspec.field(default="", name="_PID")
    message: str | list[int] | None = msgspec.field(default=None, name="MESSAGE")


def entries(raw: bytes) -> list[Entry]:
    """The lines of a journal that have their form."""
    found = []
    decoder = msgspec.json.Decoder(Entry)
    for line in raw.splitlines():
        try:
            found.append(decoder.decode(line))
        except (msgspec.MsgspecError, json.JSONDecodeError, UnicodeDecodeError):
            continue
    return found
