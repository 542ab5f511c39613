"""The parts of a row that are read on demand, one function each."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sretool.errors import ParseError
from sretool.host.attribution import attributed
from sretool.host.source import Bulk
from sretool.procs.list.model import Process
from sretool.procs.list.read.ask import NAMESPACES
from sretool.procs.list.read.sample import Sample
from sretool.procs.list.read.threads import number
from sretool.procs.stat import policy_name, scheduling
from sretool.report.times import rfc3339

_SECCOMP = {0: "disabled", 1: "strict", 2: "filter"}  # include/uapi/linux/seccomp.h
_MEMORY = (("anon_bytes", b"RssAnon:"), ("file_bytes", b"RssFile:"), ("shmem_bytes", b"RssShmem:"))


class Moments(NamedTuple):
    """The readings a row is made of; `before` is None where there are no rates."""

    now: Sample
    before: Sample | None
    window_s: float


Filler = Callable[[Process, str, Moments, bool], None]
"""Sets its fields of a row: (row, pid as /proc names it, moments, the earlier reading has it too)."""


def per_second(now: int | None, before: int | None, window_s: float) -> float | None:
    """What a counter grew by in a second; None when it is not known twice, or went backwards."""
    if now is None or before is None or now < before or window_s <= 0:
        return None
    return round((now - before) / window_s, 2)


def _raw(sample: Sample | None, file: str, pid: str) -> bytes | None:
    found = None if sample is None else sample.files.get(file, {}).get(pid)
    return found if isinstance(found, bytes) else None


def _told(raw: bytes | None, name: bytes) -> int | None:
    return None if raw is None else number(raw, name)


def _rate(moments: Moments, file: str, pid: str, name: bytes, lasted: bool) -> float | None:
    if not lasted:
        return None
    return per_second(
        _told(_raw(moments.now, file, pid), name),
        _told(_raw(moments.before, file, pid), name),
        moments.window_s,
    )


def _kib(raw: bytes | None, name: bytes, row: Process) -> int | None:
    """Kibibytes as bytes. Who has no address space (a kernel thread, a zombie) has 0 of them."""
    found = _told(raw, name)
    if found is None:
        return 0 if raw is not None and b"\nVmSize:" not in raw and _bare(row) else None
    return found * 1024


def _bare(row: Process) -> bool:
    return row.kernel or row.state in ("zombie", "dead")


def _status(row: Process, pid: str, moments: Moments, lasted: bool) -> None:
    raw = _raw(moments.now, "status", pid)
    for field, name in _MEMORY:
        setattr(row, field, _kib(raw, name, row))
    row.swap_bytes = _kib(raw, b"VmSwap:", row)
    seccomp, no_new = _told(raw, b"Seccomp:"), _told(raw, b"NoNewPrivs:")
    row.seccomp = None if seccomp is None else _SECCOMP.get(seccomp, f"unknown-{seccomp}")
    row.no_new_privs = None if no_new is None else bool(no_new)
    row.voluntary_switches_per_s = _rate(moments, "status", pid, b"voluntary_ctxt_switches:", lasted)
    row.involuntary_switches_per_s = _rate(moments, "status", pid, b"nonvoluntary_ctxt_switches:", lasted)


def _swapped(row: Process, pid: str, moments: Moments, lasted: bool) -> None:
    row.swap_bytes = _kib(_raw(moments.now, "status", pid), b"VmSwap:", row)


def _io(row: Process, pid: str, moments: Moments, lasted: bool) -> None:
    row.read_bytes_per_s = _rate(moments, "io", pid, b"read_bytes:", lasted)
    row.write_bytes_per_s = _rate(moments, "io", pid, b"write_bytes:", lasted)


def _rollup(row: Process, pid: str, moments: Moments, lasted: bool) -> None:
    raw = _raw(moments.now, "smaps_rollup", pid)
    for field, name in (("pss_bytes", b"Pss:"), ("swap_pss_bytes", b"SwapPss:")):
        kib = _told(raw, name)
        setattr(row, field, (0 if _bare(row) else None) if kib is None else kib * 1024)


def _oom(row: Process, pid: str, moments: Moments, lasted: bool) -> None:
    for file in ("oom_score", "oom_score_adj"):
        raw = _raw(moments.now, file, pid)
        setattr(row, file, None if raw is None else number(b"=" + raw, b"="))


_DELAYS = (
    ("cpu_delay_ratio", "cpu_ns"),
    ("io_delay_ratio", "blkio_ns"),
    ("swap_delay_ratio", "swapin_ns"),
    ("reclaim_delay_ratio", "freepages_ns"),
)


def _delays(row: Process, pid: str, moments: Moments, lasted: bool) -> None:
    now = moments.now.delays.get(row.pid)
    before = moments.before.delays.get(row.pid) if lasted and moments.before is not None else None
    for field, name in _DELAYS:
        grown = per_second(getattr(now, name, None), getattr(before, name, None), moments.window_s)
        setattr(row, field, None if grown is None else round(grown / 1e9, 4))


def _namespaces(row: Process, pid: str, moments: Moments, lasted: bool) -> None:
    found = moments.now.namespaces.get(pid)
    targets = found if isinstance(found, dict) else {}
    for name in NAMESPACES:
        # pid:[4026531836]
        inode = targets.get(name, "").rpartition("[")[2]
        setattr(row, f"{name}_namespace", number(b"=" + inode.rstrip("]").encode("utf-8", "replace"), b"="))


def _fds(row: Process, pid: str, moments: Moments, lasted: bool) -> None:
    row.fds = moments.now.fds.get(pid)


def _limits(row: Process, pid: str, moments: Moments, lasted: bool) -> None:
    raw = _raw(moments.now, "limits", pid)
    # the soft one comes first; the word unlimited is no number
    row.fd_limit = _told(raw, b"Max open files ")
    row.threads_limit = _told(raw, b"Max processes ")


def _scheduling(row: Process, pid: str, moments: Moments, lasted: bool) -> None:
    found = scheduling(moments.now.stats[pid]) if pid in moments.now.stats else None
    row.realtime_priority, row.policy = (None, None) if found is None else (found[0], policy_name(found[1]))


def _started(row: Process, pid: str, moments: Moments, lasted: bool) -> None:
    clock = moments.now.clock
    row.started_at = rfc3339(max(0.0, clock.wall - row.age_s))


def _blocked(row: Process, pid: str, moments: Moments, lasted: bool) -> None:
    row.wchan = None
    row.stuck = False if lasted else None
    if row.state == "disk-sleep":
        row.wchan = _where(_raw(moments.now, "wchan", pid))
        if lasted and row.state_before == "disk-sleep":
            row.stuck = _unmoved(_raw(moments.now, "status", pid), _raw(moments.before, "status", pid))
    _threads(row, pid, moments, lasted)


def _threads(row: Process, pid: str, moments: Moments, lasted: bool) -> None:
    row.stuck_threads, row.thread_wchan = (0 if lasted else None), None
    if row.threads < 2 or not lasted or moments.before is None:
        return
    now, before = moments.now.threads, moments.before.threads
    # where one reading had no reason to look, nothing was stuck at both
    if now is not None and before is not None:
        stuck = _stuck_threads(now.get(pid, {}), before.get(pid, {}))
        row.stuck_threads = len(stuck)
        if stuck:
            row.thread_wchan = _where(stuck[0])


def _stuck_threads(now: Bulk, before: Bulk) -> list[bytes]:
    """The wchan of each thread that did not move between."""
    return [
        items[1] if isinstance(items[1], bytes) else b""
        for tid, items in now.items()
        if tid in before
        and isinstance(items[2], bytes)
        and isinstance(was := before[tid][2], bytes)
        and _unmoved(items[2], was)
    ]


def _where(raw: bytes | None) -> str | None:
    # the kernel says 0 to those who may not know
    return None if raw is None or raw in (b"", b"0") else raw.decode("utf-8", "backslashreplace")


def _unmoved(now: bytes | None, before: bytes | None) -> bool | None:
    switches = [_told(raw, b"voluntary_ctxt_switches:") for raw in (now, before)]
    return None if None in switches else switches[0] == switches[1]


def _names(row: Process, pid: str, moments: Moments, lasted: bool) -> None:
    if row.container == "" == row.pod:
        row.container_name = row.pod_name = row.namespace = row.image = ""
        return
    row.container_name = row.pod_name = row.namespace = row.image = None
    raw = _raw(moments.now, "cgroup", pid)
    try:
        whose = None if raw is None else attributed(raw)[1]
    except ParseError:
        return
    if whose is None:
        return
    from sretool.host.engines import name_of  # 10 ms, for those who have containers

    row.container_name = name_of(whose, moments.now.containers)
    found = moments.now.containers.get(whose.container)
    if found is not None:
        row.pod_name, row.namespace, row.image = found.pod, found.namespace, found.image or None
    elif not whose.container and not whose.pod:  # what holds a pod's containers up is in the pod alone
        row.pod_name = row.namespace = row.image = ""


FILLERS: dict[str, Filler] = {
    "names": _names,
    "blocked": _blocked,
    "fds": _fds,
    "limits": _limits,
    # before status, which knows more
    "swapped": _swapped,
    "status": _status,
    "io": _io,
    "rollup": _rollup,
    "oom": _oom,
    "namespaces": _namespaces,
    "delays": _delays,
    "scheduling": _scheduling,
    "started": _started,
}
