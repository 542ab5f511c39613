"""What is wrong with this host's sockets."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.report.answer import Evidence, Finding, Severity, Subject
from sretool.report.check import Rule, Threshold, Unknown, check
from sretool.sockets.listen.model import Listener, Listening


@check(
    id="tcp.accept-queue-overflow",
    title="accept queue overflow",
    reads="TcpExt ListenOverflows and ListenDrops (/proc/net/netstat); accept queue, backlog and drops of "
    "every LISTEN socket (sock_diag)",
    window="the sample; totals since boot are shown and never judged",
    thresholds={
        "warning_per_s": Threshold(0, "1/s", "PCP pmieconf, listen overflows"),
        "critical_per_s": Threshold(5, "1/s", "netdata 1m_tcp_accept_queue_overflows"),
    },
    remedy="find out why the process does not accept in time (throttled, starved or stuck, too few workers); "
    "a longer backlog (listen(2), capped by net.core.somaxconn) only helps against short bursts",
    refs=("man:listen(2)", "man:tcp(7)", "kernel:Documentation/networking/snmp_counter.rst"),
)
def accept_queue_overflow(model: Listening, rule: Rule[Listening]) -> Iterator[Finding]:
    """A listener whose accept queue is full makes the kernel drop finished handshakes, and then new
    ones: clients wait through retransmissions, seconds each, or time out.

    The kernel counts such drops once for the whole network namespace, and once more on the listener
    that dropped (sk_drops): the listeners named are those whose own count grew while the
    namespace's did. A queue that was full at both readings, and at every look between them, is named
    too: nobody accepts, and the next connection is dropped. One that was full only at times had a burst,
    and is not.
    """
    tcp = model.tcp
    dropping = (tcp.listen_overflows or 0) + (tcp.listen_drops or 0) > 0
    culprits = [
        row
        for row in model.listeners
        if row.protocol == "tcp"
        and ((dropping and (row.drops_per_s or 0) > rule["warning_per_s"]) or row.stuck)
    ]
    for row in sorted(culprits, key=lambda row: -(row.drops_per_s or 0)):
        yield _of_listener(model, row, rule)
    if dropping and not any((row.drops_per_s or 0) > 0 for row in culprits):
        yield _of_nobody(model, rule)
    if tcp.window_s is None:
        raise Unknown("it takes two readings, and there was one")
    if tcp.listen_overflows is None and tcp.listen_drops is None:
        raise Unknown("TcpExt ListenOverflows and ListenDrops could not be read twice")


def _of_listener(model: Listening, row: Listener, rule: Rule[Listening]) -> Finding:
    rate = row.drops_per_s or 0.0
    severity: Severity = "critical" if rate > rule["critical_per_s"] else "warning"
    whose = f"{row.process}[{row.pid}]" if row.process is not None else "a process we may not see"
    peak = "" if row.accept_queue_peak is None else f", {row.accept_queue_peak} at its peak"
    queue = f"{row.accept_queue} waiting{peak}, backlog {row.accept_queue_limit}"
    if rate > 0:
        summary = f"{row.name} ({whose}) drops {rate:.3g} connection attempts a second: {queue}"
    else:
        summary = f"{row.name} ({whose}) accepts nothing and its accept queue is full: {queue}"
    evidence = [
        Evidence(
            "accept queue",
            row.accept_queue,
            "connections",
            row.accept_queue_limit,
            "sock_diag idiag_rqueue, idiag_wqueue",
        ),
        *(
            []
            if row.accept_queue_peak is None
            else [
                Evidence(
                    "accept queue at its peak",
                    row.accept_queue_peak,
                    "connections",
                    row.accept_queue_limit,
                    "sock_diag idiag_rqueue, read many times in the sample",
                )
            ]
        ),
        Evidence(
            "dropped by this listener",
            None if row.drops_per_s is None else round(row.drops_per_s, 2),
            "1/s",
            rule["critical_per_s"],
            "sock_diag INET_DIAG_SKMEMINFO drops",
        ),
    ]
    return rule.finding(
        severity,
        summary,
        subject=Subject("socket", row.name, row.process or "", row.unit or "", row.pid),
        evidence=[*evidence, *_counted(model)],
        next=[f"sretool sockets listen --port {row.local_port}"],
    )


def _of_nobody(model: Listening, rule: Rule[Listening]) -> Finding:
    """The namespace counted drops, and no listener did that still stands and was asked about."""
    tcp = model.tcp
    count = max(tcp.listen_overflows or 0, tcp.listen_drops or 0)
    rate = count / tcp.window_s if tcp.window_s else 0.0
    return rule.finding(
        "critical" if rate > rule["critical_per_s"] else "warning",
        f"{count} connection attempts were dropped, by none of the listeners looked at",
        subject=Subject("host", "tcp"),
        evidence=_counted(model),
        next=["sretool sockets listen --tcp"],
    )


def _counted(model: Listening) -> list[Evidence]:
    tcp = model.tcp
    over = "" if tcp.window_s is None else f" in {tcp.window_s:.3g} s"
    return [
        Evidence(
            f"ListenOverflows{over}",
            tcp.listen_overflows,
            "connections",
            0,
            "/proc/net/netstat TcpExt ListenOverflows",
        ),
        Evidence(
            f"ListenDrops{over}", tcp.listen_drops, "connections", 0, "/proc/net/netstat TcpExt ListenDrops"
        ),
        Evidence(
            "ListenOverflows since boot",
            tcp.listen_overflows_total,
            "connections",
            None,
            "/proc/net/netstat TcpExt ListenOverflows",
        ),
    ]


@check(
    id="tcp.retransmit-rate",
    title="TCP retransmissions",
    reads="Tcp RetransSegs and OutSegs (/proc/net/snmp)",
    window="the sample",
    thresholds={
        "ratio": Threshold(0.01, "ratio", "hotsos, TCP retransmissions"),
        "segments": Threshold(10, "segments", "judgement: fewer retransmissions than this prove nothing"),
    },
    remedy="look for loss on the way to the peers that retransmit: link errors, drops, a congested or "
    "shaped link; or peers that are gone",
    refs=("RFC 6298", "kernel:Documentation/networking/snmp_counter.rst"),
)
def retransmit_rate(model: Listening, rule: Rule[Listening]) -> Iterator[Finding]:
    """TCP sends a segment again when its acknowledgement does not come: loss, somewhere between
    here and the peers. Above one percent throughput suffers, and latency more.

    The ratio is retransmitted segments to segments sent for the first time (the kernel's OutSegs
    leaves pure retransmissions out), over the sample, for all connections of the namespace.
    """
    tcp = model.tcp
    if tcp.window_s is None:
        raise Unknown("it takes two readings, and there was one")
    sent, again = tcp.segments_sent, tcp.segments_retransmitted
    if sent is None or again is None:
        raise Unknown("Tcp RetransSegs and OutSegs could not be read twice")
    if again < rule["segments"] or again <= sent * rule["ratio"]:
        return
    ratio = again / sent if sent else None
    share = "nothing else was sent" if ratio is None else f"{ratio * 100:.1f}% of {sent} sent"
    yield rule.finding(
        "warning",
        f"{again} TCP segments were sent again in {tcp.window_s:.3g} s ({share})",
        subject=Subject("host", "tcp"),
        evidence=[
            Evidence(
                "retransmitted to sent",
                None if ratio is None else round(ratio, 4),
                "ratio",
                rule["ratio"],
                "/proc/net/snmp Tcp RetransSegs / OutSegs",
            ),
            Evidence("retransmitted", again, "segments", rule["segments"], "/proc/net/snmp Tcp RetransSegs"),
        ],
        next=["sretool sockets list --tcp --sort retransmits_total --limit 20"],
    )


@check(
    id="tcp.somaxconn-cap",
    title="accept queue capped by somaxconn",
    reads="accept queue, its peak between two readings, backlog and drops of every LISTEN socket "
    "(sock_diag); net.core.somaxconn",
    window="the sample",
    thresholds={"fill": Threshold(80, "%", "judgement: a burst a quarter larger overflows")},
    remedy="raise net.core.somaxconn and the backlog the application asks for, then start it again: both "
    "count at listen(2) only",
    refs=("man:listen(2)", "kernel:Documentation/admin-guide/sysctl/net.rst"),
)
def somaxconn_cap(model: Listening, rule: Rule[Listening]) -> Iterator[Finding]:
    """Bursts of connections fill a listener's accept queue, which is as long as net.core.somaxconn and may
    not be longer, however long a backlog the application asks for. A warning when the listener dropped
    connections for it, else information.

    The kernel does not tell what the application asked for: it may be the same number, and then it has to
    ask for more. A queue that was full all the time is left out: nobody accepts in time there, and no length
    helps (tcp.accept-queue-overflow tells).
    """
    tcp, most = model.tcp, model.limits.somaxconn
    overflowing = (tcp.listen_overflows or 0) > 0
    for row in model.listeners:
        limit = row.accept_queue_limit
        capped = row.accept_queue_limited_by == "somaxconn-or-application"
        if not capped or not limit or row.stuck:
            continue
        waited = max(row.accept_queue_peak or 0, row.accept_queue or 0, row.accept_queue_before or 0)
        dropped = overflowing and (row.drops_per_s or 0) > 0
        if not dropped and waited < limit * rule["fill"] / 100:
            continue
        whose = f"{row.process}[{row.pid}]" if row.process is not None else "a process we may not see"
        yield rule.finding(
            "warning" if dropped else "info",
            f"bursts to {row.name} ({whose}) {'overflow' if dropped else 'nearly fill'} its accept queue: "
            f"{waited} waited, and net.core.somaxconn allows {limit}",
            subject=Subject("socket", row.name, row.process or "", row.unit or "", row.pid),
            evidence=[
                Evidence(
                    "waited at most",
                    waited,
                    "connections",
                    round(limit * rule["fill"] / 100, 1),
                    "sock_diag idiag_rqueue, read many times in the sample",
                ),
                Evidence("accept queue limit", limit, "connections", most, "sock_diag idiag_wqueue"),
                Evidence(
                    "dropped by this listener",
                    None if row.drops_per_s is None else round(row.drops_per_s, 2),
                    "1/s",
                    0,
                    "sock_diag INET_DIAG_SKMEMINFO drops",
                ),
            ],
            next=[f"sretool sockets listen --port {row.local_port} --sample 10"],
        )
    if most is None:
        raise Unknown("net.core.somaxconn could not be read")
    if tcp.window_s is None:
        raise Unknown("it takes two readings, and there was one")
    if tcp.listen_overflows is None:
        raise Unknown("TcpExt ListenOverflows could not be read twice")


TRIAGE = (accept_queue_overflow, retransmit_rate)
COMMAND = (somaxconn_cap,)
CHECKS = (*TRIAGE, *COMMAND)
