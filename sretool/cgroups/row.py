"""One group's files as the fields of its row.

Files are keyed `CONTROLLER/FILE`, with `v2` as the controller of the unified hierarchy. On a hybrid
host one group may have both kinds; a controller is in one hierarchy only, so at most one of the two
has its files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from sretool.cgroups import io
from sretool.cgroups.cpus import count
from sretool.cgroups.files import RESOURCES, Ask
from sretool.cgroups.model import Cgroup
from sretool.errors import ParseError, SretoolError
from sretool.host.decimal import integer
from sretool.host.pressure import Pressure, parse, share

Files = Mapping[str, bytes]
# v1 has no word for "none": the largest page-aligned long, whatever the page size (mm/page_counter.c)
_V1_NO_LIMIT = (1 << 63) - (1 << 20)
_HARD = (b"anon", b"shmem", b"unevictable", b"kernel_stack", b"slab_unreclaimable", b"sock")
_V1_HARD = (b"total_rss", b"total_shmem", b"total_unevictable")
_REFAULTS = (b"workingset_refault_anon", b"workingset_refault_file", b"workingset_refault")
_MEMORY_EVENTS = {
    "memory_high_hits": b"high",
    "memory_max_hits": b"max",
    "ooms": b"oom",
    "oom_kills": b"oom_kill",
}


def fill(row: Cgroup, reader: Reader, ask: Ask, devices: Mapping[str, str]) -> None:
    """The fields that were asked for."""
    for part, fill_in in _PARTS.items():
        if getattr(ask, part):
            fill_in(row, reader)
    if ask.io:
        _io(row, reader, devices)


class Reader:
    """Numbers out of one group's files at two moments. A file that is not there gives None; one
    that cannot be parsed gives None and a note in `errors`.
    """

    def __init__(
        self, path: str, now: Files, before: Files | None, window_s: float, errors: list[SretoolError]
    ) -> None:
        self.path = path
        self.now = now
        self.before = before
        self.window_s = window_s
        self.errors = errors

    def first(self, *files: str) -> int | None:
        """The number in the first of these files that is there."""
        for file in files:
            if file in self.now:
                return self._number(self.now[file], file)
        return None

    def limit(self, *files: str) -> int | Literal["max"] | None:
        """The same, where `max` or v1's largest number is no limit."""
        for file in files:
            if file in self.now:
                if self.now[file].strip() == b"max":
                    return "max"
                found = self._number(self.now[file], file)
                return "max" if found is not None and found >= _V1_NO_LIMIT else found
        return None

    def delta(self, file: str, key: bytes = b"") -> int | None:
        """How much a counter grew over the sample; None when it went back (a group made anew)."""
        if self.before is None or file not in self.before or (now := self.key(file, key)) is None:
            return None
        if self.before[file] == self.now[file]:  # most do not change, and are not parsed again
            return 0
        before = self.key(file, key, self.before)
        return None if before is None or now < before else now - before

    def per_s(self, file: str, key: bytes, scale: float = 1.0, digits: int = 1) -> float | None:
        """`delta` by time."""
        grown = self.delta(file, key)
        return None if grown is None else round(grown / (self.window_s * scale), digits)

    def key(self, file: str, key: bytes, files: Files | None = None) -> int | None:
        """The number after `key` in a flat-keyed file; the whole file when there is no key."""
        raw = (self.now if files is None else files).get(file)
        if raw is None:
            return None
        if not key:
            return self._number(raw, file)
        found = (b"\n" + raw).partition(b"\n" + key + b" ")
        return self._number(found[2].partition(b"\n")[0], file) if found[1] else None

    def keyed(self, file: str, files: Files | None) -> dict[bytes, int] | None:
        """All numbers of a flat-keyed file; None when it is not there."""
        raw = (files or {}).get(file)
        if raw is None:
            return None
        words = raw.split()
        try:
            return dict(zip(words[::2], map(integer, words[1::2])))
        except ValueError:
            self.bad(file, raw)
            return None

    def bad(self, file: str, raw: bytes) -> None:
        """Note that `raw` of `file` is not what the kernel writes."""
        self.errors.append(ParseError(f"{self.path} {file}", f"not a number: {raw[:40]!r}"))

    def _number(self, raw: bytes, file: str) -> int | None:
        try:
            return integer(raw)
        except ValueError:
            self.bad(file, raw)
            return None


