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
        Optional[int],
        Meta(
            description="backlog, at most somaxconn (idiag_wqueue); the kernel refuses when more than this "
            "wait; null for UDP"
        ),
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
    accept_queue_peak: Annotated[
        Optional[int],
        Meta(
            description="the most that waited at any look between the readings (`looks`) and at them; null "
            "with one reading, in a recording and for UDP"
        ),
    ] = None
    accept_queue_least: Annotated[
        Optional[int],
        Meta(description="the least that waited at any of them: 0 says that it does get emptied"),
    ] = None
    accept_queue_limited_by: Annotated[
        Optional[str],
        Meta(
            description="application: listen(2) asked for less than net.core.somaxconn; "
            "somaxconn-or-application: for as much or more, the limit is somaxconn; somaxconn-lowered: the "
            "limit is above somaxconn, which was lowered since; null when unknown and for UDP"
        ),
    ] = None
    syn_queue: Annotated[
        Optional[int],
        Meta(
            description="half-open connections to it (sockets in state syn-recv); null for UDP, when not "
            "read, and in a group, where the kernel does not say whose they are"
        ),
    ] = None
    syn_queue_limit: Annotated[
        Optional[int],
        Meta(
            description="how many of them the kernel keeps; with more it answers by SYN cookies, or drops "
            "where these are off: accept_queue_limit, without cookies at most 3/4 of tcp_max_syn_backlog"
        ),
    ] = None
    group_size: Annotated[
        Optional[int],
        Meta(
            description="TCP listeners on this address, port and device: with more than 1 SO_REUSEPORT "
            "spreads connections over them; null for UDP"
        ),
    ] = None

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
    def stuck(self) -> bool:
        """It was so at every reading and look of the sample."""
        was_full = _over(self.accept_queue_before, self.accept_queue_limit)
        emptied = self.accept_queue_least is not None and not _over(
            self.accept_queue_least, self.accept_queue_limit
        )
        return self.full and was_full and not emptied


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


class Limits(Struct, frozen=True):
    """The namespace's limits of listeners; null when not read."""

    somaxconn: Annotated[Optional[int], Meta(description="net.core.somaxconn, read when listen(2) is called")]
    tcp_max_syn_backlog: Annotated[
        Optional[int],
        Meta(description="net.ipv4.tcp_max_syn_backlog; counts only where SYN cookies are off"),
    ]
    tcp_syncookies: Annotated[
        Optional[int], Meta(description="net.ipv4.tcp_syncookies: 0 off, 1 when a queue is full, 2 always")
    ]


class Group(Struct):
    """TCP listeners that share an address and port by SO_REUSEPORT."""

    family: Family
    local_address: Address
    local_port: Annotated[int, Meta(description="port they are bound to (idiag_sport)")]
    interface: Interface
    members: Annotated[int, Meta(description="listeners in it")]
    accept_queue: Annotated[int, Meta(description="connections waiting for accept, of all members")]
    accept_queue_limit: Annotated[int, Meta(description="their limits added up")]
    fullest: Annotated[
        int, Meta(description="the most that waited at one member: its peak where known, else now")
    ]
    fullest_limit: Annotated[int, Meta(description="limit of that member")]
    fullest_pid: Pid
    emptiest: Annotated[int, Meta(description="the same for the member at which least waited")]
    uneven: Annotated[
        bool, Meta(description="the fullest was half full or more, and twice as full as the emptiest or more")
    ]
    drops_per_s: Annotated[
        Optional[float], Meta(description="connection attempts dropped, of all members; null when unknown")
    ]
    syn_queue: Annotated[Optional[int], Meta(description="half-open connections to the group")]

    @property
    def name(self) -> str:
        """Address and port as a person writes them."""
        return endpoint(self.local_address, self.local_port)


class Listening(Struct):
    """Listeners, those in trouble first, then by port."""

    listeners: Annotated[list[Listener], Meta(description="those in trouble first, then by port")]
    total: Annotated[int, Meta(description="listeners that passed the filters, before --limit")]
    tcp: Annotated[TcpCounters, Meta(description="counters of the whole namespace")]
    checks: Annotated[list[Verdict], Meta(description="what was judged, and what could not be")] = []
    groups: Annotated[
        list[Group], Meta(description="SO_REUSEPORT groups the listeners belong to, in their order")
    ] = []
    limits: Annotated[Limits, Meta(description="limits of the whole namespace")] = Limits(None, None, None)
    looks: Annotated[
        Optional[int],
        Meta(
            description="readings of the accept queues between the two, 75 a second or as many as 2.5% of a "
            "CPU allow; null with one reading and in a recording"
        ),
    ] = None


def _over(queue: int | None, limit: int | None) -> bool:
    return queue is not None and limit is not None and queue > limit
