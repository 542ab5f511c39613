"""What `sretool sockets summary` answers."""

from __future__ import annotations

from typing import Annotated, Literal, Optional, Union

from msgspec import UNSET, Meta, Struct, UnsetType

from sretool.report.check import Verdict
from sretool.sockets.model import Container, ContainerName, Pid, Process, Unit, endpoint

LocalAddress = Annotated[str, Meta(description="this host's address; IPv4 as such on an inet6 socket too")]
RemoteAddress = Annotated[str, Meta(description="the peer's address; IPv4 as such on an inet6 socket too")]

LISTED = 100
"""Rows at most in `peers`, `destinations` and the like: the largest, of as many as the totals say."""


Name = Literal[
    "ephemeral-ports", "time-wait", "orphans", "tcp-memory", "udp-memory", "conntrack",
    "accept-queue", "syn-queue",
]  # fmt: skip
Scope = Literal["host", "namespace", "destination", "listener"]


class Limit(Struct, gc=False):
    """One thing that can run out."""

    name: Annotated[Name, Meta(description="what it is; of ports and queues the one that is fullest")]
    used: Annotated[Optional[int], Meta(description="in use now, null: could not be read")]
    limit: Annotated[
        Optional[int], Meta(description="the most there can be, null: could not be read, as of a namespace")
    ]
    used_ratio: Annotated[Optional[float], Meta(description="used of limit")]
    unit: Annotated[str, Meta(description="of used and limit: sockets, bytes, ports, connections")]
    scope: Annotated[
        Scope,
        Meta(description="whose limit: host counts the sockets of every network namespace"),
    ]
    where: Annotated[str, Meta(description="the destination or listener, empty for the others")]
    source: Annotated[str, Meta(description="the files and fields of used and limit")]


class States(Struct, gc=False):
    """Sockets of one protocol."""

    protocol: Annotated[
        str, Meta(description="tcp, udp, unix, raw, …; as in /proc/net/protocols where source says so")
    ]
    family: Annotated[
        Optional[str],
        Meta(description="inet or inet6; null where the protocol has none, or only it is counted"),
    ]
    sockets: Annotated[int, Meta(description="all of them")]
    states: Annotated[dict[str, int], Meta(description="by state, the most first; empty where not known")]
    source: Annotated[
        Literal["sock_diag", "/proc/net/protocols"],
        Meta(description="who counted: the sockets one by one, or the kernel's own count"),
    ]


By = Literal["process", "unit", "peer", "route"]
Count = Union[int, UnsetType, None]
Number = Union[float, UnsetType, None]


class Group(Struct, gc=False):
    """The sockets of one process name in one unit, of one unit, of one peer, or of one route; how its
    connections fare only where that was asked for, by --by or by name.
    """

    process: Annotated[Optional[str], Meta(description="name, /proc/PID/comm; null: not seen, or several")]
    unit: Unit
    container: Container
    container_name: ContainerName
    remote_address: Annotated[Optional[str], Meta(description="the peer; null: not by it")]
    route: Annotated[
        Optional[str],
        Meta(description="`via ROUTER dev DEVICE`, by both addresses; null: not by it, or not known"),
    ]
    pid: Annotated[Optional[int], Meta(description="its process, null where there are several or none seen")]
    processes: Annotated[int, Meta(description="how many processes hold these sockets, by lowest pid each")]
    sockets: Annotated[int, Meta(description="all of them, TCP and UDP")]
    established: Annotated[int, Meta(description="TCP connections that are open")]
    listen: Annotated[int, Meta(description="TCP listeners")]
    close_wait: Annotated[int, Meta(description="TCP connections the peer closed and the process did not")]
    opening: Annotated[int, Meta(description="TCP in syn-sent or syn-recv")]
    closing: Annotated[int, Meta(description="TCP in fin-wait-1, fin-wait-2, closing, last-ack, time-wait")]
    udp: Annotated[int, Meta(description="UDP sockets")]
    other: Annotated[int, Meta(description="those of none of these kinds")]
    connections: Annotated[
        Count, Meta(description="TCP sockets that tcp_info was read of; what follows is of them")
    ] = UNSET
    opened: Annotated[Count, Meta(description="of them, opened within the sample")] = UNSET
    segments_sent: Annotated[
        Count, Meta(description="with data, over the sample, those sent again too; tcpi_data_segs_out")
    ] = UNSET
    segments_retransmitted: Annotated[
        Count, Meta(description="sent again over the sample; tcpi_total_retrans")
    ] = UNSET
    retransmitted_ratio: Annotated[
        Number, Meta(description="segments_retransmitted of segments_sent; null: nothing was sent")
    ] = UNSET
    bytes_sent: Annotated[
        Count, Meta(description="over the sample, those sent again too; tcpi_bytes_sent")
    ] = UNSET
    bytes_retransmitted: Annotated[Count, Meta(description="over the sample; tcpi_bytes_retrans")] = UNSET
    retransmitting: Annotated[
        Count, Meta(description="connections whose last retransmission is not answered (idiag_retrans)")
    ] = UNSET
    lost: Annotated[Count, Meta(description="segments believed lost now; tcpi_lost")] = UNSET
    rtt_ms: Annotated[Number, Meta(description="median of the smoothed round-trip times; tcpi_rtt")] = UNSET
    rtt_max_ms: Annotated[Number, Meta(description="largest of them")] = UNSET
    rtt_min_ms: Annotated[
        Number, Meta(description="smallest in the kernel's window of minutes; tcpi_min_rtt")
    ] = UNSET
    rtt_over_min_ms: Annotated[
        Number, Meta(description="median of each round-trip time above its own minimum: queues on the way")
    ] = UNSET
    busy_ratio: Annotated[
        Number, Meta(description="share of the sample in which a connection had data to send; tcpi_busy_time")
    ] = UNSET
    rwnd_limited_ratio: Annotated[
        Number, Meta(description="share of that in which the peer's window held it up; tcpi_rwnd_limited")
    ] = UNSET
    sndbuf_limited_ratio: Annotated[
        Number, Meta(description="share of it in which the send buffer did; tcpi_sndbuf_limited")
    ] = UNSET
    sent_bytes_per_s: Annotated[Number, Meta(description="acknowledged by peers; tcpi_bytes_acked")] = UNSET
    received_bytes_per_s: Annotated[Number, Meta(description="taken from peers; tcpi_bytes_received")] = UNSET
    delivery_rate_bytes_per_s: Annotated[
        Count, Meta(description="largest recent rate of one connection; tcpi_delivery_rate")
    ] = UNSET


