"""From what the user typed to addresses that can be probed, within a deadline."""

from __future__ import annotations

import socket
import threading
from typing import Any, NamedTuple

from sretool.errors import Unresolvable, UsageError
from sretool.probe.errqueue import zone

LONGEST_NAME = 253  # RFC 1035 2.3.4, as text without the root dot


class Address(NamedTuple):
    """One address of a host. `family` is 4 or 6; `scope` is the interface index of a link-local
    address, else 0.
    """

    family: int
    ip: str
    scope: int

    @property
    def text(self) -> str:
        """As a person writes it, with its zone."""
        return self.ip + (zone(self.scope) if self.scope else "")

    def sockaddr(self, port: int) -> tuple[Any, ...]:
        """What connect(2) takes."""
        return (self.ip, port) if self.family == 4 else (self.ip, port, 0, self.scope)

    @property
    def link_local(self) -> bool:
        """fe80::/10: means nothing without a zone."""
        return self.family == 6 and self.packed[0] == 0xFE and self.packed[1] & 0xC0 == 0x80

    @property
    def packed(self) -> bytes:
        """The address in network order."""
        return socket.inet_pton(socket.AF_INET if self.family == 4 else socket.AF_INET6, self.ip)


def resolve(host: str, family: int | None, timeout_s: float) -> list[Address]:
    """The addresses of `host`, in the order the system prefers them (RFC 6724).

    Args:
        host: a name, or an address (with a zone: `fe80::1%eth0`).
        family: 4, 6, or None for both.
        timeout_s: how long the system's resolver may take; getaddrinfo(3) itself has no deadline.

    Raises:
        UsageError: it is no possible host.
        Unresolvable: it has no address, or nobody said so in time.
    """
    name = _possible(host)
    literal = _lookup(name, None, socket.AI_NUMERICHOST)
    if not isinstance(literal, int):
        addresses = [address for address in literal if family in (None, address.family)]
        if not addresses:
            other = 4 if family == 6 else 6
            raise UsageError(host, f"is an IPv{other} address", f"leave -{family} out")
        return addresses
    if b"%" in name or b":" in name:
        raise UsageError(host, "is no address", "a zone must be an interface of this host: fe80::1%eth0")
    found: list[list[Address] | int] = []
    # A daemon thread, because a resolver that hangs in C cannot be stopped, only left behind.
    worker = threading.Thread(target=lambda: found.append(_lookup(name, family, 0)), daemon=True)
    worker.start()
    worker.join(timeout_s)
    if not found:
        raise Unresolvable(
            host, f"the resolver did not answer in {timeout_s:g} s", "give an address, or see resolvectl"
        )
    answer = found[0]
    if isinstance(answer, int):
        raise _why(host, family, answer)
    return answer


def _possible(host: str) -> bytes:
    """The name as getaddrinfo takes it. Given text, Python would import its IDNA tables first."""
    if not host:
        raise UsageError("HOST", "is empty", "give a name or an address")
    try:
        name = host.encode("ascii" if host.isascii() else "idna")
    except UnicodeError:
        raise UsageError(host, "cannot be a host name", "see RFC 1123 2.1") from None
    # the zone of an address may be any interface name; a name must not look like one to a terminal
    if any(byte <= 0x20 or byte == 0x7F for byte in name) or name.startswith(b"-"):
        raise UsageError(host, "cannot be a host name", "it has a character no name may have")
    if len(name.rstrip(b".")) > LONGEST_NAME or any(
        len(label) > 63 for label in name.rstrip(b".").split(b".")
    ):
        raise UsageError(host, "cannot be a host name", "a label has at most 63 bytes, a name 253")
    return name


def _lookup(name: bytes, family: int | None, flags: int) -> list[Address] | int:
    """The addresses, or the resolver's error number."""
    wanted = {4: socket.AF_INET, 6: socket.AF_INET6, None: socket.AF_UNSPEC}[family]
    try:
        rows: list[Any] = socket.getaddrinfo(name, None, wanted, socket.SOCK_DGRAM, 0, flags)
    except socket.gaierror as error:
        return error.errno or socket.EAI_FAIL
    found = []
    for got, _type, _protocol, _canonical, sockaddr in rows:
        ip = str(sockaddr[0]).partition("%")[0]
        if got == socket.AF_INET6:
            if ip.startswith("::ffff:") and "." in ip:
                # v4-mapped: the packets are IPv4, so the hop limit and the errors are too
                found.append(Address(4, ip.rpartition(":")[2], 0))
            else:
                found.append(Address(6, ip, int(sockaddr[3])))
        elif got == socket.AF_INET:
            found.append(Address(4, ip, 0))
    return list(dict.fromkeys(found))


def _why(host: str, family: int | None, number: int) -> Unresolvable:
    kind = f"no IPv{family} address" if family else "no address"
    if number in (socket.EAI_NONAME, socket.EAI_NODATA, socket.EAI_ADDRFAMILY):
        return Unresolvable(host, f"has {kind}", "check the spelling and the search domains")
    if number == socket.EAI_AGAIN:
        return Unresolvable(host, "no name server gave an answer", "sretool dns trace shows where it stops")
    return Unresolvable(host, _message(number), "give an address")


def _message(number: int) -> str:
    text = {
        socket.EAI_FAIL: "the name server failed",
        socket.EAI_MEMORY: "out of memory",
        socket.EAI_SYSTEM: "the resolver could not be started",
    }
    return text.get(number, f"the resolver failed with error {number}")
