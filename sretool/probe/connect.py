"""TCP probes without any right: a connect(2) a probe, errors from its own error queue.

Those that get to the target complete a handshake, which its application sees, and are reset at once:
whoever sends should not send many beyond the target. The kernel sends a SYN again after a second
(RFC 6298 2.1): an answer slower than that may be to the second one.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import time
from collections.abc import Sequence

from sretool.errors import ParseError
from sretool.probe import errqueue, outgoing
from sretool.probe.live import Method
from sretool.probe.network import Probe, Reply, SendFailed
from sretool.probe.packet import IP_BYTES
from sretool.probe.perprobe import PerProbe, Sent

_RESET_ON_CLOSE = struct.pack("=ii", 1, 0)
# struct tcp_info (linux/tcp.h): tcpi_rtt, microseconds; the first is that of SYN and SYN-ACK
_RTT_AT, _INFO_BYTES = 68, 104


class ConnectNetwork(PerProbe):
    """The live network of TCP that needs no right (`LiveNetwork`). A SYN has the size it has."""

    method: Method = "tcp-connect"
    cannot_see: Sequence[str] = (
        "NAT rewrites",
        "unequal legs of one flow",
        "duplicate answers",
        "the TTL of the target's answer",
        "whether a firewall of this host drops the SYNs",
    )
    events = select.EPOLLOUT

    def send(self, probe: Probe) -> float:
        target = self._targets[probe.target].address
        if probe.size_bytes:
            raise SendFailed(
                errno.EMSGSIZE,
                target.text,
                "a SYN cannot be of another size without CAP_NET_RAW",
                "run with sudo",
            )
        try:
            opened = self._opened(target, socket.SOCK_STREAM, probe.ttl)
        except outgoing.FAILURES as error:
            raise outgoing.failed(error, target) from None
        try:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, 1)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            at = time.monotonic()
            number = opened.connect_ex(target.sockaddr(self._leaving.port))
            # on loopback the answer may be there at once
            if number not in (0, errno.EINPROGRESS, errno.ECONNREFUSED):
                raise OSError(number, os.strerror(number))
        except OSError as error:
            opened.close()
            raise outgoing.failed(error, target) from None
        refused = number == errno.ECONNREFUSED
        self._keep(Sent(probe.id, probe.target, opened, b"", at, refused))
        return at

    def _drain(self, sent: Sent, events: int) -> list[Reply]:
        now = time.monotonic()
        reply = self._error(sent)
        if reply is None:
            number = sent.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            address = self._targets[sent.target].address.text
            if sent.refused or number == errno.ECONNREFUSED:
                reply = Reply(now, sent.probe, address, "rst", target=sent.target)
            elif number == errno.ECONNRESET or (not number and self._connected(sent)):
                at = self._answered_at(sent, now)
                reply = Reply(at, sent.probe, address, "syn-ack", target=sent.target)
            elif not number and not events & select.EPOLLHUP:
                return []  # a local error's entry of the queue woke us
        # established, refused or given up: nothing else comes for it
        self._forget(sent)
        return [] if reply is None else [reply]

    def _connected(self, sent: Sent) -> bool:
        try:
            sent.socket.getpeername()
        except OSError:
            return False
        return True

    def _error(self, sent: Sent) -> Reply | None:
        family = self._targets[sent.target].address.family
        while True:
            try:
                entry = errqueue.read(sent.socket, IP_BYTES[family])
            except ParseError:
                continue
            except OSError:
                return None
            if entry is not None:
                # the kernel has looked at ports and sequence number (tcp_v4_err, net/ipv4/tcp_ipv4.c)
                return errqueue.reply(entry, sent.at, sent.probe, sent.target)

    def _answered_at(self, sent: Sent, now: float) -> float:
        """The kernel measures the handshake itself; this process may have been late."""
        info = sent.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
        if len(info) < _RTT_AT + 4:
            return now
        (rtt_us,) = struct.unpack_from("=I", info, _RTT_AT)
        return min(now, sent.at + rtt_us / 1e6) if rtt_us else now
