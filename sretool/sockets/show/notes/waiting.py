"""An answer that does not come: acknowledgements, an open window, keepalives."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.report.units import bytes_text
from sretool.sockets.show.model import Detail, Note, Timer
from sretool.sockets.show.notes.words import Fields, nth, soon, span, times

RTO_MAX_MS = 120_000  # TCP_RTO_MAX, include/net/tcp.h; net.ipv4.tcp_rto_max_ms may lower it
RETRIES1 = 3  # net.ipv4.tcp_retries1, RFC 1122 R1: from here on the path is suspected


def notes(one: Detail, limits: dict[str, int]) -> Iterator[Note]:
    """By the timer that runs."""
    for judge in (_waiting, _window, _keepalive):
        yield from judge(one, limits)


def _waiting(one: Detail, limits: dict[str, int]) -> Iterator[Note]:
    """An acknowledgement that does not come."""
    timer, tcp = one.timer, one.tcp
    if timer is None or timer.name != "retransmit" or not timer.tries or one.socket.state == "syn-recv":
        return
    connecting = one.socket.state == "syn-sent"
    after = limits.get("tcp_syn_retries" if connecting else "tcp_retries2")
    rto = tcp.round_trip.rto_ms if tcp is not None else None
    doubled = tcp.loss.backoff if tcp is not None else None
    waited = None if rto is None or doubled is None else _waited(timer, rto, doubled)
    last = None if tcp is None else tcp.receiving.last_ack_ms
    text = "no answer to its connection request" if connecting else "waiting for an acknowledgement"
    if waited is not None:
        text += f" for {span(waited)}"
    elif last is not None and not connecting:
        text += f", of which the last came {span(last)} ago"
    text += f", {nth(timer.tries + 1)} try, next {soon(timer.left_ms)}"
    text += "" if after is None else f"; it gives up after {after} retries"
    yield Note(
        "info" if timer.tries < RETRIES1 else "warning",
        "unanswered",
        text,
        "try = retrans + 1; waited = base * (retrans - backoff + 2^backoff - 1) + rto - expires, "
        "base = rto / 2^backoff",
        {
            "idiag_retrans": timer.tries,
            "idiag_expires_ms": timer.left_ms,
            "tcpi_rto_ms": rto,
            "tcpi_backoff": doubled,
            "tcpi_last_ack_recv_ms": last,
        },
    )


def _waited(timer: Timer, rto_ms: float, doubled: int) -> float | None:
    """Since what is unanswered was sent first: all timeouts up to now. Those that were not doubled are
    SYNs at first (net.ipv4.tcp_syn_linear_timeouts). None when the timeout has met its maximum, so that
    the first one is not known.
    """
    if rto_ms >= RTO_MAX_MS or doubled > timer.tries:
        return None
    first = rto_ms / (1 << doubled)
    return max(0.0, first * (timer.tries - doubled + (1 << doubled) - 1) + rto_ms - timer.left_ms)


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
    text += f", the last {times(timer.tries)} unanswered" if timer.tries else ""
    text += f", next {soon(timer.left_ms)}; {bytes_text(waits)} wait to be sent"
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
    text += f"discipline here drops it; next {soon(timer.left_ms)}, {bytes_text(waits)} wait to be sent"
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
    text = f"the peer does not answer keepalives: {timer.tries}{of}, next {soon(timer.left_ms)}"
    fields: Fields = {"idiag_retrans": timer.tries, "idiag_expires_ms": timer.left_ms}
    yield Note("warning", "keepalive-unanswered", text, "idiag_retrans > 0", fields)
