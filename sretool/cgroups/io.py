"""What a group does to block devices: io.stat and io.max, and their v1 equivalents."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sretool.cgroups.model import IoDevice
from sretool.host.decimal import integer

Files = Mapping[str, bytes]
Names = Mapping[str, str]
# a limit of v1 and its word in io.max
_V1_LIMITS = {
    "rbps": "blkio/blkio.throttle.read_bps_device",
    "wbps": "blkio/blkio.throttle.write_bps_device",
    "riops": "blkio/blkio.throttle.read_iops_device",
    "wiops": "blkio/blkio.throttle.write_iops_device",
}
_V1_COUNTS = {
    "blkio/blkio.throttle.io_service_bytes_recursive": {"Read": "rbytes", "Write": "wbytes"},
    "blkio/blkio.throttle.io_serviced_recursive": {"Read": "rios", "Write": "wios"},
}
_STACKED = ("dm-", "md")


def devices(now: Files, before: Files | None, window_s: float, names: Names) -> list[IoDevice] | None:
    """One entry for each device in the files; None when there is no such file.

    Raises:
        ValueError: a number in them is none.
    """
    counted, limits = _counts(now), _limits(now)
    if counted is None and limits is None:
        return None
    earlier = None if before is None else _counts(before) or {}
    found = []
    for device in sorted({**(counted or {}), **(limits or {})}, key=_order):
        count = (counted or {}).get(device, {})
        if not count and not (limits or {}).get(device):
            continue  # unplugged, or never used
        old = None if earlier is None else earlier.get(device, {})

        def per_s(key: str, count: dict[str, int] = count, old: dict[str, int] | None = old) -> float | None:
            # a device that was not there yet had done nothing
            if old is None or key not in count or count[key] < old.get(key, 0):
                return None
            return round((count[key] - old.get(key, 0)) / window_s, 1)

        held = (limits or {}).get(device, {})
        found.append(
            IoDevice(
                device,
                names.get(device, ""),
                per_s("rbytes"),
                per_s("wbytes"),
                per_s("rios"),
                per_s("wios"),
                count.get("rbytes"),
                count.get("wbytes"),
                held.get("rbps"),
                held.get("wbps"),
                held.get("riops"),
                held.get("wiops"),
            )
        )
    return found


def total(found: list[IoDevice], rate: Callable[[IoDevice], float | None]) -> float | None:
    """The sum of a rate over devices. What goes to a stacked device (dm, md) is counted again at
    the disks below it: the larger of the two sums is what was done.
    """
    known = [(device, value) for device in found if (value := rate(device)) is not None]
    if not known:
        return None
    sums = [0.0, 0.0]
    for device, value in known:
        sums[device.name.startswith(_STACKED)] += value
    return round(max(sums), 1)


def parse_names(diskstats: bytes) -> dict[str, str]:
    """/proc/diskstats: names by major:minor."""
    found = {}
    for line in diskstats.splitlines():
        words = line.decode("utf-8", "backslashreplace").split(None, 3)
        if len(words) == 4:
            found[f"{words[0]}:{words[1]}"] = words[2]
    return found


def _counts(files: Files) -> dict[str, dict[str, int]] | None:
    raw = files.get("v2/io.stat")
    if raw is not None:
        return {
            device: {
                key: integer(value)
                for key, value in pairs.items()
                if key in ("rbytes", "wbytes", "rios", "wios")
            }
            for device, pairs in _nested(raw).items()
        }
    if _V1_COUNTS.keys().isdisjoint(files):
        return None
    found: dict[str, dict[str, int]] = {}
    for file, keys in _V1_COUNTS.items():
        for line in _text(files.get(file)).splitlines():
            words = line.split()  # "8:0 Read 4096"; the last line is "Total 4096"
            if len(words) == 3 and words[1] in keys:
                found.setdefault(words[0], {})[keys[words[1]]] = integer(words[2])
    return found


def _limits(files: Files) -> dict[str, dict[str, int]] | None:
    raw = files.get("v2/io.max")
    if raw is not None:
        return {
            device: {key: integer(value) for key, value in pairs.items() if value != "max"}
            for device, pairs in _nested(raw).items()
        }
    if not any(file in files for file in _V1_LIMITS.values()):
        return None
    found: dict[str, dict[str, int]] = {}
    for key, file in _V1_LIMITS.items():
        for line in _text(files.get(file)).splitlines():
            words = line.split()
            if len(words) == 2:
                found.setdefault(words[0], {})[key] = integer(words[1])
    return found


def _nested(raw: bytes) -> dict[str, dict[str, str]]:
    """`8:0 rbytes=1 wbytes=2` (Documentation/admin-guide/cgroup-v2.rst, "Nested keyed"). A device that
    was unplugged may stand alone on its line.
    """
    found: dict[str, dict[str, str]] = {}
    for line in _text(raw).splitlines():
        device, *pairs = line.split() or [""]
        if ":" in device:
            found[device] = dict(pair.partition("=")[::2] for pair in pairs if "=" in pair)
    return found


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode("ascii", "backslashreplace")


def _order(device: str) -> tuple[int, ...]:
    parts = device.split(":")
    return tuple(int(part) if part.isdecimal() and len(part) < 8 else 0 for part in parts)
