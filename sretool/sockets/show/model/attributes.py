"""What the attributes of a sock_diag message say (INET_DIAG_*, include/uapi/linux/inet_diag.h)."""

from __future__ import annotations

from typing import Annotated, Optional

from msgspec import Meta, Struct

_Bytes = Optional[int]


class Memory(Struct):
    """Kernel memory it holds (INET_DIAG_SKMEMINFO), against its limits. Sizes with the kernel's
    overhead, so that a buffer of small packets is full before it holds as much data.
    """

    receive_bytes: Annotated[_Bytes, Meta(description="received, not read (rmem_alloc; r of ss -m)")]
    receive_limit_bytes: Annotated[_Bytes, Meta(description="receive buffer (rcvbuf; rb)")]
    receive_limit_max_bytes: Annotated[
        _Bytes,
        Meta(
            description="as far as it may grow: net.ipv4.tcp_rmem; of UDP what it may ask for: "
            "net.core.rmem_max; null: not read"
        ),
    ]
    send_bytes: Annotated[
        _Bytes, Meta(description="written, not acknowledged, with copies (wmem_queued; w of ss -m)")
    ]
    send_limit_bytes: Annotated[_Bytes, Meta(description="send buffer (sndbuf; tb)")]
    send_limit_max_bytes: Annotated[
        _Bytes, Meta(description="as far as it may grow: net.ipv4.tcp_wmem; of UDP net.core.wmem_max")
    ]
    transmitting_bytes: Annotated[
        _Bytes, Meta(description="in a queueing discipline or a device of ours (wmem_alloc; t)")
    ]
    reserved_bytes: Annotated[_Bytes, Meta(description="reserved and free (fwd_alloc; f)")]
    options_bytes: Annotated[_Bytes, Meta(description="options and filters (optmem; o)")]
    backlog_bytes: Annotated[_Bytes, Meta(description="came while the socket was in use (backlog; bl)")]
    drops: Annotated[Optional[int], Meta(description="dropped since it opened (drops; d)")]


class Vegas(Struct):
    """TCP Vegas (INET_DIAG_VEGASINFO)."""

    enabled: Annotated[bool, Meta(description="it governs now")]
    rtt_count: Annotated[int, Meta(description="samples in this round trip")]
    rtt_ms: Annotated[float, Meta(description="its newest round-trip time")]
    rtt_min_ms: Annotated[float, Meta(description="its smallest")]


class Dctcp(Struct):
    """Data center TCP (INET_DIAG_DCTCPINFO)."""

    enabled: Annotated[bool, Meta(description="false: the peer has no ECN, it works as reno does")]
    ce_state: Annotated[int, Meta(description="1: the last packet was marked")]
    alpha_ratio: Annotated[float, Meta(description="share of marked bytes, smoothed")]
    ecn_bytes: Annotated[int, Meta(description="marked in this round trip")]
    total_bytes: Annotated[int, Meta(description="acknowledged in this round trip")]


class Bbr(Struct):
    """BBR (INET_DIAG_BBRINFO)."""

    bandwidth_bytes_per_s: Annotated[int, Meta(description="its estimate of the bottleneck")]
    rtt_min_ms: Annotated[float, Meta(description="its smallest round-trip time")]
    pacing_gain: Annotated[float, Meta(description="pacing rate / bandwidth")]
    cwnd_gain: Annotated[float, Meta(description="congestion window / bandwidth-delay product")]


class Congestion(Struct):
    """What governs how fast it sends."""

    algorithm: Annotated[Optional[str], Meta(description="cubic, reno, bbr, … (INET_DIAG_CONG)")]
    vegas: Annotated[Vegas | None, Meta(description="null: not vegas")]
    dctcp: Annotated[Dctcp | None, Meta(description="null: not dctcp")]
    bbr: Annotated[Bbr | None, Meta(description="null: not bbr")]


class Tls(Struct):
    """TLS in the kernel (INET_ULP_INFO_TLS)."""

    version: Annotated[Optional[str], Meta(description="1.2 or 1.3")]
    cipher: Annotated[Optional[str], Meta(description="aes-gcm-128, …")]
    send: Annotated[Optional[str], Meta(description="none, sw, hw or hw-record")]
    receive: Annotated[Optional[str], Meta(description="none, sw, hw or hw-record")]
    zerocopy_sendfile: Annotated[bool, Meta(description="TLS_TX_ZEROCOPY_RO")]
    no_pad_receive: Annotated[bool, Meta(description="TLS_RX_EXPECT_NO_PAD")]


class Mptcp(Struct):
    """It is one path of a multipath connection (INET_ULP_INFO_MPTCP)."""

    token: Annotated[Optional[str], Meta(description="ours of the connection, hexadecimal")]
    remote_token: Annotated[Optional[str], Meta(description="the peer's")]
    address_id: Annotated[Optional[int], Meta(description="ours of this path")]
    remote_address_id: Annotated[Optional[int], Meta(description="the peer's")]
    flags: Annotated[list[str], Meta(description="MPTCP_SUBFLOW_FLAG_*, in lower case")]
    map_sequence: Annotated[Optional[int], Meta(description="of the connection, at the newest mapping")]
    map_subflow_sequence: Annotated[Optional[int], Meta(description="of this path, at the same place")]
    map_bytes: Annotated[Optional[int], Meta(description="length of that mapping")]
    offset: Annotated[Optional[int], Meta(description="where the sequence of this path begins")]


class Options(Struct):
    """How it is set up."""

    tos: Annotated[Optional[int], Meta(description="IPv4 type of service (INET_DIAG_TOS)")]
    tclass: Annotated[Optional[int], Meta(description="IPv6 traffic class (INET_DIAG_TCLASS)")]
    class_id: Annotated[
        Optional[int], Meta(description="its priority, or its net_cls class (INET_DIAG_CLASS_ID)")
    ]
    mark: Annotated[
        Optional[int], Meta(description="firewall mark, for root only (INET_DIAG_MARK); null: not told")
    ]
    v6only: Annotated[Optional[bool], Meta(description="takes no IPv4 (INET_DIAG_SKV6ONLY); null: inet")]
    shut_read: Annotated[Optional[bool], Meta(description="reads nothing more (INET_DIAG_SHUTDOWN)")]
    shut_write: Annotated[Optional[bool], Meta(description="writes nothing more (INET_DIAG_SHUTDOWN)")]
    flags: Annotated[
        list[str] | None, Meta(description="recverr, freebind, … (INET_DIAG_SOCKOPT); null: before 5.10")
    ]
    upper_layer: Annotated[Optional[str], Meta(description="tls, mptcp, … (INET_ULP_INFO_NAME); null: none")]
    tls: Annotated[Tls | None, Meta(description="null: no TLS in the kernel")]
    mptcp: Annotated[Mptcp | None, Meta(description="null: no path of a multipath connection")]
    md5_keys: Annotated[
        Optional[int], Meta(description="TCP-MD5 keys it has, for root only (INET_DIAG_MD5SIG); null: none")
    ]
    unknown: Annotated[
        list[str], Meta(description="attributes this version does not know or cannot read: unknown-24")
    ]
