"""Names and origin ASes of the addresses of a path, asked for while the packets fly."""

from __future__ import annotations

import contextlib
import importlib
import os
import selectors
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from sretool.command.options import Options
from sretool.errors import NetworkError, SretoolError, UsageError
from sretool.probe import origins as _origins
from sretool.probe.nameservers import NameServer, of_host, parse
from sretool.probe.origins import Origin, OriginFile, announced
from sretool.probe.pace import Pace

GRACE_S = 0.25
"""How long a trace that has ended may wait for names."""
TRY_AGAIN_S = 0.25
"""A question without an answer is asked once more, of the next server; both are listened to."""
GIVE_UP_S = 5.0
"""As long as one try of the stub resolver (resolv.conf(5), timeout); nobody waits for it."""
ASK_AGAIN_S = 60.0
"""In a watch, what nobody answered is asked again after that."""
TRIES = 2
PER_S, BURST = 200.0, 100
IN_FLIGHT = 100
"""Questions at once: each has a socket a try, and the trace needs descriptors too."""
_LONGEST_MESSAGE = 4096  # more than was asked for (lookup.PAYLOAD_BYTES); bounds what parsing may cost
_IMPORTING_S = 0.0002
"""sys.setswitchinterval while dnspython loads: at Python's own 5 ms each system call of the tracing
thread would wait that long for its turn (90 of them: 17 ms; with this 5 ms; measured on 2 cores).
"""


class Known(NamedTuple):
    """What is known by now, by address as it was asked.

    A name is None where there is none, or no answer yet. An origin is None where it is not known or
    the address is none that is announced; an Origin without AS where nobody announces it. `errors` says
    when no name server gave any answer at all.
    """

    names: dict[str, str | None]
    origins: dict[str, Origin | None]
    errors: list[SretoolError]


class _Question:
    """One question, until it is answered or given up."""

    def __init__(
        self, make: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[], None]
    ) -> None:
        self.make, self.done, self.failed = make, done, failed
        self.sent = 0  # tries so far
        self.server = 0  # of the next try
        self.next_at = 0.0  # of the next try, or when to give up
        self.open: dict[socket.socket, tuple[Any, int]] = {}  # to the query sent, and to which server


