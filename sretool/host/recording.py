"""A recording of a host."""

from __future__ import annotations

from sretool.host.source import Source


def open_recording(path: str) -> Source:
    """Open it."""
    raise NotImplementedError(path)
