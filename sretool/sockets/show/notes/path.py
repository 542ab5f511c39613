"""What a connection meets on its way: limits, loss, delay, marks, silence, small packets."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.report.answer import Severity
from sretool.sockets.show.model import Detail, Note, Tcp
from sretool.sockets.show.notes.words import Fields, ms_text, percent, rate, soon, span
from sretool.sockets.show.sizes import expected_mss

LIMITED = 0.2  # judgement: a fifth of its busy time
BUSY = 0.5  # judgement: it had data to send half of the sample
LOSSY = 0.01  # as the check tcp.retransmit-rate
RETRANSMITS = 3  # judgement: one or two are everyday
BLOATED_MS = 60  # DSLReports bufferbloat grades: more than 60 ms is a C
BLOATED = 3  # judgement: and three times the minimum
SILENT_MS = 600_000  # judgement: ten minutes
MARKED = 0.01  # judgement: as for loss
NEEDLESS = 0.5  # judgement: half of what was sent again
SMALL = 0.9  # judgement: a tenth less than would fit


def notes(one: Detail, tcp: Tcp) -> Iterator[Note]:
    """By its tcp_info."""
    for judge in (_limited, _retransmitting, _round_trip, _marked, _silent, _sizes):
        yield from judge(one, tcp)


def _limited(one: Detail, tcp: Tcp) -> Iterator[Note]:
    """What holds up its sending. In the sample, where it was busy then; else since it opened."""
    rates, sending = one.rates, tcp.sending
    now = rates is not None and bool(rates.busy_ratio)
    rwnd, sndbuf = sending.rwnd_limited_ratio, sending.sndbuf_limited_ratio
    fields: Fields = {
        "tcpi_busy_time_ms": sending.busy_ms,
        "tcpi_rwnd_limited_ms": sending.rwnd_limited_ms,
        "tcpi_sndbuf_limited_ms": sending.sndbuf_limited_ms,
        "rwnd_limited_in_sample": None if rates is None else rates.rwnd_limited_ratio,
        "sndbuf_limited_in_sample": None if rates is None else rates.sndbuf_limited_ratio,
        "busy_in_sample": None if rates is None else rates.busy_ratio,
    }
    for kind, ever, fresh, text in (
        (
            "receiver-limited",
            rwnd,
            None if rates is None else rates.rwnd_limited_ratio,
            "receiver-limited {}: the peer's window was full",
        ),
        (
            "send-buffer-limited",
            sndbuf,
            None if rates is None else rates.sndbuf_limited_ratio,
            "the send buffer limited it {}: too small for this path",
        ),
    ):
        share = fresh if now else ever
        if share is None or share < LIMITED:
            continue
        when = f"{percent(share)} of busy time"
        if now and ever is not None:
            when += f" in the sample, {percent(ever)} since it opened"
        field = "rwnd_limited" if kind == "receiver-limited" else "sndbuf_limited"
        severity: Severity = "warning" if now else "info"
        yield Note(severity, kind, text.format(when), f"{field} / busy_time", fields)
    if rates is None or (rates.busy_ratio or 0) < BUSY or tcp.loss.retransmits_in_row:
        return
    rest = 1 - (rates.rwnd_limited_ratio or 0) - (rates.sndbuf_limited_ratio or 0)
    if rates.rwnd_limited_ratio is not None and rest >= 1 - LIMITED:
        text = f"busy {percent(rates.busy_ratio)} of the sample, and neither end's buffer held it up: "
        text += f"the path did (cwnd {tcp.sending.cwnd_segments}, {rate(sending.cwnd_rate_bytes_per_s)})"
        yield Note("info", "path-limited", text, "1 - (rwnd_limited + sndbuf_limited) / busy_time", fields)


def _retransmitting(one: Detail, tcp: Tcp) -> Iterator[Note]:
    loss, sending, rates = tcp.loss, tcp.sending, one.rates
    total, ever = loss.retransmits_total, sending.retransmitted_ratio
    fresh = None if rates is None else rates.retransmitted_ratio
    fields: Fields = {
        "tcpi_bytes_retrans": sending.retransmitted_bytes,
        "tcpi_bytes_sent": sending.sent_bytes,
        "tcpi_total_retrans": total,
        "tcpi_data_segs_out": sending.data_segments,
        "retransmits_in_sample": None if rates is None else rates.retransmits,
        "in_sample": fresh,
    }
    in_bytes = sending.sent_bytes is not None
    if total is not None and total >= RETRANSMITS and ever is not None and ever >= LOSSY:
        now = rates is not None and bool(rates.retransmits)
        text = f"retransmitting {percent(ever)} of {'bytes' if in_bytes else 'segments'}, {total} segments"
        text += f"; {percent(fresh)} in the sample" if fresh is not None else ""
        formula = "bytes_retrans / bytes_sent" if in_bytes else "total_retrans / data_segs_out"
        yield Note("warning" if now or rates is None else "info", "retransmitting", text, formula, fields)
    if loss.state in ("recovery", "loss"):
        after = "a timeout" if loss.state == "loss" else "lost segments"
        text = f"recovering from {after}: {loss.lost_segments} segments lost, cwnd {sending.cwnd_segments}"
        yield Note(
            "info",
            "recovering",
            text,
            "ca_state",
            {
                "tcpi_ca_state": loss.state,
                "tcpi_lost": loss.lost_segments,
                "tcpi_snd_cwnd": sending.cwnd_segments,
            },
        )
    twice = loss.duplicates
    if twice is not None and total and total >= RETRANSMITS and twice >= total * NEEDLESS:
        text = f"{twice} of {total} retransmissions were needless, the peer had the data: "
        text += "the path delays or reorders, or acknowledgements are lost"
        yield Note(
            "info",
            "needless-retransmits",
            text,
            "dsack_dups / total_retrans",
            {"tcpi_dsack_dups": twice, "tcpi_total_retrans": total, "tcpi_reord_seen": loss.reordering_seen},
        )


def _round_trip(one: Detail, tcp: Tcp) -> Iterator[Note]:
    rtt, least = tcp.round_trip.rtt_ms, tcp.round_trip.rtt_min_ms
    if rtt is None or least is None or rtt - least < BLOATED_MS or rtt < least * BLOATED:
        return
    text = f"bufferbloat: rtt {ms_text(rtt)} ms against a minimum of {ms_text(least)}: "
    text += f"{ms_text(rtt - least)} ms are spent in queues"
    varies = tcp.round_trip.rtt_var_ms
    fields: Fields = {"tcpi_rtt_ms": rtt, "tcpi_min_rtt_ms": least, "tcpi_rttvar_ms": varies}
    yield Note("warning", "bufferbloat", text, "rtt - min_rtt", fields)


def _marked(one: Detail, tcp: Tcp) -> Iterator[Note]:
    marked, total = tcp.delivery.delivered_ce_segments, tcp.delivery.delivered_segments
    if marked and total and marked >= total * MARKED:
        text = f"routers marked {percent(marked / total)} of its segments as congested (ECN)"
        fields: Fields = {"tcpi_delivered_ce": marked, "tcpi_delivered": total}
        yield Note("info", "congestion-marked", text, "delivered_ce / delivered", fields)


def _silent(one: Detail, tcp: Tcp) -> Iterator[Note]:
    data, ack = tcp.receiving.last_received_ms, tcp.receiving.last_ack_ms
    if one.socket.state != "established" or data is None or ack is None or min(data, ack) < SILENT_MS:
        return
    text = f"nothing came for {span(min(data, ack))}"
    keepalive = one.timer is not None and one.timer.name == "keepalive"
    if keepalive and one.timer is not None:
        text += f"; a keepalive asks the peer {soon(one.timer.left_ms)}"
    elif one.timer is None:
        text += "; no keepalive is set, so a peer that is gone would not be noticed"
    fields: Fields = {
        "tcpi_last_data_recv_ms": data,
        "tcpi_last_ack_recv_ms": ack,
        "idiag_timer": None if one.timer is None else one.timer.name,
    }
    yield Note("info", "silent", text, "min(last_data_recv, last_ack_recv)", fields)


def _sizes(one: Detail, tcp: Tcp) -> Iterator[Note]:
    """Packets smaller than the way would take."""
    pmtu, mss, link = tcp.sizes.pmtu_bytes, tcp.sizes.mss_bytes, one.interface_mtu_bytes
    fields: Fields = {
        "tcpi_pmtu_bytes": pmtu,
        "tcpi_snd_mss_bytes": mss,
        "interface_mtu_bytes": link,
        "timestamps": None if tcp.negotiated.timestamps is None else int(tcp.negotiated.timestamps),
    }
    if one.route and one.route.type == "local":  # lo's packets are as long as the headers can say
        return
    if pmtu is not None and link is not None and pmtu < link and one.route:
        text = f"the path takes packets of {pmtu} bytes, {one.route.dev} would take {link}"
        yield Note("info", "path-mtu", text, "pmtu < MTU of the interface", fields)
    could = expected_mss(one)
    if mss is not None and could is not None and mss < could * SMALL:
        text = f"segments carry {mss} bytes, the path would take {could}: the peer, or a router between, "
        text += "asked for less"
        formula = "pmtu - IP and TCP headers - timestamps"
        yield Note("info", "small-segments", text, formula, {**fields, "expected_mss_bytes": could})