class Names:
    """Asks in a thread of its own; nothing here but `collect` ever waits.

    Wire it so: a command takes the sets "resolving" and "origins"; `names = wanted(run.options)` before
    the trace, None when nothing is to be looked up;
    `ask(reply.address)` for each answer of a hop, as often as wanted; when the trace has ended,
    `known = collect(min(GRACE_S, what is left of --deadline))`, `host.name = known.names.get(address)`
    if `want_names`, the same with origins, and `run.errors.extend(known.errors)`; in a watch,
    `collect(0)` a round. `close()` in a `finally`. Make it before a thread enters another network
    namespace: it asks from that of the thread that first calls `ask`.

    Args:
        servers: the name servers, in the order they are asked (`nameservers.of_host()`, or the one
            of --resolver).
        want_names: ask for names (PTR).
        origins: where ASes are looked up: a DNS zone, an MMDB file, or None: nowhere.
    """

    def __init__(
        self, servers: Sequence[NameServer], want_names: bool, origins: str | OriginFile | None = None
    ) -> None:
        self._servers = list(servers)
        self.want_names = want_names
        self.want_origins = origins is not None
        self._file = origins if isinstance(origins, OriginFile) else None
        self._zone = origins if isinstance(origins, str) else None
        self._asked: dict[str, float] = {}  # address -> when it may be asked again
        self._news: deque[str] = deque()
        self._changed = threading.Condition()
        # below: under _changed
        self._names: dict[str, str | None] = {}
        self._origins: dict[str, Origin] = {}
        self._as_names: dict[int, str | None] = {}
        self._waiting = 0
        self._answered = False
        self._failed = 0
        self._bug: BaseException | None = None
        # below: of the thread
        self._thread: threading.Thread | None = None
        self._closed = False
        self._wake, self._woken = -1, -1
        self._backlog: deque[_Question] = deque()
        self._questions: list[_Question] = []
        self._pace = Pace(PER_S, BURST)
        self._first = 0  # the server that questions begin with

    def ask(self, address: str | None) -> None:
        """Have an address looked up. Never blocks; asks the network once, or again a minute after
        nobody answered.
        """
        if address is None or time.monotonic() < self._asked.get(address, float("-inf")):
            return
        self._asked[address] = float("inf")
        questions = (self.want_names and not _link_local(address)) + (
            self._zone is not None and announced(address)
        )
        if not questions:
            return
        with self._changed:
            self._waiting += questions
        self._news.append(address)
        if self._thread is None:
            self._woken, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            self._thread = threading.Thread(target=self._run, name="names", daemon=True)
            self._thread.start()
        else:
            self._nudge()

    def collect(self, grace_s: float) -> Known:
        """What is known when everything was answered, or `grace_s` is over. KeyboardInterrupt passes
        through; `collect(0)` then gives what there is.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting or self._bug is not None, grace_s)
            if self._bug is not None:
                raise self._bug
            return Known(
                {address: self._names.get(address) for address in self._asked},
                {address: self._origin(address) for address in self._asked},
                self._errors(),
            )

    def _origin(self, address: str) -> Origin | None:
        if self._file is not None and address not in self._origins and announced(address):
            found = self._file.find(address)
            if found is not None:
                self._origins[address] = found
        origin = self._origins.get(address)
        if origin is None or origin.asn not in self._as_names:
            return origin
        return msgspec.structs.replace(origin, name=self._as_names[origin.asn])

    def _errors(self) -> list[SretoolError]:
        if self._answered or not (self._waiting or self._failed):
            return []
        servers = ", ".join(server.text for server in self._servers)
        message = f"no answer{'' if self._failed else ' in time'}: names and ASes are not known"
        return [NetworkError(servers, message, "--resolver names another server")]

    def close(self) -> None:
        """Stop asking. What is under way is dropped."""
        self._closed = True
        if self._thread is not None:
            self._nudge()
            self._thread.join(1.0)
            if not self._thread.is_alive():
                os.close(self._wake)
                os.close(self._woken)
        if self._file is not None:
            self._file.close()

    def _nudge(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full of nudges: it will wake up
            os.write(self._wake, b"x")

    # the thread

    def _run(self) -> None:
        try:
            interval = sys.getswitchinterval()
            sys.setswitchinterval(_IMPORTING_S)
            try:
                self._lookup: Any = importlib.import_module("sretool.probe.lookup")
            finally:
                sys.setswitchinterval(interval)
            with selectors.DefaultSelector() as self._selector:
                self._selector.register(self._woken, selectors.EVENT_READ)
                try:
                    while not self._closed:
                        self._turn()
                finally:
                    for question in self._questions:
                        self._shut(question)
        except BaseException as error:  # a bug of ours: told by collect, in the thread that can tell it
            with self._changed:
                self._bug = error
                self._changed.notify_all()

    def _turn(self) -> None:
        while self._news:
            self._begin(self._news.popleft())
        now = time.monotonic()
        while self._backlog and len(self._questions) < IN_FLIGHT:
            question = self._backlog.popleft()
            question.next_at = self._pace.next(now)
            self._questions.append(question)
        for question in [question for question in self._questions if question.next_at <= now]:
            self._advance(question, now)
        soonest = min((question.next_at for question in self._questions), default=None)
        wait = None if soonest is None else max(0.0, soonest - time.monotonic())
        for key, _events in self._selector.select(wait):
            if key.fd == self._woken:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._woken, 4096)
            else:
                self._readable(key.data, key.fileobj)

    def _begin(self, address: str) -> None:
        lookup, bare = self._lookup, address.partition("%")[0]
        if self.want_names and not _link_local(address):
            self._queue(
                lambda: lookup.name_of(bare),
                lambda reply: self._names.__setitem__(address, lookup.name(reply)),
                lambda: self._again(address),
            )
        if (zone := self._zone) is not None and announced(address):
            self._queue(
                lambda: lookup.origin_of(bare, zone),
                lambda reply: self._found(address, _origins.origin(lookup.texts(reply), bare, zone)),
                lambda: self._again(address),
            )

    def _found(self, address: str, origin: Origin) -> None:
        self._origins[address] = origin
        lookup, zone, asn = self._lookup, self._zone, origin.asn
        if asn is None or asn in self._as_names:
            return
        self._as_names[asn] = None
        self._waiting += 1
        self._queue(
            lambda: lookup.as_of(asn, zone),
            lambda reply: self._as_names.__setitem__(asn, _origins.as_name(lookup.texts(reply))),
            lambda: self._as_names.__delitem__(asn),
        )

    def _again(self, address: str) -> None:
        self._asked[address] = time.monotonic() + ASK_AGAIN_S

    def _queue(
        self, make: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[], None]
    ) -> None:
        self._backlog.append(_Question(make, done, failed))

    def _advance(self, question: _Question, now: float) -> None:
        """The next try, or the end."""
        tries_left = question.sent < TRIES
        if question.sent == 0:
            question.server = self._first
        while question.sent < TRIES:
            number = question.server % len(self._servers)
            question.server += 1
            question.sent += 1
            if self._send(question, number):
                question.next_at = now + (TRY_AGAIN_S if question.sent < TRIES else GIVE_UP_S)
                return
        if tries_left and question.open:  # the second could not be sent; the first may be answered yet
            question.next_at = now + GIVE_UP_S
        else:
            self._end(question, None)

    def _send(self, question: _Question, number: int) -> bool:
        server = self._servers[number]
        query = question.make()
        try:
            sock = socket.socket(server.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        except OSError:
            return False
        try:
            # connected: the kernel takes datagrams of this server only, from a random port (RFC 5452),
            # and hands over the ICMP errors
            sock.connect(server.sockaddr)
            sock.send(query.to_wire())
        except OSError:
            sock.close()
            return False
        question.open[sock] = (query, number)
        self._selector.register(sock, selectors.EVENT_READ, question)
        return True

    def _readable(self, question: _Question, sock: Any) -> None:
        if sock not in question.open:  # answered a moment ago, in the same turn
            return
        query, number = question.open[sock]
        try:
            reply = self._lookup.reply_to(query, sock.recv(_LONGEST_MESSAGE))
        except BlockingIOError:
            return
        except OSError:  # ICMP: nobody there
            self._lost(question, sock)
            return
        if reply is None:
            return
        if self._lookup.answered(reply):
            self._answered, self._first = True, number
            self._end(question, reply)
        else:
            self._lost(question, sock)

    def _lost(self, question: _Question, sock: socket.socket) -> None:
        """This server gives no answer: the next one, at once."""
        self._selector.unregister(sock)
        sock.close()
        del question.open[sock]
        if question.sent < TRIES or not question.open:
            question.next_at = 0.0

    def _end(self, question: _Question, reply: Any) -> None:
        self._shut(question)
        self._questions.remove(question)
        with self._changed:
            if reply is None:
                self._failed += 1
                question.failed()
            else:
                question.done(reply)
            self._waiting -= 1
            if not self._waiting:
                self._changed.notify_all()

    def _shut(self, question: _Question) -> None:
        for sock in question.open:
            self._selector.unregister(sock)
            sock.close()
        question.open.clear()


def wanted(options: Options) -> Names | None:
    """What --resolve, --asn, --asn-zone, --asn-file and --resolver ask for; None: nothing is looked up.

    Raises:
        UsageError: they do not go together, or a value cannot be used.
    """
    by_dns = options.asn or options.asn_zone is not None
    if options.asn_file is not None and by_dns:
        raise UsageError("--asn-file and --asn", "exclude each other", "the file is enough")
    if options.resolver is not None and not (options.resolve or by_dns):
        raise UsageError("--resolver", "nothing would be asked of it", "add --resolve or --asn")
    zone = _origins.zone(_origins.ZONE if options.asn_zone is None else options.asn_zone) if by_dns else None
    servers = of_host() if options.resolver is None else [parse(options.resolver)]
    file = None if options.asn_file is None else OriginFile(options.asn_file)
    return Names(servers, options.resolve, file or zone) if options.resolve or file or zone else None


def _link_local(address: str) -> bool:
    """Its name would be asked of servers that cannot know which link is meant."""
    import ipaddress

    return ipaddress.ip_address(address.partition("%")[0]).is_link_local
