"""The exact answer of a filter on a row of `sockets list`: what a recording needs, and what the kernel
cannot say of a live host.
"""

from __future__ import annotations

import operator
import re
import socket
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase, translate
from functools import lru_cache
from typing import Any, NamedTuple

from sretool.host.attribution import matches
from sretool.sockets.filter.tree import (
    And,
    Autobound,
    Cgroup,
    Const,
    Device,
    End,
    Field,
    Host,
    Mark,
    Name,
    Node,
    Not,
    Op,
    Or,
    Port,
    State,
    Term,
)
from sretool.sockets.model import Socket
from sretool.sockets.states import NUMBERS

Judge = Callable[[Socket], bool]
_OPERATORS: dict[Op, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MAPPED = bytes(10) + b"\xff\xff"
_BY_PART = ("process", "unit", "container", "container_name", "peer_process", "netns")
_UNIX_AUTOBOUND = re.compile("@[0-9a-f]{5}")
_INET = ("inet", "inet6")


class Names(NamedTuple):
    """What the names in a filter mean on this host: interfaces by index, cgroup ids by path, and the
    ports the kernel gives out (ip_local_port_range).
    """

    interfaces: Mapping[int, str]
    cgroups: Mapping[str, int]
    ephemeral: tuple[int, int] = (32768, 60999)

    def device(self, name: str) -> int | None:
        """The interface of this name, or number; None when there is none."""
        for number, known in self.interfaces.items():
            if known == name:
                return number
        return int(name) if name.isdecimal() and len(name) < 10 else None


def judge(node: Node, names: Names) -> Judge:
    """The tree as a function of a row, whose fields that are read only on demand must be there."""
    if isinstance(node, Not):
        inner = judge(node.of, names)
        return lambda row: not inner(row)
    if isinstance(node, (And, Or)):
        parts = tuple(judge(part, names) for part in node.of)
        if len(parts) == 2:
            left, right = parts
            if isinstance(node, And):
                return lambda row: left(row) and right(row)
            return lambda row: left(row) or right(row)
        gathered = all if isinstance(node, And) else any
        return lambda row: gathered([part(row) for part in parts])
    return _term(node, names)


def _term(term: Term, names: Names) -> Judge:
    if isinstance(term, Const):
        constant = term.value
        return lambda _: constant
    if isinstance(term, Port):
        compare, wanted, port = _OPERATORS[term.op], term.port, _port(term.end)
        return lambda row: (found := port(row)) is not None and compare(found, wanted)
    if isinstance(term, Host):
        return _host(term)
    if isinstance(term, Name):
        fits, attribute = re.compile(translate(term.pattern)).match, f"{term.end}_address"
        return lambda row: row.family == "unix" and fits(getattr(row, attribute) or "") is not None
    if isinstance(term, State):
        mask = term.mask
        return lambda row: bool(mask >> NUMBERS.get(row.state, 0) & 1)
    if isinstance(term, Device):
        index = names.device(term.name)
        device = None if index is None else names.interfaces.get(index, f"if{index}")
        return lambda row: device is not None and row.interface == device
    if isinstance(term, Mark):
        value, mask = term.value, term.mask
        return lambda row: isinstance(row.mark, int) and row.mark & mask == value
    if isinstance(term, Cgroup):
        id_ = names.cgroups.get(term.path)
        return lambda row: id_ is not None and row.cgroup_id == id_
    if isinstance(term, Autobound):
        return lambda row: _autobound(row, names)
    return _field(term)


def _port(end: End) -> Callable[[Socket], int | None]:
    """As in idiag_sport and idiag_dport, where no peer is port 0."""
    if end == "local":
        return lambda row: row.local_port
    return lambda row: 0 if row.remote_port is None and row.family in _INET else row.remote_port


@lru_cache(maxsize=1 << 12)
def _raw(text: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def _host(term: Host) -> Judge:
    port, wanted, address = _port(term.end), term.port, term.address
    size, local = len(address), term.end == "local"
    shift = size * 8 - term.bits
    prefix = int.from_bytes(address, "big") >> shift

    def fits(row: Socket) -> bool:
        if wanted is not None and port(row) != wanted:
            return False
        if not size:
            return True
        if row.family not in _INET:
            return False
        text = row.local_address if local else row.remote_address
        raw = _raw(text) if text is not None else bytes(4 if row.family == "inet" else 16)
        if len(raw) == 16 and size == 4 and raw.startswith(_MAPPED):
            raw = raw[12:]
        return len(raw) == size and int.from_bytes(raw, "big") >> shift == prefix

    return fits


def _autobound(row: Socket, names: Names) -> bool:
    """Whether the kernel chose the port. Of an inet socket it knows (SOCK_BINDPORT_LOCK) and does not
    tell: a port from its range counts, as it does to ss after the kernel's own answer.
    """
    if row.family == "unix":
        return row.local_address is None or _UNIX_AUTOBOUND.fullmatch(row.local_address) is not None
    if row.local_port is None:
        return False
    if row.family == "netlink":
        return row.local_port >= 1 << 31
    if row.family == "vsock":
        return row.local_port > 1023
    return names.ephemeral[0] <= row.local_port <= names.ephemeral[1]


def _field(term: Field) -> Judge:
    name, wanted = term.name, term.value
    if not isinstance(wanted, str):
        compare = _OPERATORS[term.op]

        def fits(row: Socket) -> bool:
            found = getattr(row, name)
            return isinstance(found, (int, float)) and compare(found, wanted)

        return fits
    if name == "container":
        return lambda row: matches(wanted, row.container) or matches(wanted, row.container_name)
    if name in _BY_PART:
        return lambda row: matches(wanted, getattr(row, name))
    return lambda row: isinstance(found := getattr(row, name), str) and fnmatchcase(found, wanted)
