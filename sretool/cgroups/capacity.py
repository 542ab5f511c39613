"""What the host itself has: the limit above all limits of groups."""

from __future__ import annotations

from collections.abc import Mapping

from sretool.cgroups.files import Ask
from sretool.cgroups.model import Capacity
from sretool.errors import ParseError, SretoolError
from sretool.host.decimal import integer

_MEMINFO, _LOADAVG, _DISKSTATS = "/proc/meminfo", "/proc/loadavg", "/proc/diskstats"
_TASKS = ("/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max")


def wanted(ask: Ask) -> list[str]:
    """The host's files that go with what is asked of the groups."""
    return [
        *((_MEMINFO,) if ask.memory else ()),
        *((*_TASKS, _LOADAVG) if ask.pids else ()),
        *((_DISKSTATS,) if ask.io else ()),
    ]


def of(files: Mapping[str, bytes], cpus: int, errors: list[SretoolError]) -> Capacity:
    """The capacity in those files; what is not there, or is no number, is None."""
    memory: dict[bytes, int] = {}
    for line in files.get(_MEMINFO, b"").splitlines():
        name, _, rest = line.partition(b":")
        if name in (b"MemTotal", b"MemAvailable", b"SwapTotal", b"SwapFree"):
            number = _number(rest.split(None, 1)[0] if rest.split() else b"", _MEMINFO, errors)
            if number is not None:
                memory[name] = number * 1024
    limits = [_number(files[path], path, errors) for path in _TASKS if path in files]
    known = [limit for limit in limits if limit is not None]
    tasks = None
    if _LOADAVG in files:  # 0.10 0.20 0.30 2/345 6789
        tasks = _number((files[_LOADAVG].split() + [b""] * 4)[3].partition(b"/")[2], _LOADAVG, errors)
    return Capacity(
        memory.get(b"MemTotal"),
        _less(memory.get(b"MemTotal"), memory.get(b"MemAvailable")),
        memory.get(b"SwapTotal"),
        _less(memory.get(b"SwapTotal"), memory.get(b"SwapFree")),
        min(known, default=None),
        tasks,
        cpus,
    )


def _less(total: int | None, free: int | None) -> int | None:
    return None if total is None or free is None else max(0, total - free)


def _number(raw: bytes, what: str, errors: list[SretoolError]) -> int | None:
    try:
        return integer(raw)
    except ValueError:
        errors.append(ParseError(what, f"not a number: {raw[:40]!r}"))
        return None
