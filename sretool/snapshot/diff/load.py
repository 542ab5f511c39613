"""The two files of a diff: answers that sretool wrote, or recordings."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from sretool.net.trace.diff.saved import Saved as Envelope
from sretool.net.trace.diff.saved import envelope, foreign, raw_of
from sretool.report.escape import clean
from sretool.snapshot.diff.model import Side


class Found(Struct, frozen=True):
    """A finding of a saved answer, as far as it is needed here."""

    id: str
    severity: Annotated[str, Meta(pattern="^(info|warning|critical)$")]
    summary: str = ""
    subject: dict[str, Any] = {}
    remedy: str = ""


class Answer(Envelope):
    """A saved answer of any command."""

    findings: list[Found] = []


class Loaded(Struct):
    """One file; `answer` is None of a recording."""

    side: Side
    answer: Answer | None


def load(path: str) -> Loaded:
    """The answer in `path` (`-` is standard input), or that it is a recording.

    Raises:
        UsageError: it cannot be read, is none of them, or breaks the bounds.
    """
    raw = raw_of(path)
    if raw is None:
        return _recording(path)
    answer: Answer = envelope(path, raw, Answer)
    side = Side(
        clean(path),
        clean(answer.schema[:200]),
        clean(answer.host[:300]),
        clean(answer.collected_at[:40]),
        clean(answer.tool_version[:40]),
    )
    return Loaded(side, answer)


def _recording(path: str) -> Loaded:
    from sretool.host.recording import FORMAT, load
    from sretool.report.times import rfc3339

    about, moments = load(path)
    if not moments:
        raise foreign(path, "it holds no moment")
    side = Side(
        clean(path),
        FORMAT,
        clean(str(about.get("host", ""))[:300]),
        rfc3339(moments[-1].clock.wall),
        clean(str(about.get("tool_version", ""))[:40]),
    )
    return Loaded(side, None)


def document(file: str, answer: Answer) -> dict[str, Any]:
    """The data of any saved answer.

    Raises:
        UsageError: it is no object, or nested too deeply.
    """
    try:
        return msgspec.json.decode(answer.data, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise foreign(file, f"its data: {error}") from None