HEALTH = Group.__struct_fields__[Group.__struct_fields__.index("connections") :]
"""Those that two dumps with tcp_info are read for."""


DEFAULT = (
    *("process", "unit", "processes", "sockets", "established", "listen"),
    *("close_wait", "opening", "closing", "udp"),
)
"""Fields of a group that are shown unless others were asked for."""


class Peer(Struct, gc=False):
    """All that is connected with one remote address."""

    remote_address: RemoteAddress
    sockets: Annotated[int, Meta(description="TCP and UDP sockets with this peer, in any state")]
    established: Annotated[int, Meta(description="TCP connections that are open")]
    time_wait: Annotated[int, Meta(description="TCP in time-wait: this side closed first")]
    close_wait: Annotated[int, Meta(description="TCP connections it closed and this side did not")]
    incoming: Annotated[int, Meta(description="of the sockets, those to a port that something listens on")]


class Destination(Struct, gc=False):
    """What this host connects to: a port that is used cannot be chosen again for the same one."""

    local_address: LocalAddress
    remote_address: RemoteAddress
    remote_port: Annotated[int, Meta(description="the service's port")]
    ports_used: Annotated[int, Meta(description="ephemeral ports that a connection to it holds")]
    time_wait: Annotated[int, Meta(description="more in time-wait; of ports_used unless reusable")]
    reusable: Annotated[
        bool,
        Meta(description="connect() may take a port in time-wait after a second: net.ipv4.tcp_tw_reuse"),
    ]
    ports: Annotated[
        Optional[int], Meta(description="ports there are to choose from, null: the range is not known")
    ]
    used_ratio: Annotated[Optional[float], Meta(description="ports_used of ports")]
    process: Process
    pid: Pid
    unit: Unit

    @property
    def name(self) -> str:
        """`192.0.2.1 to 192.0.2.9:5432`."""
        return f"{self.local_address} to {endpoint(self.remote_address, self.remote_port)}"


class CloseWait(Struct, gc=False):
    """Connections the peer closed, and this process did not."""

    process: Process
    pid: Pid
    unit: Unit
    sockets: Annotated[int, Meta(description="how many it has")]
    never_accepted: Annotated[
        int, Meta(description="of them, those it never took from its accept queue, by the listener's port")
    ]
    oldest_s: Annotated[
        list[float],
        Meta(
            description="seconds since each heard of its peer, which is the closing at the latest (tcp_info "
            f"tcpi_last_ack_recv), the oldest {LISTED}, oldest first"
        ),
    ]
    remote: Annotated[str, Meta(description="the peer address most of them have")]


class SynQueue(Struct, gc=False):
    """Handshakes that a listener waits for the end of."""

    local_address: LocalAddress
    local_port: Annotated[int, Meta(description="port it listens on")]
    waiting: Annotated[int, Meta(description="connections in syn-recv")]
    limit: Annotated[
        Optional[int],
        Meta(description="backlog of the listener, or of all that share the port; null: it is gone"),
    ]
    process: Process
    pid: Pid
    unit: Unit

    @property
    def name(self) -> str:
        """Address and port as a person writes them."""
        return endpoint(self.local_address, self.local_port)


