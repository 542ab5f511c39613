"""The groups of a connection, from its tcp_info."""

from __future__ import annotations

from sretool.sockets.read import tcp_info
from sretool.sockets.read.tcp_info import TcpInfo
from sretool.sockets.show.model import (
    Delivery,
    Loss,
    Negotiated,
    Receiving,
    RoundTrip,
    Sending,
    Sizes,
    Tcp,
)

_CA_STATES = ("open", "disorder", "cwr", "recovery", "loss")
_UNLIMITED = 0xFFFFFFFFFFFFFFFF
_INFINITE_SSTHRESH = 0x7FFFFFFF  # TCP_INFINITE_SSTHRESH, include/net/tcp.h


def connection(info: TcpInfo) -> Tcp:
    """All of it; ratios of what the kernel counts since the socket opened."""
    return Tcp(
        round_trip=RoundTrip(
            rtt_ms=info.rtt_ms,
            rtt_var_ms=_ms(info.rttvar_us) if info.rtt_us else None,
            rtt_min_ms=info.rtt_min_ms,
            rcv_rtt_ms=_ms(info.rcv_rtt_us or None),
            rto_ms=_ms(info.rto_us or None),
            ato_ms=_ms(info.ato_us or None),
        ),
        sending=_sending(info),
        loss=_loss(info),
        delivery=Delivery(
            delivered_segments=info.delivered,
            delivered_ce_segments=info.delivered_ce,
            received_ce_segments=info.received_ce,
            delivered_e0_bytes=info.delivered_e0_bytes,
            delivered_e1_bytes=info.delivered_e1_bytes,
            delivered_ce_bytes=info.delivered_ce_bytes,
            received_e0_bytes=info.received_e0_bytes,
            received_e1_bytes=info.received_e1_bytes,
            received_ce_bytes=info.received_ce_bytes,
        ),
        receiving=Receiving(
            received_bytes=info.bytes_received,
            segments=info.segs_in,
            data_segments=info.data_segs_in,
            out_of_order_segments=info.rcv_ooopack,
            window_bytes=info.rcv_wnd_bytes,
            window_limit_bytes=info.rcv_ssthresh_bytes,
            space_bytes=info.rcv_space_bytes,
            last_received_ms=info.last_data_recv_ms,
            last_ack_ms=info.last_ack_recv_ms,
        ),
        sizes=Sizes(
            mss_bytes=info.snd_mss_bytes or None,
            rcv_mss_bytes=info.rcv_mss_bytes or None,
            advertised_mss_bytes=info.advmss_bytes or None,
            pmtu_bytes=info.pmtu_bytes or None,
        ),
        negotiated=_negotiated(info),
    )


def _sending(info: TcpInfo) -> Sending:
    rate = None
    if info.snd_cwnd is not None and info.snd_mss_bytes is not None and info.rtt_us:
        rate = info.snd_cwnd * info.snd_mss_bytes * 1e6 / info.rtt_us
    return Sending(
        sent_bytes=info.bytes_sent,
        acked_bytes=info.bytes_acked,
        retransmitted_bytes=info.bytes_retrans,
        retransmitted_ratio=retransmitted(info),
        not_sent_bytes=info.notsent_bytes,
        segments=info.segs_out,
        data_segments=info.data_segs_out,
        window_bytes=info.snd_wnd_bytes,
        cwnd_segments=info.snd_cwnd,
        ssthresh_segments=None if info.snd_ssthresh == _INFINITE_SSTHRESH else info.snd_ssthresh,
        cwnd_rate_bytes_per_s=rate,
        pacing_rate_bytes_per_s=_limit(info.pacing_rate_bytes_per_s),
        pacing_rate_max_bytes_per_s=_limit(info.max_pacing_rate_bytes_per_s),
        # 0: nothing was delivered yet
        delivery_rate_bytes_per_s=info.delivery_rate_bytes_per_s or None,
        app_limited=info.app_limited if info.delivery_rate_bytes_per_s else None,
        busy_ms=_ms(info.busy_us),
        rwnd_limited_ms=_ms(info.rwnd_limited_us),
        rwnd_limited_ratio=ratio(info.rwnd_limited_us, info.busy_us),
        sndbuf_limited_ms=_ms(info.sndbuf_limited_us),
        sndbuf_limited_ratio=ratio(info.sndbuf_limited_us, info.busy_us),
        last_sent_ms=info.last_data_sent_ms,
    )


def retransmitted(info: TcpInfo) -> float | None:
    """Share of what it sent that was sent before."""
    if info.bytes_sent is None:
        return ratio(info.total_retrans, info.data_segs_out)
    return ratio(info.bytes_retrans, info.bytes_sent)


def _loss(info: TcpInfo) -> Loss:
    return Loss(
        state=_ca_state(info.ca_state),
        unacked_segments=info.unacked,
        retransmitting_segments=info.retrans,
        lost_segments=info.lost,
        sacked_segments=info.sacked,
        fackets_segments=info.fackets,
        retransmits_total=info.total_retrans,
        retransmits_in_row=info.retransmits,
        probes_in_row=info.probes,
        backoff=info.backoff,
        duplicates=info.dsack_dups,
        reordering_segments=info.reordering,
        reordering_seen=info.reord_seen,
        timeouts=info.total_rto,
        timeout_recoveries=info.total_rto_recoveries,
        timeout_recovery_ms=info.total_rto_time_ms,
        rehashes=info.rehash,
    )


def _ca_state(number: int | None) -> str | None:
    if number is None:
        return None
    return _CA_STATES[number] if number < len(_CA_STATES) else f"unknown-{number}"


def _negotiated(info: TcpInfo) -> Negotiated:
    def agreed(bit: int) -> bool | None:
        return None if info.options is None else bool(info.options & bit)

    return Negotiated(
        timestamps=agreed(tcp_info.TIMESTAMPS),
        timestamps_in_us=agreed(tcp_info.USEC_TS),
        sack=agreed(tcp_info.SACK),
        ecn=agreed(tcp_info.ECN),
        ecn_seen=agreed(tcp_info.ECN_SEEN),
        syn_data=agreed(tcp_info.SYN_DATA),
        fast_open_child=agreed(tcp_info.TFO_CHILD),
        snd_wscale=info.snd_wscale,
        rcv_wscale=info.rcv_wscale,
    )


def ratio(part: int | None, whole: int | None) -> float | None:
    """`part` of `whole`; None where one is not known, or there is nothing to have a part of."""
    return None if part is None or not whole else part / whole


def _limit(rate: int | None) -> int | None:
    return None if rate == _UNLIMITED else rate or None


def _ms(us: int | None) -> float | None:
    return None if us is None else us / 1000
