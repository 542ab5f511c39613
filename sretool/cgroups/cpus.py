"""Lists of CPUs as the kernel writes them: `0-3,8` (cpuset(7), "List format")."""

from __future__ import annotations

_MOST = 1 << 16


def count(text: str) -> int | None:
    """How many CPUs `text` names; None when it is no such list."""
    total = 0
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not part.strip():
            continue
        if not (first.isdecimal() and len(first) < 6 and (not dash or (last.isdecimal() and len(last) < 6))):
            return None
        total += int(last) - int(first) + 1 if dash else 1
        if total < 0 or total > _MOST:
            return None
    return total
