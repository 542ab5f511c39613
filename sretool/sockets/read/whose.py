"""Whose a socket is, and filters by that."""

from __future__ import annotations

import socket
from typing import NamedTuple

from sretool.host.attribution import matches


class Narrow(NamedTuple):
    """Filters the kernel does not know. None: not asked."""

    pid: int | None = None
    process: str | None = None
    unit: str | None = None

    def keeps(self, pid: int | None, process: str | None, unit: str | None) -> bool:
        """Whether a socket of this owner is wanted; one of unknown owner never is."""
        return (
            (self.pid is None or pid == self.pid)
            and (self.process is None or matches(self.process, process))
            and (self.unit is None or matches(self.unit, unit))
        )

    def fits(self, owner: Whose) -> bool:
        """Whether a socket of this owner is wanted."""
        return self.keeps(owner.pid, owner.process, owner.unit)


EVERYONE = Narrow()
UNSPECIFIED = (bytes(4), bytes(16))


class Whose(NamedTuple):
    """Who holds a socket, as far as it is known."""

    pid: int | None
    process: str | None
    unit: str | None
    container: str | None
    cgroup: str | None
    container_name: str | None


NOBODY = Whose(None, None, None, None, None, None)


class Texts(dict[bytes, str]):
    """Address text by its bytes, made once."""

    def __missing__(self, raw: bytes) -> str:
        made = self[raw] = socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)
        return made
