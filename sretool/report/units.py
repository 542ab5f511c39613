"""Numbers as a person reads them. A value that is not known is `-`, never 0."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

UNKNOWN = "-"


def bytes_text(value: float | None) -> str:
    """Bytes in binary units, at most five characters: 0, 512, 4.0K, 1.5G."""
    if value is None:
        return UNKNOWN
    if isinstance(value, int) and -1024 < value < 1024:  # most queues of 100,000 sockets
        return str(value)
    size = float(value)
    for unit in ("", "K", "M", "G", "T", "P"):
        if abs(size) < 1024 or unit == "P":
            return f"{size:.0f}{unit}" if unit == "" or abs(size) >= 100 else f"{size:.1f}{unit}"
        size /= 1024
    raise AssertionError


def ratio_text(value: float | None) -> str:
    """A ratio as a percentage: 0.25 is `25.0%`."""
    return UNKNOWN if value is None else f"{value * 100:.1f}%"


def duration_text(seconds: float | None) -> str:
    """Seconds as `12s`, `3m05s`, `4h02m`, `17d03h`."""
    if seconds is None:
        return UNKNOWN
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02}h"


def ms_text(value: float | None) -> str:
    """Milliseconds with as many decimals as matter: 0.42, 12.3, 180."""
    if value is None:
        return UNKNOWN
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def count_text(number: int, noun: str) -> str:
    """`1 process`, `3 processes`, `0 directories`."""
    if number == 1:
        return f"1 {noun}"
    if noun.endswith("y") and noun[-2] not in "aeou":
        return f"{number} {noun[:-1]}ies"
    return f"{number} {noun}{'es' if noun.endswith('s') else 's'}"


def number_text(value: float | int | None) -> str:
    """A count, or a number with at most two decimals."""
    if value is None:
        return UNKNOWN
    return str(value) if isinstance(value, int) else f"{value:.2f}".rstrip("0").rstrip(".")


@lru_cache(maxsize=512)
def form_for(field: str) -> Callable[[float], str]:
    """How numbers of this field are written, by its unit suffix."""
    if field.endswith("_per_s"):
        return bytes_text if field.endswith("_bytes_per_s") else number_text
    for suffix, form in _FORMS:
        if field.endswith(suffix):
            return form
    return number_text


def text_for(field: str, value: object) -> str:
    """`value` as text by its field's unit suffix (`_bytes`, `_ratio`, `_ms`, `_s`), escaped by the
    caller. Lists are joined by commas; None is unknown.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return form_for(field)(value)
    if isinstance(value, (list, tuple)):
        return ",".join(text_for("", item) for item in value) or UNKNOWN
    return str(value)


_FORMS: tuple[tuple[str, Callable[[float], str]], ...] = (
    ("_bytes", bytes_text),
    ("_ratio", ratio_text),
    ("_ms", ms_text),
    ("_s", duration_text),
)
