"""The two files of a diff: answers that sretool wrote, or recordings. They are untrusted: their size is
bounded, and what is not as documented costs one clear line.
"""

from __future__ import annotations

import os
import stat
import sys
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from sretool.errors import UsageError
from sretool.net.trace.model import Path, Trace
from sretool.report.escape import clean, escape
from sretool.snapshot.diff.model import Side

LIMIT_BYTES = 256 * 1024 * 1024  # an answer of 100,000 sockets has 40 MiB
MOST_HOPS = 255  # as many TTLs as there are
MOST_TARGETS = 1000
TRACE = "sretool.net.trace/1"
_GZIP = b"\x1f\x8b"
_MAKE = "make one with --json, for example: sretool net trace --json HOST > before.json"


class Found(Struct, frozen=True):
    """A finding of a saved answer, as far as it is needed here."""

    id: str
    severity: Annotated[str, Meta(pattern="^(info|warning|critical)$")]
    summary: str = ""
    subject: dict[str, Any] = {}
    remedy: str = ""


class _Envelope(Struct):
    schema: str
    data: msgspec.Raw
    status: str = "ok"
    host: str = ""
    collected_at: str = ""
    tool_version: str = ""
    findings: list[Found] = []


class Saved(Struct):
    """One file: where it is from, and its answer still encoded (None of a recording)."""

    side: Side
    data: msgspec.Raw | None
    findings: list[Found] = []

    @property
    def is_recording(self) -> bool:
        return self.data is None


def load(path: str) -> Saved:
    """The answer in `path` (`-` is standard input), or that it is a recording.

    Raises:
        UsageError: it cannot be read, is none of them, or breaks the bounds.
    """
    raw = _bytes(path)
    if raw is None:
        return _recording(path)
    try:
        answer = msgspec.json.decode(raw, type=_Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _foreign(path, _why(raw, error)) from None
    if answer.status == "error":
        raise _foreign(path, "it says that there was no answer (status error)")
    side = Side(
        clean(path),
        clean(answer.schema[:200]),
        clean(answer.host[:300]),
        clean(answer.collected_at[:40]),
        clean(answer.tool_version[:40]),
    )
    return Saved(side, answer.data, answer.findings)


def _why(raw: bytes, error: Exception) -> str:
    if not raw.strip():
        return "it is empty"
    if isinstance(error, msgspec.ValidationError):
        return f"{error}, so it is none of sretool's documents"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if raw.lstrip()[:1] == b"{" and "trailing" in str(error):
        return "it has more than one document: save with --json, not --jsonl"
    return f"it is cut short, damaged, or no JSON ({error})"


def _bytes(path: str) -> bytes | None:
    """What is in the file; None when it is a recording."""
    if path == "-":
        raw = sys.stdin.buffer.read(LIMIT_BYTES + 1)
    else:
        try:
            # a FIFO that nobody writes to would block open(2) for ever
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.set_blocking(handle, True)
            with open(handle, "rb") as file:
                if stat.S_ISREG(os.fstat(handle).st_mode) and file.peek(2)[:2] == _GZIP:
                    return None
                raw = file.read(LIMIT_BYTES + 1)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise UsageError(path or "FILE", why, "name a file that sretool wrote") from None
    if len(raw) > LIMIT_BYTES:
        raise _foreign(path, f"it is larger than {LIMIT_BYTES >> 20} MiB")
    if raw[:2] == _GZIP:
        raise UsageError(path, "a recording cannot be read from a pipe", "give it as a file")
    return raw


def _recording(path: str) -> Saved:
    from sretool.host.recording import FORMAT, load
    from sretool.report.times import rfc3339

    about, moments = load(path)
    if not moments:
        raise _foreign(path, "it holds no moment")
    side = Side(
        clean(path),
        FORMAT,
        clean(str(about.get("host", ""))[:300]),
        rfc3339(moments[-1].clock.wall),
        clean(str(about.get("tool_version", ""))[:40]),
    )
    return Saved(side, None)


def traces(saved: Saved) -> list[Path]:
    """The paths of a saved `net trace`, that of its first target first.

    Raises:
        UsageError: its data is not as documented, or breaks the bounds.
    """
    try:
        trace = msgspec.json.decode(saved.data or b"", type=Trace)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _foreign(
            saved.side.file, f"{error}: sretool {saved.side.tool_version} wrote it so, or somebody else"
        ) from None
    others = trace.others if isinstance(trace.others, list) else []
    paths: list[Path] = [trace, *others]
    if len(paths) > MOST_TARGETS or any(len(path.hops) > MOST_HOPS for path in paths):
        raise _foreign(
            saved.side.file, f"it has more than {MOST_HOPS} hops to a target, or {MOST_TARGETS} targets"
        )
    return paths


def document(saved: Saved) -> dict[str, Any]:
    """The data of any saved answer.

    Raises:
        UsageError: it is no object, or nested too deeply.
    """
    try:
        return msgspec.json.decode(saved.data or b"", type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _foreign(saved.side.file, f"its data: {error}") from None


def _foreign(path: str, why: str) -> UsageError:
    return UsageError(path, f"not an answer that can be compared: {escape(why)}", _MAKE)
