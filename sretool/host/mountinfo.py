"""How mountinfo and fstab write a path (proc_pid_mountinfo(5), fstab(5))."""

from __future__ import annotations

import re

_OCTAL = re.compile(rb"\\([0-7]{3})")


def unescape(raw: bytes) -> bytes:
    r"""Undo \ooo, which stands for space, tab, newline and backslash."""
    return _OCTAL.sub(lambda found: bytes([int(found[1], 8) & 0xFF]), raw)
