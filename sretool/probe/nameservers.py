"""Which name servers this host asks, or the one the user named."""

from __future__ import annotations

import socket
from typing import Any, NamedTuple

from sretool.errors import UsageError
from sretool.probe.errqueue import zone

RESOLV_CONF = "/etc/resolv.conf"
PORT = 53
MOST = 3
"""MAXNS of glibc's <resolv.h>: it never asks the servers after these."""


class NameServer(NamedTuple):
    """One name server. `scope` is the interface index of a link-local address, else 0."""

    family: socket.AddressFamily
    ip: str
    port: int = PORT
    scope: int = 0

    @property
    def text(self) -> str:
        """As dig writes it: `192.0.2.1#53`."""
        return f"{self.ip}{zone(self.scope) if self.scope else ''}#{self.port}"

    @property
    def sockaddr(self) -> tuple[str | int, ...]:
        """What connect(2) takes."""
        return (self.ip, self.port) if self.family == socket.AF_INET else (self.ip, self.port, 0, self.scope)


def of_host(path: str = RESOLV_CONF) -> list[NameServer]:
    """The servers of resolv.conf(5) as glibc reads it (resolv/res_init.c, res_vinit_1): the first three
    `nameserver` lines that begin in the first column and hold an address; what follows it is ignored.
    Without one, or without the file, the server on this host.
    """
    try:
        with open(path, "rb") as file:
            lines = file.read(1 << 20).split(b"\n")
    except OSError:
        lines = []
    found = []
    for line in lines:
        words = line.replace(b"\t", b" ").split(b" ")
        value = next((word for word in words[1:] if word), b"")
        server = _literal(value, PORT) if words[0] == b"nameserver" else None
        if server is not None:
            found.append(server)
    return found[:MOST] or [NameServer(socket.AF_INET, "127.0.0.1")]


def parse(given: str) -> NameServer:
    """The server of `--resolver`: ADDR, ADDR#PORT, IPv4:PORT or [IPv6]:PORT, with a zone where needed.

    Raises:
        UsageError: it is none of these.
    """
    address, mark, port = given.partition("#")
    if not mark and given.startswith("["):
        address, mark, port = given[1:].partition("]:")
        address = address if mark else ""
    elif not mark and given.count(":") == 1:
        address, mark, port = given.partition(":")
    if mark and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        raise UsageError("--resolver", f"{port!r} is no port", "give ADDR or ADDR#PORT, 127.0.0.1#5353")
    try:
        server = _literal(address.encode("ascii"), int(port) if mark else PORT)
    except UnicodeEncodeError:
        server = None
    if server is None:
        raise UsageError("--resolver", f"{given!r} is no address", "give ADDR or ADDR#PORT, 127.0.0.1#5353")
    return server


def _literal(value: bytes, port: int) -> NameServer | None:
    if not value or b"\0" in value:
        return None
    try:
        # inet_aton(3) and the zones of getaddrinfo(3), as in resolv.conf; bytes, as Python would load
        # its IDNA tables for text
        rows: list[Any] = socket.getaddrinfo(value, port, 0, socket.SOCK_DGRAM, 0, socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return None
    family, _type, _protocol, _name, sockaddr = rows[0]
    ip = str(sockaddr[0]).partition("%")[0]
    return NameServer(family, ip, port, int(sockaddr[3]) if family == socket.AF_INET6 else 0)
