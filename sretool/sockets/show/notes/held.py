"""What this end holds up: data not read, ends not closed, connections not accepted, what is dropped."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.report.answer import Severity
from sretool.report.units import bytes_text
from sretool.sockets.show.model import Detail, Note
from sretool.sockets.show.notes.words import Fields, soon, span, who

FULL = 0.9  # judgement: a tenth left


def notes(one: Detail) -> Iterator[Note]:
    """By its queues and its state."""
    for judge in (_reading, _closing, _listening, _drops):
        yield from judge(one)


def _reading(one: Detail) -> Iterator[Note]:
    """What came, and is not read."""
    waits, memory, rates = unread(one), one.memory, one.rates
    if not waits or not_accepted(one):
        return
    used = limit = None
    if memory is not None:
        used, limit = memory.receive_bytes, memory.receive_limit_bytes
    full = used is not None and limit is not None and limit > 0 and used >= limit * FULL
    text = f"{bytes_text(waits)} wait to be read"
    severity: Severity = "info"
    read = None if rates is None else rates.read_bytes_per_s
    if read == 0 and rates is not None:
        severity = "warning"
        text = f"{who(one.socket)} does not read: {bytes_text(waits)} waiting, "
        text += f"nothing read in {rates.window_s:.3g} s"
    elif read:
        text = f"{who(one.socket)} reads {bytes_text(read)}/s, and is {bytes_text(waits)} behind"
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


def not_accepted(one: Detail) -> bool:
    """The kernel has opened it, and it has no inode yet."""
    row = one.socket
    return row.protocol == "tcp" and row.inode is None and row.state in ("established", "close-wait")


def _closing(one: Detail) -> Iterator[Note]:
    """One end has closed, and the other has not."""
    state, socket = one.socket.state, one.socket
    since = None if one.tcp is None else one.tcp.receiving.last_ack_ms
    fields: Fields = {"idiag_state": state, "tcpi_last_ack_recv_ms": since}
    formula = "the last segment of the peer, its FIN or later, came last_ack_recv ago"
    if not_accepted(one):
        text = "no process has accepted it: it waits in the accept queue of its listener"
        text += "; the peer has closed meanwhile" if state == "close-wait" else ""
        # every connection waits there for a moment: not from one reading to the next
        severity: Severity = "info" if one.rates is None else "warning"
        yield Note(severity, "not-accepted", text, "idiag_inode is 0", {**fields, "idiag_inode": 0})
    elif state == "close-wait":
        ago = "" if since is None else f" at least {span(since)} ago"
        yield Note(
            "warning", "not-closed", f"the peer closed{ago}; {who(socket)} does not close", formula, fields
        )
    elif state == "fin-wait-2":
        ago = "" if since is None else f"; the last of it came {span(since)} ago"
        orphan = one.timer is not None and one.timer.name == "time-wait"
        ends = f", and the kernel drops it {soon(one.timer.left_ms)}" if orphan and one.timer else ""
        yield Note("info", "peer-not-closed", f"closed here, not by the peer{ago}{ends}", formula, fields)


def _listening(one: Detail) -> Iterator[Note]:
    queue, limit = one.socket.accept_queue, one.socket.accept_queue_limit
    if queue is None or limit is None or not queue:
        return
    fields: Fields = {"idiag_rqueue": queue, "idiag_wqueue": limit}
    if queue > limit:  # sk_acceptq_is_full, include/net/sock.h
        text = f"its accept queue is full, {queue} of {limit}: {who(one.socket)} does not accept, "
        text += "new connections drop"
        yield Note("critical", "accept-queue-full", text, "queue > limit", fields)
    else:
        text = f"{queue} of {limit} connections wait for {who(one.socket)} to accept"
        severity: Severity = "warning" if queue >= limit * FULL else "info"
        yield Note(severity, "accept-queue", text, "queue, limit", fields)


def _drops(one: Detail) -> Iterator[Note]:
    drops = None if one.memory is None else one.memory.drops
    if not drops:
        return
    fresh = None if one.rates is None else one.rates.drops
    what = "connection attempts" if one.socket.state == "listen" else "packets"
    text = f"{drops} {what} were dropped here since it opened"
    text += f", {fresh} of them in the sample" if fresh else ""
    fields: Fields = {"skmem_drops": drops, "in_sample": fresh}
    yield Note("warning" if fresh else "info", "drops", text, "SKMEMINFO drops", fields)
