"""UDP probes without any right: a connected socket a probe, errors from its own error queue.

Connected, the kernel matches every ICMP error and every datagram to exactly one probe by addresses
and ports, even when a router quotes only the eight bytes RFC 792 asks for. The price: every probe has
its own source port, so load balancers may send each another way (`flow: per-probe`).
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import time
from typing import NamedTuple

from sretool.errors import Denied, NoRoute, ParseError, SretoolError, UsageError
from sretool.probe import errqueue
from sretool.probe.network import Probe, Reply, SendFailed
from sretool.probe.resolve import Address

PAYLOAD_BYTES = 32  # 60 bytes a packet over IPv4, as traceroute's
_NO_ROUTE = {
    errno.ENETUNREACH: "this host has no route to it",
    errno.EHOSTUNREACH: "this host has no route to it",
    errno.EADDRNOTAVAIL: "this host has no address to send from",
    errno.EACCES: "a route of this host prohibits it",
    errno.EINVAL: "a black hole route of this host swallows it",
    errno.ENETDOWN: "the interface is down",
}
# ICMP errors of an earlier packet that a send may return first (icmp_err_convert, net/ipv4/icmp.c)
_ASYNCHRONOUS = {
    errno.ECONNREFUSED,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.EACCES,
    errno.ENOPROTOOPT,
    errno.EPROTO,
    errno.EMSGSIZE,
    errno.EOPNOTSUPP,
    errno.EHOSTDOWN,
    errno.ENONET,
}


class _Sent(NamedTuple):
    probe: int
    socket: socket.socket
    payload: bytes
    at: float


class UdpNetwork:
    """The live network for one target. `source` is the address that probes leave from.

    Raises:
        NoRoute: this host cannot send there.
        UsageError: there is no such interface, or the address is no single host's.
        Denied: binding to an interface needs CAP_NET_RAW before Linux 5.7.
    """

    def __init__(self, target: Address, port: int, interface: str | None = None) -> None:
        self._target = target
        self._port = port
        self._interface = interface
        self._sent: dict[int, _Sent] = {}
        self._token = os.urandom(8)
        try:
            with self._open(1) as first:
                self.source = str(first.getsockname()[0])
        except OSError as error:
            raise self._cannot_open(error) from None
        self._epoll = select.epoll()

    def close(self) -> None:
        """Close every socket."""
        for sent in self._sent.values():
            sent.socket.close()
        self._epoll.close()

    def now(self) -> float:
        return time.monotonic()

    def send(self, probe: Probe) -> float:
        payload = struct.pack("!8sIB", self._token, probe.id, probe.ttl).ljust(PAYLOAD_BYTES, b"\0")
        try:
            opened = self._open(probe.ttl)
        except OSError as error:
            raise self._failed(error) from None
        at = time.monotonic()
        try:
            try:
                opened.send(payload)
            except OSError as error:
                if error.errno not in _ASYNCHRONOUS:
                    raise
                at = time.monotonic()
                opened.send(payload)  # that was an earlier packet's error, now taken off
        except OSError as error:
            opened.close()
            raise self._failed(error) from None
        self._sent[opened.fileno()] = _Sent(probe.id, opened, payload, at)
        self._epoll.register(opened, select.EPOLLIN)
        return at

    def receive(self, until: float) -> list[Reply]:
        while True:
            wait = until - time.monotonic()
            # epoll counts milliseconds and rounds up: a wait never ends before `until`
            ready = self._epoll.poll(max(0.0, wait), 256)
            replies = [reply for fd, _events in ready for reply in self._drain(self._sent[fd])]
            if replies or time.monotonic() >= until:
                return replies

    def _open(self, ttl: int) -> socket.socket:
        four = self._target.family == 4
        opened = socket.socket(socket.AF_INET if four else socket.AF_INET6, socket.SOCK_DGRAM)
        try:
            opened.setblocking(False)
            if four:
                opened.setsockopt(socket.IPPROTO_IP, errqueue.IP_RECVERR, 1)
                opened.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
            else:
                opened.setsockopt(socket.IPPROTO_IPV6, errqueue.IPV6_RECVERR, 1)
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
            try:
                opened.setsockopt(socket.SOL_SOCKET, errqueue.SO_TIMESTAMPNS, 1)
            except OSError:
                pass  # then the time of recvmsg has to do
            if self._interface is not None:
                self._bind(opened, self._interface)
            opened.connect(self._target.sockaddr(self._port))
        except BaseException:
            opened.close()
            raise
        return opened

    def _bind(self, opened: socket.socket, interface: str) -> None:
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, os.fsencode(interface))
        except OSError as error:
            if error.errno == errno.EPERM:
                raise Denied(
                    f"-i {interface}", "binding to an interface needs CAP_NET_RAW here", "run with sudo"
                ) from None
            raise UsageError(f"-i {interface}", "no such interface", "see sretool net addrs") from None

    def _drain(self, sent: _Sent) -> list[Reply]:
        replies = []
        for flags in (socket.MSG_ERRQUEUE, 0):
            while True:
                try:
                    data, ancillary, _flags, _name = sent.socket.recvmsg(512, 512, flags)
                except BlockingIOError:
                    break
                except OSError:
                    # the pending error that an entry of the error queue has already told us
                    break
                reply = self._read(sent, data, ancillary, error=bool(flags))
                if reply is not None:
                    replies.append(reply)
        return replies

    def _read(self, sent: _Sent, data: bytes, ancillary: errqueue.Ancillary, *, error: bool) -> Reply | None:
        at = self._arrival(sent, ancillary)
        if not error:
            return Reply(at, sent.probe, self._target.text, "datagram")
        try:
            entry = errqueue.extended(ancillary)
        except ParseError:
            entry = None
        if entry is None or entry.origin not in (errqueue.ORIGIN_ICMP, errqueue.ORIGIN_ICMP6):
            return None  # a local error: send() has raised it already
        # The quote may be cut anywhere after the ports; what there is of our payload must be ours.
        ours = sent.payload.startswith(data[:PAYLOAD_BYTES])
        return Reply(at, sent.probe if ours else None, entry.offender, "icmp", entry.type, entry.code)

    def _arrival(self, sent: _Sent, ancillary: errqueue.Ancillary) -> float:
        """When it arrived, on the monotonic clock. The kernel stamps with the wall clock, so only
        the age of the stamp is used; an age that cannot be (the clock was set) is not.
        """
        now = time.monotonic()
        stamp = errqueue.received_ns(ancillary)
        if stamp is not None:
            age = (time.time_ns() - stamp) / 1e9
            if 0 <= age <= now - sent.at:
                return now - age
        return now

    def _failed(self, error: OSError) -> SendFailed:
        number = error.errno or errno.EIO
        hint = {
            errno.EPERM: "a firewall of this host drops it: nft list ruleset",
            errno.ENOBUFS: "the interface's queue is full",
            errno.EMFILE: "raise ulimit -n",
        }.get(number, "")
        return SendFailed(number, self._target.text, os.strerror(number), hint)

    def _cannot_open(self, error: OSError) -> SretoolError:
        target, number = self._target, error.errno or errno.EIO
        if number == errno.EACCES and self._is_broadcast():
            return UsageError(target.text, "is a broadcast address", "a trace has one target")
        if number == errno.EINVAL and target.link_local and not target.scope:
            return UsageError(target.text, "needs a zone", f"name its interface: {target.ip}%eth0")
        through = f" through {self._interface}" if self._interface else ""
        message = _NO_ROUTE.get(number, os.strerror(number))
        return NoRoute(target.text, message + through, f"see sretool net route {target.ip}")

    def _is_broadcast(self) -> bool:
        """connect(2) says EACCES for a broadcast address and for a `prohibit` route alike."""
        if self._target.family == 6:
            return False
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as allowed:
            allowed.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            try:
                allowed.connect(self._target.sockaddr(self._port))
            except OSError:
                return False
            return True
