"""What it holds: files, sockets, threads."""

from __future__ import annotations

import errno
import stat as modes
from collections import Counter

from sretool.errors import SretoolError
from sretool.host.attribution import Attribution
from sretool.host.mountinfo import parse_mountinfo
from sretool.host.owners import Owner, Owners
from sretool.host.source import Stat
from sretool.procs.show.model import Files, OpenFile, Sockets, Thread, Threads, Waiting
from sretool.procs.show.read.moments import Moments, keyed, waits_in
from sretool.procs.show.read.sample import Sample
from sretool.procs.show.read.state import State, file_fds, inodes
from sretool.procs.show.read.use import counter
from sretool.procs.stat import parse, state_name
from sretool.report.escape import clean, text
from sretool.sockets.read import Narrow, build_list
from sretool.sockets.read import Sample as SocketSample

MARK = " (deleted)"
SOCKETS_LIMIT = 1000
BLOCKED_LIMIT = 50
BUSIEST_LIMIT = 10
# device numbers that no driver but memory has (Documentation/admin-guide/devices.txt, 1 char)
_MEMORY_FILES = ("/memfd:", "/SYSV", "/dev/zero (deleted)", "/anon_hugepage")


def files(state: State) -> Files | None:
    """What it has open; None when fd was not read."""
    if isinstance(state.fds, int):
        return None
    kinds = Counter(_kind(target, state.stats.get(fd)) for fd, target in state.fds.items())
    mounts = _mounts(state)
    rows = [_open(state, fd, mounts) for fd in file_fds(state.fds)]
    rows.sort(key=lambda row: (not row.deleted, -(row.space_bytes or 0), -(row.size_bytes or 0), row.fd))
    gone = [fd for fd, target in state.fds.items() if _deleted(target, state.stats.get(fd))]
    held: dict[tuple[int, int], int] = {}
    for fd in gone:
        found = state.stats.get(fd)
        if isinstance(found, Stat):
            held[found.device, found.inode] = max(0, found.blocks_512) * 512
    known = all(isinstance(state.stats.get(fd), Stat) for fd in gone)
    return Files(
        len(state.fds), dict(kinds.most_common()), len(gone), sum(held.values()) if known else None, rows
    )


def _deleted(target: str, found: Stat | int | None) -> bool:
    """Whether no name is left; a name may itself end so, which the number of links tells."""
    if not target.endswith(MARK) or not target.startswith("/") or target.startswith(_MEMORY_FILES):
        return False
    return not (isinstance(found, Stat) and found.links)


def _kind(target: str, found: Stat | int | None) -> str:
    if target.startswith("anon_inode:"):
        return clean(target[len("anon_inode:") :].strip("[]")) or "anon_inode"
    if not target.startswith("/"):
        return clean(target.partition(":")[0]) or "unknown"
    if target.startswith(_MEMORY_FILES):
        return "memfd"
    if isinstance(found, Stat):
        if modes.S_ISDIR(found.mode):
            return "directory"
        if modes.S_ISCHR(found.mode) or modes.S_ISBLK(found.mode):
            return "device"
        if modes.S_ISFIFO(found.mode):
            return "pipe"
        if modes.S_ISSOCK(found.mode):
            return "socket"
    return "device" if target.startswith("/dev/") and target.count("/") == 2 else "file"


def _open(state: State, fd: str, mounts: dict[int, str]) -> OpenFile:
    fds = state.fds
    target = fds[fd] if isinstance(fds, dict) else ""
    found, info = state.stats.get(fd), state.fdinfos.get(fd)
    about = keyed(info) if isinstance(info, bytes) else {}
    known = found if isinstance(found, Stat) else None
    return OpenFile(
        int(fd),
        clean(target.removesuffix(MARK)),
        _kind(target, found),
        _deleted(target, found),
        None if known is None else known.size_bytes,
        None if known is None else max(0, known.blocks_512) * 512,
        about.get(b"pos"),
        mounts.get(about.get(b"mnt_id", -1)),
    )


def _mounts(state: State) -> dict[int, str]:
    try:
        return {mount.id: mount.point for mount in parse_mountinfo(state.mountinfo)}
    except SretoolError:  # where a file is, is then not known
        return {}


