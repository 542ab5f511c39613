"""What `sockets listen` answers."""

from __future__ import annotations

from typing import Annotated, Optional

from msgspec import Meta, Struct

from sretool.report.check import Verdict
from sretool.sockets.model import (
    Address,
    Cgroup,
    Container,
    ContainerName,
    Family,
    Inode,
    Interface,
    Pid,
    Process,
    Protocol,
    Uid,
    Unit,
    User,
    endpoint,
)


class Listener(Struct):
    """One TCP listener, or one UDP socket without a peer."""

    protocol: Protocol
    family: Family
    local_address: Address
    local_port: Annotated[int, Meta(description="port it is bound to (idiag_sport)")]
    reach: Annotated[
        str,
        Meta(
            description="who may reach it, by its address: loopback (this host), link, address (one address "
            "of this host), any (every address); a firewall may narrow it"
        ),
    ]
    interface: Interface
    accept_queue: Annotated[
        Optional[int], Meta(description="connections waiting for accept (idiag_rqueue); null for UDP")
    ]
    accept_queue_before: Annotated[
        Optional[int], Meta(description="the same at the first reading; null with one reading")
    ]
    accept_queue_limit: Annotated[
        Optional[int], Meta(description="backlog, at most somaxconn (idiag_wqueue); null for UDP")
    ]
    recv_q_bytes: Annotated[
        Optional[int], Meta(description="UDP: buffer held by datagrams not yet read (idiag_rqueue)")
    ]
    recv_q_limit_bytes: Annotated[
        Optional[int], Meta(description="UDP: receive buffer (INET_DIAG_SKMEMINFO rcvbuf)")
    ]
    drops: Annotated[
        Optional[int],
        Meta(
            description="what this socket dropped since it opened (INET_DIAG_SKMEMINFO drops): for TCP "
            "connection attempts, for UDP datagrams"
        ),
    ]
    drops_per_s: Annotated[Optional[float], Meta(description="drops over the sample; null with one reading")]
    inode: Inode
    uid: Uid
    user: User
    pid: Pid
    process: Process
    unit: Unit
    container: Container
    cgroup: Cgroup
    container_name: ContainerName = None

    @property
    def name(self) -> str:
        """Address and port as a person writes them."""
        return endpoint(self.local_address, self.local_port)

    @property
    def full(self) -> bool:
        """The kernel refuses the next connection: sk_acceptq_is_full (include/net/sock.h) compares
        with >, so a backlog of 1 holds two.
        """
        return _over(self.accept_queue, self.accept_queue_limit)

    @property
    def was_full(self) -> bool:
        """It was so at the first reading."""
        return _over(self.accept_queue_before, self.accept_queue_limit)


class TcpCounters(Struct):
    """Counters of the whole namespace: since boot, and over the sample (null with one reading)."""

    window_s: Annotated[Optional[float], Meta(description="seconds between the two readings")]
    listen_overflows_total: Annotated[Optional[int], Meta(description="TcpExt ListenOverflows since boot")]
    listen_overflows: Annotated[Optional[int], Meta(description="TcpExt ListenOverflows over the sample")]
    listen_drops_total: Annotated[Optional[int], Meta(description="TcpExt ListenDrops since boot")]
    listen_drops: Annotated[Optional[int], Meta(description="TcpExt ListenDrops over the sample")]
    segments_sent: Annotated[
        Optional[int], Meta(description="Tcp OutSegs over the sample; without retransmissions")
    ]
    segments_retransmitted: Annotated[Optional[int], Meta(description="Tcp RetransSegs over the sample")]


class Listening(Struct):
    """Listeners, those in trouble first, then by port."""

    listeners: Annotated[list[Listener], Meta(description="those in trouble first, then by port")]
    total: Annotated[int, Meta(description="listeners that passed the filters, before --limit")]
    tcp: Annotated[TcpCounters, Meta(description="counters of the whole namespace")]
    checks: Annotated[list[Verdict], Meta(description="what was judged, and what could not be")] = []


def _over(queue: int | None, limit: int | None) -> bool:
    return queue is not None and limit is not None and queue > limit
