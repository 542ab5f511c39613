"""What the checks of the summary say alike."""

from __future__ import annotations

from sretool.report.answer import Evidence
from sretool.report.check import Unknown
from sretool.sockets.summary.model import Limit, Name, Summary

ONE_READING = "it takes two readings, and there was one"


def whose(process: str | None, pid: int | None, unit: str | None = None) -> str:
    """`nginx[812]`, or that it is not known."""
    if process is not None and pid is not None:
        return f"{process}[{pid}]"
    return unit or "a process that could not be seen"


def all_read(model: Summary, protocol: str) -> None:
    """Nothing, if every socket of the protocol was looked at.

    Raises:
        Unknown: a table of it could not be read.
    """
    lacking = [table for table in model.unread if table.startswith(protocol)]
    if lacking:
        raise Unknown(f"these sockets could not be read: {', '.join(lacking)}")


def limit(model: Summary, name: Name) -> Limit:
    """That limit.

    Raises:
        Unknown: it is not in the answer, or use and limit are not both known.
    """
    row = next((row for row in model.limits if row.name == name), None)
    if row is None or row.used is None:
        raise Unknown("how much is used could not be read")
    if row.limit is None:
        raise Unknown(
            f"the limit could not be read ({row.source.rpartition(', ')[2]})" + _WHERE.get(row.scope, "")
        )
    return row


_WHERE = {"host": ": it is the whole host's, and not shown in a network namespace"}


def used(row: Limit, what: str, ratio: float) -> Evidence:
    """How much of it."""
    return Evidence(what, row.used_ratio, "ratio", ratio, row.source)


def grown(model: Summary, name: str, unit: str, threshold: float | None = 0) -> Evidence:
    """One counter over the sample."""
    over = "" if model.window_s is None else f" in {model.window_s:.3g} s"
    group, _, field = name.partition(".")
    file = {"TcpExt": "/proc/net/netstat", "Udp6": "/proc/net/snmp6"}.get(group, "/proc/net/snmp")
    counted = f"{file} {group}{field}" if group == "Udp6" else f"{file} {group} {field}"
    return Evidence(f"{field}{over}", model.counters[name].in_sample, unit, threshold, counted)


def increase(model: Summary, *names: str) -> int | None:
    """How much these counters grew together; None when none of them could be read twice."""
    known = [
        row.in_sample for name in names if (row := model.counters.get(name)) and row.in_sample is not None
    ]
    return sum(known) if known else None
