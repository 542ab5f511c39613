"""What stands out about a process: the first thing to read at 3 a.m.

Not findings: a check judges a host, and has an id and a remedy. These use the checks' thresholds where
there is a check; others are judgement, and say so.
"""

from __future__ import annotations

from collections.abc import Iterator

from sretool.cgroups.model import Binding, Cgroup, lineage
from sretool.procs.list.checks.limits import fd_limit
from sretool.procs.show.model import Limit, Note, Shown
from sretool.report.answer import RANK, Severity
from sretool.report.units import bytes_text, number_text
from sretool.sockets.model import Socket, endpoint

NEAR, AT = fd_limit["warning"] / 100, fd_limit["critical"] / 100
THROTTLED, PERIODS = 0.25, 5  # as in the check cgroup.cpu-throttled
HELD_BYTES = 1 << 30  # risu, unfreed-removed-files
FULL = 0.9  # judgement: a limit with a tenth left
SPENT = 0.95  # judgement: a CPU limit is used up
STALLED = 0.1  # judgement: a tenth of its time
DELAYED = 0.5  # judgement: one thread waits half its time for a CPU
FAULTS_PER_S = 10  # judgement: page faults that wait for a disk
HOG = 0.9  # judgement: a realtime process that leaves nothing of a CPU


def notes(data: Shown) -> list[Note]:
    """Worst first, else in the order of the screen."""
    parts = (_state, _identity, _group, _limits, _use, _held, _logs)
    return sorted((note for part in parts for note in part(data)), key=lambda note: -RANK[note.severity])


def _state(data: Shown) -> Iterator[Note]:
    process = data.process
    where = f" in {process.wchan}" if process.wchan else ""
    if process.state == "zombie" and not process.kernel:
        parent = process.ancestors[0] if process.ancestors else None
        name = f"{parent.comm}[{parent.pid}]" if parent is not None else f"process {process.ppid}"
        yield Note("warning", f"it ended, and {name} does not wait for it", "stat field 3")
    elif process.state == "stopped":
        yield Note("warning", "it is stopped by a signal, and runs on after SIGCONT", "stat field 3")
    stuck = [thread for thread in data.threads.blocked if thread.stuck]
    if stuck:
        severity: Severity = "info" if process.kernel else "warning"
        which = "it" if len(stuck) == data.threads.total else f"{len(stuck)} of {data.threads.total} threads"
        where = f" in {stuck[0].wchan}" if stuck[0].wchan else ""
        yield Note(
            severity,
            f"{which} did not move{where}, in D state at both readings",
            "task/*/stat, task/*/status",
        )
    if process.tracer_pid:
        yield Note("info", f"process {process.tracer_pid} traces it, which slows it down", "status TracerPid")


def _identity(data: Shown) -> Iterator[Note]:
    if data.process.exe_deleted:
        text = f"it runs a deleted file, {data.process.exe}: upgraded or removed since it began"
        yield Note("warning", text, "exe")


def _group(data: Shown) -> Iterator[Note]:
    if data.group is None:
        return
    for binding in data.group.limits or ():
        note = _binding(binding, data.group.path)
        if note is not None:
            yield note
    chain = lineage(data.group.path)
    rows = ([data.group.row] if data.group.row is not None else []) + data.group.rows
    for row in rows:
        yield from _row(row, own=row.path == chain[0])


def _binding(one: Binding, path: str) -> Note | None:
    # a busy host is no news of this process; that it waits for a CPU is
    if one.resource == "cpuset" or (one.resource == "cpu" and one.host) or not one.used or not one.limit:
        return None
    share = one.used / one.limit
    if share < (SPENT if one.resource == "cpu" else FULL):
        return None
    whose = "the host" if one.host else "its group" if one.path == path else one.path
    of = _of(one.used, one.limit, one.unit)
    what = {"memory-high": "memory (soft limit)", "memory-swap": "memory and swap", "cpu": "CPU"}.get(
        one.resource, one.resource
    )
    severity: Severity = "critical" if share >= 0.98 and one.resource in ("memory", "pids") else "warning"
    return Note(severity, f"{what}: {of} used ({share:.0%}), the limit of {whose}", one.path)


def _of(used: float, limit: float, unit: str) -> str:
    if unit == "bytes":
        return f"{bytes_text(used)} of {bytes_text(limit)}"
    return f"{number_text(used)} of {number_text(limit)} {unit}"


