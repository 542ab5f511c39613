"""Which sockets a person means: two ends, one end, a port, an inode or a process."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Callable, Iterable
from typing import NamedTuple

from sretool.errors import Ambiguous, Denied, Missing, NotRecorded, SretoolError, UsageError, from_errno
from sretool.host.source import PID_DIGITS, Source
from sretool.sockets.filter import tree
from sretool.sockets.read import diag
from sretool.sockets.read.diag import plain

FORMS = "LOCAL-REMOTE as 192.0.2.1:443-198.51.100.7:51514, an end alone, :PORT, an inode or a pid"
_INODE_DIGITS = 10  # idiag_inode has 32 bits


class End(NamedTuple):
    """An address and a port; None is any."""

    address: bytes | None
    port: int | None

    def at(self, end: tree.End) -> tree.Node:
        """As a filter of that end."""
        address = self.address or b""
        if not address and self.port is None:
            return tree.ALL
        return tree.Host(end, address, len(address) * 8, self.port)

    def fits(self, address: bytes, port: int) -> bool:
        """Whether it is this end, both as the kernel has them; IPv4 on an inet6 socket is IPv4."""
        return (self.port is None or self.port == socket.ntohs(port)) and (
            self.address is None or self.address == plain(address)
        )


class Wanted(NamedTuple):
    """What was typed. `number` may be an inode or a pid, where no `kind` says which."""

    given: str
    kind: str
    local: End | None = None
    remote: End | None = None
    number: int = 0

    @property
    def filter(self) -> tree.Node | None:
        """What the kernel can tell of it; None: it knows no inodes and no processes."""
        if self.local is None:
            return None
        if self.remote is None:
            return tree.any_of([self.local.at("local"), self.local.at("remote")])
        return tree.any_of(
            [
                tree.all_of([self.local.at("local"), self.remote.at("remote")]),
                tree.all_of([self.remote.at("local"), self.local.at("remote")]),
            ]
        )


def parse(given: str, peer: str | None = None) -> Wanted:
    """What the words mean, before the host is asked.

    Raises:
        UsageError: nothing that can be looked for.
    """
    found = _parse(given.strip()) if peer is None else _both(f"{given}-{peer}", given, peer)
    if not found.number and not any((*(found.local or ()), *(found.remote or ()))):
        raise UsageError(found.given, "names every socket", f"give {FORMS}")
    return found


def _both(given: str, local: str, remote: str) -> Wanted:
    return Wanted(given, "ends", _end(local), _end(remote))


def _parse(text: str) -> Wanted:
    head, colon, rest = text.partition(":")
    if colon and head in ("pid", "inode") and _is_number(rest):
        return Wanted(text, head, number=_number(head, rest))
    if _is_number(text):
        return Wanted(text, "number", number=_number("inode", text))
    for at in (at for at, letter in enumerate(text) if letter == "-"):
        # a name of a scope may have dashes, as in [fe80::1]%veth-a:22
        try:
            return _both(text, text[:at], text[at + 1 :])
        except UsageError:
            continue
    if text.startswith(":") and _is_number(text[1:]):
        return Wanted(text, "port", End(None, _port(text[1:])))
    return Wanted(text, "end", _end(text))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _number(kind: str, text: str) -> int:
    digits = PID_DIGITS if kind == "pid" else _INODE_DIGITS
    if len(text) > digits or not int(text):
        raise UsageError(text, f"is no {kind}", f"give {FORMS}")
    return int(text)


def _port(text: str) -> int:
    if not (_is_number(text) and len(text) <= 5 and 0 < int(text) < 1 << 16):
        raise UsageError(f":{text}", "is no port", "ports are numbers from 1 to 65535")
    return int(text)


def _end(text: str) -> End:
    """`192.0.2.1:80`, `[2001:db8::1]:80`, `[fe80::1]%eth0:80`, `*:80`, `:80`, `192.0.2.1`, `*`.

    Raises:
        UsageError: it is none of them.
    """
    address, colon, port = text.strip().rpartition(":")
    if not colon or (text.count(":") > 1 and "]" not in text):
        address, port = text.strip(), ""
    elif not port:
        raise UsageError(text, "names no socket", f"give {FORMS}")
    address = address.partition("%")[0]
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    number = _port(port) if port not in ("", "*") else None
    if address in ("*", "") and (address or port):
        return End(None, number)
    try:
        return End(plain(ipaddress.ip_address(address).packed), number)
    except ValueError:
        raise UsageError(text, "names no socket", f"give {FORMS}") from None


def select(source: Source, tables: list[diag.Table], wanted: Wanted) -> list[diag.Table]:
    """The tables, with those sockets only that are meant.

    Raises:
        Ambiguous: the number is an inode and a pid.
        SourceError: the sockets of the process could not be told.
    """
    if wanted.kind in ("number", "inode", "pid"):
        return _numbered(source, tables, wanted)
    if wanted.remote is None:
        local = wanted.local or End(None, None)
        return _kept(tables, lambda values: local.fits(*_ends(values)[0]) or local.fits(*_ends(values)[1]))

    def both(local: End, remote: End) -> list[diag.Table]:
        return _kept(tables, lambda values: local.fits(*_ends(values)[0]) and remote.fits(*_ends(values)[1]))

    local, remote = wanted.local or End(None, None), wanted.remote
    found = both(local, remote)
    # as the other host has written it; on loopback both are here, and the first is meant
    return found if _count(found) else both(remote, local)


def exactly(tables: list[diag.Table]) -> tree.Node:
    """These sockets, and others between the same ends."""
    found = []
    for table in tables:
        for record in table.records:
            (address, port), (peer, peer_port) = _ends(record[0])
            local, remote = End(plain(address), socket.ntohs(port)), End(plain(peer), socket.ntohs(peer_port))
            found.append(tree.all_of([local.at("local"), remote.at("remote")]))
    return tree.any_of(found)


def _ends(values: diag.Values) -> tuple[tuple[bytes, int], tuple[bytes, int]]:
    return (values[8], values[6]), (values[9], values[7])


def _kept(tables: Iterable[diag.Table], keep: Callable[[diag.Values], bool]) -> list[diag.Table]:
    return [
        diag.Table(protocol, family, [record for record in records if keep(record[0])])
        for protocol, family, records in tables
    ]


def _count(tables: Iterable[diag.Table]) -> int:
    return sum(len(table.records) for table in tables)


def _numbered(source: Source, tables: list[diag.Table], wanted: Wanted) -> list[diag.Table]:
    number = wanted.number
    none = _kept(tables, lambda _: False)
    by_inode = _kept(tables, lambda values: values[16] == number) if wanted.kind != "pid" else none
    by_pid = none
    if wanted.kind != "inode" and len(str(number)) <= PID_DIGITS:
        targets = source.links("/proc", [str(number)], "fd")[str(number)]
        if isinstance(targets, dict):
            held = set(targets.values())
            by_pid = _kept(tables, lambda values: f"socket:[{values[16]}]" in held)
        elif not _count(by_inode) and targets not in (errno.ENOENT, errno.ESRCH):
            raise _unseen(targets, number)
    if _count(by_inode) and _count(by_pid):
        raise ambiguous(wanted, _count(by_pid))
    return by_inode if _count(by_inode) else by_pid


def ambiguous(wanted: Wanted, held: int) -> Ambiguous:
    """The number is a process that holds so many sockets, and an inode."""
    return Ambiguous(
        wanted.given,
        "is a process and an inode",
        "say which",
        [
            (f"pid:{wanted.number}", f"its sockets, {held}"),
            (f"inode:{wanted.number}", "the socket of that inode"),
        ],
    )


def _unseen(number: int, pid: int) -> SretoolError:
    what = f"/proc/{pid}/fd"
    if number == errno.ENODATA:
        return NotRecorded(what, "not in this recording", errno=number)
    if number in (errno.EACCES, errno.EPERM):
        return Denied(what, "the sockets of this process are unknown", "run with sudo", errno=number)
    return from_errno(number, what)


def nothing(source: Source, wanted: Wanted, errors: list[SretoolError]) -> SretoolError:
    """Why there is nothing to show."""
    blind = next((error for error in errors if not isinstance(error, Missing)), None)
    if blind is not None:
        return type(blind)(
            wanted.given, f"no socket that could be read fits it; {blind.what}: {blind.message}", blind.hint
        )
    hint = "sretool sockets list shows what there is"
    if wanted.kind in ("number", "pid") and _is_here(source, wanted.number):
        return Missing(f"pid {wanted.number}", "holds no TCP or UDP socket", hint, errno=errno.ENOENT)
    what = {
        "number": "no socket has this inode, and no process this pid",
        "pid": "there is no such process",
        "inode": "no TCP or UDP socket has this inode",
        "port": "no TCP or UDP socket uses this port",
    }.get(wanted.kind, "no TCP or UDP socket fits it")
    return Missing(wanted.given, what, hint, errno=errno.ENOENT)


def _is_here(source: Source, pid: int) -> bool:
    try:
        source.read(f"/proc/{pid}/comm")
    except SretoolError:
        return False
    return True