class UdpDrops(Struct, gc=False):
    """A UDP socket that lost datagrams."""

    local_address: LocalAddress
    local_port: Annotated[int, Meta(description="port it is bound to")]
    remote_address: Annotated[Optional[str], Meta(description="null when it is not connected")]
    remote_port: Annotated[Optional[int], Meta(description="null when it is not connected")]
    drops: Annotated[int, Meta(description="datagrams since it opened (INET_DIAG_SKMEMINFO drops)")]
    drops_in_sample: Annotated[Optional[int], Meta(description="over the sample; null with one reading")]
    recv_q_bytes: Annotated[int, Meta(description="buffer held by datagrams not yet read (idiag_rqueue)")]
    recv_q_before_bytes: Annotated[
        Optional[int], Meta(description="the same at the first reading; null with one reading")
    ]
    recv_q_limit_bytes: Annotated[
        Optional[int], Meta(description="its receive buffer (INET_DIAG_SKMEMINFO rcvbuf)")
    ]
    process: Process
    pid: Pid
    unit: Unit

    @property
    def name(self) -> str:
        """Address and port as a person writes them."""
        return endpoint(self.local_address, self.local_port)


class Unattributed(Struct, gc=False):
    """Sockets without a process, by why."""

    hidden: Annotated[
        int, Meta(description="a process holds them that could not be seen, or nobody but the kernel")
    ]
    unaccepted: Annotated[int, Meta(description="connections still in an accept queue: no process has them")]
    kernel: Annotated[
        int, Meta(description="the kernel's alone: time-wait, handshakes, connections that were closed")
    ]


class Settings(Struct, gc=False):
    """What the limits follow from; null: could not be read, as of a network namespace."""

    port_low: Annotated[Optional[int], Meta(description="net.ipv4.ip_local_port_range, first port")]
    port_high: Annotated[Optional[int], Meta(description="net.ipv4.ip_local_port_range, last port")]
    ports_reserved: Annotated[
        Optional[int], Meta(description="ports of that range in net.ipv4.ip_local_reserved_ports")
    ]
    tw_reuse: Annotated[
        Optional[int], Meta(description="net.ipv4.tcp_tw_reuse: 0 never, 1 always, 2 on loopback only")
    ]
    syncookies: Annotated[
        Optional[int], Meta(description="net.ipv4.tcp_syncookies: 0 never, 1 when full, 2 always")
    ]
    syn_backlog: Annotated[
        Optional[int], Meta(description="net.ipv4.tcp_max_syn_backlog: binds where syncookies is 0")
    ]
    fin_timeout_s: Annotated[
        Optional[int],
        Meta(description="net.ipv4.tcp_fin_timeout: how long a peer that closed remembers, by default"),
    ]
    memory_low_bytes: Annotated[Optional[int], Meta(description="net.ipv4.tcp_mem, first: no pressure below")]
    memory_pressure_bytes: Annotated[
        Optional[int], Meta(description="net.ipv4.tcp_mem, second: buffers no longer grow")
    ]
    memory_high_bytes: Annotated[
        Optional[int], Meta(description="net.ipv4.tcp_mem, third: sockets get no more")
    ]
    memory_pressure: Annotated[
        Optional[bool], Meta(description="TCP is under memory pressure now: /proc/net/protocols press")
    ]


class Counter(Struct, gc=False):
    """One of the kernel's counters, of this network namespace."""

    total: Annotated[Optional[int], Meta(description="since boot, null: this kernel has none")]
    in_sample: Annotated[Optional[int], Meta(description="over the sample; null with one reading")]


class Summary(Struct):
    """All sockets of this network namespace, counted."""

    groups: Annotated[
        list[Group],
        Meta(description="the most sockets first; with their health those that retransmitted first"),
    ]
    total: Annotated[int, Meta(description="groups before --limit")]
    by: Annotated[By, Meta(description="what they have in common")]
    fares: Annotated[bool, Meta(description="they say how their connections fare, as --by asks")]
    window_s: Annotated[Optional[float], Meta(description="seconds between the two readings")]
    sockets: Annotated[int, Meta(description="TCP and UDP sockets that were looked at")]
    limits: Annotated[list[Limit], Meta(description="what can run out, the nearest to its limit first")]
    states: Annotated[list[States], Meta(description="by protocol, those looked at one by one first")]
    unread: Annotated[
        list[str], Meta(description="tables that could not be read, as `tcp inet6`: counted nowhere here")
    ]
    peers: Annotated[list[Peer], Meta(description=f"by remote address, the {LISTED} with most sockets")]
    peers_total: Annotated[int, Meta(description="remote addresses there are")]
    destinations: Annotated[
        list[Destination],
        Meta(description=f"what this host connects to, the {LISTED} with most ports used"),
    ]
    destinations_total: Annotated[int, Meta(description="destinations there are")]
    close_wait: Annotated[list[CloseWait], Meta(description="by process, the most first")]
    syn_queues: Annotated[
        list[SynQueue], Meta(description=f"listeners with handshakes waiting, the {LISTED} fullest first")
    ]
    udp_drops: Annotated[
        list[UdpDrops],
        Meta(
            description=f"UDP sockets that lost datagrams, in the sample first, then ever, {LISTED} of them"
        ),
    ]
    unattributed: Annotated[
        Optional[Unattributed], Meta(description="sockets without a process; null: processes not looked at")
    ]
    settings: Annotated[Settings, Meta(description="what the limits follow from")]
    counters: Annotated[
        dict[str, Counter], Meta(description="by group and name as /proc/net/netstat and snmp have them")
    ]
    checks: Annotated[list[Verdict], Meta(description="what was judged, and what could not be")] = []
