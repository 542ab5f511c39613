"""What struct tcp_info says of a connection, in groups. Names of the kernel's fields without their
`tcpi_`; null where this kernel has no such field, or has no value yet.
"""

from __future__ import annotations

from typing import Annotated, Optional

from msgspec import Meta, Struct

_Bytes = Optional[int]
_Count = Optional[int]
_Ms = Optional[float]
_Ratio = Optional[float]
_Rate = Optional[float]


class RoundTrip(Struct):
    """How long an answer takes."""

    rtt_ms: Annotated[_Ms, Meta(description="smoothed round-trip time (rtt)")]
    rtt_var_ms: Annotated[_Ms, Meta(description="how much it varies (rttvar)")]
    rtt_min_ms: Annotated[_Ms, Meta(description="smallest within net.ipv4.tcp_min_rtt_wlen, 300 s (min_rtt)")]
    rcv_rtt_ms: Annotated[_Ms, Meta(description="as the receiving side estimates it (rcv_rtt)")]
    rto_ms: Annotated[_Ms, Meta(description="retransmission timeout, as long as it has grown (rto)")]
    ato_ms: Annotated[_Ms, Meta(description="timeout of delayed acknowledgements (ato)")]


class Sending(Struct):
    """What it sends, and what holds that up."""

    sent_bytes: Annotated[_Bytes, Meta(description="sent since it opened, again and again (bytes_sent)")]
    acked_bytes: Annotated[_Bytes, Meta(description="acknowledged since it opened (bytes_acked)")]
    retransmitted_bytes: Annotated[_Bytes, Meta(description="sent again since it opened (bytes_retrans)")]
    retransmitted_ratio: Annotated[
        _Ratio,
        Meta(
            description="bytes_retrans / bytes_sent; on a kernel without these (before 4.18) "
            "total_retrans / data_segs_out"
        ),
    ]
    not_sent_bytes: Annotated[_Bytes, Meta(description="written and not yet sent (notsent_bytes)")]
    segments: Annotated[_Count, Meta(description="segments sent since it opened (segs_out)")]
    data_segments: Annotated[_Count, Meta(description="those with data (data_segs_out)")]
    window_bytes: Annotated[_Bytes, Meta(description="what the peer takes now (snd_wnd)")]
    cwnd_segments: Annotated[_Count, Meta(description="congestion window (snd_cwnd)")]
    ssthresh_segments: Annotated[
        _Count, Meta(description="slow start ends here (snd_ssthresh); null while nothing was lost")
    ]
    cwnd_rate_bytes_per_s: Annotated[
        _Rate, Meta(description="what the congestion window allows: snd_cwnd * snd_mss / rtt, `send` of ss")
    ]
    pacing_rate_bytes_per_s: Annotated[
        _Rate, Meta(description="at most this is sent (pacing_rate); null when not paced")
    ]
    pacing_rate_max_bytes_per_s: Annotated[
        _Rate, Meta(description="its limit, SO_MAX_PACING_RATE; null when there is none")
    ]
    delivery_rate_bytes_per_s: Annotated[
        _Rate, Meta(description="newest measured rate of delivery (delivery_rate)")
    ]
    app_limited: Annotated[
        Optional[bool],
        Meta(description="delivery_rate was measured while the application had too little to send"),
    ]
    busy_ms: Annotated[_Ms, Meta(description="time with data to send or to be acknowledged (busy_time)")]
    rwnd_limited_ms: Annotated[_Ms, Meta(description="of it held up by the peer's window (rwnd_limited)")]
    rwnd_limited_ratio: Annotated[_Ratio, Meta(description="rwnd_limited / busy_time")]
    sndbuf_limited_ms: Annotated[_Ms, Meta(description="of it held up by the send buffer (sndbuf_limited)")]
    sndbuf_limited_ratio: Annotated[_Ratio, Meta(description="sndbuf_limited / busy_time")]
    last_sent_ms: Annotated[_Ms, Meta(description="since data was sent last (last_data_sent)")]


class Loss(Struct):
    """What was lost, or taken for lost."""

    state: Annotated[
        Optional[str], Meta(description="open, disorder, cwr, recovery or loss (ca_state, TCP_CA_*)")
    ]
    unacked_segments: Annotated[_Count, Meta(description="sent and not acknowledged (unacked)")]
    retransmitting_segments: Annotated[_Count, Meta(description="sent again and under way (retrans)")]
    lost_segments: Annotated[_Count, Meta(description="under way, taken for lost (lost)")]
    sacked_segments: Annotated[_Count, Meta(description="under way, the peer has them (sacked)")]
    fackets_segments: Annotated[_Count, Meta(description="up to the last one it has (fackets)")]
    retransmits_total: Annotated[
        _Count, Meta(description="segments sent again since it opened (total_retrans)")
    ]
    retransmits_in_row: Annotated[_Count, Meta(description="timeouts in a row now (retransmits)")]
    probes_in_row: Annotated[
        _Count, Meta(description="probes of a zero window, or keepalives, not answered (probes)")
    ]
    backoff: Annotated[_Count, Meta(description="how often the timeout was doubled (backoff)")]
    duplicates: Annotated[
        _Count, Meta(description="what the peer had twice: sent again without need (dsack_dups)")
    ]
    reordering_segments: Annotated[_Count, Meta(description="how far the path reorders (reordering)")]
    reordering_seen: Annotated[_Count, Meta(description="times it did (reord_seen)")]
    timeouts: Annotated[
        _Count, Meta(description="retransmission timeouts since it opened, of SYNs too (total_rto)")
    ]
    timeout_recoveries: Annotated[
        _Count, Meta(description="times it recovered from timeouts (total_rto_recoveries)")
    ]
    timeout_recovery_ms: Annotated[_Ms, Meta(description="time that took (total_rto_time)")]
    rehashes: Annotated[_Count, Meta(description="times another path was tried (rehash)")]


