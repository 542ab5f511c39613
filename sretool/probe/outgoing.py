"""Sockets whose packets leave this host as the command line says, and what it means when they cannot."""

from __future__ import annotations

import contextlib
import errno
import os
import socket

from sretool.errors import Denied, NoRoute, SretoolError, UsageError
from sretool.host.inside import inside
from sretool.probe import errqueue
from sretool.probe.live import Leaving
from sretool.probe.network import SendFailed
from sretool.probe.resolve import Address

# include/uapi/linux/in.h, in6.h, asm-generic/socket.h: Python names only some of them
IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, PMTUDISC_DONT = 10, 23, 0
SO_MARK = 36

_NO_ROUTE = {
    errno.ENETUNREACH: "this host has no route to it",
    errno.EHOSTUNREACH: "this host has no route to it",
    errno.EADDRNOTAVAIL: "this host has no address to send from",
    errno.EACCES: "a route of this host prohibits it",
    errno.EINVAL: "a black hole route of this host swallows it",
    errno.ENETDOWN: "the interface is down",
    errno.EAFNOSUPPORT: "this host has that family switched off",
}
_FAILED = {
    errno.EPERM: "a firewall of this host drops it: nft list ruleset",
    errno.ENOBUFS: "the interface's queue is full",
    errno.EMFILE: "raise ulimit -n",
    errno.EADDRNOTAVAIL: "every local port is taken, or the source address is gone: sretool net addrs",
    errno.ENETDOWN: "the interface went down: sretool net links",
    errno.ENODEV: "the interface is gone: sretool net links",
    errno.ENXIO: "the interface is gone: sretool net links",
    errno.ENETUNREACH: "this host has no route any more: sretool net routes",
    errno.EMSGSIZE: "larger than an IP packet can be, or than the interface's MTU: sretool net links",
}


def open_socket(leaving: Leaving, family: int, kind: int, protocol: int = 0) -> socket.socket:
    """A nonblocking socket of an IP version (4 or 6), in the namespace, on the interface and with the
    mark and the traffic class that were asked for, whose packets carry time stamps. It is not bound.

    Raises:
        UsageError: there is no such interface or namespace.
        Denied: one of them needs a right that this process has not.
        OSError: the kernel made no such socket.
    """
    with contextlib.ExitStack() as namespace:
        try:
            namespace.enter_context(inside(leaving.netns))
        except OSError as error:
            raise _not_inside(str(leaving.netns), error) from None
        opened = socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6, kind, protocol)
    try:
        opened.setblocking(False)
        try:
            opened.setsockopt(socket.SOL_SOCKET, errqueue.SO_TIMESTAMPNS, 1)
        except OSError:
            pass  # then the time of recvmsg has to do
        if leaving.interface is not None:
            _bind_to_device(opened, leaving.interface)
        if leaving.mark is not None:
            _mark(opened, leaving.mark)
        if leaving.tos and family == 4:
            opened.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, leaving.tos)
        elif leaving.tos:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, leaving.tos)
    except BaseException:
        opened.close()
        raise
    return opened


def set_ttl(opened: socket.socket, family: int, ttl: int) -> None:
    """Every packet of the socket leaves with it."""
    if family == 4:
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
    else:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)


def want_errors(opened: socket.socket, family: int) -> None:
    """ICMP errors into the error queue, each with the TTL it arrived with and where its extensions are."""
    if family == 4:
        level, options = socket.IPPROTO_IP, (errqueue.IP_RECVERR, errqueue.IP_RECVTTL)
        extensions = errqueue.IP_RECVERR_RFC4884
    else:
        level, options = socket.IPPROTO_IPV6, (errqueue.IPV6_RECVERR, socket.IPV6_RECVHOPLIMIT)
        extensions = errqueue.IPV6_RECVERR_RFC4884
    for option in options:
        opened.setsockopt(level, option, 1)
    try:
        opened.setsockopt(level, extensions, 1)
    except OSError:
        pass  # older than Linux 5.9: only extensions at the old place are found


def let_fragment(opened: socket.socket, family: int) -> None:
    """No DF, and a packet larger than the interface's MTU leaves in fragments."""
    if family == 4:
        opened.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_DONT)
    else:
        opened.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_DONT)


