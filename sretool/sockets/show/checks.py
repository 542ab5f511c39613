"""What is wrong with a socket that is looked at."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.report.answer import Evidence, Finding, Severity, Subject
from sretool.report.check import Rule, Threshold, Unknown, check
from sretool.sockets.model import Socket, endpoint
from sretool.sockets.show.model import Detail, Shown
from sretool.sockets.show.notes.waiting import zero_window
from sretool.sockets.show.notes.words import soon, span

_NAMED = 10
_CLOSING = ("established", "close-wait", "fin-wait-1", "closing", "last-ack")


@check(
    id="tcp.zero-window",
    title="the peer's window is zero",
    reads="the timer (idiag_timer), its tries, tcpi_backoff and tcpi_snd_wnd of the socket (sock_diag)",
    window="both readings; or one, when the kernel has probed often enough by then",
    thresholds={
        "probes": Threshold(3, "probes", "judgement: 7 times the timeout; RFC 9293 3.8.6.1 sets no end"),
    },
    remedy="the peer's application does not read: look at it there (stuck, swapped out, waiting for "
    "something itself); here it holds a send buffer, and whoever writes to it blocks",
    refs=("RFC 9293 section 3.8.6.1", "man:tcp(7)"),
)
def zero_window_check(model: Shown, rule: Rule[Shown]) -> Iterator[Finding]:
    """The peer's receive window is closed: what was sent to it is not read. The kernel asks again and
    again whether it has opened (zero-window probes), and sends nothing else.

    A window that is closed for a moment is how TCP slows a sender down. Found is one that was closed
    at both readings, or that was probed as often as the threshold says.
    """
    found = 0
    unsure = False
    for one in model.sockets:
        if not zero_window(one) or one.timer is None or one.tcp is None:
            continue
        probes = one.tcp.loss.backoff or 0
        before = one.rates.was_timer if one.rates is not None else None
        twice = before is not None and before.name == "window-probe"
        if not twice and probes < rule["probes"]:
            unsure = unsure or one.rates is None
            continue
        found += 1
        if found <= _NAMED:
            yield _zero_window(one, probes, model.netns, rule)
    if unsure:
        raise Unknown("it takes two readings, and there was one")


def _zero_window(one: Detail, probes: int, elsewhere: str | None, rule: Rule[Shown]) -> Finding:
    window = one.tcp.sending.window_bytes if one.tcp is not None else None
    return rule.finding(
        "warning",
        f"{name(one.socket)} waits for its peer to read: window {_known(window)}, probed {probes} times, "
        f"{_known(one.socket.send_q_bytes)} bytes wait",
        subject=subject(one.socket),
        evidence=[
            Evidence("the peer's window", window, "bytes", 0, "tcp_info tcpi_snd_wnd"),
            Evidence("probes", probes, "probes", rule["probes"], "tcp_info tcpi_backoff"),
            Evidence("waits to be sent", one.socket.send_q_bytes, "bytes", None, "sock_diag idiag_wqueue"),
        ],
        next=[f"sretool sockets show {_argument(one.socket, elsewhere)} -w"],
    )


@check(
    id="tcp.half-open",
    title="the peer does not answer",
    reads="the timer (idiag_timer) and its unanswered tries (idiag_retrans), tcpi_rto (sock_diag)",
    window="the tries since the peer answered last, as the kernel counts them",
    thresholds={
        "warning_tries": Threshold(3, "tries", "net.ipv4.tcp_retries1, RFC 1122 4.2.3.5 R1"),
        "critical_tries": Threshold(
            8, "tries", "RFC 1122 4.2.3.5 R2, at least 100 s: Documentation/networking/ip-sysctl.rst"
        ),
    },
    remedy="the peer, or a firewall or NAT on the way, has forgotten the connection: look from the other end "
    "and at the path; the kernel ends it after tcp_retries2 tries (about 15 minutes), TCP_USER_TIMEOUT or "
    "keepalives in the application would sooner",
    refs=("RFC 1122 section 4.2.3.5", "RFC 5482", "man:tcp(7)"),
)
def half_open(model: Shown, rule: Rule[Shown]) -> Iterator[Finding]:
    """A connection that is open here, and to which the peer answers no more: it crashed, lost its
    address or was cut off without a word, or a middlebox dropped its state.

    Only silence that is an answer owed is found: data, or the end of the connection, sent several
    times without an acknowledgement; keepalives or probes of a zero window without one. A connection
    on which nothing is sent can be half open for ever, and shows nothing: the note `silent` says how
    long nothing came. Warning and critical are by the number of tries.
    """
    found = 0
    for one in model.sockets:
        timer = one.timer
        if (
            one.socket.protocol != "tcp"
            or one.socket.state not in _CLOSING
            or timer is None
            or timer.name not in ("retransmit", "keepalive", "window-probe")
            or (timer.name == "window-probe" and not zero_window(one))  # it never left this host
            or timer.tries < rule["warning_tries"]
        ):
            continue
        found += 1
        if found <= _NAMED:
            yield _half_open(one, rule)


_TRIED = {"retransmit": "data", "keepalive": "keepalives", "window-probe": "probes of a zero window"}


def _half_open(one: Detail, rule: Rule[Shown]) -> Finding:
    timer = one.timer
    tries, what, left = (0, "", 0) if timer is None else (timer.tries, _TRIED[timer.name], timer.left_ms)
    severity: Severity = "critical" if tries >= rule["critical_tries"] else "warning"
    silent = None if one.tcp is None else one.tcp.receiving.last_ack_ms
    since = "" if silent is None else f", the last acknowledgement came {span(silent)} ago"
    return rule.finding(
        severity,
        f"{name(one.socket)}: {what} sent again {tries} times without an answer{since}; next try "
        f"{soon(left)}",
        subject=subject(one.socket),
        evidence=[
            Evidence("unanswered tries", tries, "tries", rule["warning_tries"], "sock_diag idiag_retrans"),
            Evidence("since an acknowledgement", silent, "ms", None, "tcp_info tcpi_last_ack_recv"),
            Evidence(
                "timeout",
                None if one.tcp is None else one.tcp.round_trip.rto_ms,
                "ms",
                None,
                "tcp_info tcpi_rto",
            ),
        ],
        next=[f"sretool net trace {one.socket.remote_address}"],
    )


def name(row: Socket) -> str:
    """Both ends, as a person writes them."""
    return f"{endpoint(row.local_address, row.local_port)} to {_peer(row)}"


def subject(row: Socket) -> Subject:
    """The socket, whose it is."""
    ends = f"{endpoint(row.local_address, row.local_port)}-{_peer(row)}"
    return Subject("socket", ends, row.process or "", row.unit or "", row.pid)


def _argument(row: Socket, elsewhere: str | None) -> str:
    if elsewhere is not None:  # only by its process it is found in another network namespace
        return f"pid:{row.pid}"
    return f"inode:{row.inode}" if row.inode else subject(row).id


def _peer(row: Socket) -> str:
    return endpoint(row.remote_address, row.remote_port)


def _known(value: int | None) -> str:
    return "unknown" if value is None else str(value)


CHECKS = (zero_window_check, half_open)
