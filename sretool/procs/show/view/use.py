"""What it uses and may use, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.cgroups.model import Binding, Cgroup
from sretool.procs.show.model import Cpu, Io, Limit, Memory, Shown
from sretool.procs.show.notes import AT, FULL, NEAR
from sretool.report.sections import Row, Section
from sretool.report.table import Span, Style
from sretool.report.units import UNKNOWN, bytes_text, duration_text, number_text, ratio_text

_LIMITS_SHOWN = 5
_WAITS = {"cpu": "a CPU", "block-io": "block I/O"}
_NAMES = {"vm.max_map_count": "mappings", "kernel.pid_max": "pid_max", "kernel.threads-max": "threads-max"}
_RESOURCES = {"memory-high": "memory.high", "memory-swap": "mem+swap", "cpuset": "CPU set", "cpu": "CPU"}


def group(data: Shown) -> Section:
    """Its control group, and what binds."""
    found = data.group
    if found is None:
        return Section("CONTROL GROUP", [])
    rows: list[Row] = [("path", found.path)]
    for path in dict.fromkeys(found.paths.values()):
        names = ",".join(name for name, at in found.paths.items() if at == path)
        rows.append(("", f"{path} for {names}"))
    container = found.container_name or found.container
    whose = [
        *([found.unit] if found.unit else []),
        *([f"in {found.slice}"] if found.slice else []),
        *([f"{found.engine or 'container'} {container}"] if container else []),
        *([f"pod {found.pod}"] if found.pod and "/" not in found.container_name else []),
    ]  # fmt: skip
    if whose:
        rows.append(("of", ", ".join(whose).replace(", in ", " in ")))
    rows += [
        (_RESOURCES.get(one.resource, one.resource), _binding(one, found.path))
        for one in found.limits or ()
        if one.limit
    ]
    if found.ancestors_hidden:
        rows.append(("", "limits above / cannot be seen from this cgroup namespace"))
    rows += _row(found.row, [found.row, *found.rows] if found.row is not None else found.rows)
    return Section("CONTROL GROUP", rows)


def _binding(one: Binding, path: str) -> list[Span]:
    whose = (
        "the host's limit" if one.host else "its own limit" if one.path == path else f"limit of {one.path}"
    )
    if one.resource == "cpuset":
        number = f"{one.limit:g} CPU{'' if one.limit == 1 else 's'}"
        return [(number + (", all of the host's" if one.host else f", {whose}"), "")]
    share = one.used / one.limit if one.used is not None and one.limit else None
    style: Style = "" if share is None or share < FULL else "warning"
    left = f", {_amount(one.headroom, one.unit)} left" if one.headroom is not None else ""
    used = f"{_amount(one.used, one.unit)} of " if one.used is not None else ""
    unit = {"processes": " tasks", "CPUs": " CPUs"}.get(one.unit, "")
    return [(f"{used}{_amount(one.limit, one.unit)}{unit}", style), (f"{left} ({whose})", "")]


def _amount(value: float | None, unit: str) -> str:
    if value is None:
        return UNKNOWN
    return bytes_text(value) if unit == "bytes" else number_text(value)


def _row(row: Cgroup | None, rows: list[Cgroup]) -> Iterator[Row]:
    for one in rows:
        if isinstance(one.periods, int) and one.periods and isinstance(one.throttled_periods, int):
            style: Style = "warning" if one.throttled_periods else ""
            where = "" if one is row else f" of {one.path}"
            yield "throttled", [(f"{one.throttled_periods} of {one.periods} quota periods{where}", style)]
    if row is None:
        return
    stalls = []
    for name, kind in (("CPU", "cpu"), ("memory", "memory"), ("io", "io")):
        some, every = (getattr(row, f"{kind}_{who}_avg10_ratio") for who in ("some", "full"))
        if isinstance(some, float):
            stalls.append(f"{name} {_percent(some)}/{_percent(every)}")
    if stalls:
        yield "pressure", f"{', '.join(stalls)} (some/all of it waited, last 10 s)"
    events = [
        f"{text} {hits}"
        for text, hits in (
            ("slowed down", row.memory_high_hits),
            ("at its limit", row.memory_max_hits),
            ("OOM kills", row.oom_kills),
            ("pids.max hit", row.pids_max_hits),
        )
        if isinstance(hits, int) and hits
    ]
    if events:
        yield "events", [(", ".join(events), "warning"), (" since it was made", "")]


def _percent(value: object) -> str:
    return f"{value:.0%}" if isinstance(value, float) else UNKNOWN


def limits(data: Shown, verbose: bool) -> Section:
    """Those that it uses something of, those nearest first."""
    rows: list[Row] = []
    if data.limits is not None:
        used = [one for one in data.limits if one.used is not None and one.soft is not None]
        shown = data.limits if verbose else used[:_LIMITS_SHOWN]
        rows += [(_NAMES.get(one.name, one.name), _limit(one)) for one in shown]
    return Section("LIMITS", rows)


def _limit(one: Limit) -> list[Span]:
    ratio = one.used_ratio if one.applies else None
    style: Style = "" if ratio is None or ratio <= NEAR else "critical" if ratio > AT else "warning"
    soft = "unlimited" if one.soft is None else _amount(one.soft, one.unit)
    used = f"{_amount(one.used, one.unit)} of " if one.used is not None else ""
    unit = "" if one.unit in ("bytes", "") else f" {one.unit}"
    share = f" ({one.used_ratio:.1%})" if one.used_ratio is not None else ""
    hard = f", may raise it to {_amount(one.hard, one.unit)}" if _raisable(one) else ""
    return [(f"{used}{soft}{unit}{share}", style), (f"{hard}{'' if one.applies else ', not for root'}", "")]


def _raisable(one: Limit) -> bool:
    return one.hard is not None and one.soft is not None and one.hard > one.soft


def memory(data: Shown) -> Section:
    """Its memory, in the order of what it costs."""
    one = data.memory
    if one.rss_bytes is None:
        return Section("MEMORY", [])
    share = f" ({one.host_ratio:.1%} of the host's)" if one.host_ratio is not None else ""
    parts = ", ".join(
        f"{name} {bytes_text(size)}"
        for name, size in (("anon", one.anon_bytes), ("file", one.file_bytes), ("shared", one.shmem_bytes))
    )
    rows: list[Row] = [("resident", f"{bytes_text(one.rss_bytes)}{share}: {parts}{_growth(one)}")]
    if one.pss_bytes is not None:
        own = bytes_text(one.uss_bytes)
        rows.append(
            ("its share", f"{bytes_text(one.pss_bytes)} with its part of shared pages, {own} of its own")
        )
    if one.swap_bytes:
        rows.append(("swapped", [(bytes_text(one.swap_bytes), "warning")]))
    maps = f" in {one.maps} mappings" if one.maps is not None else ""
    rows.append(("peak", f"{bytes_text(one.rss_peak_bytes)} resident"))
    rows.append(("virtual", f"{bytes_text(one.virtual_bytes)}{maps}{_special(one)}"))
    rows.append(("OOM score", f"{_known(one.oom_score)} of 2000{_adjusted(one.oom_score_adj)}"))
    return Section("MEMORY", rows)


def _growth(one: Memory) -> str:
    grown = one.growth_bytes_per_s
    if not grown:
        return ""
    return f"; {'grows' if grown > 0 else 'shrinks'} by {bytes_text(abs(grown))}/s"


def _special(one: Memory) -> str:
    parts = (
        ("page tables", one.page_table_bytes),
        ("locked", one.locked_bytes),
        ("pinned", one.pinned_bytes),
        ("huge pages", one.hugetlb_bytes),
        ("transparent huge", one.anon_huge_bytes),
    )
    return "".join(f", {name} {bytes_text(size)}" for name, size in parts if size)


def _adjusted(adjust: int | None) -> str:
    if not adjust:
        return ""
    return ", is never chosen (adj -1000)" if adjust == -1000 else f" (adj {adjust:+})"


def _known(value: int | None) -> str:
    return UNKNOWN if value is None else str(value)


def cpu(data: Shown) -> Section:
    """CPU time, waits and input and output."""
    one = data.cpu
    total = f"user {duration_text(one.user_time_s)}, system {duration_text(one.system_time_s)} since it began"
    now = ""
    if one.cpu_ratio is not None:
        now = f"{ratio_text(one.cpu_ratio)} of one CPU: user {ratio_text(one.user_ratio)}, "
        now += f"system {ratio_text(one.system_ratio)}; "
    rows: list[Row] = [("CPU", now + total)]
    waits = _waits(data)
    if waits:
        rows.append(("waited for", waits))
    if one.voluntary_switches_per_s is not None:
        rows.append(("per second", _rates(one)))
    rows.append(("scheduled", _scheduled(one)))
    if data.io is not None:
        rows.append(("storage", _storage(data.io)))
    return Section("CPU AND I/O", rows)


def _waits(data: Shown) -> str:
    found = [] if data.delays is None else [one for one in data.delays if one.ratio]
    if not found and data.cpu.run_delay_ratio is not None:
        return f"a CPU {ratio_text(data.cpu.run_delay_ratio)} of the time"
    return ", ".join(f"{_WAITS.get(one.what, one.what)} {ratio_text(one.ratio)}" for one in found) + (
        " of the time" if found else ""
    )


def _rates(one: Cpu) -> str:
    parts = (
        ("voluntary switches", one.voluntary_switches_per_s),
        ("forced", one.involuntary_switches_per_s),
        ("minor page faults", one.minor_faults_per_s),
        ("major (from disk)", one.major_faults_per_s),
    )
    return ", ".join(f"{number_text(rate and round(rate, 1))} {what}" for what, rate in parts)


def _scheduled(one: Cpu) -> str:
    realtime = f" {one.realtime_priority}" if one.realtime_priority else ""
    text = f"policy {one.policy or UNKNOWN}{realtime}, nice {one.nice}"
    if one.cpus_allowed is not None:
        text += f", may run on CPUs {one.cpus_allowed}"
    return text + (f", last ran on {one.last_cpu}" if one.last_cpu is not None else "")


def _storage(one: Io) -> str:
    rates = ""
    if one.read_bytes_per_s is not None:
        rates = f"reads {bytes_text(one.read_bytes_per_s)}/s, writes {bytes_text(one.write_bytes_per_s)}/s; "
    return f"{rates}{bytes_text(one.read_bytes)} read, {bytes_text(one.write_bytes)} written since it began"
