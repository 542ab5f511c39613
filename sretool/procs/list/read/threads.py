"""Threads in D state behind a main thread that only sleeps.

Looking at every thread of a host costs as much again as all the rest (6 µs each; a few JVMs have
thousands), so it is done only where the host's load is not explained without them: the load average
counts what runs and what is in D state, threads alike (kernel/sched/loadavg.c calc_load_fold_active).
One thread that has been stuck for a minute adds 0.63 to its first figure.
"""

from __future__ import annotations

from sretool.errors import SourceError
from sretool.host.decimal import integer
from sretool.host.source import Bulk, Source
from sretool.procs.stat import Line, state_letter

UNEXPLAINED = 0.5
MOST = 20_000  # threads looked at: 0.15 s


def hidden(loadavg: bytes, blocked: int) -> bool:
    """Whether the load is larger than what runs and what is known to be in D state."""
    fields = loadavg.split()
    try:
        others = max(0, integer(fields[3].partition(b"/")[0]) - 1)  # the reader runs too
        return float(fields[0][:20]) - others - blocked > UNEXPLAINED
    except (IndexError, ValueError):
        return False


def blocked(source: Source, lines: dict[str, Line]) -> dict[str, Bulk]:
    """stat, wchan and status of the threads in D state beside the main ones, by pid and tid; the
    processes with the fewest threads first, as long as there are not too many.
    """
    found: dict[str, Bulk] = {}
    looked_at = 0
    for pid, line in sorted(lines.items(), key=lambda item: item[1].threads):
        if line.threads < 2:
            continue
        looked_at += line.threads
        if looked_at > MOST:
            break
        folder = f"/proc/{pid}/task"
        try:
            others = [tid for tid in source.listdir(folder) if tid != pid]
        except SourceError:  # it ended
            continue
        stats = source.bulk(folder, others, ["stat"])
        stuck = [tid for tid, (raw,) in stats.items() if isinstance(raw, bytes) and state_letter(raw) == b"D"]
        if stuck:
            more = source.bulk(folder, stuck, ["wchan", "status"])
            found[pid] = {tid: (*stats[tid], *more[tid]) for tid in stuck}
    return found


def number(raw: bytes, name: bytes) -> int | None:
    """The number behind `name` at the start of a line; None when there is none."""
    at = 0 if raw.startswith(name) else raw.find(b"\n" + name) + 1
    if at == 0 and not raw.startswith(name):
        return None
    words = raw[at + len(name) : at + len(name) + 64].split(None, 1)
    try:
        return integer(words[0]) if words else None
    except ValueError:
        return None
