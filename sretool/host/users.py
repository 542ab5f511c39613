"""User names for uids: /etc/passwd first, NSS (sssd, LDAP, systemd) only for what it lacks."""

from __future__ import annotations

import json
from collections.abc import Iterable

from sretool.errors import SretoolError
from sretool.host.source import Source, attempt


def names(
    source: Source, uids: Iterable[int], errors: list[SretoolError], *, services: bool = True
) -> dict[int, str | None]:
    """The name of each uid, None where it has none or where it could not be learned; only the
    second is noted in `errors`. Without `services` only /etc/passwd is asked, which cannot take long.
    """
    known = _passwd(attempt(errors, source.read, "/etc/passwd") or b"")
    found: dict[int, str | None] = {}
    for uid in sorted(set(uids)):
        if uid in known:
            found[uid] = known[uid]
            continue
        if not services:
            found[uid] = None
            continue
        raw = attempt(errors, source.fact, "user", str(uid))
        name = json.loads(raw) if raw is not None else None
        found[uid] = name if isinstance(name, str) else None
    return found


def _passwd(raw: bytes) -> dict[int, str]:
    """User names by uid. The first line of a uid counts, as in getpwuid(3)."""
    found: dict[int, str] = {}
    for line in raw.splitlines():
        fields = line.split(b":")
        if len(fields) >= 3 and fields[2].isdigit() and len(fields[2]) <= 10:
            found.setdefault(int(fields[2]), fields[0].decode("utf-8", "backslashreplace"))
    return found
