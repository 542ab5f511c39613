"""Instants of answers, compared."""

from __future__ import annotations

from datetime import datetime


def unix(text: str) -> float:
    """RFC 3339 as seconds since 1970."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def same_start(one: str, other: str) -> bool:
    """A start is told from boot, and the clocks are read one after the other: a busy CPU lies between."""
    return abs(unix(one) - unix(other)) < 1
