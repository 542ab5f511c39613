"""Login sessions: what logind writes of each to /run/systemd/sessions (its session_save)."""

from __future__ import annotations

import re
from typing import NamedTuple

_SCOPE = re.compile(r"session-(\w{1,32})\.scope")


class Session(NamedTuple):
    """A session; empty text where logind does not say."""

    id: str
    user: str = ""
    service: str = ""
    terminal: str = ""
    remote_host: str = ""
    remote: bool = False
    leader: str = ""


def session_id(unit: str) -> str:
    """`3` of session-3.scope, empty when the unit is no session's."""
    found = _SCOPE.fullmatch(unit)
    return found[1] if found else ""


def parse(id: str, raw: bytes | None) -> Session:
    """KEY=VALUE a line; what is not known of a session whose file was not read stays empty."""
    values: dict[str, str] = {}
    for line in (raw or b"").decode("utf-8", "backslashreplace").split("\n"):
        key, equals, value = line.partition("=")
        if equals:
            values.setdefault(key, value[:256])
    return Session(
        id,
        values.get("USER", ""),
        values.get("SERVICE", ""),
        values.get("TTY", ""),
        values.get("REMOTE_HOST", ""),
        values.get("REMOTE") == "1",
        values.get("LEADER", ""),
    )
