"""Two readings of one process, and rates between them."""

from __future__ import annotations

from typing import NamedTuple

from sretool.errors import SretoolError
from sretool.host.decimal import integer
from sretool.procs.show.read.sample import Sample
from sretool.procs.stat import Detail, Line, detail, parse
from sretool.procs.status import Status
from sretool.procs.status import parse as parse_status
from sretool.report.escape import text

_EMPTY = Status(*[None] * len(Status._fields))


class Moment(NamedTuple):
    """One reading, parsed. A status that was not read is one without a line."""

    sample: Sample
    line: Line
    more: Detail
    status: Status


class Moments(NamedTuple):
    """Both; `before` is None where there are no rates."""

    now: Moment
    before: Moment | None
    window_s: float

    def rate(self, now: float | None, before: float | None, digits: int = 2) -> float | None:
        """What a counter grew by in a second; None when it is not known twice, or went backwards."""
        if now is None or before is None or now < before or self.window_s <= 0:
            return None
        return round((now - before) / self.window_s, digits)


def moments(now: Sample, before: Sample | None) -> Moments:
    """Both readings, parsed. Another process by the same number is no earlier reading of this one.

    Raises:
        ParseError: the stat line of `now` is none.
    """
    window = now.clock.mono - before.clock.mono if before is not None else 0.0
    this, was = moment(now), None
    if before is not None and window > 0:
        try:
            was = moment(before)
        except SretoolError as error:
            now.errors.append(error)
    if was is not None and (now.pid, this.line.started_ticks) != (was.sample.pid, was.line.started_ticks):
        was = None
    return Moments(this, was, window if was is not None else 0.0)


def moment(sample: Sample) -> Moment:
    """One reading, parsed; a status that cannot be parsed is noted in its errors.

    Raises:
        ParseError: the stat line is none.
    """
    raw, status = sample.raw("stat") or b"", _EMPTY
    try:
        found = sample.raw("status")
        status = _EMPTY if found is None else parse_status(found, sample.pid)
    except SretoolError as error:
        sample.errors.append(error)
    return Moment(sample, parse(raw, sample.pid), detail(raw, sample.pid), status)


def waits_in(raw: bytes | int | None) -> str | None:
    """A wchan file: the kernel says 0 when it waits for nothing, and to those who may not know."""
    return None if not isinstance(raw, bytes) or raw in (b"", b"0") else text(raw)


def number(raw: bytes | None) -> int | None:
    """A file of one number."""
    try:
        return None if raw is None else integer(raw)
    except ValueError:
        return None


def keyed(raw: bytes | None) -> dict[bytes, int]:
    """Lines of `key: number`, with or without a unit behind; others are left out."""
    found = {}
    for line in (raw or b"").splitlines():
        key, colon, rest = line.partition(b":")
        words = rest.split(None, 1)
        try:
            if colon and words:
                found[key] = integer(words[0])
        except ValueError:
            continue
    return found