def _cpu(row: Cgroup, reader: Reader) -> None:
    """CPU time and throttling."""
    for field, key, file in (
        ("cpu_ratio", b"usage_usec", "cpuacct.usage"),
        ("cpu_user_ratio", b"user_usec", "cpuacct.usage_user"),
        ("cpu_system_ratio", b"system_usec", "cpuacct.usage_sys"),
    ):
        used = reader.per_s("v2/cpu.stat", key, 1e6, 4)
        setattr(row, field, reader.per_s(f"cpuacct/{file}", b"", 1e9, 4) if used is None else used)
    # in hybrid mode v2 has CPU time but no quota
    v1 = "cpu/cpu.stat" in reader.now
    stat = "cpu/cpu.stat" if v1 else "v2/cpu.stat"
    row.periods = reader.delta(stat, b"nr_periods")
    row.throttled_periods = reader.delta(stat, b"nr_throttled")
    row.throttled_time_ratio = (
        reader.per_s(stat, b"throttled_time", 1e9, 4) if v1 else reader.per_s(stat, b"throttled_usec", 1e6, 4)
    )
    row.cpu_bursts = reader.delta(stat, b"nr_bursts")
    row.throttled_ratio = None
    if row.periods and row.throttled_periods is not None:
        row.throttled_ratio = round(min(1.0, row.throttled_periods / row.periods), 4)


def _quota(row: Cgroup, reader: Reader) -> None:
    row.cpu_limit_ratio = _cpus(reader)
    row.cpu_effective_limit_ratio = None


def _cpus(reader: Reader) -> float | Literal["max"] | None:
    raw = reader.now.get("v2/cpu.max")
    if raw is not None:
        quota, _, period = raw.strip().partition(b" ")
    else:
        quota = reader.now.get("cpu/cpu.cfs_quota_us", b"").strip()
        period = reader.now.get("cpu/cpu.cfs_period_us", b"").strip()
    if not quota:
        return None
    if quota in (b"max", b"-1"):
        return "max"
    try:
        return round(integer(quota) / integer(period), 4)
    except (ValueError, ZeroDivisionError):
        reader.bad("cpu quota", quota)
        return None


def _cpu_weight(row: Cgroup, reader: Reader) -> None:
    row.cpu_weight = reader.first("v2/cpu.weight", "cpu/cpu.shares")


def _cpuset(row: Cgroup, reader: Reader) -> None:
    def text(*files: str) -> str | None:
        raw = next((reader.now[file] for file in files if file in reader.now), None)
        return None if raw is None else raw.decode("utf-8", "backslashreplace").strip()

    row.cpus_allowed = text("v2/cpuset.cpus", "cpuset/cpuset.cpus")
    row.cpus_effective = text("v2/cpuset.cpus.effective", "cpuset/cpuset.effective_cpus")
    row.cpus = None
    if row.cpus_effective is not None:
        row.cpus = count(row.cpus_effective)
        if row.cpus is None:
            reader.bad("cpuset.cpus.effective", row.cpus_effective.encode())


def _memory(row: Cgroup, reader: Reader) -> None:
    """Memory charged, and its limit."""
    used = ("v2/memory.current", "memory/memory.usage_in_bytes")
    row.memory_current_bytes = reader.first(*used)
    row.memory_limit_bytes = reader.limit("v2/memory.max", "memory/memory.limit_in_bytes")
    row.memory_effective_limit_bytes = None
    row.memory_growth_bytes_per_s = None
    if reader.before is not None and row.memory_current_bytes is not None:
        earlier = next((reader.key(file, b"", reader.before) for file in used if file in reader.before), None)
        if earlier is not None:
            row.memory_growth_bytes_per_s = round((row.memory_current_bytes - earlier) / reader.window_s)


