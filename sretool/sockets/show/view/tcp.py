"""A connection, by tcp_info, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.report.sections import Row, Section
from sretool.report.units import UNKNOWN, bytes_text, count_text, number_text, ratio_text
from sretool.sockets.show.model import Congestion, Detail, Tcp
from sretool.sockets.show.notes.words import ms_text, span
from sretool.sockets.show.sizes import expected_mss


def sections(one: Detail, verbose: bool) -> list[Section]:
    """Round trip, sending, losses and receiving."""
    if one.tcp is None:
        return []
    return [
        Section("SENDING", [*_round_trip(one.tcp), *_sending(one), *_loss(one.tcp)]),
        Section("RECEIVING", list(_receiving(one))),
    ]


def _round_trip(tcp: Tcp) -> Iterator[Row]:
    found = tcp.round_trip
    if found.rtt_ms is None:
        yield "round trip", "not measured yet"
    else:
        text = f"{ms_text(found.rtt_ms)} ms, varies by {ms_text(found.rtt_var_ms)}"
        yield "round trip", text + f", at least {ms_text(found.rtt_min_ms)} in the last 5 minutes"
    if found.rto_ms is not None:
        # probes of a closed window double their own interval
        grown = f" (doubled {tcp.loss.backoff} times)" if tcp.loss.retransmits_in_row else ""
        yield "timeout", f"sends again after {span(found.rto_ms)} without an answer{grown}"


def _sending(one: Detail) -> Iterator[Row]:
    if one.tcp is None:
        return
    found, loss, rates = one.tcp.sending, one.tcp.loss, one.rates
    now = (
        "" if rates is None or rates.sent_bytes_per_s is None else f"{bytes_text(rates.sent_bytes_per_s)}/s; "
    )
    last = "" if found.last_sent_ms is None else f", last {span(found.last_sent_ms)} ago"
    if found.sent_bytes == 0:
        yield "sent", "no data yet"
    else:
        text = f"{now}{bytes_text(found.sent_bytes)} in {_count(found.data_segments)} segments{last}"
        yield "sent", text
    if loss.unacked_segments or loss.state not in ("open", None):
        yield "under way", _under_way(one)
    if found.busy_ms:
        yield "busy", _busy(one)
    window = f", threshold {found.ssthresh_segments}" if found.ssthresh_segments is not None else ""
    allowed = _rate(found.cwnd_rate_bytes_per_s)
    yield "cwnd", f"{_count(found.cwnd_segments)} segments{window}: allows {allowed} at this round trip"
    if found.window_bytes is not None:
        yield "peer takes", f"{bytes_text(found.window_bytes)} now"
    whose = " (the application's pace)" if found.app_limited else ""
    speeds = [
        f"{_rate(rate)} {what}"
        for rate, what in (
            (found.delivery_rate_bytes_per_s, f"delivered{whose}"),
            (found.pacing_rate_bytes_per_s, "at most by pacing"),
            (found.pacing_rate_max_bytes_per_s, "at most by SO_MAX_PACING_RATE"),
        )
        if rate is not None
    ]  # fmt: skip
    if speeds:
        yield "speed", ", ".join(speeds)
    if one.congestion is not None:
        yield from congestion(one.congestion)


def _under_way(one: Detail) -> str:
    if one.tcp is None:
        return UNKNOWN
    found, queued, waits = one.tcp.loss, one.socket.send_q_bytes, one.tcp.sending.not_sent_bytes
    size = "" if queued is None or waits is None else f"{bytes_text(queued - waits)} in "
    parts = [
        f"{number} {what}"
        for number, what in (
            (found.lost_segments, "taken for lost"),
            (found.retransmitting_segments, "sent again"),
            (found.sacked_segments, "received out of order"),
        )
        if number
    ]
    state = [] if found.state == "open" else [f"state {found.state}"]
    return ", ".join([f"{size}{count_text(found.unacked_segments or 0, 'segment')}", *parts, *state])


def _busy(one: Detail) -> str:
    if one.tcp is None:
        return UNKNOWN
    found, rates = one.tcp.sending, one.rates
    text = (
        f"{span(found.busy_ms or 0)} since it opened: {ratio_text(found.rwnd_limited_ratio)} of it held up "
    )
    text += f"by the peer's window, {ratio_text(found.sndbuf_limited_ratio)} by the send buffer"
    if rates is not None and rates.busy_ratio is not None:
        text += f"; {ratio_text(rates.busy_ratio)} of the sample"
    return text


def congestion(found: Congestion) -> Iterator[Row]:
    """What governs how fast it sends."""
    if found.algorithm is not None:
        yield "governed by", found.algorithm
    if found.bbr is not None and found.bbr.bandwidth_bytes_per_s:
        bbr = found.bbr
        text = f"bottleneck {_rate(bbr.bandwidth_bytes_per_s)}, minimum {ms_text(bbr.rtt_min_ms)} ms, "
        yield "bbr", text + f"gains {number_text(bbr.pacing_gain)} and {number_text(bbr.cwnd_gain)}"
    if found.dctcp is not None:
        dctcp = found.dctcp
        marked = f"{bytes_text(dctcp.ecn_bytes)} of {bytes_text(dctcp.total_bytes)} marked"
        text = f"alpha {dctcp.alpha_ratio:.3f}, {marked}"
        yield "dctcp", text if dctcp.enabled else "without ECN, works as reno"
    if found.vegas is not None and found.vegas.enabled:
        yield "vegas", f"rtt {ms_text(found.vegas.rtt_ms)} ms, minimum {ms_text(found.vegas.rtt_min_ms)}"


def _loss(tcp: Tcp) -> Iterator[Row]:
    found, sending = tcp.loss, tcp.sending
    if found.retransmits_total == 0:
        yield "sent again", "nothing"
        return
    again = f"{bytes_text(sending.retransmitted_bytes)}, " if sending.retransmitted_bytes is not None else ""
    share = "" if sending.retransmitted_ratio is None else f" ({ratio_text(sending.retransmitted_ratio)})"
    yield "sent again", f"{again}{_count(found.retransmits_total)} segments{share}"
    ever = [
        f"{number} {what}"
        for number, what in (
            (found.duplicates, "received twice"),
            (found.reordering_seen, "times reordered"),
            (found.timeouts, "timeouts"),
            (found.rehashes, "changes of path"),
            (tcp.delivery.delivered_ce_segments, "marked by routers"),
        )
        if number
    ]
    if ever:
        yield "since open", ", ".join(ever)


def _receiving(one: Detail) -> Iterator[Row]:
    if one.tcp is None:
        return
    found, rates = one.tcp.receiving, one.rates
    now = ""
    if rates is not None and rates.received_bytes_per_s is not None:
        now = f"{bytes_text(rates.received_bytes_per_s)}/s; "
    last = "" if found.last_received_ms is None else f", last {span(found.last_received_ms)} ago"
    text = f"{now}{bytes_text(found.received_bytes)} in {_count(found.data_segments)} segments{last}"
    yield "received", "no data yet" if found.received_bytes == 0 else text
    if found.last_ack_ms is not None:
        yield "answered", f"the last acknowledgement came {span(found.last_ack_ms)} ago"
    if found.window_bytes is not None:
        limit = bytes_text(found.window_limit_bytes)
        yield "takes", f"{bytes_text(found.window_bytes)} now, up to {limit}"
    if found.out_of_order_segments:
        yield "disordered", f"{found.out_of_order_segments} segments came out of order"


def sizes(one: Detail) -> Iterator[Row]:
    """Path MTU and segment sizes."""
    if one.tcp is None or one.tcp.sizes.mss_bytes is None:
        return
    found = one.tcp.sizes
    text = f"path MTU {_count(found.pmtu_bytes)}"
    text += f", interface {one.interface_mtu_bytes}" if one.interface_mtu_bytes is not None else ""
    text += f", segments of {found.mss_bytes}"
    could = expected_mss(one)
    text += f" (would take {could})" if could is not None and found.mss_bytes != could else ""
    yield "sizes", text + f"; the peer may send {_count(found.advertised_mss_bytes)}"


def negotiated(tcp: Tcp) -> Iterator[Row]:
    """What both ends agreed on."""
    found = tcp.negotiated
    words = [
        name
        for name, agreed in (
            ("timestamps", found.timestamps),
            ("sack", found.sack),
            ("ecn", found.ecn),
            ("fast open", found.syn_data or found.fast_open_child),
        )
        if agreed
    ]
    if found.snd_wscale is not None:
        words.append(f"window scales {found.snd_wscale} and {found.rcv_wscale}")
    yield "agreed", ", ".join(words) or "nothing beyond plain TCP"


def _count(value: int | None) -> str:
    return UNKNOWN if value is None else str(value)


def _rate(rate: float | None) -> str:
    return UNKNOWN if rate is None else f"{bytes_text(rate)}/s"
