"""One control group on one screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sretool.cgroups.model import Cgroup, IoDevice
from sretool.cgroups.model.row import ByteLimit
from sretool.cgroups.show.model import Kill, LimitLevel, Member, Shown
from sretool.command import Look
from sretool.report.table import FINDINGS, Block, Column, Line, Lines, Span, Style, Table
from sretool.report.units import UNKNOWN, bytes_text, count_text, duration_text, number_text, ratio_text

PROCESSES_SHOWN = 8
KILLS_SHOWN = 3
_BYTES = ("memory", "memory-high", "swap", "memory-swap")


def show(data: Shown, look: Look) -> list[Block]:
    """Who it is, what is wrong, what it may use and uses, what it waits for, who is in it."""
    blocks: list[Block] = [Lines([*_head(data)], indent=2)]
    if look.findings:
        blocks.append(FINDINGS)
    blocks.append(_limits(data, look))
    blocks.append(Lines([*_use(data)], title="Use", indent=12))
    if data.cgroup.io_devices:
        blocks.append(_devices(data.cgroup.io_devices))
    if isinstance(data.cgroup.cpu_some_avg10_ratio, float):
        blocks.append(_pressure(data.cgroup))
    blocks.append(_processes(data, look))
    blocks.append(Lines([*_oom(data)], title="Out of memory", indent=12))
    return blocks


def _head(data: Shown) -> Iterator[Line]:
    row = data.cgroup
    yield [(row.name, "strong"), (f"  {row.path}" if row.path != row.name else "", "")]
    whose = [
        text
        for text in (
            f"unit {row.unit}" if row.unit and row.unit != row.name else "",
            f"in {data.slice}" if data.slice not in ("", row.name) else "",
            f"pod {row.pod_name or row.pod}" if row.pod else "",
        )
        if text
    ]
    if data.engine is not None:
        one = data.engine
        whose.append(f"{one.engine} container {one.name or one.id[:12]}")
        whose += [f"image {one.image}"] if one.image else []
        whose += [f"project {one.project}"] if one.project else []
        whose += [f"restarted {count_text(one.restarts, 'time')}"] if one.restarts else []
    elif row.container:
        whose.append(f"{row.engine or 'container'} {row.container}")
    if whose:
        yield ", ".join(whose)
    state: list[Span] = [(f"cgroup {data.version}", "")]
    state.append((f", {count_text(data.processes_total, 'process')}", ""))
    if isinstance(row.pids, int):
        state.append((f", {count_text(row.pids, 'task')}", ""))
    if data.descendants:
        state.append((f", {count_text(data.descendants, 'group')} below", ""))
    if row.frozen is True:
        state.append((", FROZEN", "critical"))
    if isinstance(row.type, str) and row.type != "domain":
        state.append((f", {row.type}", ""))
    if data.owner_uid:
        state.append((f", delegated to uid {data.owner_uid}", ""))
    if isinstance(row.dying_descendants, int) and row.dying_descendants:
        state.append((f", {count_text(row.dying_descendants, 'removed group')} below still kept", ""))
    yield state
    if data.ancestors_hidden:
        yield [("This is a cgroup namespace: limits above / cannot be seen.", "warning")]


def _limits(data: Shown, look: Look) -> Block:
    """Every limit of a group, and the host's where it binds or -v asks."""
    rows = [level for level in data.levels if look.verbose or not level.host or _worth_telling(level)]

    def amount(level: LimitLevel, value: float | None) -> str:
        if value is None:
            return UNKNOWN
        return bytes_text(value) if level.resource in _BYTES else number_text(value)

    return Table(
        [
            Column("RESOURCE", lambda level: level.resource),
            Column("LIMIT", lambda level: amount(level, level.limit), right=True),
            Column("USED", lambda level: amount(level, level.used), right=True),
            Column(
                "LEFT",
                lambda level: amount(level, level.headroom),
                right=True,
                style=lambda level: "critical" if level.binds and _scarce(level) else "",
            ),
            Column("", lambda level: "binds" if level.binds else "", style=_strong),
            Column("WHERE", lambda level: "the host" if level.host else level.path, flexible=True),
        ],
        rows,
        title="Limits, from here up",
        empty="no limit is known",
    )


def _worth_telling(level: LimitLevel) -> bool:
    """The host's own limit: where it binds; that it has no swap, or these CPUs, is no news."""
    return level.binds and level.limit > 0 and level.resource != "cpuset"


def _strong(level: LimitLevel) -> Style:
    return "strong" if level.binds else ""


def _scarce(level: LimitLevel) -> bool:
    return level.headroom is not None and level.limit > 0 and level.headroom < 0.1 * level.limit


