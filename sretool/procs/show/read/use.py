"""What it uses, and what it may use."""

from __future__ import annotations

from sretool.host.decimal import integer
from sretool.host.taskstats import Delays
from sretool.procs.show.model import Cpu, Delay, Io, Limit, Memory
from sretool.procs.show.read.moments import Moments, keyed, number
from sretool.procs.show.read.state import State
from sretool.procs.stat import policy_name

# what fs/proc/base.c proc_pid_limits calls them, in ulimit's words, and where their use is to be found
_LIMITS: dict[bytes, tuple[str, str, str]] = {
    b"Max cpu time": ("cpu", "seconds", "stat fields 14 and 15"),
    b"Max file size": ("fsize", "bytes", ""),
    b"Max data size": ("data", "bytes", "status VmData"),
    b"Max stack size": ("stack", "bytes", "status VmStk"),
    b"Max core file size": ("core", "bytes", ""),
    b"Max resident set": ("rss", "bytes", ""),  # ignored since Linux 2.4.30, getrlimit(2)
    b"Max processes": ("nproc", "threads", "status of all of its user"),
    b"Max open files": ("nofile", "descriptors", "fd"),
    b"Max locked memory": ("memlock", "bytes", "status VmLck"),
    b"Max address space": ("as", "bytes", "status VmSize"),
    b"Max file locks": ("locks", "locks", ""),
    b"Max pending signals": ("sigpending", "signals", "status SigQ"),
    b"Max msgqueue size": ("msgqueue", "bytes", ""),
    b"Max nice priority": ("nice", "", ""),
    b"Max realtime priority": ("rtprio", "", ""),
    b"Max realtime timeout": ("rttime", "us", ""),
}
_NAME_BYTES = 26  # the width of the first column
_WAITS = (
    *("cpu", "block-io", "swap-in", "reclaim", "thrashing"),
    *("compaction", "copy-on-write", "interrupts"),
)


def memory(moments: Moments, state: State) -> Memory:
    """Its memory."""
    now, before = moments.now.status, moments.before
    rollup = {key: value * 1024 for key, value in keyed(state.raw("smaps_rollup")).items()}
    private = [rollup[key] for key in (b"Private_Clean", b"Private_Dirty") if key in rollup]
    maps, total = state.raw("maps"), keyed(state.host.get("/proc/meminfo")).get(b"MemTotal")
    growth = None
    if before is not None and now.rss_bytes is not None and before.status.rss_bytes is not None:
        growth = round((now.rss_bytes - before.status.rss_bytes) / moments.window_s, 1)
    return Memory(
        now.rss_bytes,
        rollup.get(b"Pss"),
        sum(private) if private else None,
        now.rss_anon_bytes,
        now.rss_file_bytes,
        now.rss_shmem_bytes,
        now.swap_bytes,
        rollup.get(b"SwapPss"),
        now.hugetlb_bytes,
        rollup.get(b"AnonHugePages"),
        now.locked_bytes,
        now.pinned_bytes,
        now.page_table_bytes,
        now.rss_peak_bytes,
        now.virtual_bytes,
        None if maps is None else maps.count(b"\n"),
        round(now.rss_bytes / (total * 1024), 4) if now.rss_bytes is not None and total else None,
        growth,
        number(state.raw("oom_score")),
        number(state.raw("oom_score_adj")),
    )


def cpu(moments: Moments) -> Cpu:
    """Its CPU time and how it is scheduled."""
    line, more, sample, was = moments.now.line, moments.now.more, moments.now.sample, moments.before
    ticks = sample.who.clock_ticks_per_s if sample.who is not None else 100

    def share(now: int, before: int | None) -> float | None:
        return moments.rate(now / ticks, None if before is None else before / ticks, 4)

    return Cpu(
        share(line.ticks, was.line.ticks if was else None),
        share(more.user_ticks, was.more.user_ticks if was else None),
        share(more.system_ticks, was.more.system_ticks if was else None),
        more.user_ticks / ticks,
        more.system_ticks / ticks,
        _over_threads(moments, 2, 1, 1e9),
        _over_threads(moments, 1, b"voluntary_ctxt_switches"),
        _over_threads(moments, 1, b"nonvoluntary_ctxt_switches"),
        moments.rate(more.minor_faults, was.more.minor_faults if was else None),
        moments.rate(line.major_faults, was.line.major_faults if was else None),
        None if more.policy is None else policy_name(more.policy),
        more.realtime_priority,
        line.nice,
        moments.now.status.cpus_allowed,
        moments.now.status.mems_allowed,
        more.processor,
    )


