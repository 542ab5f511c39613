"""What stands out about a socket, in sentences, each with its formula and the fields behind it.

Not findings: a check has an id and a remedy. Where a number is no kernel's and no document's, it is
judgement, and says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Union

from sretool.report.answer import RANK, Severity
from sretool.report.units import bytes_text, duration_text, ms_text, number_text
from sretool.sockets.show.model import Detail, Note, Tcp, Timer
from sretool.sockets.show.sizes import expected_mss

LIMITED = 0.2  # judgement: a fifth of its busy time
BUSY = 0.5  # judgement: it had data to send half of the sample
LOSSY = 0.01  # as the check tcp.retransmit-rate
RETRANSMITS = 3  # judgement: one or two are everyday
BLOATED_MS = 60  # DSLReports bufferbloat grades: more than 60 ms is a C
BLOATED = 3  # judgement: and three times the minimum
FULL = 0.9  # judgement: a tenth left
SILENT_MS = 600_000  # judgement: ten minutes
MARKED = 0.01  # judgement: as for loss
NEEDLESS = 0.5  # judgement: half of what was sent again
RETRIES1 = 3  # net.ipv4.tcp_retries1, RFC 1122 R1: from here on the path is suspected

Fields = dict[str, Union[float, int, str, None]]


def notes(one: Detail, limits: dict[str, int]) -> list[Note]:
    """Worst first, else in the order in which they are asked."""
    parts = (_waiting, _window, _keepalive, _reading, _closing, _listening, _drops)
    found = [note for part in parts for note in part(one, limits)]
    if one.tcp is not None and one.socket.state not in ("time-wait", "syn-sent"):
        for judge in (_limited, _retransmitting, _round_trip, _marked, _silent, _sizes):
            found += judge(one, one.tcp)
    return sorted(found, key=lambda note: -RANK[note.severity])


def _waiting(one: Detail, limits: dict[str, int]) -> Iterator[Note]:
    """An acknowledgement that does not come."""
    timer, tcp = one.timer, one.tcp
    if timer is None or timer.name != "retransmit" or not timer.tries or one.socket.state == "syn-recv":
        return
    connecting = one.socket.state == "syn-sent"
    after = limits.get("tcp_syn_retries" if connecting else "tcp_retries2")
    rto = tcp.round_trip.rto_ms if tcp is not None else None
    doubled = tcp.loss.backoff if tcp is not None else None
    waited = None
    if rto is not None and doubled is not None:
        waited = max(0.0, rto / (1 << min(doubled, 31)) * ((1 << min(doubled, 31)) - 1) + rto - timer.left_ms)
    text = "no answer to its connection request" if connecting else "waiting for an acknowledgement"
    text += "" if waited is None else f" for {span(waited)}"
    text += f", {_nth(timer.tries + 1)} try, next in {span(timer.left_ms)}"
    text += "" if after is None else f"; it gives up after {after} retries"
    yield Note(
        "info" if timer.tries < RETRIES1 else "warning",
        "unanswered",
        text,
        "try = retransmits + 1; waited = rto / 2^backoff * (2^backoff - 1) + rto - expires",
        {
            "idiag_retrans": timer.tries,
            "idiag_expires_ms": timer.left_ms,
            "tcpi_rto_ms": rto,
            "tcpi_backoff": doubled,
            "tcpi_last_ack_recv_ms": None if tcp is None else tcp.receiving.last_ack_ms,
        },
    )


def zero_window(one: Detail) -> bool:
    """The peer takes not even one segment now, and is asked when it will."""
    return one.timer is not None and one.timer.name == "window-probe" and not _open(one)


def _open(one: Detail) -> bool:
    """The peer's window has room for a segment. A timer of probes then stands for data that is not sent
    for another reason: it is corked, or was dropped on its way out of this host.
    """
    window = None if one.tcp is None else one.tcp.sending.window_bytes
    return one.tcp is not None and window is not None and window >= (one.tcp.sizes.mss_bytes or 1)


def _window(one: Detail, limits: dict[str, int]) -> Iterator[Note]:
    timer, tcp = one.timer, one.tcp
    if timer is None or tcp is None or timer.name != "window-probe":
        return
    window, waits = tcp.sending.window_bytes, one.socket.send_q_bytes
    if not zero_window(one):
        if timer.tries:
            yield _held_back(timer, window, waits)
        return
    text = "the peer's window is zero" if not window else f"the peer's window is down to {window} bytes"
    text += ": it does not read what was sent; probing"
    text += f", the last {_times(timer.tries)} unanswered" if timer.tries else ""
    text += f", next in {span(timer.left_ms)}; {bytes_text(waits)} wait to be sent"
    yield Note(
        "warning",
        "zero-window",
        text,
        "the timer is that of probes (IDIAG_TIMER_PROBE0)",
        {
            "tcpi_snd_wnd_bytes": window,
            "idiag_retrans": timer.tries,
            "tcpi_backoff": tcp.loss.backoff,
            "idiag_expires_ms": timer.left_ms,
            "idiag_wqueue_bytes": waits,
            "tcpi_notsent_bytes": tcp.sending.not_sent_bytes,
        },
    )


def _held_back(timer: Timer, window: int | None, waits: int | None) -> Note:
    text = f"what it sends does not leave this host, {timer.tries} tries: a firewall rule or a queueing "
    text += f"discipline here drops it; next in {span(timer.left_ms)}, {bytes_text(waits)} wait to be sent"
    return Note(
        "warning",
        "not-leaving",
        text,
        "probes are due (IDIAG_TIMER_PROBE0) although snd_wnd >= snd_mss: nothing is under way",
        {"tcpi_snd_wnd_bytes": window, "idiag_retrans": timer.tries, "idiag_expires_ms": timer.left_ms},
    )


def _keepalive(one: Detail, limits: dict[str, int]) -> Iterator[Note]:
    timer = one.timer
    if timer is None or timer.name != "keepalive" or not timer.tries:
        return
    after = limits.get("tcp_keepalive_probes")
    of = "" if after is None else f" of {after} (net.ipv4.tcp_keepalive_probes)"
    text = f"the peer does not answer keepalives: {timer.tries}{of}, next in {span(timer.left_ms)}"
    fields: Fields = {"idiag_retrans": timer.tries, "idiag_expires_ms": timer.left_ms}
    yield Note("warning", "keepalive-unanswered", text, "idiag_retrans > 0", fields)


def _reading(one: Detail, limits: dict[str, int]) -> Iterator[Note]:
    """What came, and is not read."""
    waits, memory, rates = unread(one), one.memory, one.rates
    if not waits:
        return
    used = limit = None
    if memory is not None:
        used, limit = memory.receive_bytes, memory.receive_limit_bytes
    full = used is not None and limit is not None and limit > 0 and used >= limit * FULL
    who = f"{one.socket.process}[{one.socket.pid}]" if one.socket.process else "the application"
    text = f"{bytes_text(waits)} wait to be read"
    severity: Severity = "info"
    read = None if rates is None else rates.read_bytes_per_s
    if read == 0 and rates is not None:
        severity = "warning"
        text = f"{who} does not read: {bytes_text(waits)} waiting, nothing read in {rates.window_s:.3g} s"
    elif read:
        text = f"{who} reads {bytes_text(read)}/s, and is {bytes_text(waits)} behind"
    if full:
        severity = "warning"
        text += f"; the receive buffer is full ({bytes_text(used)} of {bytes_text(limit)} with overhead)"
    formula = "read = bytes_received - growth of the receive queue, over the sample"
    fields: Fields = {
        "idiag_rqueue_bytes": waits,
        "read_bytes_per_s": read,
        "skmem_rmem_alloc_bytes": used,
        "skmem_rcvbuf_bytes": limit,
    }
    yield Note(severity, "unread", text, formula, fields)


_PEER_CLOSED = ("close-wait", "last-ack", "closing", "time-wait")


def unread(one: Detail) -> int | None:
    """Bytes of data the application has not read. Once the peer has closed, the kernel's queue counts its
    FIN as one more (tcp_diag_get_info, net/ipv4/tcp_diag.c: rcv_nxt - copied_seq).
    """
    waits = one.socket.recv_q_bytes
    return waits - 1 if waits and one.socket.state in _PEER_CLOSED else waits


def _closing(one: Detail, limits: dict[str, int]) -> Iterator[Note]:
    """One end has closed, and the other has not."""
    state, socket = one.socket.state, one.socket
    since = None if one.tcp is None else one.tcp.receiving.last_ack_ms
    fields: Fields = {"idiag_state": state, "tcpi_last_ack_recv_ms": since}
    formula = "the last segment of the peer, its FIN or later, came last_ack_recv ago"
    if state == "close-wait":
        who = f"{socket.process}[{socket.pid}]" if socket.process else "the application"
        ago = "" if since is None else f" at least {span(since)} ago"
        yield Note("warning", "not-closed", f"the peer closed{ago}; {who} does not close", formula, fields)
    elif state == "fin-wait-2":
        ago = "" if since is None else f"; the last of it came {span(since)} ago"
        orphan = one.timer is not None and one.timer.name == "time-wait"
        ends = f", and the kernel drops it in {span(one.timer.left_ms)}" if orphan and one.timer else ""
        yield Note("info", "peer-not-closed", f"closed here, not by the peer{ago}{ends}", formula, fields)


def _listening(one: Detail, limits: dict[str, int]) -> Iterator[Note]:
    queue, limit = one.socket.accept_queue, one.socket.accept_queue_limit
    if queue is None or limit is None or not queue:
        return
    who = f"{one.socket.process}[{one.socket.pid}]" if one.socket.process else "the application"
    fields: Fields = {"idiag_rqueue": queue, "idiag_wqueue": limit}
    if queue > limit:  # sk_acceptq_is_full, include/net/sock.h
        text = f"its accept queue is full, {queue} of {limit}: {who} does not accept, new connections drop"
        yield Note("critical", "accept-queue-full", text, "queue > limit", fields)
    else:
        text = f"{queue} of {limit} connections wait for {who} to accept"
        severity: Severity = "warning" if queue >= limit * FULL else "info"
        yield Note(severity, "accept-queue", text, "queue, limit", fields)


def _drops(one: Detail, limits: dict[str, int]) -> Iterator[Note]:
    drops = None if one.memory is None else one.memory.drops
    if not drops:
        return
    fresh = None if one.rates is None else one.rates.drops
    what = "connection attempts" if one.socket.state == "listen" else "packets"
    text = f"{drops} {what} were dropped here since it opened"
    text += f", {fresh} of them in the sample" if fresh else ""
    fields: Fields = {"skmem_drops": drops, "in_sample": fresh}
    yield Note("warning" if fresh else "info", "drops", text, "SKMEMINFO drops", fields)


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
        when = f"{_percent(share)} of busy time"
        if now and ever is not None:
            when += f" in the sample, {_percent(ever)} since it opened"
        field = "rwnd_limited" if kind == "receiver-limited" else "sndbuf_limited"
        severity: Severity = "warning" if now else "info"
        yield Note(severity, kind, text.format(when), f"{field} / busy_time", fields)
    if rates is None or (rates.busy_ratio or 0) < BUSY:
        return
    rest = 1 - (rates.rwnd_limited_ratio or 0) - (rates.sndbuf_limited_ratio or 0)
    if rates.rwnd_limited_ratio is not None and rest >= 1 - LIMITED:
        text = f"busy {_percent(rates.busy_ratio)} of the sample, and neither end's buffer held it up: "
        text += f"the path did (cwnd {tcp.sending.cwnd_segments}, {_rate(sending.cwnd_rate_bytes_per_s)})"
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
        text = f"retransmitting {_percent(ever)} of {'bytes' if in_bytes else 'segments'}, {total} segments"
        text += f"; {_percent(fresh)} in the sample" if fresh is not None else ""
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
        text = f"routers marked {_percent(marked / total)} of its segments as congested (ECN)"
        fields: Fields = {"tcpi_delivered_ce": marked, "tcpi_delivered": total}
        yield Note("info", "congestion-marked", text, "delivered_ce / delivered", fields)


def _silent(one: Detail, tcp: Tcp) -> Iterator[Note]:
    data, ack = tcp.receiving.last_received_ms, tcp.receiving.last_ack_ms
    if one.socket.state != "established" or data is None or ack is None or min(data, ack) < SILENT_MS:
        return
    text = f"nothing came for {span(min(data, ack))}"
    keepalive = one.timer is not None and one.timer.name == "keepalive"
    if keepalive and one.timer is not None:
        text += f"; a keepalive asks the peer in {span(one.timer.left_ms)}"
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
    if mss is not None and could is not None and mss < could * FULL:
        text = f"segments carry {mss} bytes, the path would take {could}: the peer, or a router between, "
        text += "asked for less"
        formula = "pmtu - IP and TCP headers - timestamps"
        yield Note("info", "small-segments", text, formula, {**fields, "expected_mss_bytes": could})


def span(ms: float) -> str:
    """A time as a person says it: 120 ms, 3.2 s, 42 s, 6m24s, 2h00m."""
    if ms < 1000:
        return f"{ms:.0f} ms"
    return f"{ms / 1000:.1f} s" if ms < 10_000 else f"{ms / 1000:.0f} s" if ms < 60_000 else _long(ms)


def _long(ms: float) -> str:
    return duration_text(ms / 1000)


def _nth(number: int) -> str:
    ending = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _times(number: int) -> str:
    return "one" if number == 1 else str(number)


def _percent(ratio: float | None) -> str:
    if ratio is None:
        return "-"
    return f"{ratio:.0%}" if ratio >= 0.1 or not ratio else f"{ratio:.1%}"


def _rate(rate: float | None) -> str:
    return f"{bytes_text(rate)}B/s" if rate is not None else f"{number_text(None)} B/s"