def sockets(now: Sample, state: State, whose: Attribution, path: str | None) -> Sockets | None:
    """Its TCP and UDP sockets; None when they could not be listed."""
    if isinstance(state.fds, int) or state.tables is None:
        return None
    pid, mine = int(now.pid), inodes(state.fds)
    owner = Owner(pid, None, path)
    owners = Owners(dict.fromkeys(mine, pid), {pid: owner}, set(), 0)
    names = {} if state.container is None else {whose.container: state.container}
    found = SocketSample(now.clock, state.tables, owners, {}, {}, state.interfaces, None, [], names)
    rows = build_list(found, Narrow(pid=pid)).sockets
    for row in rows:
        row.process = None
        row.user = state.users.get(row.uid) if row.uid is not None else None
    rows.sort(
        key=lambda row: (
            row.state != "listen",
            -((row.recv_q_bytes or 0) + (row.send_q_bytes or 0) + (row.accept_queue or 0)),
            row.local_port,
            row.remote_port or 0,
        )
    )
    states = Counter(f"{row.protocol} {row.state}" for row in rows)
    theirs = state.namespaces.get("net") if isinstance(state.namespaces, dict) else None
    same = theirs == state.ours["net"] if theirs and "net" in state.ours else None
    return Sockets(len(mine), dict(states.most_common()), rows[:SOCKETS_LIMIT], same)


def threads(moments: Moments) -> Threads:
    """Its threads by state and place."""
    now = moments.now.sample
    rows = []
    for tid, items in now.threads.items():
        row = _thread(tid, items, moments)
        if row is not None:
            rows.append(row)
    states = Counter(row.state for row in rows)
    places = Counter((row.wchan, row.state) for row in rows if row.wchan is not None)
    waiting = [Waiting(wchan or "", state, count) for (wchan, state), count in places.most_common(20)]
    blocked = [row for row in rows if row.state == "disk-sleep"]
    blocked.sort(key=lambda row: (not row.stuck, row.tid))
    busy = sorted((row for row in rows if row.cpu_ratio), key=lambda row: (-(row.cpu_ratio or 0), row.tid))
    return Threads(
        moments.now.line.threads,
        len(rows),
        dict(states.most_common()),
        waiting,
        blocked[:BLOCKED_LIMIT],
        busy[:BUSIEST_LIMIT],
    )


def _thread(tid: str, items: tuple[bytes | int, ...], moments: Moments) -> Thread | None:
    """None for one that ended, or was not recorded."""
    raw = items[0]
    if not isinstance(raw, bytes) or not tid.isdigit():
        return None
    try:
        line = parse(raw, tid)
    except SretoolError as error:
        moments.now.sample.errors.append(error)
        return None
    before = moments.before.sample.threads.get(tid) if moments.before is not None else None
    was = before[0] if before is not None else errno.ENOENT
    ratio = delay = stuck = None
    # a tid is the same thread only when it began at the same tick
    if before is not None and isinstance(was, bytes) and _started(was, tid) == line.started_ticks:
        used, ready = ((counter(items, 2, at), counter(before, 2, at)) for at in (0, 1))
        ratio, delay = (_share(moments, *pair) for pair in (used, ready))
        stuck = _stuck(items, before, line.state)
    return Thread(int(tid), text(line.comm), state_name(line.state), waits_in(items[3]), ratio, delay, stuck)


def _share(moments: Moments, now: int | None, before: int | None) -> float | None:
    return moments.rate(None if now is None else now / 1e9, None if before is None else before / 1e9, 4)


def _started(raw: bytes, tid: str) -> int | None:
    try:
        return parse(raw, tid).started_ticks
    except SretoolError:
        return None


def _stuck(items: tuple[bytes | int, ...], before: tuple[bytes | int, ...], letter: bytes) -> bool | None:
    was = before[0]
    if letter != b"D" or not isinstance(was, bytes) or parse(was, "").state != b"D":
        return False
    switched = [counter(found, 1, b"voluntary_ctxt_switches") for found in (items, before)]
    return None if None in switched else switched[0] == switched[1]
