"""Traces that were saved with --json. The files are untrusted: their size is bounded, and what is not as
documented costs one clear line.
"""

from __future__ import annotations

import os
import stat
import sys
from typing import Any

import msgspec
from msgspec import Struct

from sretool.errors import UsageError
from sretool.net.trace.model import Path, Trace
from sretool.report.escape import escape

LIMIT_BYTES = 128 * 1024 * 1024  # an answer of 100,000 sockets has 40 MiB
TRACE_BYTES = 32 * 1024 * 1024  # and one of 256 hosts, 30 hops each and ten rounds, 8 MiB
MOST_HOPS = 255  # as many TTLs as there are
MOST_TARGETS = 1000
TRACE = "sretool.net.trace/1"
_GZIP = b"\x1f\x8b"
_MAKE = "make one with --json, for example: sretool net trace --json HOST > before.json"
_WRONG = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Saved(Struct):
    """The envelope of a saved answer; its data still encoded."""

    schema: str
    data: msgspec.Raw
    status: str = "ok"
    host: str = ""
    collected_at: str = ""
    tool_version: str = ""


def raw_of(path: str) -> bytes | None:
    """What is in the file (`-` is standard input); None when it is a recording.

    Raises:
        UsageError: it cannot be read, or is too large.
    """
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
        raise foreign(path, f"it is larger than {LIMIT_BYTES >> 20} MiB")
    if raw[:2] == _GZIP:
        raise UsageError(path, "a recording cannot be read from a pipe", "give it as a file")
    return raw


def envelope(path: str, raw: bytes, kind: type[Any] = Saved) -> Any:
    """The answer in those bytes, as a `kind` of Saved.

    Raises:
        UsageError: there is none, or it says that it failed.
    """
    try:
        answer = msgspec.json.decode(raw, type=kind)
    except _WRONG as error:
        raise foreign(path, _why(raw, error)) from None
    if answer.status == "error":
        raise foreign(path, "it says that there was no answer (status error)")
    return answer


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


def paths_of(file: str, answer: Saved) -> list[Path]:
    """The paths of a saved `net trace`, that of its first target first.

    Raises:
        UsageError: its data is not as documented, or breaks the bounds.
    """
    if len(bytes(answer.data)) > TRACE_BYTES:
        raise foreign(file, f"it is larger than {TRACE_BYTES >> 20} MiB")
    try:
        trace = msgspec.json.decode(answer.data, type=Trace)
    except _WRONG as error:
        by = f"sretool {answer.tool_version} wrote it so, or somebody else"
        raise foreign(file, f"{error}: {by}") from None
    others = trace.others if isinstance(trace.others, list) else []
    paths: list[Path] = [trace, *others]
    if len(paths) > MOST_TARGETS or any(len(path.hops) > MOST_HOPS for path in paths):
        raise foreign(file, f"it has more than {MOST_HOPS} hops to a target, or {MOST_TARGETS} targets")
    return paths


def baseline(path: str) -> tuple[str, list[Path]]:
    """The host that a saved `net trace` was made on, and its paths.

    Raises:
        UsageError: it is none.
    """
    raw = raw_of(path)
    answer = envelope(path, raw) if raw is not None else None
    if answer is None or answer.schema != TRACE:
        raise foreign(path, "it is no trace" if answer is None else f"it is of {answer.schema[:80]!r}")
    return answer.host, paths_of(path, answer)


def foreign(path: str, why: str) -> UsageError:
    """The one line for a file that is none of ours."""
    return UsageError(path, f"not an answer that can be compared: {escape(why)}", _MAKE)