def _use(data: Shown) -> Iterator[Line]:
    yield from _cpu(data.cgroup)
    yield from _memory(data)
    row = data.cgroup
    events = [
        f"{name} {total}" + (f" (+{grown})" if isinstance(grown, int) and grown else "")
        for name, total, grown in (
            ("high", row.memory_high_hits, row.memory_high_hits_in_sample),
            ("max", row.memory_max_hits, row.memory_max_hits_in_sample),
            ("oom", row.ooms, row.ooms_in_sample),
            ("oom_kill", row.oom_kills, row.oom_kills_in_sample),
            ("group kills", row.oom_group_kills, row.oom_group_kills_in_sample),
            ("swap max", row.swap_max_hits, row.swap_max_hits_in_sample),
            ("forks refused", row.pids_max_hits, row.pids_max_hits_in_sample),
        )
        if isinstance(total, int)
    ]
    if events:
        yield "Events      " + ", ".join(events) + ", since it was made"
    for other in data.others:
        form = bytes_text if other.controller == "hugetlb" else number_text
        limit = other.limit if isinstance(other.limit, str) or other.limit is None else form(other.limit)
        yield f"{other.controller:<12}{other.name} {form(other.current)} of {limit or UNKNOWN}" + (
            f", refused {count_text(other.refused, 'time')}" if other.refused else ""
        )


def _cpu(row: Cgroup) -> Iterator[Line]:
    parts: list[Span] = []
    if isinstance(row.cpu_ratio, float):
        parts.append((ratio_text(row.cpu_ratio), ""))
        if isinstance(row.cpu_user_ratio, float) and isinstance(row.cpu_system_ratio, float):
            split = f" (user {ratio_text(row.cpu_user_ratio)}, kernel {ratio_text(row.cpu_system_ratio)})"
            parts.append((split, ""))
    if isinstance(row.cpu_limit_ratio, float):
        parts.append((f", quota {row.cpu_limit_ratio:g} CPUs", ""))
    if isinstance(row.throttled_ratio, float):
        lost = row.throttled_time_ratio
        text = f", throttled in {row.throttled_periods} of {row.periods} periods"
        text += f", {lost:.2f} CPUs kept from running" if isinstance(lost, float) else ""
        parts.append((text, "warning" if row.throttled_ratio > 0.25 else ""))
    if isinstance(row.cpu_weight, int):
        parts.append((f", weight {row.cpu_weight}", ""))
    if isinstance(row.cpus_effective, str) and row.cpus_effective:
        parts.append((f", on CPUs {row.cpus_effective}", ""))
    if parts:
        parts[0] = (parts[0][0].removeprefix(", "), parts[0][1])
        yield [("CPU         ", ""), *parts]


def _memory(data: Shown) -> Iterator[Line]:
    row = data.cgroup
    held = [
        f"{text} {bytes_text(value)}" if text else bytes_text(value)
        for text, value in (
            ("", row.memory_current_bytes),
            ("working set", row.memory_working_set_bytes),
            ("not droppable", row.memory_hard_bytes),
            ("peak", row.memory_peak_bytes),
            ("swap", row.swap_current_bytes),
        )
        if isinstance(value, int)
    ]
    marks = [
        f"{name} {_limit(value)}"
        for name, value in (
            ("min", row.memory_min_bytes),
            ("low", row.memory_low_bytes),
            ("high", row.memory_high_bytes),
            ("max", row.memory_limit_bytes),
            ("swap.max", row.swap_limit_bytes),
        )
        if value not in (None, 0) and isinstance(value, (int, str))
    ]
    if held:
        yield "Memory      " + ", ".join(held)
    if marks and any(mark.rpartition(" ")[2] != "max" for mark in marks):
        yield "  limits    " + ", ".join(marks)
    kinds = [
        f"{part.name} {bytes_text(part.bytes)}" + _growth(part.growth_bytes)
        for part in data.memory
        if part.bytes >= 1 << 16 or part.growth_bytes
    ]
    if kinds:
        yield "  of it     " + ", ".join(kinds[:8])
    rates = [
        f"{name} {number_text(value)}/s"
        for name, value in (
            ("scanned", row.reclaim_scanned_per_s),
            ("reclaimed", row.reclaimed_per_s),
            ("read back", row.refaults_per_s),
            ("major faults", row.major_faults_per_s),
        )
        if isinstance(value, float) and value
    ]
    if rates:
        yield "  reclaim   " + ", ".join(rates) + " (pages)"


def _growth(value: int | None) -> str:
    return f" ({'+' if value > 0 else '-'}{bytes_text(abs(value))})" if value else ""


def _limit(value: ByteLimit) -> str:
    return bytes_text(value) if isinstance(value, int) else str(value)


