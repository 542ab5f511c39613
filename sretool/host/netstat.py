"""The kernel's network counters: /proc/net/netstat and /proc/net/snmp, one format, both since boot.

Each group is two lines, names and values (net/ipv4/proc.c):

    TcpExt: SyncookiesSent SyncookiesRecv …
    TcpExt: 0 0 …
"""

from __future__ import annotations

from collections.abc import Mapping

from sretool.errors import Missing, ParseError, SourceError, SretoolError
from sretool.host.decimal import integer
from sretool.host.source import Source

FILES = ("/proc/net/netstat", "/proc/net/snmp")

Counters = dict[str, int]
"""Counters by `Group.Name` as the kernel spells them: `TcpExt.ListenOverflows`, `Tcp.RetransSegs`."""


def parse(raw: bytes, path: str = FILES[0]) -> Counters:
    """Every counter of one file. A group whose names and values do not pair costs the file.

    Raises:
        ParseError: a names line without its values line, or a value that is no number.
    """
    found: Counters = {}
    lines = raw.decode("utf-8", "backslashreplace").splitlines()
    for number in range(0, len(lines), 2):
        group, colon, names = lines[number].partition(":")
        follower = lines[number + 1] if number + 1 < len(lines) else ""
        again, _, values = follower.partition(":")
        keys, numbers = names.split(), values.split()
        if not colon or again != group or len(keys) != len(numbers):
            raise ParseError(f"{path} line {number + 1}", "names and values do not pair")
        try:
            # a few are gauges and may be negative: Tcp MaxConn is -1
            found.update({f"{group}.{key}": integer(text) for key, text in zip(keys, numbers)})
        except ValueError:
            raise ParseError(f"{path} line {number + 2}", "a value is not a number") from None
    return found


def read(source: Source, errors: list[SretoolError]) -> Counters:
    """The counters of both files; a file that cannot be read or parsed is noted in `errors`."""
    found: Counters = {}
    for path in FILES:
        try:
            found.update(parse(source.read(path), path))
        except Missing:  # a kernel without CONFIG_PROC_FS networking, or not Linux's own /proc
            continue
        except (SourceError, ParseError) as error:
            errors.append(error)
    return found


def increase(now: Mapping[str, int], before: Mapping[str, int], name: str) -> int | None:
    """How much a counter grew; None when it is not in both, or went backwards (another namespace,
    another boot).
    """
    if name not in now or name not in before:
        return None
    grown = now[name] - before[name]
    return grown if grown >= 0 else None
