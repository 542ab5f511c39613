"""Evidence that several subjects' checks show in the same form."""

from __future__ import annotations

from sretool.host.pressure import Stall
from sretool.report.answer import Evidence, Subject
from sretool.report.check import NotApplicable
from sretool.triage.read import Host

HOST = Subject(kind="host", id="host")
NO_PRESSURE = "this kernel keeps no pressure (CONFIG_PSI off, or booted with psi=0)"


def percent(ratio: float | None) -> float | None:
    """A ratio in percent with one decimal; unknown stays unknown."""
    return None if ratio is None else round(ratio * 100, 1)


def stall(host: Host, kind: str, line: str) -> Stall:
    """A line of /proc/pressure/KIND.

    Raises:
        NotApplicable: the kernel keeps no pressure, or not this line of it.
        Unknown: the file could not be read.
    """
    found: Stall | None = getattr(host.pressure[kind].need_if_present(NO_PRESSURE), line)
    if found is None:
        raise NotApplicable(f"this kernel's /proc/pressure/{kind} has no {line!r} line")
    return found


def stall_evidence(
    host: Host, kind: str, line: str, what: str, thresholds: dict[str, float]
) -> list[Evidence]:
    """The kernel's averages and our own window of one pressure line. `thresholds` by window's name;
    a row shows the one it passed.
    """
    found = stall(host, kind, line)
    windows = {
        "sample": ("this sample", host.stalled(kind, line), "total"),
        "avg10": ("last 10 s", found.avg10_ratio, "avg10"),
        "avg60": ("last 60 s", found.avg60_ratio, "avg60"),
        "avg300": ("last 300 s", found.avg300_ratio, "avg300"),
    }
    rows = []
    for name, (window, ratio, key) in windows.items():
        limit = thresholds.get(name)
        passed = limit is not None and ratio is not None and ratio * 100 > limit
        source = f"/proc/pressure/{kind} {line} {key}"
        rows.append(Evidence(f"{what}, {window}", percent(ratio), "%", limit if passed else None, source))
    return rows