def _devices(devices: Sequence[IoDevice]) -> Block:
    def per_s(value: float | None) -> str:
        return UNKNOWN if value is None else f"{bytes_text(value)}/s"

    def limits(device: IoDevice) -> str:
        words = (
            ("read", device.read_limit_bytes_per_s, "B/s"),
            ("write", device.write_limit_bytes_per_s, "B/s"),
            ("reads", device.read_limit_per_s, "/s"),
            ("writes", device.write_limit_per_s, "/s"),
        )
        found = [
            f"{what} {bytes_text(limit) if unit == 'B/s' else limit}{unit}"
            for what, limit, unit in words
            if limit is not None
        ]
        return ", ".join(found) or UNKNOWN

    return Table(
        [
            Column("DEVICE", lambda device: device.name or device.device),
            Column("READ", lambda device: per_s(device.read_bytes_per_s), right=True),
            Column("WRITE", lambda device: per_s(device.write_bytes_per_s), right=True),
            Column("READS/S", lambda device: number_text(device.reads_per_s), right=True),
            Column("WRITES/S", lambda device: number_text(device.writes_per_s), right=True),
            Column("IO.MAX", limits, flexible=True),
        ],
        devices,
        title="I/O by device",
    )


def _pressure(row: Cgroup) -> Block:
    kinds = [(resource, kind) for resource in ("cpu", "memory", "io") for kind in ("some", "full")]

    def share(window: str, pair: tuple[str, str]) -> str:
        value = getattr(row, f"{pair[0]}_{pair[1]}_{window}ratio")
        return ratio_text(value) if isinstance(value, float) else UNKNOWN

    return Table(
        [
            Column("WAITED FOR", lambda pair: "a disk" if pair[0] == "io" else pair[0]),
            Column("WHO", lambda pair: "some task" if pair[1] == "some" else "every task"),
            Column("SAMPLE", lambda pair: share("", pair), right=True),
            Column("10 S", lambda pair: share("avg10_", pair), right=True),
            Column("60 S", lambda pair: share("avg60_", pair), right=True),
            Column("300 S", lambda pair: share("avg300_", pair), right=True),
        ],
        kinds,
        title="Pressure",
    )


def _processes(data: Shown, look: Look) -> Block:
    shown = data.processes if look.verbose else data.processes[:PROCESSES_SHOWN]
    below = any(one.cgroup != data.cgroup.path for one in shown)
    columns: list[Column[Member]] = [
        Column("PID", lambda one: str(one.pid), right=True),
        Column("S", lambda one: one.state, style=lambda one: "critical" if one.state == "D" else ""),
        Column("CPU", lambda one: ratio_text(one.cpu_ratio), right=True),
        Column("RSS", lambda one: bytes_text(one.rss_bytes), right=True),
        Column("SWAP", lambda one: bytes_text(one.swap_bytes), right=True, drop=1),
        Column("OOM SCORE", lambda one: number_text(one.oom_score), right=True),
        Column("COMMAND", lambda one: one.comm, flexible=True),
    ]
    if below:
        columns.append(
            Column("BELOW", lambda one: one.cgroup.removeprefix(data.cgroup.path), flexible=True, drop=2)
        )
    more = len(data.processes) - len(shown)
    title = "Processes" + (
        f" (the first {len(shown)} of {data.processes_total}: -v shows all)" if more else ""
    )
    return Table(columns, shown, title=title, empty="no process is in it")


def _oom(data: Shown) -> Iterator[Line]:
    for kill in (data.kills or [])[:KILLS_SHOWN]:
        yield f"{duration_text(kill.ago_s)} ago   {kill.name} (pid {kill.pid}) was killed" + _killed(
            kill, data
        )
    if data.kills is None:
        counted = data.cgroup.oom_kills
        yield "Killed      " + (
            f"{counted} since it was made; when is not known, the kernel's log may not be read"
            if isinstance(counted, int) and counted
            else "not known: the kernel's log may not be read"
        )
    elif not data.kills:
        yield "Killed      none, as far as the kernel's log goes back"
    grown = [part for part in data.memory if (part.growth_bytes or 0) > 1 << 20]
    if grown:
        grown.sort(key=lambda part: -(part.growth_bytes or 0))
        yield "Growing     " + ", ".join(f"{part.name} +{bytes_text(part.growth_bytes)}" for part in grown)
    if data.next_victims:
        names = ", ".join(f"{one.comm} ({one.pid})" for one in data.next_victims[:3])
        whole = "; memory.oom.group is set: all are killed together" if data.oom_group else ""
        yield f"First to go {names}{whole}"


def _killed(kill: Kill, data: Shown) -> str:
    held = f", holding {bytes_text(kill.rss_bytes)}" if kill.rss_bytes is not None else ""
    size = f" ({bytes_text(kill.limit_bytes)})" if kill.limit_bytes is not None else ""
    where = {
        "own": f"at the limit of this group{size}",
        "above": f"at the limit of {kill.limit_path}{size}, above this group",
        "below": f"at the limit of {kill.limit_path}{size}, below this group",
        "host": "for want of the host's memory",
        "unknown": "at a limit the log does not name",
    }[kill.whose_limit]
    inside = f" in {kill.cgroup}" if kill.cgroup and kill.cgroup != data.cgroup.path else ""
    asked = f"; {kill.trigger} asked for more" if kill.trigger and kill.trigger != kill.name else ""
    return f"{inside}{held}, {where}{asked}"
