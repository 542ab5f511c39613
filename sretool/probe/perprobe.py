"""What the networks share that open a connected socket a probe: the kernel then matches every answer to
exactly one of them by addresses and ports, even when a router quotes only the eight bytes RFC 792 asks
for. The price: every probe has its own source port, so load balancers may send each another way.
"""

from __future__ import annotations

import resource
import select
import socket
import time
from abc import ABC, abstractmethod

from msgspec import Struct

from sretool.probe import outgoing
from sretool.probe.live import Flow, Leaving
from sretool.probe.network import Reply
from sretool.probe.resolve import Address

# Sockets that are kept whatever their age; beyond them one older than any answer is closed, so that
# a trace that runs for hours holds no more ports than a short one.
KEPT, TOO_LATE_S = 512, 30.0
MOST_SOCKETS = 16384
AT_ONCE = 256  # messages of one socket before the others have their turn


def more_files() -> int:
    """Raise this process's limit of open files as far as it may; how many sockets that leaves room for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_SOCKETS + 256 if hard == resource.RLIM_INFINITY else min(hard, MOST_SOCKETS + 256)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    # the rest is for files, a resolver's sockets and who else lives in this process
    return MOST_SOCKETS if soft == resource.RLIM_INFINITY else max(16, min(MOST_SOCKETS, soft - 64))


class Target(Struct, frozen=True):
    """Whom probes go to, and the address they leave from."""

    address: Address
    source: str


class Sent(Struct, frozen=True):
    """A probe that left, and its own socket. `refused`: connect(2) has said so already."""

    probe: int
    target: int
    socket: socket.socket
    payload: bytes
    at: float
    refused: bool = False


class PerProbe(ABC):
    """The part of a `LiveNetwork` that is the same for UDP and TCP."""

    flow: Flow = "per-probe"
    events = select.EPOLLIN

    def __init__(self, leaving: Leaving) -> None:
        self._leaving = leaving
        self._targets: list[Target] = []
        self._sent: dict[int, Sent] = {}
        self._epoll = select.epoll()
        self._room = more_files()

    def add(self, target: Address) -> int:
        self._targets.append(Target(target, outgoing.source_of(self._leaving, target)))
        return len(self._targets) - 1

    def source(self, target: int) -> str:
        return self._targets[target].source

    def source_port(self, target: int) -> int | None:
        return None

    def close(self) -> None:
        for sent in self._sent.values():
            sent.socket.close()
        self._sent.clear()
        self._epoll.close()

    def now(self) -> float:
        return time.monotonic()

    def receive(self, until: float) -> list[Reply]:
        while True:
            wait = until - time.monotonic()
            # epoll counts milliseconds and rounds up: a wait never ends before `until`
            ready = self._epoll.poll(max(0.0, wait), 256)
            replies = [reply for fd, events in ready for reply in self._drain(self._sent[fd], events)]
            if replies or time.monotonic() >= until:
                return replies

    @abstractmethod
    def _drain(self, sent: Sent, events: int) -> list[Reply]:
        """What a socket has that epoll says is ready."""

    def _opened(self, target: Address, kind: int, ttl: int) -> socket.socket:
        """A socket that errors are heard of and that leaves as asked, before it is connected."""
        while len(self._sent) >= KEPT:
            oldest = next(iter(self._sent.values()))
            if len(self._sent) < self._room and time.monotonic() - oldest.at < TOO_LATE_S:
                break
            self._forget(oldest)
        opened = outgoing.open_socket(self._leaving, target.family, kind)
        try:
            outgoing.want_errors(opened, target.family)
            outgoing.set_ttl(opened, target.family, ttl)
            outgoing.bind_source(opened, target, self._leaving.source)
        except BaseException:
            opened.close()
            raise
        return opened

    def _keep(self, sent: Sent) -> None:
        """It has left."""
        self._sent[sent.socket.fileno()] = sent
        self._epoll.register(sent.socket, self.events)

    def _forget(self, sent: Sent) -> None:
        """Nothing more is heard of it."""
        del self._sent[sent.socket.fileno()]
        sent.socket.close()
