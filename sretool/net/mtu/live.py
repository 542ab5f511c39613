"""Probes of exact sizes on this host's network: UDP sockets that need no right, and echo requests where
this user may send them. No router may fragment them (DF), and the kernel sends them whatever path MTU it
has learnt (ip(7) IP_PMTUDISC_PROBE).
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import time
from typing import Literal, NamedTuple

from sretool.errors import ParseError, SretoolError
from sretool.net.mtu.network import Sized
from sretool.probe import errqueue, outgoing
from sretool.probe.live import Leaving
from sretool.probe.network import Reply
from sretool.probe.perprobe import more_files
from sretool.probe.resolve import Address
from sretool.probe.udp import ASYNCHRONOUS

# include/uapi/linux/in.h, in6.h, icmp.h, icmpv6.h
PMTUDISC_PROBE = 3
IP_MTU, IPV6_MTU, IPV6_DONTFRAG = 14, 24, 62
SOL_RAW, ICMP_FILTER, ICMPV6_FILTER = 255, 1, 1
UDP_HEADERS = {4: 28, 6: 48}
LARGEST = {4: 65507, 6: 65487}
_ECHO = {4: (8, 0), 6: (128, 129)}  # request, reply
_ECHO_HEAD = struct.Struct("!BBHHH")
TAG_BYTES = 12

EchoMethod = Literal["icmp-datagram", "icmp-raw"]


class _Sent(NamedTuple):
    probe: int
    socket: socket.socket
    tag: bytes
    at: float


class LiveSizes:
    """`sretool.net.mtu.network.Network` to one target.

    `link_mtu` is what our own link takes, `kernel_mtu` what the kernel sends to the target at most (the
    link's, the route's, or a path MTU it has learnt), both from before the first probe; None: not told.
    `echo` is how echo requests are sent, None when this user may not.

    Raises:
        NoRoute: this host cannot send there.
        UsageError: there is no such interface or source, or the address is no single host's.
        Denied: what was asked needs a right that this process has not.
    """

    def __init__(self, target: Address, leaving: Leaving, *, echo: bool = True) -> None:
        self._target, self._leaving = target, leaving
        self.source = outgoing.source_of(leaving, target)
        self._token = os.urandom(8)
        self._sent: dict[int, _Sent] = {}
        self._echoes: dict[int, _Sent] = {}
        self._ident = struct.unpack("=H", os.urandom(2))[0] or 1
        self._epoll = select.epoll()
        more_files()
        self.link_mtu, self.kernel_mtu = self._limits()
        self.echo: EchoMethod | None = None
        self._echo = self._open_echo() if echo else None
        if self._echo is not None:
            self._epoll.register(self._echo, select.EPOLLIN)

    def close(self) -> None:
        """Close every socket."""
        for sent in self._sent.values():
            sent.socket.close()
        if self._echo is not None:
            self._echo.close()
        self._epoll.close()

    def now(self) -> float:
        return time.monotonic()

    def send(self, probe: Sized) -> float:
        if probe.transport == "icmp":
            return self._send_echo(probe)
        payload = self._payload(probe, UDP_HEADERS[self._target.family])
        try:
            opened = self._open_udp(probe.ttl)
        except OSError as error:
            raise outgoing.failed(error, self._target) from None
        try:
            at = self._deliver(opened, payload)
            self._epoll.register(opened, select.EPOLLIN)
        except OSError as error:
            opened.close()
            raise outgoing.failed(error, self._target) from None
        self._sent[opened.fileno()] = _Sent(probe.id, opened, payload[:TAG_BYTES], at)
        return at

    def receive(self, until: float) -> list[Reply]:
        while True:
            wait = until - time.monotonic()
            # epoll counts milliseconds and rounds up: a wait never ends before `until`
            ready = self._epoll.poll(max(0.0, wait), 256)
            replies = [reply for fd, _events in ready for reply in self._drain(fd)]
            if replies or time.monotonic() >= until:
                return replies

    def _payload(self, probe: Sized, headers: int) -> bytes:
        size = max(0, probe.size_bytes - headers)
        return (self._token + struct.pack("!I", probe.id & 0xFFFFFFFF)).ljust(size, b"\0")[:size]

    def _deliver(self, opened: socket.socket, packet: bytes) -> float:
        for _ in range(8):
            at = time.monotonic()
            try:
                opened.send(packet)
            except OSError as error:
                if error.errno not in ASYNCHRONOUS or self._too_large(opened, error, len(packet)):
                    raise
                continue  # that was an earlier packet's error, now taken off
            return at
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def _too_large(self, opened: socket.socket, error: OSError, size: int) -> bool:
        """Of an EMSGSIZE: whether it is our own link's, and not what a router said of an earlier one."""
        return error.errno == errno.EMSGSIZE and self.link_mtu is not None and size + 20 > self.link_mtu

    def _send_echo(self, probe: Sized) -> float:
        opened, family = self._echo, self._target.family
        assert opened is not None
        payload = self._payload(probe, UDP_HEADERS[family])
        head = _ECHO_HEAD.pack(_ECHO[family][0], 0, 0, self._ident, probe.id & 0xFFFF)
        if family == 4:  # of ICMPv6, and of datagram sockets, the kernel computes it
            head = head[:2] + struct.pack("!H", _checksum(head + payload[:TAG_BYTES])) + head[4:]
        try:
            outgoing.set_ttl(opened, family, probe.ttl)
            at = self._deliver(opened, head + payload)
        except OSError as error:
            raise outgoing.failed(error, self._target) from None
        self._echoes[probe.id & 0xFFFF] = _Sent(probe.id, opened, payload[:TAG_BYTES], at)
        return at

    def _open_udp(self, ttl: int) -> socket.socket:
        opened = outgoing.open_socket(self._leaving, self._target.family, socket.SOCK_DGRAM)
        try:
            outgoing.set_ttl(opened, self._target.family, ttl)
            self._prepare(opened)
        except BaseException:
            opened.close()
            raise
        return opened

    def _prepare(self, opened: socket.socket) -> None:
        family = self._target.family
        outgoing.want_errors(opened, family)
        if family == 4:
            opened.setsockopt(socket.IPPROTO_IP, outgoing.IP_MTU_DISCOVER, PMTUDISC_PROBE)
        else:
            opened.setsockopt(socket.IPPROTO_IPV6, outgoing.IPV6_MTU_DISCOVER, PMTUDISC_PROBE)
            opened.setsockopt(socket.IPPROTO_IPV6, IPV6_DONTFRAG, 1)
        outgoing.bind_source(opened, self._target, self._leaving.source)
        opened.connect(self._target.sockaddr(self._leaving.port))

    def _open_echo(self) -> socket.socket | None:
        """A datagram socket (net.ipv4.ping_group_range), else a raw one (CAP_NET_RAW), else none."""
        family = self._target.family
        protocol = socket.IPPROTO_ICMP if family == 4 else socket.IPPROTO_ICMPV6
        kinds: tuple[tuple[EchoMethod, int], ...] = (
            ("icmp-datagram", socket.SOCK_DGRAM),
            ("icmp-raw", socket.SOCK_RAW),
        )
        for name, kind in kinds:
            opened = None
            try:
                opened = outgoing.open_socket(self._leaving, family, kind, protocol)
                if kind == socket.SOCK_RAW and family == 4:
                    opened.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("=I", ~1 & 0xFFFFFFFF))
                elif kind == socket.SOCK_RAW:
                    blocked = [0xFFFFFFFF] * 8
                    blocked[129 >> 5] &= ~(1 << (129 & 31))
                    opened.setsockopt(socket.IPPROTO_ICMPV6, ICMPV6_FILTER, struct.pack("=8I", *blocked))
                self._prepare(opened)
            except (OSError, SretoolError):
                if opened is not None:
                    opened.close()
                continue
            self.echo = name
            return opened
        return None

    def _limits(self) -> tuple[int | None, int | None]:
        """(what our own link takes, what the kernel sends). The first is what the kernel says of a datagram
        that no link takes: nothing leaves this host for it, but over a loopback it may.
        """
        four = self._target.family == 4
        with self._open_udp(1) as asked:
            try:
                level, name = (socket.IPPROTO_IP, IP_MTU) if four else (socket.IPPROTO_IPV6, IPV6_MTU)
                kernel: int | None = asked.getsockopt(level, name)
            except OSError:
                kernel = None
            try:
                asked.send(bytes(LARGEST[self._target.family]))
            except OSError as error:
                if error.errno != errno.EMSGSIZE:
                    return None, kernel
                return self._local_mtu(asked), kernel
            return LARGEST[self._target.family] + UDP_HEADERS[self._target.family], kernel

    def _local_mtu(self, asked: socket.socket) -> int | None:
        try:
            _data, ancillary, _flags, _name = asked.recvmsg(0, 512, socket.MSG_ERRQUEUE)
            entry = errqueue.extended(ancillary)
        except (OSError, ParseError):
            return None
        return entry.info if entry is not None and entry.origin == errqueue.ORIGIN_LOCAL else None

    def _drain(self, fd: int) -> list[Reply]:
        if self._echo is not None and fd == self._echo.fileno():
            opened, sent = self._echo, None
        else:
            sent = self._sent[fd]
            opened = sent.socket
        replies = []
        for flags in (socket.MSG_ERRQUEUE, 0):
            while True:
                try:
                    data, ancillary, _flags, _name = opened.recvmsg(512, 512, flags)
                except BlockingIOError:
                    break
                except OSError:
                    # the pending error that an entry of the error queue has already told us
                    if flags == 0 and sent is None:
                        continue  # one socket has those of all its probes
                    break
                reply = (
                    self._read(sent, data, ancillary, error=bool(flags))
                    if sent is not None
                    else self._read_echo(data, ancillary, error=bool(flags))
                )
                if reply is not None:
                    replies.append(reply)
        return replies

    def _read(self, sent: _Sent, data: bytes, ancillary: errqueue.Ancillary, *, error: bool) -> Reply | None:
        at = errqueue.arrival(ancillary, sent.at)
        ttl = errqueue.received_ttl(ancillary)
        if not error:
            return Reply(at, sent.probe, self._target.text, "datagram", ttl=ttl)
        # The quote may be cut anywhere after the ports; what there is of our payload must be ours.
        ours = sent.tag.startswith(data[:TAG_BYTES])
        return self._error(at, sent.probe if ours else None, ancillary, ttl)

    def _read_echo(self, data: bytes, ancillary: errqueue.Ancillary, *, error: bool) -> Reply | None:
        family = self._target.family
        if not error and self.echo == "icmp-raw" and family == 4:
            data = data[(data[0] & 15) * 4 :] if data else data  # a raw IPv4 socket gives the IP header too
        if len(data) < _ECHO_HEAD.size:
            return None
        kind, _code, _sum, ident, sequence = _ECHO_HEAD.unpack_from(data)
        sent = self._echoes.get(sequence)
        if kind != _ECHO[family][not error] or sent is None:
            return None
        tag = data[_ECHO_HEAD.size : _ECHO_HEAD.size + TAG_BYTES]
        if not sent.tag.startswith(tag) or (self.echo == "icmp-raw" and ident != self._ident):
            return None  # somebody else's
        at = errqueue.arrival(ancillary, sent.at)
        ttl = errqueue.received_ttl(ancillary)
        if error:
            return self._error(at, sent.probe, ancillary, ttl)
        return Reply(at, sent.probe, self._target.text, "icmp", kind, 0, ttl=ttl)

    def _error(
        self, at: float, probe: int | None, ancillary: errqueue.Ancillary, ttl: int | None
    ) -> Reply | None:
        try:
            entry = errqueue.extended(ancillary)
        except ParseError:
            return None
        if entry is None or entry.origin not in (errqueue.ORIGIN_ICMP, errqueue.ORIGIN_ICMP6):
            return None  # a local error: send() has raised it already
        return Reply(at, probe, entry.offender, "icmp", entry.type, entry.code, ttl=ttl, mtu=entry.mtu)


def _checksum(data: bytes) -> int:
    """RFC 1071, of an even number of bytes; zeros after them do not change it."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