def _over_threads(moments: Moments, file: int, key: int | bytes, scale: float = 1) -> float | None:
    """How much a counter of every thread grew, together; a thread that began or ended meanwhile does
    not count. None when no thread has it twice.
    """
    if moments.before is None:
        return None
    total, known = 0.0, False
    for tid, items in moments.now.sample.threads.items():
        was = moments.before.sample.threads.get(tid)
        now, before = counter(items, file, key), None if was is None else counter(was, file, key)
        if now is not None and before is not None and now >= before:
            total, known = total + now - before, True
    return round(total / scale / moments.window_s, 4 if scale > 1 else 2) if known else None


def counter(items: tuple[bytes | int, ...], file: int, key: int | bytes) -> int | None:
    """A number of a thread's file: by its place, or by its key."""
    raw = items[file]
    if not isinstance(raw, bytes):
        return None
    if isinstance(key, bytes):
        words = (b"\n" + raw).partition(b"\n" + key + b":")[2].split(None, 1)
    else:
        words = raw.split()[key : key + 1]
    try:
        return integer(words[0]) if words else None
    except ValueError:
        return None


def io(moments: Moments) -> Io | None:
    """Its input and output; None when io was not read."""
    raw = moments.now.sample.raw("io")
    if raw is None:
        return None
    now = keyed(raw)
    before = keyed(moments.before.sample.raw("io")) if moments.before is not None else {}

    def rate(key: bytes) -> float | None:
        return moments.rate(now.get(key), before.get(key))

    if b"read_bytes" not in now or b"write_bytes" not in now:
        return None
    return Io(
        rate(b"read_bytes"),
        rate(b"write_bytes"),
        rate(b"syscr"),
        rate(b"syscw"),
        now[b"read_bytes"],
        now[b"write_bytes"],
    )


def delays(moments: Moments) -> list[Delay] | None:
    """What it waited for; None when that was not told."""
    now = moments.now.sample.delays
    if now is None:
        return None
    before: Delays | None = moments.before.sample.delays if moments.before is not None else None
    found = []
    for what, total, was in zip(_WAITS, now, before or Delays()):
        if total is not None:
            ratio = moments.rate(total / 1e9, None if was is None else was / 1e9, 4)
            found.append(Delay(what, round(total / 1e9, 3), ratio))
    return found


def limits(moments: Moments, state: State) -> list[Limit] | None:
    """Its resource limits, and the kernel's that it may run into; those nearest first."""
    raw = state.raw("limits")
    if raw is None:
        return None
    status = moments.now.status
    sample = moments.now.sample
    ticks = sample.who.clock_ticks_per_s if sample.who is not None else 100
    used = {
        "cpu": moments.now.line.ticks // ticks,
        "data": status.data_bytes,
        "stack": status.stack_bytes,
        "nproc": state.user_threads,
        "nofile": len(state.fds) if isinstance(state.fds, dict) else None,
        "memlock": status.locked_bytes,
        "as": status.virtual_bytes,
        "sigpending": status.signals_queued,
    }
    if moments.now.line.kernel:
        used = dict.fromkeys(used)
    found = []
    for line in raw.splitlines()[1:]:
        known = _LIMITS.get(line[:_NAME_BYTES].strip())
        words = line[_NAME_BYTES:].split()
        if known is not None and len(words) >= 2:
            name, unit, where = known
            found.append(
                _limit(name, _bound(words[0]), _bound(words[1]), used.get(name), unit, "limits", where)
            )
    for one in found:
        # kernel/fork.c copy_process: not for root, nor with CAP_SYS_RESOURCE or CAP_SYS_ADMIN
        if one.name == "nproc" and status.uids is not None and not status.uids.real:
            one.applies = False
    found += _kernel_limits(moments, state)
    return sorted(found, key=lambda one: -(one.used_ratio or 0.0) if one.applies else 0.0)


def _limit(
    name: str, soft: int | None, hard: int | None, used: int | None, unit: str, where: str, of: str
) -> Limit:
    ratio = round(used / soft, 4) if used is not None and soft else None
    return Limit(name, soft, hard, used, ratio, unit, f"{where}, {of}" if of else where)


def _bound(word: bytes) -> int | None:
    try:
        return integer(word)
    except ValueError:  # unlimited
        return None


def _kernel_limits(moments: Moments, state: State) -> list[Limit]:
    host = state.host
    tasks = (host.get("/proc/loadavg", b"").split() + [b""] * 4)[3].partition(b"/")[2]
    there = _bound(tasks)
    maps = state.raw("maps")
    found = []
    for path, used, unit, of in (
        ("vm/max_map_count", None if maps is None else maps.count(b"\n"), "mappings", "maps"),
        ("kernel/pid_max", there, "threads of the host", "/proc/loadavg"),
        ("kernel/threads-max", there, "threads of the host", "/proc/loadavg"),
    ):
        bound = number(host.get(f"/proc/sys/{path}"))
        if bound is not None:
            name = path.replace("/", ".")
            found.append(_limit(name, bound, None, used, unit, f"/proc/sys/{path}", of))
    return found
