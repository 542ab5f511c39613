"""ICMP probes without any right but net.ipv4.ping_group_range: datagram sockets of ICMP (icmp(7)).

One socket a flow and target: its identifier, which the kernel chooses, is the flow's, and so is the
checksum. The sequence number tells the probes of a flow apart, in echo replies and in quotes.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from collections.abc import Sequence

from msgspec import Struct

from sretool.errors import Denied, ParseError
from sretool.probe import errqueue, outgoing, packet
from sretool.probe.kinds import Icmp, Path
from sretool.probe.live import Flow, Leaving, Method
from sretool.probe.network import Probe, Reply
from sretool.probe.perprobe import AT_ONCE, more_files
from sretool.probe.quote import Quote
from sretool.probe.resolve import Address
from sretool.probe.sent import Memory, Sent
from sretool.probe.udp import ASYNCHRONOUS

_TRIES = 4  # of a send that returns errors of earlier packets


class _Target(Struct, frozen=True):
    address: Address
    path: Path
    source: str


class _Socket(Struct, frozen=True):
    opened: socket.socket
    target: int
    identifier: int


class PingNetwork:
    """The live network of ICMP that needs no capability (`LiveNetwork`).

    Raises:
        Denied: our groups are not in net.ipv4.ping_group_range.
        UsageError: there is no such interface or namespace.
    """

    method: Method = "icmp-datagram"
    flow: Flow = "fixed"
    cannot_see: Sequence[str] = ("NAT rewrites", "whether a firewall of this host drops ICMPv6")

    def __init__(self, leaving: Leaving) -> None:
        self._leaving = leaving
        self._kind = Icmp(0)
        self._memory = Memory(self._kind)
        self._number = int.from_bytes(os.urandom(2), "big")  # other processes count from elsewhere
        self._started_at = time.monotonic()
        self._targets: list[_Target] = []
        self._sockets: dict[tuple[int, int], _Socket] = {}
        self._by_fd: dict[int, _Socket] = {}
        try:
            self._open(4).close()
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM):
                raise
            raise Denied(
                "--protocol icmp",
                "needs CAP_NET_RAW, or a group in net.ipv4.ping_group_range",
                "--protocol udp needs no right; or: sudo sysctl net.ipv4.ping_group_range='0 2147483647'",
            ) from None
        self._epoll = select.epoll()
        more_files()

    def add(self, target: Address) -> int:
        source = outgoing.source_of(self._leaving, target)
        packed = Address(target.family, source.partition("%")[0], 0).packed
        self._targets.append(_Target(target, Path(packed, target.packed), source))
        return len(self._targets) - 1

    def source(self, target: int) -> str:
        return self._targets[target].source

    def source_port(self, target: int) -> int | None:
        return None

    def close(self) -> None:
        for kept in self._sockets.values():
            kept.opened.close()
        self._sockets.clear()
        self._epoll.close()

    def now(self) -> float:
        return time.monotonic()

    def send(self, probe: Probe) -> float:
        target = self._targets[probe.target]
        address, path = target.address, target.path
        try:
            kept = self._socket(probe.target, probe.flow)
            outgoing.set_ttl(kept.opened, address.family, probe.ttl)
            key, self._number = self._kind.key(self._number), self._number + 1
            size = self._kind.payload_bytes
            if probe.size_bytes:
                size = max(0, probe.size_bytes - packet.IP_BYTES[address.family] - self._kind.header)
            message = self._kind.build(path, kept.identifier, probe.flow, key, size)
            for again in reversed(range(_TRIES)):
                at = time.monotonic()
                try:
                    kept.opened.send(message)
                    break
                except OSError as error:
                    if error.errno not in ASYNCHRONOUS or not again:
                        raise
        except outgoing.FAILURES as error:
            raise outgoing.failed(error, address) from None
        self._memory.keep(key, Sent(probe.id, probe.target, kept.identifier, path, message, at))
        return at

    def receive(self, until: float) -> list[Reply]:
        while True:
            wait = until - time.monotonic()
            # epoll counts milliseconds and rounds up: a wait never ends before `until`
            ready = self._epoll.poll(max(0.0, wait), 64)
            replies = [reply for fd, _events in ready for reply in self._drain(self._by_fd[fd])]
            if replies or time.monotonic() >= until:
                return replies

    def _open(self, family: int) -> socket.socket:
        return outgoing.open_socket(self._leaving, family, socket.SOCK_DGRAM, packet.ICMP[family])

    def _socket(self, target: int, flow: int) -> _Socket:
        if (known := self._sockets.get((target, flow))) is not None:
            return known
        address = self._targets[target].address
        opened = self._open(address.family)
        try:
            outgoing.want_errors(opened, address.family)
            outgoing.let_fragment(opened, address.family)
            outgoing.bind_source(opened, address, self._leaving.source)
            opened.connect(address.sockaddr(0))
            kept = _Socket(opened, target, opened.getsockname()[1])
            self._epoll.register(opened, select.EPOLLIN)
        except BaseException:
            opened.close()
            raise
        self._sockets[target, flow] = self._by_fd[opened.fileno()] = kept
        return kept

    def _drain(self, kept: _Socket) -> list[Reply]:
        replies = []
        for read in (self._error, self._echo_reply):
            for _ in range(AT_ONCE):
                try:
                    reply = read(kept)
                except BlockingIOError:
                    break
                except ParseError:
                    continue
                except OSError:
                    continue  # the pending error, now taken off: there may be more behind it
                if reply is not None:
                    replies.append(reply)
        return replies

    def _error(self, kept: _Socket) -> Reply | None:
        target = self._targets[kept.target]
        address, path = target.address, target.path
        entry = errqueue.read(kept.opened, packet.IP_BYTES[address.family])
        # the kernel has looked at the identifier only (ping_err, net/ipv4/ping.c)
        if entry is None or entry.destination != address.ip:
            return None
        number = 0 if address.family == 4 else None
        match = self._memory.match(Quote(*path, packet.ICMP[address.family], number, 0, entry.data))
        sent = match.sent if match else None
        if sent is None or sent.target != kept.target:
            return errqueue.reply(entry, self._started_at, None, kept.target)
        return errqueue.reply(entry, sent.at, sent.id, kept.target)

    def _echo_reply(self, kept: _Socket) -> Reply | None:
        address = self._targets[kept.target].address
        data, ancillary, flags, name = kept.opened.recvmsg(2048, 256)
        if len(data) < 8 or data[0] != packet.ECHO_REPLY[address.family]:
            return None
        sent = self._memory.get(int.from_bytes(data[6:8], "big"))
        if sent is None or sent.target != kept.target or sent.port != kept.identifier:
            return None
        mine = sent.transport[4:]
        ours = data[4:] == (mine[: len(data) - 4] if flags & socket.MSG_TRUNC else mine)
        return Reply(
            errqueue.arrival(ancillary, sent.at),
            sent.id if ours else None,
            errqueue.sender(name, kept.opened),
            "icmp",
            data[0],
            data[1],
            errqueue.received_ttl(ancillary),
            target=kept.target,
        )