def _stat(row: Cgroup, reader: Reader) -> None:
    """memory.stat: what the memory is, and how hard it is to keep."""
    now, before = reader.keyed("v2/memory.stat", reader.now), reader.keyed("v2/memory.stat", reader.before)
    if now is None and "memory/memory.stat" in reader.now:
        _v1_stat(row, reader)
        return
    stat, old = now or {}, before
    row.memory_anon_bytes = stat.get(b"anon")
    row.memory_file_bytes = stat.get(b"file")
    row.memory_shmem_bytes = stat.get(b"shmem")
    row.memory_slab_bytes = stat.get(b"slab")
    row.memory_sock_bytes = stat.get(b"sock")
    row.memory_hard_bytes = sum(stat.get(key, 0) for key in _HARD) if b"anon" in stat else None
    row.memory_working_set_bytes = _working_set(row, stat.get(b"inactive_file"))
    row.reclaim_scanned_per_s = _rate(stat, old, (b"pgscan",), reader.window_s)
    row.reclaimed_per_s = _rate(stat, old, (b"pgsteal",), reader.window_s)
    row.refaults_per_s = _rate(stat, old, _REFAULTS, reader.window_s)
    row.major_faults_per_s = _rate(stat, old, (b"pgmajfault",), reader.window_s)


def _v1_stat(row: Cgroup, reader: Reader) -> None:
    stat = reader.keyed("memory/memory.stat", reader.now) or {}
    old = reader.keyed("memory/memory.stat", reader.before)
    row.memory_anon_bytes = stat.get(b"total_rss")
    row.memory_file_bytes = stat.get(b"total_cache")
    row.memory_shmem_bytes = stat.get(b"total_shmem")
    row.memory_slab_bytes = reader.first("memory/memory.kmem.usage_in_bytes")
    row.memory_sock_bytes = reader.first("memory/memory.kmem.tcp.usage_in_bytes")
    row.memory_hard_bytes = sum(stat.get(key, 0) for key in _V1_HARD) if b"total_rss" in stat else None
    row.memory_working_set_bytes = _working_set(row, stat.get(b"total_inactive_file"))
    row.reclaim_scanned_per_s = row.reclaimed_per_s = row.refaults_per_s = None
    row.major_faults_per_s = _rate(stat, old, (b"total_pgmajfault",), reader.window_s)


def _working_set(row: Cgroup, inactive: int | None) -> int | None:
    current = row.memory_current_bytes
    return max(0, current - inactive) if isinstance(current, int) and inactive is not None else None


def _rate(
    now: Mapping[bytes, int], old: Mapping[bytes, int] | None, keys: tuple[bytes, ...], window_s: float
) -> float | None:
    """The sum of counters, by time; None without two readings, and when one went back."""
    if old is None or not any(key in now for key in keys):
        return None
    grown = [now[key] - old.get(key, 0) for key in keys if key in now]
    return None if min(grown) < 0 else round(sum(grown) / window_s, 1)


def _bounds(row: Cgroup, reader: Reader) -> None:
    """Marks that memory is held against, and swap."""
    row.memory_peak_bytes = reader.first("v2/memory.peak", "memory/memory.max_usage_in_bytes")
    row.memory_min_bytes = reader.limit("v2/memory.min")
    row.memory_low_bytes = reader.limit("v2/memory.low")
    row.memory_high_bytes = reader.limit("v2/memory.high")
    row.swap_current_bytes = reader.first("v2/memory.swap.current")
    row.swap_limit_bytes = reader.limit("v2/memory.swap.max")
    row.memory_swap_current_bytes = reader.first("memory/memory.memsw.usage_in_bytes")
    row.memory_swap_limit_bytes = reader.limit("memory/memory.memsw.limit_in_bytes")
    both, memory = row.memory_swap_current_bytes, row.memory_current_bytes
    if row.swap_current_bytes is None and isinstance(both, int) and isinstance(memory, int):
        row.swap_current_bytes = max(0, both - memory)


def _events(row: Cgroup, reader: Reader) -> None:
    """How often limits were hit: since the group was made, and in the sample."""
    for field, key in _MEMORY_EVENTS.items():
        _counter(row, reader, field, ("v2/memory.events", key))
        _counter(row, reader, f"{field}_local", ("v2/memory.events.local", key))
    if row.oom_kills is None:
        _counter(row, reader, "oom_kills", ("memory/memory.oom_control", b"oom_kill"))
    if row.memory_max_hits is None:
        _counter(row, reader, "memory_max_hits", ("memory/memory.failcnt", b""))
    _counter(row, reader, "oom_group_kills", ("v2/memory.events", b"oom_group_kill"))
    _counter(row, reader, "swap_max_hits", ("v2/memory.swap.events", b"max"))
    pids = "v2/pids.events" if "v2/pids.events" in reader.now else "pids/pids.events"
    _counter(row, reader, "pids_max_hits", (pids, b"max"))
    _counter(row, reader, "pids_max_hits_local", ("v2/pids.events.local", b"max"))


