"""Connections that do not end."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.report.answer import Evidence, Finding, Subject
from sretool.report.check import Rule, Threshold, Unknown, check
from sretool.report.units import count_text, duration_text
from sretool.sockets.summary.checks import about
from sretool.sockets.summary.model import LISTED, CloseWait, Limit, Summary

SOCKSTAT = "/proc/net/sockstat"


@check(
    id="tcp.close-wait",
    title="connections that are never closed",
    reads="TCP sockets in close-wait with their owner, and tcp_info tcpi_last_ack_recv (sock_diag)",
    window="now; the kernel keeps when each last heard of its peer",
    thresholds={
        "age_s": Threshold(
            60, "s", "net.ipv4.tcp_fin_timeout, default 60: the peer has forgotten the connection by then"
        ),
        "sockets": Threshold(10, "sockets", "judgement: an idle connection pool keeps a few"),
    },
    remedy="the process must close what its peer closed: look for a path in it that forgets close(), a "
    "thread that hangs, or a pool that does not look at its idle connections; only ending the process "
    "frees them, and until then each holds a file descriptor",
    refs=("RFC 9293 section 3.6", "man:tcp(7)", "man:close(2)"),
)
def close_wait(model: Summary, rule: Rule[Summary]) -> Iterator[Finding]:
    """The peer closed its side, and this process has not closed its own. The kernel waits for that
    without limit: such sockets and their file descriptors are lost until the process ends.

    The process named has at least `sockets` of them that have not heard of their peer for `age_s`,
    which is as long as a peer that closed remembers the connection. Those that the process never took
    from its accept queue count too: it does not accept.
    """
    for row in model.close_wait:
        old = sum(age >= rule["age_s"] for age in row.oldest_s)
        if row.sockets >= rule["sockets"] and old >= min(rule["sockets"], LISTED):
            yield _not_closed(row, old, rule)
    about.all_read(model, "tcp")
    if any(row.sockets >= rule["sockets"] and not row.oldest_s for row in model.close_wait):
        raise Unknown("how old they are could not be read (tcp_info)")


def _not_closed(row: CloseWait, old: int, rule: Rule[Summary]) -> Finding:
    more = " or more" if old == len(row.oldest_s) < row.sockets else ""
    never = f"; {row.never_accepted} were never accepted" if row.never_accepted else ""
    return rule.finding(
        "warning",
        f"{about.whose(row.process, row.pid, row.unit)} does not close "
        f"{count_text(row.sockets, 'connection')} that its peer closed, {old}{more} of them for over "
        f"{duration_text(rule['age_s'])}, the oldest for {duration_text(row.oldest_s[0])}{never}",
        subject=Subject("process", str(row.pid or "unknown"), row.process or "", row.unit or "", row.pid),
        evidence=[
            Evidence("in close-wait", row.sockets, "sockets", rule["sockets"], "sock_diag"),
            Evidence(
                "the oldest heard of its peer before", round(row.oldest_s[0], 1), "s", rule["age_s"],
                "sock_diag tcp_info tcpi_last_ack_recv",
            ),
            Evidence("most are with", row.remote, "", None, "sock_diag"),
        ],
        next=[
            "sretool sockets list --state close-wait" + (f" --pid {row.pid}" if row.pid else ""),
            *([f"sretool procs show {row.pid}"] if row.pid else []),
        ],
    )  # fmt: skip


@check(
    id="tcp.time-wait",
    title="TIME-WAIT table full",
    reads="TCP tw (/proc/net/sockstat), net.ipv4.tcp_max_tw_buckets; TcpExt TCPTimeWaitOverflow "
    "(/proc/net/netstat)",
    window="now, and the sample for the overflows",
    thresholds={"ratio": Threshold(0.9, "ratio", "judgement: the table is about to overflow")},
    remedy="let the client close, and keep connections open (keep-alive, a pool); a larger "
    "net.ipv4.tcp_max_tw_buckets costs under 300 bytes a socket",
    refs=("RFC 9293 section 3.6.1", "RFC 6191", "kernel:Documentation/networking/ip-sysctl.rst"),
)
def time_wait(model: Summary, rule: Rule[Summary]) -> Iterator[Finding]:
    """Who closes first keeps the connection in time-wait for a minute, so that late segments do not
    reach a new one. Past net.ipv4.tcp_max_tw_buckets the kernel forgets such connections at once: late
    segments may then reset, or get into, the next connection with the same ports.

    A warning when the table is nearly full, or overflowed in the sample. That there are many is no
    fault by itself: see tcp.ephemeral-ports for those that keep ports from being used.
    """
    overflows = about.increase(model, "TcpExt.TCPTimeWaitOverflow")
    try:
        row, why = about.limit(model, "time-wait"), ""
    except Unknown as error:
        row, why = None, str(error)
    near = row is not None and (row.used_ratio or 0) > rule["ratio"]
    if near or overflows:
        lost = f", and {overflows} were forgotten early" if overflows else ""
        size = "the TIME-WAIT table overflows"
        if row is not None:
            size = f"{row.used} of at most {row.limit} sockets are in time-wait"
        yield rule.finding(
            "warning",
            size + lost,
            subject=Subject("host", "tcp"),
            evidence=[
                *([about.used(row, "in time-wait", rule["ratio"])] if row is not None else []),
                about.grown(model, "TcpExt.TCPTimeWaitOverflow", "sockets"),
            ],
            next=["sretool sockets list --state time-wait --sort remote_address --limit 20"],
        )
    if why:
        raise Unknown(why)
    if overflows is None:
        raise Unknown(
            f"overflows: {about.ONE_READING}" if model.window_s is None else "TCPTimeWaitOverflow is not read"
        )


@check(
    id="tcp.orphans",
    title="orphaned connections",
    reads="TCP orphan (/proc/net/sockstat), net.ipv4.tcp_max_orphans; TcpExt TCPAbortOnMemory "
    "(/proc/net/netstat)",
    window="now, and the sample for the aborts",
    thresholds={
        "warning_ratio": Threshold(
            0.25, "ratio", "netdata tcp_orphans: the kernel counts a stuck one up to 4 times"
        ),
        "critical_ratio": Threshold(0.5, "ratio", "netdata tcp_orphans"),
    },
    remedy="look for peers that are gone or do not read while a process here closes with data unsent; "
    "net.ipv4.tcp_orphan_retries shortens how long the kernel tries, each orphan costs up to 64 KiB",
    refs=("man:tcp(7)", "kernel:Documentation/networking/ip-sysctl.rst"),
)
def orphans(model: Summary, rule: Rule[Summary]) -> Iterator[Finding]:
    """A connection that its process closed and whose data the peer has not taken yet is the kernel's
    alone: an orphan. Past net.ipv4.tcp_max_orphans, or of half and a quarter of it for those that make
    no progress (net/ipv4/tcp_timer.c tcp_out_of_resources), the kernel resets them, and what was unsent
    is lost. It does the same when TCP memory is over its limit (tcp.memory).
    """
    aborts = about.increase(model, "TcpExt.TCPAbortOnMemory")
    try:
        row, why = about.limit(model, "orphans"), ""
    except Unknown as error:
        row, why = None, str(error)
    ratio = 0.0 if row is None else row.used_ratio or 0.0
    if aborts or ratio > rule["warning_ratio"]:
        serious = bool(aborts) or ratio > rule["critical_ratio"]
        threshold = rule["critical_ratio" if serious else "warning_ratio"]
        yield rule.finding(
            "critical" if serious else "warning",
            _orphaned(row, aborts, many=ratio > rule["warning_ratio"]),
            subject=Subject("host", "tcp"),
            evidence=[
                *([about.used(row, "orphans", threshold)] if row is not None else []),
                about.grown(model, "TcpExt.TCPAbortOnMemory", "sockets"),
            ],
            next=["sretool sockets list --state fin-wait-1,last-ack,closing --sort send_q_bytes --limit 20"],
        )
    if why:
        raise Unknown(why)
    if aborts is None:
        raise Unknown(
            f"aborts: {about.ONE_READING}" if model.window_s is None else "TCPAbortOnMemory is not read"
        )


def _orphaned(row: Limit | None, aborts: int | None, *, many: bool) -> str:
    reset = f"{count_text(aborts or 0, 'connection')} {'was' if aborts == 1 else 'were'} reset"
    if row is None or not many:
        now = "" if row is None else f"; {row.used} of at most {row.limit} are orphans now"
        return f"{reset} for want of TCP memory, or for too many orphans{now}"
    size = f"{row.used} of at most {row.limit} TCP sockets have no process any more and still send"
    return f"{size}; {reset} for it" if aborts else size
