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
    """The kernel's averages and our own window of one pressure line. `thresholds` by average's
    name, for those that were held against one.
    """
    found = stall(host, kind, line)
    rows = [
        Evidence(
            f"{what}, last {name.removeprefix('avg')} s",
            percent(getattr(found, f"{name}_ratio")),
            "%",
            thresholds.get(name),
            f"/proc/pressure/{kind} {line} {name}",
        )
        for name in ("avg10", "avg60", "avg300")
    ]
    sampled = host.stalled(kind, line)
    if sampled is not None:
        rows.insert(
            0,
            Evidence(
                f"{what}, this sample",
                percent(sampled),
                "%",
                thresholds.get("sample"),
                f"/proc/pressure/{kind} {line} total",
            ),
        )
    return rows
