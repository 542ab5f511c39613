"""Connections that cannot begin."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.report.answer import Evidence, Finding, Severity, Subject
from sretool.report.check import NotApplicable, Rule, Threshold, Unknown, check
from sretool.sockets.model import endpoint
from sretool.sockets.summary.checks import about
from sretool.sockets.summary.model import Destination, Summary, SynQueue

ALWAYS = 2


@check(
    id="tcp.ephemeral-ports",
    title="ephemeral ports to one destination",
    reads="local port, remote address and port of every TCP socket (sock_diag); "
    "net.ipv4.ip_local_port_range, ip_local_reserved_ports, tcp_tw_reuse",
    window="now",
    thresholds={
        "warning_ratio": Threshold(0.8, "ratio", "judgement: a burst of connections takes the rest"),
        "critical_ratio": Threshold(0.95, "ratio", "judgement: connect() searches long, then EADDRNOTAVAIL"),
    },
    remedy="keep connections open and use them again (a pool, keep-alive); else a wider "
    "net.ipv4.ip_local_port_range, more addresses at either end, or net.ipv4.tcp_tw_reuse=1 where most are "
    "in time-wait",
    refs=("man:ip(7)", "man:connect(2)", "kernel:Documentation/networking/ip-sysctl.rst", "RFC 6056"),
)
def ephemeral_ports(model: Summary, rule: Rule[Summary]) -> Iterator[Finding]:
    """Two connections to one address and port need two local ports. When those of
    net.ipv4.ip_local_port_range are all taken, connect() fails with EADDRNOTAVAIL ("cannot assign
    requested address"), to this destination only; the others still work.

    Counted are the ports in that range, without reserved ones and those that something listens on, that
    a connection from one local address to one remote address and port holds. A connection in time-wait
    holds its port for a minute, unless connect() may take it again (net.ipv4.tcp_tw_reuse). A program
    that binds its connections to an address first shares the range between all destinations, and meets
    the end of it sooner than this can tell.
    """
    if model.settings.port_low is None:
        raise Unknown("net.ipv4.ip_local_port_range could not be read")
    for row in model.destinations:
        if row.used_ratio is not None and row.used_ratio >= rule["warning_ratio"]:
            yield _full_destination(model, row, rule)
    about.all_read(model, "tcp")


def _full_destination(model: Summary, row: Destination, rule: Rule[Summary]) -> Finding:
    severity: Severity = "critical" if (row.used_ratio or 0) >= rule["critical_ratio"] else "warning"
    waiting = "" if row.reusable or not row.time_wait else f", {row.time_wait} of them in time-wait"
    low, high = model.settings.port_low, model.settings.port_high
    by = about.whose(row.process, row.pid) if row.process else ""
    return rule.finding(
        severity,
        f"{row.ports_used} of {row.ports} ports for connections from {row.name} are used{waiting}"
        + (f", most by {by}" if by else ""),
        subject=Subject(
            "socket",
            endpoint(row.remote_address, row.remote_port),
            row.process or "",
            row.unit or "",
            row.pid,
        ),
        evidence=[
            Evidence(
                "ports used",
                row.used_ratio,
                "ratio",
                rule["critical_ratio" if severity == "critical" else "warning_ratio"],
                f"sock_diag, ip_local_port_range {low} to {high}",
            ),
            Evidence("in time-wait", row.time_wait, "ports", None, "sock_diag"),
        ],
        next=[f"sretool sockets list 'dst {endpoint(row.remote_address, row.remote_port)}' --sort process"],
    )


@check(
    id="tcp.syn-backlog",
    title="SYN queue full",
    reads="TcpExt TCPReqQFullDrop, TCPReqQFullDoCookies (/proc/net/netstat); sockets in syn-recv and the "
    "backlog of their listener (sock_diag); net.ipv4.tcp_syncookies",
    window="the sample; totals since boot are shown and never judged",
    thresholds={
        "warning_per_s": Threshold(0, "1/s", "PCP pmieconf, TCP request queue full"),
        "critical_per_s": Threshold(5, "1/s", "netdata 1m_tcp_syn_queue_drops, 1m_tcp_syn_queue_cookies"),
    },
    remedy="a SYN flood (many peers in syn-recv that never answer): filter it before this host, and keep "
    "net.ipv4.tcp_syncookies=1; true clients: a longer backlog (listen(2), net.core.somaxconn), or find out "
    "why their handshakes do not end",
    refs=("RFC 4987", "man:listen(2)", "man:tcp(7)", "kernel:Documentation/networking/ip-sysctl.rst"),
)
def syn_backlog(model: Summary, rule: Rule[Summary]) -> Iterator[Finding]:
    """A listener keeps handshakes that the client has not finished, as many as its backlog. When they
    are more the kernel drops the next SYN, or with net.ipv4.tcp_syncookies answers with a cookie, which
    loses the options of the connection (window scaling and selective acknowledgements need timestamps
    then). Dropped, it is critical above the threshold; with cookies connections still work: a warning.

    The kernel counts for the whole namespace; the listener named is the one whose queue is fullest.
    With net.ipv4.tcp_syncookies=2 every SYN is answered by a cookie, and the count says nothing.
    """
    if model.window_s is None:
        raise Unknown(about.ONE_READING)
    dropped = about.increase(model, "TcpExt.TCPReqQFullDrop")
    cookies = about.increase(model, "TcpExt.TCPReqQFullDoCookies")
    if dropped is None and cookies is None:
        raise Unknown("TcpExt TCPReqQFullDrop and TCPReqQFullDoCookies could not be read twice")
    if model.settings.syncookies == ALWAYS:
        if not dropped:
            raise NotApplicable(
                "net.ipv4.tcp_syncookies is 2: every SYN is answered by a cookie, full or not"
            )
        cookies = 0
    drops_per_s, per_s = (dropped or 0) / model.window_s, ((dropped or 0) + (cookies or 0)) / model.window_s
    if per_s <= rule["warning_per_s"]:
        return
    row = model.syn_queues[0] if model.syn_queues else None
    done = f"dropped {dropped}" if dropped else f"answered {cookies} with a cookie"
    where = "" if row is None else f"; the fullest is {_queue(row)}"
    yield rule.finding(
        "critical" if drops_per_s > rule["critical_per_s"] else "warning",
        f"the queue of unfinished handshakes was full: {done} in {model.window_s:.3g} s{where}",
        subject=Subject("host", "tcp")
        if row is None
        else Subject("socket", row.name, row.process or "", row.unit or "", row.pid),
        evidence=[
            Evidence(
                "SYN queue", None if row is None else row.waiting, "connections",
                None if row is None else row.limit, "sock_diag syn-recv, idiag_wqueue",
            ),
            about.grown(model, "TcpExt.TCPReqQFullDrop", "SYN"),
            about.grown(model, "TcpExt.TCPReqQFullDoCookies", "SYN"),
            about.grown(model, "TcpExt.SyncookiesSent", "SYN", None),
        ],
        next=["sretool sockets list --state syn-recv --sort remote_address", "sretool sockets listen --tcp"],
    )  # fmt: skip


def _queue(row: SynQueue) -> str:
    limit = "its listener is gone" if row.limit is None else f"backlog {row.limit}"
    return f"{row.name} ({about.whose(row.process, row.pid, row.unit)}): {row.waiting} waiting, {limit}"
