"""/proc/net/softnet_stat: what every CPU took in, dropped, and left for later."""

from __future__ import annotations

from typing import NamedTuple

from sretool.errors import Missing, ParseError, SourceError, SretoolError
from sretool.host.decimal import integer
from sretool.host.source import Clock, Source
from sretool.net.softnet.model import Cpu, Limits, Softnet

STAT = "/proc/net/softnet_stat"
_LIMITS = tuple(
    f"/proc/sys/net/core/{name}" for name in ("netdev_max_backlog", "netdev_budget", "netdev_budget_usecs")
)
# net/core/net-procfs.c softnet_seq_show
_PACKETS, _DROPPED, _SQUEEZED, _RPS, _FLOW_LIMITED, _BACKLOG, _CPU = 0, 1, 2, 9, 10, 11, 12


class Ask(NamedTuple):
    """What to read: all of it is small."""


EVERYTHING = Ask()


class Sample(NamedTuple):
    """One reading: columns by CPU, None when they could not be read."""

    clock: Clock
    cpus: dict[int, list[int]] | None
    limits: Limits
    errors: list[SretoolError]


def sample(source: Source, ask: Ask = EVERYTHING) -> Sample:
    """Read both; what could not be read is in `errors`."""
    errors: list[SretoolError] = []
    clock = source.clock()
    cpus = None
    try:
        cpus = parse(source.read(STAT))
    except (SourceError, ParseError) as error:
        errors.append(error)
    return Sample(clock, cpus, Limits(*(_limit(source, path, errors) for path in _LIMITS)), errors)


def parse(raw: bytes) -> dict[int, list[int]]:
    """Columns by CPU, hexadecimal in the file.

    Raises:
        ParseError: a line of fewer than three columns, or one that is no number.
    """
    found: dict[int, list[int]] = {}
    for number, line in enumerate(raw.splitlines()):
        words = line.split()
        try:
            if len(words) < 3 or any(len(word) > 16 for word in words):
                raise ValueError
            values = [int(word, 16) for word in words]
        except ValueError:
            raise ParseError(f"{STAT} line {number + 1}", "not a CPU's line") from None
        found[values[_CPU] if len(values) > _CPU else number] = values
    return found


def _limit(source: Source, path: str, errors: list[SretoolError]) -> int | None:
    try:
        return integer(source.read(path))
    except Missing:  # in any network namespace but the host's own
        return None
    except ValueError:
        errors.append(ParseError(path, "not a number"))
    except SourceError as error:
        errors.append(error)
    return None


def build(now: Sample, before: Sample | None = None) -> Softnet:
    """Every CPU, those that drop first."""
    window = now.clock.mono - before.clock.mono if before is not None else None
    old = before.cpus if before is not None else None
    if window is not None and window <= 0:  # another boot: no rates
        old = window = None
    rows = [
        _cpu(number, values, (old or {}).get(number), window) for number, values in (now.cpus or {}).items()
    ]
    rows.sort(key=lambda row: (-(row.dropped or 0), -(row.squeezed or 0), row.cpu))
    return Softnet(rows, len(rows), window, now.limits)


def _cpu(number: int, values: list[int], old: list[int] | None, window: float | None) -> Cpu:
    def grown(column: int) -> int | None:
        # 32 bits wide, and nothing sets them back
        if old is None or column >= min(len(values), len(old)):
            return None
        return (values[column] - old[column]) % (1 << 32)

    def rate(column: int) -> float | None:
        count = grown(column)
        return count / window if count is not None and window else None

    return Cpu(
        cpu=number,
        packets_per_s=rate(_PACKETS),
        dropped=grown(_DROPPED),
        dropped_per_s=rate(_DROPPED),
        squeezed=grown(_SQUEEZED),
        squeezed_per_s=rate(_SQUEEZED),
        rps=grown(_RPS),
        flow_limited=grown(_FLOW_LIMITED),
        backlog=values[_BACKLOG] if len(values) > _CPU else None,
        packets_total=values[_PACKETS],
        dropped_total=values[_DROPPED],
        squeezed_total=values[_SQUEEZED],
    )
