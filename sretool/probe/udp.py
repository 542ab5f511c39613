"""UDP probes without any right: a connected socket a probe, errors from its own error queue.

Connected, the kernel matches every ICMP error and every datagram to exactly one probe by addresses
and ports, even when a router quotes only the eight bytes RFC 792 asks for. The price: every probe has
its own source port, so load balancers may send each another way (`flow: per-probe`).
"""

from __future__ import annotations

import errno
import os
import resource
import select
import socket
import struct
import time
from collections.abc import Sequence
from typing import NamedTuple

from sretool.errors import ParseError
from sretool.probe import errqueue, outgoing
from sretool.probe.live import Flow, Leaving, Method
from sretool.probe.network import Probe, Reply
from sretool.probe.resolve import Address

PAYLOAD_BYTES = 32  # 60 bytes a packet over IPv4, as traceroute's
HEADERS_BYTES = {4: 28, 6: 48}
# Sockets that are kept whatever their age; beyond them one older than any answer is closed, so that
# a trace that runs for hours holds no more ports than a short one.
KEPT, TOO_LATE_S = 512, 30.0
MOST_SOCKETS = 16384

# ICMP errors of an earlier packet that a send may return first (icmp_err_convert, net/ipv4/icmp.c)
ASYNCHRONOUS = {
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


def more_files() -> int:
    """Raise this process's limit of open files as far as it may; how many sockets that leaves room for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_SOCKETS + 256 if hard == resource.RLIM_INFINITY else min(hard, MOST_SOCKETS + 256)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    # the rest is for files, a resolver's sockets and who else lives in this process
    return MOST_SOCKETS if soft == resource.RLIM_INFINITY else max(16, min(MOST_SOCKETS, soft - 64))


class _Target(NamedTuple):
    address: Address
    source: str


class _Sent(NamedTuple):
    probe: int
    target: int
    socket: socket.socket
    payload: bytes
    at: float


class UdpNetwork:
    """The live network that needs no right (`LiveNetwork`)."""

    method: Method = "udp-recverr"
    flow: Flow = "per-probe"
    cannot_see: Sequence[str] = ("MPLS labels and interfaces", "NAT rewrites", "unequal legs of one flow")

    def __init__(self, leaving: Leaving) -> None:
        self._leaving = leaving
        self._targets: list[_Target] = []
        self._sent: dict[int, _Sent] = {}
        self._token = os.urandom(8)
        self._epoll = select.epoll()
        self._room = more_files()

    def add(self, target: Address) -> int:
        self._targets.append(_Target(target, outgoing.source_of(self._leaving, target)))
        return len(self._targets) - 1

    def source(self, target: int) -> str:
        return self._targets[target].source

    def close(self) -> None:
        for sent in self._sent.values():
            sent.socket.close()
        self._sent.clear()
        self._epoll.close()

    def now(self) -> float:
        return time.monotonic()

    def send(self, probe: Probe) -> float:
        target = self._targets[probe.target].address
        size = probe.size_bytes - HEADERS_BYTES[target.family] if probe.size_bytes else PAYLOAD_BYTES
        payload = struct.pack("!8sIB", self._token, probe.id & 0xFFFFFFFF, probe.ttl)
        payload = payload.ljust(size, b"\0")[: max(0, size)]
        self._retire()
        try:
            opened = self._open(target, probe)
        except OSError as error:
            raise outgoing.failed(error, target) from None
        at = time.monotonic()
        try:
            try:
                opened.send(payload)
            except OSError as error:
                if error.errno not in ASYNCHRONOUS:
                    raise
                at = time.monotonic()
                opened.send(payload)  # that was an earlier packet's error, now taken off
            self._epoll.register(opened, select.EPOLLIN)
        except OSError as error:
            opened.close()
            raise outgoing.failed(error, target) from None
        self._sent[opened.fileno()] = _Sent(probe.id, probe.target, opened, payload, at)
        return at

    def receive(self, until: float) -> list[Reply]:
        while True:
            wait = until - time.monotonic()
            # epoll counts milliseconds and rounds up: a wait never ends before `until`
            ready = self._epoll.poll(max(0.0, wait), 256)
            replies = [reply for fd, _events in ready for reply in self._drain(self._sent[fd])]
            if replies or time.monotonic() >= until:
                return replies

    def _retire(self) -> None:
        while len(self._sent) >= KEPT:
            fd, oldest = next(iter(self._sent.items()))
            if len(self._sent) < self._room and time.monotonic() - oldest.at < TOO_LATE_S:
                return
            del self._sent[fd]
            oldest.socket.close()

    def _open(self, target: Address, probe: Probe) -> socket.socket:
        opened = outgoing.open_socket(self._leaving, target.family, socket.SOCK_DGRAM)
        try:
            outgoing.want_errors(opened, target.family)
            outgoing.set_ttl(opened, target.family, probe.ttl)
            if probe.size_bytes:
                outgoing.let_fragment(opened, target.family)
            outgoing.bind_source(opened, target, self._leaving.source)
            opened.connect(target.sockaddr(self._leaving.port))
        except BaseException:
            opened.close()
            raise
        return opened

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
        at = errqueue.arrival(ancillary, sent.at)
        ttl = errqueue.received_ttl(ancillary)
        if not error:
            address = self._targets[sent.target].address.text
            return Reply(at, sent.probe, address, "datagram", ttl=ttl, target=sent.target)
        try:
            entry = errqueue.extended(ancillary)
        except ParseError:
            entry = None
        if entry is None or entry.origin not in (errqueue.ORIGIN_ICMP, errqueue.ORIGIN_ICMP6):
            return None  # a local error: send() has raised it already
        # The quote may be cut anywhere after the ports; what there is of our payload must be ours.
        ours = sent.payload.startswith(data[: len(sent.payload)])
        return Reply(
            at,
            sent.probe if ours else None,
            entry.offender,
            "icmp",
            entry.type,
            entry.code,
            ttl=ttl,
            mtu=entry.mtu,
            target=sent.target,
        )
