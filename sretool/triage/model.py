"""What triage answers, besides its findings."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from sretool.report.check import Verdict


class HostSummary(Struct):
    """The host in one line, so that findings have a context."""

    hostname: Annotated[str | None, Meta(description="uname(2) nodename")]
    kernel: Annotated[str | None, Meta(description="uname(2) release")]
    uptime_s: Annotated[float, Meta(description="seconds since boot, CLOCK_BOOTTIME")]
    cpus: Annotated[int | None, Meta(description="CPUs online; cpuN lines of /proc/stat")]
    cpu_busy_ratio: Annotated[
        float | None,
        Meta(description="share of all CPU time of the sample that was neither idle nor iowait; /proc/stat"),
    ]
    load_1min: Annotated[float | None, Meta(description="/proc/loadavg, first number")]
    load_5min: Annotated[float | None, Meta(description="/proc/loadavg, second number")]
    load_15min: Annotated[float | None, Meta(description="/proc/loadavg, third number")]
    memory_total_bytes: Annotated[int | None, Meta(description="/proc/meminfo MemTotal")]
    memory_available_bytes: Annotated[int | None, Meta(description="/proc/meminfo MemAvailable")]
    swap_total_bytes: Annotated[int | None, Meta(description="/proc/meminfo SwapTotal")]
    swap_free_bytes: Annotated[int | None, Meta(description="/proc/meminfo SwapFree")]
    sample_s: Annotated[
        float | None, Meta(description="seconds between the two readings; null with one reading")
    ]


class Triage(Struct):
    """The host, and what became of every check."""

    host: Annotated[HostSummary, Meta(description="the host in one line")]
    checks: Annotated[list[Verdict], Meta(description="every check that was asked for, in a stable order")]
