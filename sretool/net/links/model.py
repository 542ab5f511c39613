"""What `net links` answers. Keys are those of `ip -j -s -d link` where they mean the same."""

from __future__ import annotations

from typing import Annotated, Optional, Union

from msgspec import UNSET, Meta, Struct, UnsetType

from sretool.report.check import Verdict

Value = Union[int, float, bool, str, None]


class Stats(Struct):
    """What an interface counted since it was made (IFLA_STATS64). What each means is said in
    include/uapi/linux/if_link.h; drivers differ in what they count where.
    """

    rx_packets: Annotated[int, Meta(description="packets received, those dropped later among them")] = 0
    tx_packets: Annotated[int, Meta(description="packets handed over to the device")] = 0
    rx_bytes: Annotated[int, Meta(description="bytes received")] = 0
    tx_bytes: Annotated[int, Meta(description="bytes handed over to the device")] = 0
    rx_errors: Annotated[
        int, Meta(description="bad packets received: length, CRC and frame errors and others")
    ] = 0
    tx_errors: Annotated[
        int, Meta(description="packets that could not be sent: carrier, FIFO, window and others")
    ] = 0
    rx_dropped: Annotated[
        int,
        Meta(
            description="received and then dropped by the host: no memory or queue space, a protocol or "
            "VLAN nobody here speaks"
        ),
    ] = 0
    tx_dropped: Annotated[
        int, Meta(description="dropped on the way out: the queue was full, or nothing could take them")
    ] = 0
    multicast: Annotated[int, Meta(description="multicast packets received")] = 0
    collisions: Annotated[int, Meta(description="collisions while sending; only half duplex has them")] = 0
    rx_length_errors: Annotated[
        int, Meta(description="received with an invalid length: often a larger MTU at the other end")
    ] = 0
    rx_over_errors: Annotated[
        int, Meta(description="did not fit into the buffers the host gave, for size or number")
    ] = 0
    rx_crc_errors: Annotated[
        int, Meta(description="received damaged (CRC): cable, optics, connector or a failing port")
    ] = 0
    rx_frame_errors: Annotated[
        int, Meta(description="received misaligned or malformed: cable, duplex mismatch, a broken sender")
    ] = 0
    rx_fifo_errors: Annotated[
        int, Meta(description="the receive FIFO ran over: the host did not empty it in time")
    ] = 0
    rx_missed_errors: Annotated[
        int, Meta(description="dropped by the device because the host gave no receive buffers in time")
    ] = 0
    tx_aborted_errors: Annotated[int, Meta(description="sending was given up after too many tries")] = 0
    tx_carrier_errors: Annotated[
        int, Meta(description="not sent for want of carrier: cable, port, or no route for a tunnel")
    ] = 0
    tx_fifo_errors: Annotated[
        int, Meta(description="the transmit FIFO ran empty or over: the device could not keep up")
    ] = 0
    tx_heartbeat_errors: Annotated[int, Meta(description="heartbeat (SQE) test errors of old Ethernet")] = 0
    tx_window_errors: Annotated[int, Meta(description="late collisions: duplex mismatch or cable length")] = 0
    rx_compressed: Annotated[int, Meta(description="compressed packets received (SLIP, PPP)")] = 0
    tx_compressed: Annotated[int, Meta(description="compressed packets sent (SLIP, PPP)")] = 0
    rx_nohandler: Annotated[
        int, Meta(description="received on a port that is not in use, as a backup of a bond; by design")
    ] = 0
    rx_otherhost_dropped: Annotated[
        int, Meta(description="for another host's hardware address: promiscuous mode, or a flooding switch")
    ] = 0


class Netns(Struct, frozen=True):
    """Another network namespace, and who is in it."""

    nsid: Annotated[int, Meta(description="its number in this namespace (IFLA_LINK_NETNSID)")]
    inode: Annotated[
        Optional[int], Meta(description="what /proc/PID/ns/net links to; null where no one may see it")
    ] = None
    path: Annotated[Optional[str], Meta(description="its name, where `ip netns` or docker gave it one")] = (
        None
    )
    pid: Annotated[Optional[int], Meta(description="its process with the lowest pid; null when empty")] = None
    process: Annotated[Optional[str], Meta(description="that process's comm")] = None
    unit: Annotated[Optional[str], Meta(description="that process's systemd unit, from its cgroup")] = None
    container: Annotated[Optional[str], Meta(description="that process's container")] = None
    container_name: Annotated[
        Optional[str], Meta(description="what the container is called, in Kubernetes NAMESPACE/POD/NAME")
    ] = None


class Allowance(Struct, frozen=True):
    """One counter of the AWS ENA driver about what the instance type may use."""

    name: Annotated[str, Meta(description="as ethtool -S names it")]
    total: Annotated[int, Meta(description="since the driver was loaded; what is available is as of now")]
    grew: Annotated[Optional[int], Meta(description="over the sample; null with one reading")]
    meaning: Annotated[str, Meta(description="what it counts, in words")]


