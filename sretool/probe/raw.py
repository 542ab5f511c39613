"""Probes from raw sockets (CAP_NET_RAW): a fixed flow, and everything that a router quotes.

One set of sockets a family, for all targets: one that sends whole packets, one that hears ICMP, and
one that hears what the target itself says. Source ports are those of bound sockets: no application
gets them, and the kernel answers no datagram to them with an error. To a SYN-ACK it has no connection
for, it answers with a RST: the application never sees a connection.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from functools import partial

from sretool.errors import Denied, ParseError, Unsupported
from sretool.probe import bpf, errqueue, outgoing, packet
from sretool.probe.heard import Heard, Target
from sretool.probe.kinds import Icmp, Kind, Path, Tcp, Udp
from sretool.probe.live import Flow, Leaving, Method, Transport
from sretool.probe.network import Probe, Reply
from sretool.probe.perprobe import more_files
from sretool.probe.resolve import Address
from sretool.probe.sent import Memory, Sent

KINDS: dict[Transport, Callable[[int], Kind]] = {"udp": Udp, "icmp": Icmp, "tcp": Tcp}
_CANNOT_SEE: dict[Transport, Sequence[str]] = {
    "udp": ("which probe a datagram answers, unless it carries it back",),
    "icmp": (),
    "tcp": (),
}

# A flow has the same port in every run where it is free, so that what takes its way today can be compared
# with what took it yesterday; above those that the kernel gives away (net.ipv4.ip_local_port_range).
FIRST_PORT, PORTS = 61000, 4000

# linux/icmp.h, icmpv6.h: bits of the types that are not let through
_SOL_RAW, _ICMP_FILTER, _ICMPV6_FILTER = 255, 1, 1
_HEARD = {4: (0, 3, 11, 12), 6: (1, 2, 3, 4, 129)}
_RECEIVE_BYTES, _SO_RCVBUFFORCE = 1 << 20, 33
_AT_ONCE = 256  # messages of one socket before the others have their turn

_Read = Callable[[socket.socket], "Reply | None"]


class RawNetwork:
    """The live network of raw sockets (`LiveNetwork`), for one protocol.

    A size with too little room for what the checksum takes is raised to that (two bytes of payload); a
    packet larger than the interface's MTU is not sent.

    Raises:
        Denied: no CAP_NET_RAW, or none to enter the namespace.
        UsageError: there is no such interface or namespace.
    """

    flow: Flow = "fixed"

    def __init__(self, transport: Transport, leaving: Leaving) -> None:
        self._kind = kind = KINDS[transport](leaving.port)
        self.method: Method = kind.method
        self.cannot_see: Sequence[str] = _CANNOT_SEE[transport]
        self._leaving = leaving
        self._memory = Memory(kind)
        self._heard = Heard(kind, leaving.port, self._memory)
        self._number = int.from_bytes(os.urandom(2), "big")  # other processes count from elsewhere
        self._ports: dict[tuple[int, int], int] = {}
        self._borrowed: set[tuple[int, int]] = set()
        self._open: list[socket.socket] = []
        self._senders: dict[int, socket.socket] = {}
        self._hearing: dict[int, socket.socket] = {}
        self._segments: dict[int, socket.socket] = {}
        self._readers: dict[int, tuple[socket.socket, _Read]] = {}
        self._epoll = select.epoll()
        more_files()
        try:
            self._raw(4, socket.IPPROTO_RAW, leaving).close()
        except OSError as error:
            self.close()
            if error.errno not in (errno.EPERM, errno.EACCES):
                raise
            raise Denied(
                f"--protocol {transport}", "raw sockets need CAP_NET_RAW", "run with sudo, or not raw"
            ) from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        for opened in self._open:
            opened.close()
        self._open.clear()
        self._epoll.close()

    def now(self) -> float:
        return time.monotonic()

    def add(self, target: Address) -> int:
        source = outgoing.source_of(self._leaving, target)
        packed = Address(target.family, source.partition("%")[0], 0).packed
        try:
            self._listen(target.family)
        except OSError as error:
            raise outgoing.cannot_open(error, self._leaving, target) from None
        number = self._heard.add(Target(target, Path(packed, target.packed), source))
        self._filter_errors(target.family)
        return number

    def source(self, target: int) -> str:
        return self._heard.targets[target].source

    def source_port(self, target: int) -> int | None:
        address = self._heard.targets[target].address
        return None if isinstance(self._kind, Icmp) else self._port(address, 0)

    def send(self, probe: Probe) -> float:
        target = self._heard.targets[probe.target]
        address, path = target.address, target.path
        family, kind = address.family, self._kind
        try:
            port = self._port(address, probe.flow)
            key, self._number = kind.key(self._number), self._number + 1
            size = kind.payload_bytes
            if probe.size_bytes:
                size = max(0, probe.size_bytes - packet.IP_BYTES[family] - kind.header)
            transport = kind.build(path, port, probe.flow, key, size)
            # IPv4's identification is UDP's key; 0 would be filled in by the kernel
            number = key if key <= 0xFFFF else self._number % 0xFFFF + 1
            whole = packet.ip(
                *path, kind.protocol(family), probe.ttl, transport, tos=self._leaving.tos, id=number
            )
            sender, whom = self._senders[family], address.sockaddr(0)
            at = time.monotonic()
            sender.sendto(whole, whom)
        except outgoing.FAILURES as error:
            raise outgoing.failed(error, address) from None
        self._memory.keep(key, Sent(probe.id, probe.target, port, path, transport, at))
        if isinstance(kind, Tcp) and (family, probe.flow) not in self._borrowed:
            self._take_back(kind, address, path, port, key)
        return at

    def borrow(self, target: int, flow: int, port: int) -> None:
        """Give a flow the source port of a connection that this host has to the same address and port, so
        that its SYNs go that connection's way. Their TTL must run out before the target: no RST
        follows them, which the connection's peer might take for its end, and no answer is heard.

        Raises:
            Unsupported: not over TCP.
        """
        if self.method != "tcp-raw":
            raise Unsupported(self.method, "borrows no port", "--protocol tcp")
        key = self._heard.targets[target].address.family, flow
        self._ports[key] = port
        self._borrowed.add(key)

    def receive(self, until: float) -> list[Reply]:
        while True:
            wait = until - time.monotonic()
            # epoll counts milliseconds and rounds up: a wait never ends before `until`
            ready = self._epoll.poll(max(0.0, wait), 64)
            replies = [reply for fd, _events in ready for reply in self._drain(*self._readers[fd])]
            if replies or time.monotonic() >= until:
                return replies

    def _drain(self, opened: socket.socket, read: _Read) -> list[Reply]:
        replies = []
        for _ in range(_AT_ONCE):
            try:
                reply = read(opened)
            except BlockingIOError:
                break
            except ParseError:
                continue
            except OSError:
                break  # the interface is gone: epoll says so again, if there is anything to read
            if reply is not None:
                replies.append(reply)
        return replies

    def _take_back(self, kind: Tcp, address: Address, path: Path, port: int, key: int) -> None:
        """A RST right behind a SYN: a listener keeps one request a flow, and answers none of the
        further SYNs before that is settled (tcp_check_req, net/ipv4/tcp_minisocks.c). It travels with
        the kernel's own TTL, so that no router on the way answers it.
        """
        segment = packet.rst(*path, port, kind.dport, key + 1 & 0xFFFFFFFF)
        number = self._number % 0xFFFF + 1
        whole = packet.ip(*path, packet.TCP, 64, segment, tos=self._leaving.tos, id=number)
        try:
            self._senders[address.family].sendto(whole, address.sockaddr(0))
        except OSError:
            pass  # the kernel sends one of its own when the answer comes

    def _listen(self, family: int) -> None:
        if family in self._senders:
            return
        sender = self._raw(family, socket.IPPROTO_RAW, self._leaving)
        self._open.append(sender)
        # without it a full queue is not told (net/ipv4/raw.c, net/ipv6/raw.c: ENOBUFS)
        outgoing.want_errors(sender, family)
        # Answers are heard on any interface: this host's own errors come by lo.
        anywhere = self._leaving._replace(interface=None, mark=None, tos=0)
        heard = self._raw(family, packet.ICMP[family], anywhere)
        self._open.append(heard)
        if family == 4:
            blocked = 0xFFFFFFFF & ~sum(1 << kind for kind in _HEARD[4])
            heard.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("=I", blocked))
        else:
            bits = ~sum(1 << kind for kind in _HEARD[6]) & (1 << 256) - 1
            words = struct.pack("=8I", *(bits >> 32 * word & 0xFFFFFFFF for word in range(8)))
            heard.setsockopt(socket.IPPROTO_ICMPV6, _ICMPV6_FILTER, words)
        self._hearing[family] = heard
        self._hear(heard, partial(self._heard.error, family))
        if self.method == "tcp-raw":
            self._segments[family] = segments = self._raw(family, socket.IPPROTO_TCP, anywhere)
            self._open.append(segments)
            self._filter_segments(family)
            self._hear(segments, partial(self._heard.segment, family))
        self._senders[family] = sender

    def _raw(self, family: int, protocol: int, leaving: Leaving) -> socket.socket:
        opened = outgoing.open_socket(leaving, family, socket.SOCK_RAW, protocol)
        try:
            opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BYTES)
        except OSError:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)  # cut at rmem_max
        if family == 6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        return opened

    def _hear(self, opened: socket.socket, read: _Read) -> None:
        self._readers[opened.fileno()] = opened, read
        self._epoll.register(opened, select.EPOLLIN)

    def _filter_errors(self, family: int) -> None:
        kind = self._kind
        targets = [packed for packed in self._heard.by_address if len(packed) == (4 if family == 4 else 16)]
        identifiers = kind.identifiers if isinstance(kind, Icmp) else None
        bpf.attach(self._hearing[family], bpf.errors(family, kind.protocol(family), targets, identifiers))

    def _filter_segments(self, family: int) -> None:
        ports = [port for key, port in self._ports.items() if key[0] == family and key not in self._borrowed]
        bpf.attach(self._segments[family], bpf.segments(family, self._leaving.port, ports))

    def _bind(self, held: socket.socket, target: Address, port: int) -> None:
        if self._leaving.source is not None:
            outgoing.bind_source(held, target, self._leaving.source, port)
        else:
            held.bind(("", port))

    def _port(self, target: Address, flow: int) -> int:
        """Of a flow: a port that is ours alone."""
        family = target.family
        if (known := self._ports.get((family, flow))) is not None:
            return known
        if isinstance(self._kind, Icmp):
            port = self._kind.identifier(flow)
        else:
            tcp = self.method == "tcp-raw"
            held = outgoing.open_socket(
                self._leaving, family, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM
            )
            self._open.append(held)
            if self._leaving.source is None and family == 6:
                held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                self._bind(held, target, FIRST_PORT + flow % PORTS)
            except OSError:  # somebody has it
                self._bind(held, target, 0)
            port = int(held.getsockname()[1])
            if not tcp:
                if family == 4:
                    held.setsockopt(socket.IPPROTO_IP, errqueue.IP_RECVTTL, 1)
                else:
                    held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
                self._hear(held, self._heard.datagram)
        self._ports[family, flow] = port
        if family in self._segments:
            self._filter_segments(family)
        return port
