"""Questions to name servers over our own sockets: fresh port and id a try, TCP where UDP is not
enough, and every way of getting no answer kept apart.
"""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sretool.dns import message
from sretool.dns.message import Question
from sretool.errors import Denied, UsageError

LONGEST_MESSAGE = 65535
# A reply's arrival as the kernel saw it: our own clock reads late when many replies come at once.
_SO_TIMESTAMPNS = 35  # asm-generic/socket.h; elsewhere setsockopt fails or no such message comes
_OURS = {
    errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL,
    errno.EACCES, errno.EPERM, errno.ENETDOWN, errno.EPROTONOSUPPORT,
}  # fmt: skip


class Purse:
    """How many queries may still be sent. Diagnosis (not `urgent`) stops at three quarters, so that
    retries to dead servers never take what the way to the answer needs.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.spent = 0
        self.refused = False
        self.first_at: float | None = None

    def allows(self, urgent: bool) -> bool:
        """May another query be sent?"""
        if self.spent < (self.budget if urgent else self.budget * 3 // 4):
            return True
        self.refused = True
        return False

    def spend(self) -> None:
        """One was sent."""
        self.spent += 1
        if self.first_at is None:
            self.first_at = time.perf_counter()


@dataclass
class Asked:
    """What was sent to one server for one question, and what came back; filled while it happens.

    `error` is empty while waiting and when `wire` holds a reply, else one of `timeout`,
    `port-closed` (ICMP), `unreachable` (ICMP), `no-route` and `no-socket` (nothing left this host),
    `tcp-timeout`, `tcp-refused`, `tcp-closed` (after a truncated reply), `budget`.
    """

    address: str
    urgent: Callable[[], bool] = lambda: True
    tries: int = 0
    tcp_tried: bool = False
    wire: bytes | None = None
    transport: str = "udp"
    rtt_ms: float | None = None
    at: float | None = None
    error: str = ""
    detail: str = ""
    ignored: int = 0
    truncated: bool = False
    udp_silent: bool = False
    edns_refused: bool = False


class Network(Protocol):
    """Where questions go. In the tests a simulated one stands in."""

    async def ask(self, asked: Asked, question: Question, purse: Purse) -> None:
        """Ask `asked.address`, with retries, and fill `asked` in. Never raises for what a network
        or a server does.
        """


class _Silence(Exception):
    """No reply; the error's word, and the system's own words where there are some."""

    def __init__(self, error: str, detail: str = "") -> None:
        super().__init__(error)
        self.error = error
        self.detail = detail


class LiveNetwork:
    """This host's network.

    Args:
        port: the port of every server.
        timeout_s: the wait for the last of three tries; the second leaves after a third of it, the
            last after all of it.
        interface: send from this interface only.

    Raises:
        UsageError: there is no such interface.
        Denied: binding to an interface needs CAP_NET_RAW before Linux 5.7.
    """

    def __init__(self, port: int = 53, timeout_s: float = 1.5, interface: str | None = None) -> None:
        self.port = port
        self.timeout_s = timeout_s
        # When each try leaves; unanswered ones are still listened to while the next is under way.
        self.starts_s = (0.0, timeout_s / 3, timeout_s)
        self._interface = interface
        if interface is not None:
            try:
                self._open("127.0.0.1", socket.SOCK_DGRAM).close()
            except PermissionError:
                raise Denied(
                    interface, "binding to an interface needs CAP_NET_RAW", "run with sudo"
                ) from None
            except OSError as error:
                raise UsageError(interface, os.strerror(error.errno or 0), "see sretool net addrs") from None

    async def ask(self, asked: Asked, question: Question, purse: Purse) -> None:
        try:
            reply = await self._udp(asked, question.wire, purse, self.starts_s)
            if message.rcode(reply) in (message.FORMERR, message.NOTIMP) and asked.transport == "udp":
                # RFC 6891 7: a server that knows no EDNS says so; ask as before 1999
                reply = await self._without_edns(asked, question, reply, purse)
            if message.truncated(reply) and asked.transport == "udp":
                asked.truncated = True
                query = question.plain if asked.edns_refused else question.wire
                reply = await self._tcp(asked, query, purse)
        except _Silence as silence:
            asked.error, asked.detail = silence.error, silence.detail
            return
        asked.wire = reply

    async def _without_edns(self, asked: Asked, question: Question, reply: bytes, purse: Purse) -> bytes:
        try:
            plain = await self._udp(asked, question.plain, purse, self.starts_s[:2])
        except _Silence:
            return reply
        asked.edns_refused = message.rcode(plain) != message.rcode(reply)
        return plain

    # UDP

    async def _udp(self, asked: Asked, query: bytes, purse: Purse, starts_s: tuple[float, ...]) -> bytes:
        """The first reply to any of the tries. Silent to all of them, TCP is asked as well: only a
        server that is silent on both is called dead.
        """
        loop = asyncio.get_running_loop()
        opened: list[socket.socket] = []
        tcp: asyncio.Task[bytes] | None = None
        began = loop.time()
        closed = False
        try:
            got: asyncio.Future[bytes] = loop.create_future()
            ends_s = (*starts_s[1:], starts_s[-1] + self.timeout_s)
            for number, end_s in enumerate(ends_s):
                if purse.allows(asked.urgent()):
                    self._send(asked, query, purse, got, opened)
                elif number == 0:
                    raise _Silence("budget")
                if number == 2:
                    tcp = loop.create_task(self._tcp(asked, query, purse))
                reply = await self._first(got, tcp, began + end_s)
                if reply is None:
                    continue
                failure = reply.exception()
                if failure is None:
                    asked.udp_silent = reply is tcp
                    asked.transport = "tcp" if reply is tcp else "udp"
                    return reply.result()
                if closed or number == len(ends_s) - 1:
                    raise failure
                # an ICMP error may be forged or passing: believed when a fresh port gets it too
                closed, got = True, loop.create_future()
            raise _Silence("timeout")
        finally:
            for sock in opened:
                loop.remove_reader(sock)
                sock.close()
            if tcp is not None:
                tcp.cancel()
                await asyncio.gather(tcp, return_exceptions=True)

    async def _first(
        self, got: asyncio.Future[bytes], tcp: asyncio.Task[bytes] | None, until: float
    ) -> asyncio.Future[bytes] | None:
        """What is done first: UDP, in whatever way, or TCP with a reply. None when it is `until`."""
        loop = asyncio.get_running_loop()
        waits: set[asyncio.Future[bytes]] = {got} if tcp is None else {got, tcp}
        while True:
            done, _ = await asyncio.wait(
                waits, timeout=max(0, until - loop.time()), return_when=asyncio.FIRST_COMPLETED
            )
            if got in done or not done:
                return got if done else None
            assert tcp is not None
            if tcp.exception() is None:
                return tcp
            waits.discard(tcp)

    def _send(
        self,
        asked: Asked,
        query: bytes,
        purse: Purse,
        got: asyncio.Future[bytes],
        opened: list[socket.socket],
    ) -> None:
        query = message.with_id(query, secrets.randbits(16))
        try:
            sock = self._open(asked.address, socket.SOCK_DGRAM)
        except OSError as error:
            raise _Silence("no-socket", os.strerror(error.errno or 0)) from None
        opened.append(sock)
        try:
            # connected: the kernel takes replies from this server only and hands ICMP errors over;
            # it picks the port at random (inet_csk_get_port's kin in net/ipv4/udp.c)
            sock.connect(self._sockaddr(asked.address))
            sent_at, sent_wall = time.perf_counter(), time.time()
            sock.send(query)
        except OSError as error:
            word = "no-route" if error.errno in _OURS else "no-socket"
            raise _Silence(word, os.strerror(error.errno or 0)) from None
        purse.spend()
        asked.tries += 1
        asyncio.get_running_loop().add_reader(
            sock, self._readable, sock, asked, query, got, sent_at, sent_wall
        )

    def _readable(
        self,
        sock: socket.socket,
        asked: Asked,
        query: bytes,
        got: asyncio.Future[bytes],
        sent_at: float,
        sent_wall: float,
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                reply, ancillary, _flags, _address = sock.recvmsg(LONGEST_MESSAGE, 64)
            except BlockingIOError:
                return
            except OSError as error:
                loop.remove_reader(sock)
                if not got.done():
                    word = "port-closed" if error.errno == errno.ECONNREFUSED else "unreachable"
                    got.set_exception(_Silence(word, os.strerror(error.errno or 0)))
                    got.exception()  # looked at, or asyncio says that nobody did
                return
            if not message.answers(reply, query):
                asked.ignored += 1
                continue
            loop.remove_reader(sock)
            if not got.done():
                now = time.perf_counter()
                asked.at = now
                asked.rtt_ms = _rtt_ms(now - sent_at, sent_wall, ancillary)
                got.set_result(reply)
            return

    # TCP

    async def _tcp(self, asked: Asked, query: bytes, purse: Purse) -> bytes:
        """The reply over a connection of its own (RFC 7766).

        Raises:
            _Silence: none came within `timeout_s`.
        """
        if not purse.allows(asked.urgent()):
            raise _Silence("budget")
        asked.tcp_tried = True
        try:
            return await asyncio.wait_for(self._tcp_exchange(asked, query, purse), self.timeout_s)
        except (asyncio.TimeoutError, TimeoutError):  # two classes before Python 3.11
            raise _Silence("tcp-timeout") from None
        except ConnectionRefusedError:
            raise _Silence("tcp-refused") from None
        except (EOFError, ConnectionError):
            raise _Silence("tcp-closed") from None
        except OSError as error:
            word = "no-route" if error.errno in _OURS else "tcp-closed"
            raise _Silence(word, os.strerror(error.errno or 0)) from None

    async def _tcp_exchange(self, asked: Asked, query: bytes, purse: Purse) -> bytes:
        loop = asyncio.get_running_loop()
        query = message.with_id(query, secrets.randbits(16))
        with self._open(asked.address, socket.SOCK_STREAM) as sock:
            purse.spend()
            await loop.sock_connect(sock, self._sockaddr(asked.address))
            sent_at = time.perf_counter()
            await loop.sock_sendall(sock, struct.pack("!H", len(query)) + query)
            while True:
                (length,) = struct.unpack("!H", await _exactly(sock, 2))
                reply = await _exactly(sock, length)
                if message.answers(reply, query):
                    break
                asked.ignored += 1
            asked.at = time.perf_counter()
            asked.rtt_ms = (asked.at - sent_at) * 1000
            asked.transport = "tcp"
            return reply

    def _open(self, address: str, kind: socket.SocketKind) -> socket.socket:
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
        try:
            sock.setblocking(False)
            if self._interface is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self._interface.encode() + b"\0")
            if kind == socket.SOCK_DGRAM:
                try:
                    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
                except OSError:
                    pass  # our own clock will do
        except BaseException:
            sock.close()
            raise
        return sock

    def _sockaddr(self, address: str) -> tuple[str, int]:
        return (address, self.port)


async def _exactly(sock: socket.socket, length: int) -> bytes:
    loop = asyncio.get_running_loop()
    parts = bytearray()
    while len(parts) < length:
        part = await loop.sock_recv(sock, length - len(parts))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)


def _rtt_ms(elapsed_s: float, sent_wall: float, ancillary: list[tuple[int, int, bytes]]) -> float:
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(data) == 16:
            seconds, nanoseconds = struct.unpack("qq", data)
            kernel_s = seconds + nanoseconds / 1e9 - sent_wall
            if 0 <= kernel_s <= elapsed_s:  # else the wall clock was set meanwhile
                return float(kernel_s * 1000)
    return elapsed_s * 1000
