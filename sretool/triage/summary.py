"""The host in one line."""

from __future__ import annotations

from sretool.errors import SretoolError
from sretool.host.identity import identity
from sretool.host.source import Source
from sretool.triage.look import Look
from sretool.triage.model import HostSummary
from sretool.triage.read import Host


def summary(source: Source, look: Look) -> HostSummary:
    """Of the host domain's readings; what was not read is unknown."""
    try:
        who = identity(source)
    except SretoolError:
        who = None
    host: Host = look.models["host"]  # never an error: its reader keeps failures in its parts
    stat, load, memory, use = host.stat.value, host.load.value, host.memory.value, host.cpu
    return HostSummary(
        hostname=None if who is None else who.hostname,
        kernel=None if who is None else who.kernel,
        uptime_s=round(host.uptime_s, 1),
        cpus=None if stat is None else stat.cpus,
        cpu_busy_ratio=None if use is None else round(use.busy_ratio, 4),
        load_1min=None if load is None else load.one,
        load_5min=None if load is None else load.five,
        load_15min=None if load is None else load.fifteen,
        memory_total_bytes=None if memory is None else memory.total_bytes,
        memory_available_bytes=None if memory is None else memory.available_bytes,
        swap_total_bytes=None if memory is None else memory.swap_total_bytes,
        swap_free_bytes=None if memory is None else memory.swap_free_bytes,
        sample_s=None if host.elapsed_s is None else round(host.elapsed_s, 3),
    )
