"""What the socket commands answer."""

from __future__ import annotations

from typing import Annotated, Optional, Union

from msgspec import UNSET, Meta, Struct, UnsetType

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

    protocol: Annotated[
        str,
        Meta(
            description="tcp, udp, udplite, raw, mptcp, netlink; unix-, packet- or vsock- and the type: "
            "stream, dgram, seqpacket, raw"
        ),
    ]
    family: Annotated[
        str, Meta(description="inet, inet6 (a dual-stack socket too), unix, packet, netlink or vsock")
    ]
    state: Annotated[
        str,
        Meta(description="established, listen, time-wait, …; unconnected where a protocol has no such"),
    ]
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
    local_address: Annotated[
        Optional[str],
        Meta(
            description="as text, IPv4 on an inet6 socket as ::ffff:192.0.2.1; unix: path or @name, null "
            "without; packet: ethertype; netlink: its protocol; vsock: cid, * for any"
        ),
    ]
    local_port: Annotated[
        Optional[int],
        Meta(
            description="port it is bound to (idiag_sport); raw: IP protocol; netlink: port id, 0 is the "
            "kernel; null for unix and packet"
        ),
    ]
    remote_address: Annotated[
        Optional[str],
        Meta(
            description="null when it has no peer; unix: what the peer is bound to; netlink: group or unicast"
        ),
    ]
    remote_port: Annotated[Optional[int], Meta(description="null when it has no peer, and for unix")]
    interface: Interface
    retransmits: Annotated[
        Optional[int],
        Meta(
            description="unanswered retransmissions or probes in a row now (idiag_retrans); null outside inet"
        ),
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
        Meta(
            description="smoothed round-trip time (tcp_info); only when asked for by --fields, --sort, FILTER"
        ),
    ] = UNSET
    rtt_min_ms: Annotated[
        Union[float, UnsetType, None],
        Meta(description="smallest round-trip time in the kernel's window (tcp_info); only when asked for"),
    ] = UNSET
    retransmits_total: Annotated[
        Union[int, UnsetType, None],
        Meta(description="segments retransmitted since it opened (tcp_info); only when asked for"),
    ] = UNSET
    mark: Annotated[
        Union[int, UnsetType, None],
        Meta(
            description="SO_MARK (INET_DIAG_MARK); null without CAP_NET_ADMIN; only when asked for by "
            "--fields, --sort or fwmark"
        ),
    ] = UNSET
    cgroup_id: Annotated[
        Union[int, UnsetType, None],
        Meta(
            description="the cgroup v2 directory it was made in (INET_DIAG_CGROUP_ID); null in time-wait; "
            "only when asked for by --fields, --sort or cgroup"
        ),
    ] = UNSET
    peer_inode: Annotated[
        Union[int, UnsetType, None], Meta(description="unix: the socket at the other end, null without one")
    ] = UNSET
    peer_pid: Annotated[
        Union[int, UnsetType, None], Meta(description="unix: the process that holds the other end")
    ] = UNSET
    peer_process: Annotated[Union[str, UnsetType, None], Meta(description="unix: its name")] = UNSET
    netns: Annotated[
        Union[str, UnsetType, None],
        Meta(
            description="network namespace: host, its `ip netns` name, its container, else a process in it; "
            "only with --all-netns"
        ),
    ] = UNSET
    netns_inode: Annotated[
        Union[int, UnsetType, None],
        Meta(description="its inode, as in /proc/PID/ns/net; only with --all-netns"),
    ] = UNSET


TCP_INFO_FIELDS = ("rtt_ms", "rtt_min_ms", "retransmits_total")
DEFAULT_FIELDS = (
    "protocol",
    "state",
    "recv_q_bytes",
    "send_q_bytes",
    "local_address",
    "local_port",
    "remote_address",
    "remote_port",
    "process",
    "pid",
    "unit",
)
"""Shown to people; with --all-netns after the namespace."""
ATTRIBUTE_FIELDS = ("mark", "cgroup_id")
"""Not in the fixed part of a message, and nobody's first question."""


class Sockets(Struct):
    """Sockets in the order tcp, udp, udplite, raw, mptcp, unix, packet, netlink, vsock."""

    sockets: Annotated[
        list[Socket],
        Meta(
            description="tcp, udp, udplite, raw, mptcp: inet, then inet6, by local port, remote port, "
            "addresses; unix, packet, netlink, vsock: by local address, port, inode"
        ),
    ]
    total: Annotated[int, Meta(description="sockets that passed the filters, before --limit")]


def endpoint(address: str | None, port: int | None) -> str:
    """`192.0.2.1:80`, `[2001:db8::1]:80`, `/run/x` without a port, `*` for no peer."""
    if address is None:
        return "*"
    if port is None:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