def bind_source(opened: socket.socket, target: Address, source: str | None, port: int = 0) -> None:
    """Bind to one of this host's addresses (None: the one the kernel chooses).

    Raises:
        UsageError: it is no address of this host.
        NoRoute: it is one of the other IP version.
        OSError: the port is taken.
    """
    if source is None:
        if port:
            opened.bind(("", port))
        return
    try:
        rows = socket.getaddrinfo(source, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)
    except (socket.gaierror, UnicodeError):
        raise UsageError(f"--source {source}", "is no address", "see sretool net addrs") from None
    family, *_, sockaddr = rows[0]
    if family != opened.family:
        raise NoRoute(target.text, f"not reached from {source}, which is of the other IP version")
    try:
        opened.bind(sockaddr)
    except OSError as error:
        if error.errno != errno.EADDRNOTAVAIL and error.errno != errno.EINVAL:
            raise
        raise UsageError(
            f"--source {source}", "is not an address of this host", "see sretool net addrs"
        ) from None


def one_host(target: Address) -> None:
    """Refuse what no single host has.

    Raises:
        UsageError: a group's address, or nobody's.
    """
    packed = target.packed
    if packed[0] == 0xFF if target.family == 6 else 224 <= packed[0] <= 239:
        raise UsageError(target.text, "is a multicast address", "name one host")
    if packed == b"\xff\xff\xff\xff":
        raise UsageError(target.text, "is a broadcast address", "name one host")
    if not any(packed):
        raise UsageError(target.text, "is no host's address", "name one host")


def source_of(leaving: Leaving, target: Address) -> str:
    """The address that packets to a target leave from.

    Raises:
        NoRoute: this host cannot send there.
        UsageError, Denied: as open_socket, or the target is a broadcast address.
    """
    one_host(target)
    try:
        with open_socket(leaving, target.family, socket.SOCK_DGRAM) as asked:
            bind_source(asked, target, leaving.source)
            asked.connect(target.sockaddr(leaving.port))
            return str(asked.getsockname()[0])
    except OSError as error:
        raise cannot_open(error, leaving, target) from None


FAILURES = (OSError, NoRoute, UsageError, Denied)
"""What may come out of sending. Of the last three this host was asked before: it has changed since."""


def failed(error: Exception, target: Address) -> SendFailed:
    """What a failed send means, one of FAILURES."""
    if isinstance(error, SretoolError):
        return SendFailed(errno.ENODEV, error.what, error.message, error.hint)
    assert isinstance(error, OSError)
    number = error.errno or errno.EIO
    return SendFailed(number, target.text, os.strerror(number), _FAILED.get(number, ""))


def cannot_open(error: OSError, leaving: Leaving, target: Address) -> SretoolError:
    """What it means that no socket can be connected to a target."""
    number = error.errno or errno.EIO
    if number == errno.EACCES and _is_broadcast(leaving, target):
        return UsageError(target.text, "is a broadcast address", "name one host")
    if number == errno.EINVAL and target.link_local and not target.scope:
        return UsageError(target.text, "needs a zone", f"name its interface: {target.ip}%eth0")
    through = f" through {leaving.interface}" if leaving.interface else ""
    message = _NO_ROUTE.get(number, os.strerror(number))
    return NoRoute(target.text, message + through, f"see sretool net route {target.ip}")


def _is_broadcast(leaving: Leaving, target: Address) -> bool:
    """connect(2) says EACCES for a broadcast address and for a `prohibit` route alike."""
    if target.family == 6:
        return False
    with open_socket(leaving, 4, socket.SOCK_DGRAM) as allowed:
        allowed.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        try:
            allowed.connect(target.sockaddr(leaving.port))
        except OSError:
            return False
        return True


def _not_inside(netns: str, error: OSError) -> SretoolError:
    what = f"--netns {netns}"
    if error.errno in (errno.EPERM, errno.EACCES):
        return Denied(what, "entering a namespace needs CAP_SYS_ADMIN", "run with sudo")
    return UsageError(what, "no such network namespace", "see ip netns list")


def _bind_to_device(opened: socket.socket, interface: str) -> None:
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, os.fsencode(interface))
    except OSError as error:
        if error.errno == errno.EPERM:
            raise Denied(
                f"-i {interface}", "binding to an interface needs CAP_NET_RAW here", "run with sudo"
            ) from None
        raise UsageError(f"-i {interface}", "no such interface", "see sretool net addrs") from None


def _mark(opened: socket.socket, mark: int) -> None:
    try:
        opened.setsockopt(socket.SOL_SOCKET, SO_MARK, mark)
    except OSError as error:
        if error.errno != errno.EPERM:
            raise
        raise Denied(f"--mark {mark}", "marking packets needs CAP_NET_ADMIN", "run with sudo") from None