def _counter(row: Cgroup, reader: Reader, field: str, where: tuple[str, bytes]) -> None:
    setattr(row, field, reader.key(*where))
    setattr(row, f"{field}_in_sample", reader.delta(*where))


def _pids(row: Cgroup, reader: Reader) -> None:
    row.pids = reader.first("v2/pids.current", "pids/pids.current")
    row.pids_limit = reader.limit("v2/pids.max", "pids/pids.max")
    row.pids_peak = reader.first("v2/pids.peak")
    row.pids_effective_limit = None


def _io(row: Cgroup, reader: Reader, names: Mapping[str, str]) -> None:
    try:
        found = io.devices(reader.now, reader.before, reader.window_s, names)
    except ValueError:
        reader.bad("io.stat", reader.now.get("v2/io.stat", b""))
        found = None
    row.io_devices = found
    row.io_read_bytes_per_s = io.total(found or [], lambda device: device.read_bytes_per_s)
    row.io_write_bytes_per_s = io.total(found or [], lambda device: device.write_bytes_per_s)
    row.io_reads_per_s = io.total(found or [], lambda device: device.reads_per_s)
    row.io_writes_per_s = io.total(found or [], lambda device: device.writes_per_s)
    if found is not None and not found and reader.before is not None:
        row.io_read_bytes_per_s = row.io_write_bytes_per_s = row.io_reads_per_s = row.io_writes_per_s = 0.0
    row.io_weight = _weight(reader)


def _weight(reader: Reader) -> int | None:
    """`default 100`, then devices with their own; v1 has the number alone."""
    for file in ("v2/io.weight", "v2/io.bfq.weight", "blkio/blkio.bfq.weight", "blkio/blkio.weight"):
        raw = reader.now.get(file)
        if raw is not None:
            return reader.key(file, b"default" if raw.startswith(b"default") else b"")
    return None


def _pressure(row: Cgroup, reader: Reader) -> None:
    """Stalls on each resource."""
    for resource in RESOURCES:
        now, before = _stalls(reader, resource, reader.now), _stalls(reader, resource, reader.before)
        for kind in ("some", "full"):
            stall = getattr(now, kind, None)
            window = share(stall, getattr(before, kind, None), reader.window_s)
            for average in ("avg10_ratio", "avg60_ratio", "avg300_ratio"):
                setattr(row, f"{resource}_{kind}_{average}", getattr(stall, average, None))
            setattr(row, f"{resource}_{kind}_ratio", None if window is None else round(window, 4))


def _stalls(reader: Reader, resource: str, files: Files | None) -> Pressure | None:
    raw = (files or {}).get(f"v2/{resource}.pressure")
    if raw is None:
        return None
    try:
        return parse(raw, f"{reader.path}/{resource}.pressure")
    except ParseError as error:
        reader.errors.append(error)
        return None


def _state(row: Cgroup, reader: Reader) -> None:
    frozen, populated = (reader.key("v2/cgroup.events", key) for key in (b"frozen", b"populated"))
    row.frozen = None if frozen is None else frozen == 1
    row.populated = None if populated is None else populated == 1
    state = reader.now.get("freezer/freezer.state")
    if state is not None and not row.frozen:  # in hybrid mode the v1 controller does the freezing
        row.frozen = state.strip() == b"FROZEN"
    kind = reader.now.get("v2/cgroup.type")
    row.type = None if kind is None else kind.decode("utf-8", "backslashreplace").strip()
    row.dying_descendants = reader.key("v2/cgroup.stat", b"nr_dying_descendants")


_PARTS: dict[str, Callable[[Cgroup, Reader], None]] = {
    "cpu": _cpu,
    "quota": _quota,
    "weight": _cpu_weight,
    "cpuset": _cpuset,
    "memory": _memory,
    # these two go by what `memory` filled in
    "stat": _stat,
    "bounds": _bounds,
    "events": _events,
    "pids": _pids,
    "pressure": _pressure,
    "state": _state,
}
