"""The host's table of open files."""

from __future__ import annotations

from typing import NamedTuple

from sretool.errors import ParseError
from sretool.host.decimal import integer


class OpenFiles(NamedTuple):
    """/proc/sys/fs/file-nr: open files of the whole host, and fs.file-max."""

    open: int
    limit: int


def parse_file_nr(raw: bytes) -> OpenFiles:
    """/proc/sys/fs/file-nr: allocated, unused (0 since 2.6), maximum.

    Raises:
        ParseError: there are no three numbers, or the maximum is 0.
    """
    try:
        allocated, free, limit = (integer(word) for word in raw.split())
    except ValueError:
        raise ParseError("/proc/sys/fs/file-nr", "not three numbers") from None
    if limit <= 0:
        raise ParseError("/proc/sys/fs/file-nr", "the maximum is not positive")
    return OpenFiles(allocated - free, limit)