class Delivery(Struct):
    """Segments the peer has, and congestion that routers marked (ECN)."""

    delivered_segments: Annotated[_Count, Meta(description="the peer has, again and again (delivered)")]
    delivered_ce_segments: Annotated[_Count, Meta(description="of them marked (delivered_ce)")]
    received_ce_segments: Annotated[_Count, Meta(description="received marked (received_ce)")]
    delivered_e0_bytes: Annotated[_Bytes, Meta(description="the peer has with ECT(0), AccECN")]
    delivered_e1_bytes: Annotated[_Bytes, Meta(description="the peer has with ECT(1), AccECN")]
    delivered_ce_bytes: Annotated[_Bytes, Meta(description="the peer has marked, AccECN")]
    received_e0_bytes: Annotated[_Bytes, Meta(description="received with ECT(0), AccECN")]
    received_e1_bytes: Annotated[_Bytes, Meta(description="received with ECT(1), AccECN")]
    received_ce_bytes: Annotated[_Bytes, Meta(description="received marked, AccECN")]


class Receiving(Struct):
    """What comes in."""

    received_bytes: Annotated[_Bytes, Meta(description="since it opened (bytes_received)")]
    segments: Annotated[_Count, Meta(description="segments since it opened (segs_in)")]
    data_segments: Annotated[_Count, Meta(description="those with data (data_segs_in)")]
    out_of_order_segments: Annotated[_Count, Meta(description="that came out of order (rcv_ooopack)")]
    window_bytes: Annotated[_Bytes, Meta(description="what we take now (rcv_wnd)")]
    window_limit_bytes: Annotated[_Bytes, Meta(description="as far as it may grow now (rcv_ssthresh)")]
    space_bytes: Annotated[_Bytes, Meta(description="what the application reads in a round trip (rcv_space)")]
    last_received_ms: Annotated[_Ms, Meta(description="since data came last (last_data_recv)")]
    last_ack_ms: Annotated[_Ms, Meta(description="since an acknowledgement came last (last_ack_recv)")]


class Sizes(Struct):
    """How large its packets are."""

    mss_bytes: Annotated[_Bytes, Meta(description="data in a segment sent (snd_mss)")]
    rcv_mss_bytes: Annotated[_Bytes, Meta(description="data in a segment received, estimated (rcv_mss)")]
    advertised_mss_bytes: Annotated[_Bytes, Meta(description="what we told the peer to send (advmss)")]
    pmtu_bytes: Annotated[_Bytes, Meta(description="largest packet the path takes, as known here (pmtu)")]


class Negotiated(Struct):
    """What both ends agreed on when it opened (options)."""

    timestamps: Annotated[Optional[bool], Meta(description="RFC 7323 timestamps")]
    timestamps_in_us: Annotated[Optional[bool], Meta(description="of a microsecond")]
    sack: Annotated[Optional[bool], Meta(description="selective acknowledgements")]
    ecn: Annotated[Optional[bool], Meta(description="explicit congestion notification")]
    ecn_seen: Annotated[Optional[bool], Meta(description="a packet with ECT came")]
    syn_data: Annotated[Optional[bool], Meta(description="data went with the SYN (fast open)")]
    fast_open_child: Annotated[Optional[bool], Meta(description="it came by fast open")]
    snd_wscale: Annotated[_Count, Meta(description="the peer's window is shifted by this; null: not agreed")]
    rcv_wscale: Annotated[_Count, Meta(description="our window is shifted by this; null: not agreed")]


class Tcp(Struct):
    """A connection, by tcp_info."""

    round_trip: Annotated[RoundTrip, Meta(description="how long an answer takes")]
    sending: Annotated[Sending, Meta(description="what it sends, and what holds that up")]
    loss: Annotated[Loss, Meta(description="what was lost, or taken for lost")]
    delivery: Annotated[Delivery, Meta(description="what the peer has, and marks of congestion")]
    receiving: Annotated[Receiving, Meta(description="what comes in")]
    sizes: Annotated[Sizes, Meta(description="how large its packets are")]
    negotiated: Annotated[Negotiated, Meta(description="what both ends agreed on")]
