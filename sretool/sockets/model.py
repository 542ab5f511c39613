"""What the socket commands answer."""

from __future__ import annotations

from typing import Annotated, Optional, Union

from msgspec import UNSET, Meta, Struct, UnsetType

from sretool.report.check import Verdict

Protocol = Annotated[str, Meta(description="tcp or udp")]
Family = Annotated[str, Meta(description="inet or inet6; a dual-stack socket is inet6")]
Address = Annotated[str, Meta(description="as text; IPv4 on an inet6 socket as ::ffff:192.0.2.1")]
Uid = Annotated[Optional[int], Meta(description="idiag_uid; null where the kernel keeps none (time-wait)")]
User = Annotated[Optional[str], Meta(description="the uid's name, null where it has none")]
Inode = Annotated[Optional[int], Meta(description="idiag_inode; null when no process holds it any more")]
Pid = Annotated[
    Optional[int],
    Meta(description="the process that holds it, by /proc/PID/fd; of several the lowest, init last"),
]
Process = Annotated[Optional[str], Meta(description="its name, /proc/PID/comm")]
Unit = Annotated[
    Optional[str], Meta(description="systemd unit, from the process's cgroup, else the socket's own")
]
Container = Annotated[Optional[str], Meta(description="container, from the same cgroup")]
ContainerName = Annotated[
    Optional[str],
    Meta(
        description="what the container is called by the engine's API, else by its files, in Kubernetes "
        "NAMESPACE/POD/NAME; null when in none or only its id is known"
    ),
]
Cgroup = Annotated[Optional[str], Meta(description="/proc/PID/cgroup, else INET_DIAG_CGROUP_ID")]
Interface = Annotated[Optional[str], Meta(description="the device it is bound to, null when to none")]


class Socket(Struct, gc=False):
    """One socket, from a sock_diag dump."""

    protocol: Protocol
    family: Family
    state: Annotated[str, Meta(description="established, listen, time-wait, …; unconnected for UDP")]
    recv_q_bytes: Annotated[
        Optional[int], Meta(description="received and not yet read (idiag_rqueue); null for listeners")
    ]
    send_q_bytes: Annotated[
        Optional[int], Meta(description="sent and not yet acknowledged (idiag_wqueue); null for listeners")
    ]
    accept_queue: Annotated[
        Optional[int], Meta(description="listeners: connections waiting for accept (idiag_rqueue)")
    ]
    accept_queue_limit: Annotated[
        Optional[int], Meta(description="listeners: backlog, at most somaxconn (idiag_wqueue)")
    ]
    local_address: Address
    local_port: Annotated[int, Meta(description="port it is bound to (idiag_sport)")]
    remote_address: Annotated[Optional[str], Meta(description="null when it has no peer")]
    remote_port: Annotated[Optional[int], Meta(description="null when it has no peer")]
    interface: Interface
    retransmits: Annotated[
        int, Meta(description="unanswered retransmissions or probes in a row now (idiag_retrans)")
    ]
    inode: Inode
    uid: Uid
    user: User
    pid: Pid
    process: Process
    unit: Unit
    container: Container
    cgroup: Cgroup
    container_name: ContainerName = None
    rtt_ms: Annotated[
        Union[float, UnsetType, None],
        Meta(description="smoothed round-trip time (tcp_info); only when asked for by --fields or --sort"),
    ] = UNSET
    rtt_min_ms: Annotated[
        Union[float, UnsetType, None],
        Meta(description="smallest round-trip time in the kernel's window (tcp_info); only when asked for"),
    ] = UNSET
    retransmits_total: Annotated[
        Union[int, UnsetType, None],
        Meta(description="segments retransmitted since it opened (tcp_info); only when asked for"),
    ] = UNSET


TCP_INFO_FIELDS = ("rtt_ms", "rtt_min_ms", "retransmits_total")


class Sockets(Struct):
    """Sockets in the order tcp, udp; inet, inet6; local port, remote port, addresses."""

    sockets: Annotated[
        list[Socket],
        Meta(description="tcp, then udp; inet, then inet6; by local port, remote port, addresses"),
    ]
    total: Annotated[int, Meta(description="sockets that passed the filters, before --limit")]


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


def endpoint(address: str | None, port: int | None) -> str:
    """`192.0.2.1:80`, `[2001:db8::1]:80`, `*` for no peer."""
    if address is None:
        return "*"
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
