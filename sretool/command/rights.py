"""What to do about a denial depends on who met it. The readers' hints are for an ordinary user of this
host; here, and nowhere else, they become those for root and for a recording.
"""

from __future__ import annotations

from collections.abc import Iterable

from sretool.errors import Denied, SretoolError
from sretool.host.identity import Identity, identity
from sretool.host.source import Source

# include/uapi/linux/capability.h; what the readers' denials come from
_NEEDED = {
    "CAP_DAC_OVERRIDE": 1,
    "CAP_NET_ADMIN": 12,
    "CAP_NET_RAW": 13,
    "CAP_SYS_PTRACE": 19,
    "CAP_SYS_ADMIN": 21,
    "CAP_SYSLOG": 34,
}


def suit(errors: Iterable[SretoolError], source: Source) -> None:
    """Give every denial among `errors` the hint that whoever met it can follow."""
    try:
        who = identity(source)
    except SretoolError:  # not recorded: hardly by root
        who = None
    hint = _hint(who, source.live)
    for error in errors:
        if isinstance(error, Denied):
            error.hint = hint or error.hint


def _hint(who: Identity | None, live: bool) -> str:
    """Empty where the reader's own hint holds."""
    if who is None or who.uid:
        return "" if live else "record it as root: sudo sretool snapshot save FILE"
    lacking = [name for name, bit in _NEEDED.items() if not who.capabilities >> bit & 1]
    if lacking:
        do = "run it" if live else "record it"
        return f"root lacks {', '.join(lacking)} here, as in a container: {do} where root has all rights"
    return "closed even to root: a container or a security module (AppArmor, SELinux) stands in the way"
