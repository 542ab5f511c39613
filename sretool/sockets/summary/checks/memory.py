"""Buffers that are full."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.report.answer import Evidence, Finding, Subject
from sretool.report.check import Rule, Threshold, Unknown, check
from sretool.report.units import bytes_text, count_text
from sretool.sockets.summary.checks import about
from sretool.sockets.summary.model import Summary, UdpDrops

HALF = 0.5


@check(
    id="tcp.memory",
    title="TCP memory",
    reads="TCP mem (/proc/net/sockstat) against net.ipv4.tcp_mem, pages of the whole host; TCP press "
    "(/proc/net/protocols); TcpExt TCPMemoryPressures (/proc/net/netstat)",
    window="now, and the sample for how often it came under pressure",
    thresholds={
        "critical_ratio": Threshold(0.9, "ratio", "netdata tcp_memory: of the third number of tcp_mem"),
    },
    remedy="find the sockets that hold it (full queues: a process that does not read, peers that do not); "
    "cap buffers with net.ipv4.tcp_rmem and tcp_wmem, or raise net.ipv4.tcp_mem where there is room",
    refs=("man:tcp(7)", "kernel:Documentation/networking/ip-sysctl.rst"),
)
def tcp_memory(model: Summary, rule: Rule[Summary]) -> Iterator[Finding]:
    """All TCP sockets of the host, of every network namespace, share net.ipv4.tcp_mem. Over its second
    number the kernel is under memory pressure: buffers do not grow, windows shrink, segments that came
    out of order are thrown away, and all connections slow down. At the third, sockets get nothing more:
    sends wait, what arrives is dropped, and orphans are reset.

    A warning under pressure, now or within the sample; critical near the third number.
    """
    entered = about.increase(model, "TcpExt.TCPMemoryPressures")
    pressed = model.settings.memory_pressure
    at = model.settings.memory_pressure_bytes
    try:
        row, why = about.limit(model, "tcp-memory"), ""
    except Unknown as error:
        row, why = None, str(error)
    over = row is not None and at is not None and (row.used or 0) > at
    near = row is not None and (row.used_ratio or 0) > rule["critical_ratio"]
    if near or over or pressed or entered:
        size = (
            ""
            if row is None
            else f": {bytes_text(row.used)} of {bytes_text(row.limit)}, pressure from {bytes_text(at)}"
        )
        now = (
            "is near its limit" if near else "is under pressure" if over or pressed else "came under pressure"
        )
        yield rule.finding(
            "critical" if near else "warning",
            f"TCP memory {now}{size}",
            subject=Subject("host", "tcp"),
            evidence=[
                *([about.used(row, "TCP memory", rule["critical_ratio"])] if row is not None else []),
                Evidence("pressure from", at, "bytes", None, "net.ipv4.tcp_mem, second number"),
                about.grown(model, "TcpExt.TCPMemoryPressures", "times"),
            ],
            next=[
                "sretool sockets list --tcp --sort recv_q_bytes --limit 20",
                "sretool sockets list --tcp --sort send_q_bytes --limit 20",
            ],
        )
    if why and pressed is None:
        raise Unknown(why)


@check(
    id="udp.receive-errors",
    title="UDP receive buffer full",
    reads="Udp RcvbufErrors (/proc/net/snmp), Udp6RcvbufErrors (/proc/net/snmp6); queue, buffer and drops of "
    "every UDP socket (sock_diag)",
    window="the sample; totals since boot are shown and never judged",
    thresholds={
        "warning_per_s": Threshold(10, "1/s", "netdata 1m_ipv4_udp_receive_buffer_errors"),
    },
    remedy="find out why the process does not read in time (throttled, starved, stuck, one thread); a "
    "larger buffer (SO_RCVBUF, net.core.rmem_max, net.core.rmem_default) only helps against short bursts",
    refs=("man:udp(7)", "man:socket(7)", "kernel:Documentation/networking/snmp_counter.rst"),
)
def udp_receive_errors(model: Summary, rule: Rule[Summary]) -> Iterator[Finding]:
    """A datagram that finds the receive buffer of its socket full is thrown away, and nobody is told:
    DNS times out, logs and metrics are lost.

    The kernel counts them for the whole namespace, and on the socket (sk_drops): the sockets named are
    those whose own count grew while the namespace's did. A warning above the threshold; and below it too
    for a socket that was half full or more at both readings: nobody empties it.
    """
    if model.window_s is None:
        raise Unknown(about.ONE_READING)
    lost = about.increase(model, "Udp.RcvbufErrors", "Udp6.RcvbufErrors")
    if lost is None:
        raise Unknown("Udp RcvbufErrors could not be read twice")
    if not lost:
        return
    named = [row for row in model.udp_drops if row.drops_in_sample]
    loud = lost / model.window_s > rule["warning_per_s"]
    culprits = [row for row in named if loud or _stuck(row)]
    for row in culprits:
        yield _of_socket(model, row, rule)
    if loud and not culprits:
        yield rule.finding(
            "warning",
            f"{count_text(lost, 'datagram')} found a receive buffer full in {model.window_s:.3g} s, of no "
            "socket that is still open",
            subject=Subject("host", "udp"),
            evidence=_counted(model),
            next=["sretool sockets listen --udp"],
        )


def _stuck(row: UdpDrops) -> bool:
    least = HALF * (row.recv_q_limit_bytes or 0)
    return least > 0 and row.recv_q_bytes >= least and (row.recv_q_before_bytes or 0) >= least


def _of_socket(model: Summary, row: UdpDrops, rule: Rule[Summary]) -> Finding:
    rate = (row.drops_in_sample or 0) / (model.window_s or 1)
    full = "; it is not emptied" if _stuck(row) else ""
    return rule.finding(
        "warning",
        f"{row.name} ({about.whose(row.process, row.pid, row.unit)}) loses {rate:.3g} datagrams a second: "
        f"{bytes_text(row.recv_q_bytes)}B wait in a buffer of {bytes_text(row.recv_q_limit_bytes)}B{full}",
        subject=Subject("socket", row.name, row.process or "", row.unit or "", row.pid),
        evidence=[
            Evidence(
                "lost by this socket", round(rate, 2), "1/s", rule["warning_per_s"],
                "sock_diag INET_DIAG_SKMEMINFO drops",
            ),
            Evidence(
                "receive queue", row.recv_q_bytes, "bytes", row.recv_q_limit_bytes,
                "sock_diag idiag_rqueue, INET_DIAG_SKMEMINFO rcvbuf",
            ),
            *_counted(model),
        ],
        next=[
            f"sretool sockets listen --udp --port {row.local_port}",
            *([f"sretool procs show {row.pid}"] if row.pid else []),
        ],
    )  # fmt: skip


def _counted(model: Summary) -> list[Evidence]:
    return [about.grown(model, f"{group}.RcvbufErrors", "datagrams", None) for group in ("Udp", "Udp6")]