class LinkRow(Struct):
    """One interface, from an RTM_GETLINK dump, sysfs and its driver."""

    ifindex: Annotated[int, Meta(description="the kernel's number of the interface (ifi_index)")]
    ifname: Annotated[str, Meta(description="its name (IFLA_IFNAME)")]
    altnames: Annotated[list[str], Meta(description="its other names (IFLA_ALT_IFNAME)")]
    alias: Annotated[Optional[str], Meta(description="ifalias, where set")]
    kind: Annotated[Optional[str], Meta(description="bridge, veth, vlan, bond, …; null for a device")]
    operstate: Annotated[str, Meta(description="up, down, lowerlayerdown, dormant, unknown, …")]
    flags: Annotated[list[str], Meta(description="IFF_* in lower case: up, lower_up, loopback, …")]
    carrier: Annotated[
        Optional[bool], Meta(description="there is a carrier (IFLA_CARRIER); null while it is set down")
    ]
    speed_mbit_per_s: Annotated[
        Optional[int], Meta(description="link speed, /sys/class/net/IFACE/speed; null where it has none")
    ]
    duplex: Annotated[Optional[str], Meta(description="full or half; null where it has none")]
    mtu: Annotated[Optional[int], Meta(description="largest packet, bytes")]
    address: Annotated[Optional[str], Meta(description="hardware address")]
    link: Annotated[
        Optional[str],
        Meta(
            description="the interface below it, or the other end of a veth; `if7` where it has no name here"
        ),
    ]
    link_netns: Annotated[
        Optional[Netns], Meta(description="the network namespace `link` is in; null when in this one")
    ]
    master: Annotated[Optional[str], Meta(description="the bridge, bond or VRF it belongs to")]
    details: Annotated[
        dict[str, Value],
        Meta(description="of its kind: bond mode and active_slave, bridge stp_state, vlan id, tun owner, …"),
    ]
    port: Annotated[
        dict[str, Value],
        Meta(description="as a port of its master: bond state and mii_status, bridge state, …"),
    ]
    ports: Annotated[
        dict[str, str],
        Meta(
            description="of a master: its ports, each with its state: ACTIVE/UP in a bond, forwarding in a "
            "bridge, and down where it cannot carry packets"
        ),
    ]
    xdp: Annotated[
        Optional[str],
        Meta(description="XDP program attached: native, generic, offload, several, with its id"),
    ]
    qdisc: Annotated[Optional[str], Meta(description="queueing discipline")]
    txqlen: Annotated[Optional[int], Meta(description="transmit queue, packets")]
    num_tx_queues: Annotated[Optional[int], Meta(description="transmit queues")]
    num_rx_queues: Annotated[Optional[int], Meta(description="receive queues")]
    driver: Annotated[
        Optional[str],
        Meta(description="its driver (ETHTOOL_GDRVINFO); null where it has none or it was not asked"),
    ]
    firmware: Annotated[Optional[str], Meta(description="its firmware's version")]
    bus: Annotated[Optional[str], Meta(description="where it is: 0000:00:05.0, a virtio or USB address")]
    carrier_up_count: Annotated[Optional[int], Meta(description="times the carrier came")]
    carrier_down_count: Annotated[Optional[int], Meta(description="times the carrier went")]
    carrier_losses: Annotated[
        Optional[int], Meta(description="times it went over the sample; null with one reading")
    ]
    rx_bytes_per_s: Annotated[Optional[float], Meta(description="received over the sample")]
    tx_bytes_per_s: Annotated[Optional[float], Meta(description="sent over the sample")]
    rx_packets_per_s: Annotated[Optional[float], Meta(description="packets received over the sample")]
    tx_packets_per_s: Annotated[Optional[float], Meta(description="packets sent over the sample")]
    errors_per_s: Annotated[Optional[float], Meta(description="rx_errors and tx_errors over the sample")]
    drops_per_s: Annotated[
        Optional[float], Meta(description="rx_dropped, rx_missed_errors and tx_dropped over the sample")
    ]
    stats: Annotated[
        Optional[Stats], Meta(description="counters since it was made; null where the kernel gives none")
    ]
    grew: Annotated[
        Optional[dict[str, int]],
        Meta(description="the counters of `stats` that grew over the sample; null with one reading"),
    ]
    allowances: Annotated[
        Optional[list[Allowance]],
        Meta(description="of an AWS ENA device: what went beyond the instance's allowance; else null"),
    ] = None
    driver_stats: Annotated[
        Union[dict[str, int], UnsetType, None],
        Meta(description="the driver's own counters (ethtool -S); only with --dev or --fields driver_stats"),
    ] = UNSET
    driver_stats_grew: Annotated[
        Union[dict[str, int], UnsetType, None],
        Meta(description="those of them that grew over the sample; only with driver_stats"),
    ] = UNSET

    @property
    def up(self) -> bool:
        """Set up, and nothing says that it cannot carry packets (IF_OPER_UNKNOWN is what lo has)."""
        return "up" in self.flags and self.operstate in ("up", "unknown")


class LinkRows(Struct):
    """Interfaces by index."""

    links: Annotated[list[LinkRow], Meta(description="one row an interface, by index")]
    total: Annotated[int, Meta(description="interfaces that passed the filters, before --limit")]
    window_s: Annotated[Optional[float], Meta(description="seconds between the two readings")]
    checks: Annotated[list[Verdict], Meta(description="what was judged, and what could not be")] = []
