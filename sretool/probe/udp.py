"""UDP probes without any right: a connected socket a probe, errors from its own error queue."""

from __future__ import annotations

import errno
import os
import socket
import struct
import time
from collections.abc import Sequence

from sretool.errors import ParseError
from sretool.probe import errqueue, outgoing
from sretool.probe.live import Leaving, Method
from sretool.probe.network import Probe, Reply
from sretool.probe.perprobe import AT_ONCE, PerProbe, Sent
from sretool.probe.resolve import Address

PAYLOAD_BYTES = 32  # 60 bytes a packet over IPv4, as traceroute's
HEADERS_BYTES = {4: 28, 6: 48}

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


class UdpNetwork(PerProbe):
    """The live network of UDP that needs no right (`LiveNetwork`)."""

    method: Method = "udp-recverr"
    cannot_see: Sequence[str] = ("NAT rewrites", "unequal legs of one flow")

    def __init__(self, leaving: Leaving) -> None:
        super().__init__(leaving)
        self._token = os.urandom(8)

    def send(self, probe: Probe) -> float:
        target = self._targets[probe.target].address
        size = probe.size_bytes - HEADERS_BYTES[target.family] if probe.size_bytes else PAYLOAD_BYTES
        payload = struct.pack("!8sIB", self._token, probe.id & 0xFFFFFFFF, probe.ttl)
        payload = payload.ljust(size, b"\0")[: max(0, size)]
        try:
            opened = self._open(target, probe)
        except outgoing.FAILURES as error:
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
        except OSError as error:
            opened.close()
            raise outgoing.failed(error, target) from None
        self._keep(Sent(probe.id, probe.target, opened, payload, at))
        return at

    def _open(self, target: Address, probe: Probe) -> socket.socket:
        opened = self._opened(target, socket.SOCK_DGRAM, probe.ttl)
        try:
            if probe.size_bytes:
                outgoing.let_fragment(opened, target.family)
            opened.connect(target.sockaddr(self._leaving.port))
        except BaseException:
            opened.close()
            raise
        return opened

    def _drain(self, sent: Sent, events: int) -> list[Reply]:
        replies = []
        for read in (self._error, self._datagram):
            for _ in range(AT_ONCE):
                try:
                    reply = read(sent)
                except BlockingIOError:
                    break
                except ParseError:
                    continue
                except OSError:
                    # the pending error that an entry of the error queue has already told us
                    break
                if reply is not None:
                    replies.append(reply)
        return replies

    def _error(self, sent: Sent) -> Reply | None:
        family = self._targets[sent.target].address.family
        entry = errqueue.read(sent.socket, HEADERS_BYTES[family])
        if entry is None:
            return None  # a local error: send() has raised it already
        # The quote may be cut anywhere after the ports; what there is of our payload must be ours.
        ours = sent.payload.startswith(entry.data[: len(sent.payload)])
        return errqueue.reply(entry, sent.at, sent.probe if ours else None, sent.target)

    def _datagram(self, sent: Sent) -> Reply | None:
        _data, ancillary, _flags, _name = sent.socket.recvmsg(512, 512)
        return Reply(
            errqueue.arrival(ancillary, sent.at),
            sent.probe,
            self._targets[sent.target].address.text,
            "datagram",
            ttl=errqueue.received_ttl(ancillary),
            target=sent.target,
        )