def _row(row: Cgroup, *, own: bool) -> Iterator[Note]:
    whose = "its group" if own else row.path
    ratio, periods, ran_out = row.throttled_ratio, row.periods, row.throttled_periods
    if isinstance(ratio, float) and ratio > THROTTLED and isinstance(periods, int) and periods >= PERIODS:
        text = f"{whose} used up its CPU quota in {ran_out} of {periods} periods, and waited for the next"
        yield Note("warning", text, f"{row.path} cpu.stat")
    if row.frozen is True:
        yield Note("critical", f"{whose} is frozen: nothing in it runs", f"{row.path} cgroup.events")
    for field, text in (
        ("memory_high_hits_in_sample", "was slowed down at memory.high"),
        ("memory_max_hits_in_sample", "ran into its memory limit"),
        ("pids_max_hits_in_sample", "could not start a thread: pids.max"),
    ):
        hits = getattr(row, field)
        if isinstance(hits, int) and hits:
            yield Note("warning", f"{whose} {text} {hits} times in the sample", row.path)
    if not own or row.path == "/":  # the host's pressure is no news of this process
        return
    for kind, what in (("memory_full", "memory"), ("io_full", "a disk"), ("cpu_some", "a CPU")):
        stall = getattr(row, f"{kind}_avg10_ratio")
        if isinstance(stall, float) and stall >= STALLED:
            who = "all its tasks" if kind.endswith("full") else "a task of its group"
            text = f"{who} waited for {what} {stall:.0%} of the last 10 s"
            yield Note("warning", text, f"{row.path} {kind.partition('_')[0]}.pressure")


def _limits(data: Shown) -> Iterator[Note]:
    for limit in data.limits or ():
        if limit.applies and limit.used_ratio is not None and limit.used_ratio > NEAR:
            severity: Severity = "critical" if limit.used_ratio > AT else "warning"
            yield Note(severity, _near(limit), limit.source)


def _near(limit: Limit) -> str:
    of = _of(limit.used or 0, limit.soft or 0, limit.unit)
    return f"{limit.name}: {of} used ({limit.used_ratio or 0:.0%})"


def _use(data: Shown) -> Iterator[Note]:
    cpu, memory = data.cpu, data.memory
    if cpu.run_delay_ratio is not None and cpu.run_delay_ratio > max(DELAYED, cpu.cpu_ratio or 0):
        text = f"its threads waited for a CPU {number_text(cpu.run_delay_ratio)} s in each second"
        yield Note("warning", f"{text}, and ran {number_text(cpu.cpu_ratio)} s", "task/*/schedstat")
    if cpu.policy in ("fifo", "rr", "deadline") and (cpu.cpu_ratio or 0) > HOG:
        text = f"a realtime process ({cpu.policy}) that used {cpu.cpu_ratio:.0%} of a CPU: others get nothing"
        yield Note("warning", text, "stat fields 14, 15 and 41")
    faults = cpu.major_faults_per_s
    if memory.swap_bytes and faults is not None and faults > FAULTS_PER_S:
        text = f"{bytes_text(memory.swap_bytes)} of it is swapped out and missed: {faults:.0f} major faults/s"
        yield Note("warning", text, "status VmSwap, stat field 12")


def _held(data: Shown) -> Iterator[Note]:
    if data.files is not None and (data.files.deleted_bytes or 0) >= HELD_BYTES:
        held = bytes_text(data.files.deleted_bytes)
        yield Note("warning", f"it holds {held} of space in {data.files.deleted} deleted files", "fd")
    for row in data.sockets.sockets if data.sockets is not None else ():
        if full(row):
            text = f"accept queue full at {endpoint(row.local_address, row.local_port)}"
            text += f": {row.accept_queue} of {row.accept_queue_limit}, new connections are dropped"
            yield Note("warning", text, "inet_diag rqueue")


def full(row: Socket) -> bool:
    """The kernel refuses the next connection."""
    # sk_acceptq_is_full (include/net/sock.h) compares with >
    return (
        row.accept_queue is not None
        and row.accept_queue_limit is not None
        and row.accept_queue > row.accept_queue_limit
    )


def _logs(data: Shown) -> Iterator[Note]:
    if data.kills:
        last = data.kills[0]
        text = f"{last.comm}[{last.pid}] was killed for memory at {last.at}, because of {last.limit}"
        if len(data.kills) > 1:
            text += f"; {len(data.kills) - 1} kills before it"
        yield Note("warning", text, "kernel log")
