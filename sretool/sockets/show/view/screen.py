"""One socket on one screen: what stands out first, then a section a subject."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.report.answer import Severity
from sretool.report.sections import Row, Section, Text
from sretool.report.table import Line, Style
from sretool.report.units import UNKNOWN, bytes_text, count_text, number_text, text_for
from sretool.sockets.model import Socket, endpoint
from sretool.sockets.show.model import Detail, Note
from sretool.sockets.show.notes.held import not_accepted, unread
from sretool.sockets.show.notes.words import soon
from sretool.sockets.show.view import tcp

NOTES: dict[Severity, Style] = {"critical": "critical", "warning": "warning", "info": "dim"}
WORD = 10
_STATES: dict[str, Style] = {"close-wait": "warning"}
_MEANS = {
    "established": "open, both ends may send",
    "syn-sent": "connecting: its request is not answered yet",
    "syn-recv": "being opened by the peer: the last step of the handshake is missing",
    "new-syn-recv": "being opened by the peer: the last step of the handshake is missing",
    "fin-wait-1": "closed here, and the peer has not acknowledged that yet",
    "fin-wait-2": "closed here; the peer may still send, and has not closed",
    "time-wait": "over, closed here first: the kernel keeps the two ports from being used again for a minute",
    "closed": "not connected",
    "close-wait": "the peer closed, the application here has not",
    "last-ack": "closed by both; the peer has not acknowledged our end yet",
    "listen": "takes new connections",
    "closing": "closed by both at once; an acknowledgement is missing",
    "bound-inactive": "has a port, and neither listens nor is connected",
    "unconnected": "takes datagrams of anyone",
}
_TIMERS = {
    "retransmit": "sends again",
    "keepalive": "asks whether the peer is there",
    "time-wait": "is gone",
    "window-probe": "asks whether the peer's window is open",
    "delayed-ack": "acknowledges",
}


def top(one: Detail, verbose: bool) -> list[Line]:
    """Which socket it is, and what stands out."""
    lines: list[Line] = [_headline(one.socket)]
    for note in one.notes:
        lines += _note(note, verbose)
    return lines


def sections(one: Detail, verbose: bool) -> list[Section]:
    """All there is on it."""
    return [
        Section("SOCKET", list(_socket(one, verbose))),
        Section("QUEUES", list(_queues(one))),
        *tcp.sections(one, verbose),
        Section("MEMORY", list(_memory(one))),
        Section("PATH", [*_route(one), *tcp.sizes(one)]),
        Section("OPTIONS", list(_options(one, verbose))),
    ]


def _headline(row: Socket) -> Line:
    local, words = endpoint(row.local_address, row.local_port), []
    if row.process is not None:
        words.append(f"{row.process}[{row.pid}]")
    words += [name for name in (row.container_name or row.container, row.unit) if name][:1]
    peer = f" → {endpoint(row.remote_address, row.remote_port)}" if row.remote_address is not None else ""
    return [
        (f"{row.protocol} {local}{peer}", "strong"),
        (" · ", ""),
        (row.state, _STATES.get(row.state, "")),
        ("".join(f" · {word}" for word in words), ""),
    ]


def _note(note: Note, verbose: bool) -> Iterator[Line]:
    yield [(f"{note.severity:<{WORD}}", NOTES[note.severity]), (note.text, "")]
    if verbose:
        fields = ", ".join(f"{name} {text_for('', value)}" for name, value in note.fields.items())
        yield [(f"{'':<{WORD}}{note.formula} [{fields}]", "dim")]


def _socket(one: Detail, verbose: bool) -> Iterator[Row]:
    row = one.socket
    means = _MEANS.get(row.state)
    if row.protocol == "udp" and row.state == "established":
        means = "takes datagrams of this peer only"
    yield "state", row.state + (f": {means}" if means else "")
    owner = [f"{row.process}[{row.pid}]"] if row.process is not None else []
    owner += [f"user {row.user or row.uid}"] if row.uid is not None else []
    owner += [row.unit] if row.unit else []
    if row.container:
        owner.append(f"container {row.container_name or row.container}")
    if row.inode is None and row.state not in ("time-wait", "syn-recv", "new-syn-recv"):
        owner.append(f"no process holds it {'yet' if not_accepted(one) else 'any more'}")
    yield "owner", ", ".join(owner) or UNKNOWN
    if row.cgroup is not None and verbose:
        yield "cgroup", row.cgroup
    yield "inode", f"{row.inode or UNKNOWN}, cookie {one.cookie}"
    if row.interface is not None:
        yield "bound to", row.interface
    if one.timer is not None:
        timer = one.timer
        tries = f", {count_text(timer.tries, 'try')} unanswered" if timer.tries else ""
        what = _TIMERS.get(timer.name, timer.name)
        yield "timer", f"{what} {soon(timer.left_ms)}{tries}"


def _queues(one: Detail) -> Iterator[Row]:
    row = one.socket
    if row.accept_queue is not None:
        limit = number_text(row.accept_queue_limit)
        yield "to accept", f"{row.accept_queue} of {limit} connections (the backlog, at most somaxconn)"
        return
    if row.state == "time-wait":
        return
    waits = unread(one)
    if waits is not None:
        what = "of memory received and not read" if row.protocol == "udp" else "received and not read"
        style: Style = "warning" if any(note.id == "unread" for note in one.notes) else ""
        reads = None if one.rates is None else one.rates.read_bytes_per_s
        text: Text = [
            (bytes_text(waits) if waits else "nothing", style),
            (f" {what}" if waits else "", ""),
            (f"; the application reads {bytes_text(reads)}/s" if reads else "", ""),
        ]
        yield "to read", text
    if row.send_q_bytes is not None:
        what = "in our queues" if row.protocol == "udp" else "not acknowledged"
        text = f"{bytes_text(row.send_q_bytes)} written and {what}" if row.send_q_bytes else "nothing"
        if row.send_q_bytes and one.tcp is not None and one.tcp.sending.not_sent_bytes is not None:
            text += f", {bytes_text(one.tcp.sending.not_sent_bytes)} of it not sent yet"
        yield "to send", text


def _memory(one: Detail) -> Iterator[Row]:
    memory = one.memory
    if memory is None:
        return
    if one.socket.state != "listen":
        for label, used, limit, most in (
            ("receive", memory.receive_bytes, memory.receive_limit_bytes, memory.receive_limit_max_bytes),
            ("send", memory.send_bytes, memory.send_limit_bytes, memory.send_limit_max_bytes),
        ):
            grows = (
                f" (may grow to {bytes_text(most)})" if most and limit is not None and most > limit else ""
            )
            if one.socket.protocol == "udp":
                grows = f" (may ask for {bytes_text(most)})" if most else ""
            full = used is not None and limit and used >= 0.9 * limit
            of = f"{bytes_text(used)} of a buffer of {bytes_text(limit)}"
            yield label, [(of, "warning" if full else ""), (grows, "")]
    rest = [
        f"{bytes_text(size)} {what}"
        for size, what in (
            (memory.transmitting_bytes, "in our own queues"),
            (memory.reserved_bytes, "reserved"),
            (memory.options_bytes, "for options"),
            (memory.backlog_bytes, "in the backlog"),
        )
        if size
    ]
    if rest:
        yield "also", ", ".join(rest)
    if memory.drops is not None:
        fresh = (
            f", {one.rates.drops} of them in the sample" if one.rates is not None and one.rates.drops else ""
        )
        yield "dropped", [(f"{memory.drops or 'nothing'} since it opened", ""), (fresh, "warning")]


def _route(one: Detail) -> Iterator[Row]:
    route = one.route
    if not route:
        return
    if route.type == "local":
        text = "stays on this host, through lo"
    elif route.dev is None:
        text = "no route leads to it now" if route.type == "none" else f"refused here: {route.type}"
    else:
        via = f"via {route.gateway}" if route.gateway else "direct"
        text = f"{via}, {route.dev}" + (f", table {route.table}" if route.table else "")
        text += f", takes packets of {route.mtu}" if route.mtu is not None and one.tcp is None else ""
    if route.method == "computed":
        text += " (computed from the recorded rules and routes)"
    yield "route", text


def _options(one: Detail, verbose: bool) -> Iterator[Row]:
    found = one.options
    words = [
        f"{name} {value:#x}"
        for name, value in (
            ("tos", found.tos),
            ("tclass", found.tclass),
            ("class", found.class_id),
            ("mark", found.mark),
        )
        if value
    ]
    words += ["IPv6 only"] if found.v6only else []
    words += [name for name in found.flags or () if verbose or name not in ("is_icsk", "mc_loop", "mc_all")]
    if found.md5_keys:
        words.append(f"TCP-MD5, {count_text(found.md5_keys, 'key')}")
    if words:
        yield "set", ", ".join(words)
    shut = [name for name, closed in (("read", found.shut_read), ("write", found.shut_write)) if closed]
    if shut and one.socket.state == "established":
        yield "shut", f"will not {' nor '.join(shut)} any more"
    if one.tcp is not None:
        yield from tcp.negotiated(one.tcp)
    elif one.congestion is not None:
        yield from tcp.congestion(one.congestion)
    if found.tls is not None:
        tls = found.tls
        yield "TLS", f"{tls.version or UNKNOWN} {tls.cipher or ''}, sends {tls.send}, receives {tls.receive}"
    elif found.mptcp is not None:
        path = found.mptcp
        yield "MPTCP", f"path {path.address_id} of connection {path.token}: {', '.join(path.flags)}"
    elif found.upper_layer is not None:
        yield "protocol", found.upper_layer
    if found.unknown:
        yield "not known", ", ".join(found.unknown)
