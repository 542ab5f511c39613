"""One group's files as the fields of its row.

Files are keyed `CONTROLLER/FILE`, with `v2` as the controller of the unified hierarchy. On a hybrid
host one group may have both kinds; a controller is in one hierarchy only, so at most one of the two
has its files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from sretool.cgroups.model import Cgroup
from sretool.errors import ParseError, SretoolError
from sretool.host.decimal import integer
from sretool.host.pressure import Pressure, parse, share

Files = Mapping[str, bytes]
# v1 has no word for "none": the largest page-aligned long, whatever the page size (mm/page_counter.c)
_V1_NO_LIMIT = (1 << 63) - (1 << 20)
RESOURCES = ("cpu", "memory", "io")


class Reader:
    """Numbers out of one group's files at two moments. A file that is not there gives None; one
    that cannot be parsed gives None and a note in `errors`.
    """

    def __init__(
        self, path: str, now: Files, before: Files | None, window_s: float, errors: list[SretoolError]
    ) -> None:
        self._path = path
        self._now = now
        self._before = before
        self._window_s = window_s
        self._errors = errors

    def cpu(self, row: Cgroup) -> None:
        """CPU time, quota and throttling."""
        used_us: float | None = self._delta("v2/cpu.stat", b"usage_usec")
        if used_us is None:
            used_ns = self._delta("cpuacct/cpuacct.usage")
            used_us = None if used_ns is None else used_ns / 1000
        row.cpu_ratio = None if used_us is None else round(used_us / (self._window_s * 1e6), 4)
        row.cpu_limit_ratio = self._cpu_limit()
        # in hybrid mode v2 has CPU time but no quota
        stat = "cpu/cpu.stat" if "cpu/cpu.stat" in self._now else "v2/cpu.stat"
        row.periods = self._delta(stat, b"nr_periods")
        row.throttled_periods = self._delta(stat, b"nr_throttled")
        row.throttled_ratio = None
        if row.periods and row.throttled_periods is not None:
            row.throttled_ratio = round(min(1.0, row.throttled_periods / row.periods), 4)

    def memory(self, row: Cgroup) -> None:
        """Memory charged, its limit, and kills."""
        row.memory_current_bytes = self._first("v2/memory.current", "memory/memory.usage_in_bytes")
        row.memory_limit_bytes = self._memory_limit()
        row.memory_effective_limit_bytes = None
        row.oom_kills = self._key("v2/memory.events", b"oom_kill", self._now)
        if row.oom_kills is None:
            row.oom_kills = self._key("memory/memory.oom_control", b"oom_kill", self._now)

    def pressure(self, row: Cgroup) -> None:
        """Stalls on each resource."""
        for resource in RESOURCES:
            now, before = self._stalls(resource, self._now), self._stalls(resource, self._before)
            for kind in ("some", "full"):
                stall = getattr(now, kind, None)
                window = share(stall, getattr(before, kind, None), self._window_s)
                setattr(row, f"{resource}_{kind}_avg10_ratio", None if stall is None else stall.avg10_ratio)
                setattr(row, f"{resource}_{kind}_ratio", None if window is None else round(window, 4))

    def _cpu_limit(self) -> float | Literal["max"] | None:
        raw = self._now.get("v2/cpu.max")
        if raw is not None:
            quota, _, period = raw.strip().partition(b" ")
        else:
            quota = self._now.get("cpu/cpu.cfs_quota_us", b"").strip()
            period = self._now.get("cpu/cpu.cfs_period_us", b"").strip()
        if not quota:
            return None
        if quota in (b"max", b"-1"):
            return "max"
        try:
            return round(integer(quota) / integer(period), 4)
        except (ValueError, ZeroDivisionError):
            self._bad("cpu quota", quota)
            return None

    def _memory_limit(self) -> int | Literal["max"] | None:
        if self._now.get("v2/memory.max", b"").strip() == b"max":
            return "max"
        limit = self._first("v2/memory.max", "memory/memory.limit_in_bytes")
        return "max" if limit is not None and limit >= _V1_NO_LIMIT else limit

    def _stalls(self, resource: str, files: Files | None) -> Pressure | None:
        raw = (files or {}).get(f"v2/{resource}.pressure")
        if raw is None:
            return None
        try:
            return parse(raw, f"{self._path}/{resource}.pressure")
        except ParseError as error:
            self._errors.append(error)
            return None

    def _first(self, *files: str) -> int | None:
        for file in files:
            if file in self._now:
                return self._number(self._now[file], file)
        return None

    def _delta(self, file: str, key: bytes = b"") -> int | None:
        """How much a counter grew over the sample; None when it went back (a group made anew)."""
        if self._before is None:
            return None
        now, before = self._key(file, key, self._now), self._key(file, key, self._before)
        return None if now is None or before is None or now < before else now - before

    def _key(self, file: str, key: bytes, files: Files) -> int | None:
        """The number after `key` in a flat-keyed file; the whole file when there is no key."""
        raw = files.get(file)
        if raw is None:
            return None
        if not key:
            return self._number(raw, file)
        found = (b"\n" + raw).partition(b"\n" + key + b" ")
        return self._number(found[2].partition(b"\n")[0], file) if found[1] else None

    def _number(self, raw: bytes, file: str) -> int | None:
        try:
            return integer(raw)
        except ValueError:
            self._bad(file, raw)
            return None

    def _bad(self, file: str, raw: bytes) -> None:
        self._errors.append(ParseError(f"{self._path} {file}", f"not a number: {raw[:40]!r}"))
