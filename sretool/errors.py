"""Everything sretool raises on purpose.

    SretoolError                 code, exit code, one line: what, why, what to do
    ├── UsageError               64  the command line or a file named on it is wrong
        └── Ambiguous                it fits several things, which are listed
    ├── ParseError                3  bytes that are not what the kernel documents
    ├── DeadlineReached           3  --deadline ran out before there was an answer
    ├── NetworkError              3  we could not even send
        ├── Unresolvable             the name has no address, or nobody would say
        └── NoRoute                  this host has no route, address or right to send there
    └── SourceError               3  the host, or the recording of it, did not give us something
        ├── Missing                  it is not there (ENOENT, ENOTDIR, ENODEV, ESRCH)
        ├── Denied                   we may not (EACCES, EPERM)
        ├── Stalled                  no answer within the deadline (a dead mount, a D-state process)
        ├── NotRecorded              the recording was made without asking for it
        ├── Unsupported              this kernel or this kind of source has no such thing
        ├── Inconsistent             it changed under every one of our tries to read it
        └── Unreadable               any other errno

Each carries a stable `code`, which is what scripts read in `errors[].code`.
"""

from __future__ import annotations

import enum
import errno as _errno
import os


class ExitCode(enum.IntEnum):
    """The contract's exit codes; 0 to 3 are the monitoring-plugin codes."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    CANNOT_LOOK = 3
    USAGE = 64
    BUG = 70
    INTERRUPTED = 130
    PIPE_CLOSED = 141
    TERMINATED = 143


class SretoolError(Exception):
    """A failure with one clear line: `what: message (hint)`."""

    code = "error"
    exit_code = ExitCode.CANNOT_LOOK

    def __init__(self, what: str, message: str, hint: str = "") -> None:
        super().__init__(what, message, hint)
        self.what = what
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        line = f"{self.what}: {self.message}" if self.what else self.message
        return f"{line} ({self.hint})" if self.hint else line


class UsageError(SretoolError):
    """The user asked for something that cannot be asked."""

    code = "usage"
    exit_code = ExitCode.USAGE


class Ambiguous(UsageError):
    """What was named fits several things: `matches` are those, as (what, message)."""

    code = "ambiguous"

    def __init__(self, what: str, message: str, hint: str, matches: list[tuple[str, str]]) -> None:
        super().__init__(what, message, hint)
        self.matches = matches


class ParseError(SretoolError):
    """Bytes that do not have the documented form; `what` names file and line."""

    code = "parse"


class DeadlineReached(SretoolError):
    """The whole command's deadline ran out."""

    code = "deadline"


class NetworkError(SretoolError):
    """Our own side of the network failed; what the other side does is a finding, not an error."""

    code = "network"


class Unresolvable(NetworkError):
    """A name without an address, or a resolver that did not answer."""

    code = "unresolvable"


class NoRoute(NetworkError):
    """The kernel refused to send: no route, no address of that family, a firewall of our own."""

    code = "no-route"


class SourceError(SretoolError):
    """The source could not give what was asked; `errno` is kept for recordings."""

    code = "unreadable"

    def __init__(self, what: str, message: str, hint: str = "", errno: int = 0) -> None:
        super().__init__(what, message, hint)
        self.errno = errno


class Missing(SourceError):
    """It is not there. Often the normal case: an older kernel, a process that ended."""

    code = "missing"


class Denied(SourceError):
    """We may not read it."""

    code = "permission-denied"


class Stalled(SourceError):
    """It did not answer in time."""

    code = "stalled"


class NotRecorded(SourceError):
    """Nobody asked for it when the recording was made: unknown, not absent."""

    code = "not-recorded"


class Unsupported(SourceError):
    """This kernel, or this kind of source, cannot do it."""

    code = "unsupported"


class Inconsistent(SourceError):
    """What was read is there, but it changed meanwhile: something may be missing, or twice."""

    code = "inconsistent"


class Unreadable(SourceError):
    """Any other errno."""


_GONE = {_errno.ENOENT, _errno.ENOTDIR, _errno.ENODEV, _errno.ESRCH, _errno.ENXIO}
_DENIED = {_errno.EACCES, _errno.EPERM}
_UNSUPPORTED = {_errno.EOPNOTSUPP, _errno.ENOSYS, _errno.EPROTONOSUPPORT, _errno.EAFNOSUPPORT}


def from_errno(number: int, what: str) -> SourceError:
    """The SourceError that an errno means, for a path or request named `what`."""
    message = os.strerror(number)
    if number in _GONE:
        return Missing(what, message, errno=number)
    if number in _DENIED:
        return Denied(what, message, "run with sudo to see it", errno=number)
    if number == _errno.ETIMEDOUT:
        return Stalled(what, "no answer within the deadline", errno=number)
    if number == _errno.ENODATA:
        return NotRecorded(what, "not in this recording", errno=number)
    if number in _UNSUPPORTED:
        return Unsupported(what, message, errno=number)
    return Unreadable(what, message, errno=number)
