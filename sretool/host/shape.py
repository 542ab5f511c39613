"""Whether a recording's index holds what a Source promises. All of it is checked when the recording
is opened, because the verbs then hand it out as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_LARGEST_ERRNO = 4095  # include/linux/err.h MAX_ERRNO


def sound(index: dict[str, Any]) -> bool:
    """Whether every section is a table of values of its own kind."""
    return all(
        isinstance(index[section], dict) and all(map(fits, index[section].values()))
        for section, fits in SECTIONS.items()
    )


def _errno(value: Any) -> bool:
    return type(value) is int and 0 < value <= _LARGEST_ERRNO


def _word(value: Any) -> bool:
    """A number of at most 64 bits; JSON's `true` is none."""
    return type(value) is int and -(1 << 63) <= value < 1 << 64


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _targets(value: Any) -> bool:
    return _errno(value) or (isinstance(value, dict) and all(map(_text, value.values())))


def _stat(value: Any) -> bool:
    # the seventh is a time; the number of links came later
    return (
        isinstance(value, list)
        and len(value) in (7, 8)
        and all(map(_word, value[:6]))
        and isinstance(value[6], (int, float))
        and (value[7:] in ([], [None]) or _word(value[7]))
    )


def _statvfs(value: Any) -> bool:
    return _errno(value) or (isinstance(value, list) and len(value) == 8 and all(map(_word, value)))


def _frames(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and _text(value.get("blob"))
        and isinstance(value.get("sizes"), list)
        and all(_word(size) and size >= 0 for size in value["sizes"])
        and isinstance(value.get("consistent"), bool)
    )


def _completed(value: Any) -> bool:
    return isinstance(value, dict) and _text(value.get("blob")) and _word(value.get("exit_code"))


def _any(value: Any) -> bool:
    """A fact's own reader decodes it."""
    return True


SECTIONS: dict[str, Callable[[Any], bool]] = {
    "dirs": _names,
    "walks": _names,
    "links": _text,
    "link_dirs": _targets,
    "stats": _stat,
    "statvfs": _statvfs,
    "netlink": _frames,
    "runs": _completed,
    "facts": _any,
    "errors": _errno,
}
