"""What a recording holds of every process for `procs show`, beside what other rooms record.

stat, status, cgroup, limits, io, oom_score, cmdline, ns, smaps_rollup and delays come with `procs list`,
fd with `sockets list`, exe and deleted files with `procs deleted`, comm, loginuid and environ (secrets
masked) with `procs why`. Memory maps are left out: they are megabytes of one process.
"""

from __future__ import annotations

import errno

from sretool.errors import NotRecorded, SourceError, SretoolError
from sretool.host.source import Source, attempt, pids
from sretool.procs.stat import parse

PROCESS_FILES = ("schedstat", "wchan", "loginuid", "attr/current")
THREAD_FILES = ("stat", "status", "schedstat", "wchan")
THREADS_LIMIT = 4000
"""Of all processes together, those of few threads first: 40 µs and 90 bytes each, twice."""
LINKS = ("cwd", "root")
HOST_FILES = (
    "/proc/meminfo",
    "/proc/loadavg",
    "/proc/sys/kernel/pid_max",
    "/proc/sys/kernel/threads-max",
    "/proc/sys/kernel/cap_last_cap",
    "/proc/sys/vm/max_map_count",
)


def read(source: Source, errors: list[SretoolError]) -> None:
    """Read it through `source`, which keeps it. A process that ends meanwhile is not told of; nor is
    what an ordinary user may not read: other rooms say so already.
    """
    every = pids(source)
    quiet: list[SretoolError] = []
    for path in HOST_FILES:
        attempt(quiet, source.read, path)
    source.bulk("/proc", every, PROCESS_FILES)
    source.links("/proc", ["self", "1"], "ns")
    _links(source, every)
    _threads(source, every, errors)


def _links(source: Source, every: list[str]) -> None:
    for pid in every:
        for name in LINKS:
            try:
                source.readlink(f"/proc/{pid}/{name}")
            except NotRecorded:  # only counters are recorded now
                return
            except SourceError:
                continue


def _threads(source: Source, every: list[str], errors: list[SretoolError]) -> None:
    counts: dict[str, int] = {}
    for pid, (raw,) in source.bulk("/proc", every, ["stat"]).items():
        try:
            if isinstance(raw, bytes) and (number := parse(raw, pid).threads) > 1:
                counts[pid] = number
        except SretoolError:
            continue
    left = THREADS_LIMIT
    for pid in sorted(counts, key=lambda pid: (counts[pid], int(pid))):
        try:
            tids = source.listdir(f"/proc/{pid}/task")
        except SourceError as error:
            if error.errno not in (errno.ENOENT, errno.ESRCH):
                errors.append(error)
            continue
        if len(tids) > left:
            break
        left -= len(tids)
        source.bulk(f"/proc/{pid}/task", tids, THREAD_FILES)
