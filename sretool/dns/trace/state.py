"""What a trace holds while it goes: the plan, the delegations learned, and one cut with its servers."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import dns.name
import dns.rdatatype

from sretool.dns.hints import Hints
from sretool.dns.message import Message, Question
from sretool.dns.network import Asked
from sretool.dns.trace.reply import Verdict

Name = dns.name.Name
Type = dns.rdatatype.RdataType

BUDGET = 200  # queries a trace may send: the root and com alone have 26 addresses each


class Plan(NamedTuple):
    """What to trace."""

    name: Name
    type: Type
    hints: Hints
    every: bool = True
    families: tuple[int, ...] = (4, 6)
    deadline_s: float = 4.0
    budget: int = BUDGET
    loopback: bool = False

    @property
    def address_types(self) -> list[Type]:
        """The types that hold addresses of the families asked."""
        types = {4: dns.rdatatype.A, 6: dns.rdatatype.AAAA}
        return [types[family] for family in self.families]


@dataclass
class Zone:
    """A delegation as its parent gave it: server names and their addresses."""

    name: Name
    parent: Name | None
    ns: dict[Name, list[str]]


@dataclass
class Row:
    """One server address at one cut."""

    address: str
    names: list[Name]
    asked: Asked
    confirmed: bool = False
    message: Message | None = None
    verdict: Verdict | None = None


@dataclass
class Cut:
    """One zone's servers, asked one question. `wanted_by` is the server name whose address is
    looked up here, None on the way to the answer itself; `within` is the cut that wants it.
    """

    zone: Zone
    question: Question
    wanted_by: Name | None
    every: bool
    first: asyncio.Future[Verdict | None]
    rows: dict[str, Row] = field(default_factory=dict)
    winner: Row | None = None
    child_ns: frozenset[Name] | None = None
    within: Cut | None = None
    skipped: int = 0
    sources: int = 0

    def urgent(self) -> bool:
        """Does the way to the answer still wait for this?"""
        return not self.first.done() and (self.within is None or self.within.urgent())


class End(NamedTuple):
    """How a walk ended. `reason` is a verdict's kind, or `no-answer` (no server of the cut gave a
    usable reply), `no-address` (it has no server to ask), `cname-limit`.
    """

    reason: str
    verdict: Verdict | None
    cut: Cut
    aliases: tuple[Name, ...]
    records: tuple[Any, ...]


def askable(address: str, loopback: bool) -> bool:
    """Can this be a name server's address? A zone can name any: nothing is sent to this host itself
    (unless the hints lie there), to a multicast group, or to a reserved address.
    """
    if ":" in address:
        packed = socket.inet_pton(socket.AF_INET6, address)
        if packed[:15] == bytes(15):
            return packed[15] == 1 and loopback
        return packed[0] != 0xFF and packed[:12] != bytes(10) + b"\xff\xff"
    first = int(address.partition(".")[0])
    return 0 < first < 224 and (first != 127 or loopback)
