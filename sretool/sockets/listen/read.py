"""Listeners: one reading of them, and what two of them say."""

from __future__ import annotations

import ipaddress
import socket
from typing import NamedTuple

from sretool.errors import Missing, ParseError, SourceError, SretoolError
from sretool.host import netstat
from sretool.host.decimal import integer
from sretool.host.netstat import Counters
from sretool.host.source import Clock, Source
from sretool.sockets import read
from sretool.sockets.listen.groups import HALF_OPEN, Key, half_open, joined, key_of
from sretool.sockets.listen.model import Limits, Listener, Listening, TcpCounters
from sretool.sockets.listen.peaks import Peaks
from sretool.sockets.read import diag
from sretool.sockets.read.holders import attributor
from sretool.sockets.read.rows import maker
from sretool.sockets.read.whose import EVERYONE, UNSPECIFIED, Narrow, Texts, Whose

_FILES = (
    "/proc/sys/net/core/somaxconn",
    "/proc/sys/net/ipv4/tcp_max_syn_backlog",
    "/proc/sys/net/ipv4/tcp_syncookies",
)
_HALF_OPEN = sum(1 << state for state in HALF_OPEN)


class Ask(NamedTuple):
    """What to read: which sockets, if any, and whether the limits too."""

    sockets: read.Ask | None
    limits: bool = True


TRIAGE = Ask(read.TRIAGE, limits=False)
TRIAGE_BEFORE = Ask(read.TRIAGE._replace(owners=False), limits=False)
LISTENERS = read.LISTENERS._replace(tcp_states=1 << diag.LISTEN | _HALF_OPEN)
EVERYTHING = Ask(None)
"""For a recording: the sockets themselves are in `sockets.read.EVERYTHING`."""


class Sample(NamedTuple):
    """One reading; `sockets` is None when they were not asked for."""

    clock: Clock
    sockets: read.Sample | None
    limits: Limits
    half_open: bool
    errors: list[SretoolError]


def sample(source: Source, ask: Ask) -> Sample:
    """Read what `ask` needs; what could not be read is in `errors`."""
    errors: list[SretoolError] = []
    clock = source.clock()
    found = read.sample(source, ask.sockets) if ask.sockets is not None else None
    if found is not None:
        clock, errors = found.clock, found.errors
    limits = Limits(*(_sysctl(source, path, errors) if ask.limits else None for path in _FILES))
    asked = ask.sockets is not None and bool(ask.sockets.tcp_states & _HALF_OPEN)
    return Sample(clock, found, limits, asked, errors)


def _sysctl(source: Source, path: str, errors: list[SretoolError]) -> int | None:
    try:
        return integer(source.read(path).decode("ascii", "replace").strip())
    except Missing:  # a kernel from before it was each namespace's own
        return None
    except ValueError:
        errors.append(ParseError(path, "not a number"))
    except SourceError as error:
        errors.append(error)
    return None


def build(
    now: Sample, before: Sample | None = None, narrow: Narrow = EVERYONE, peaks: Peaks | None = None
) -> Listening:
    """Listeners with their queues and drops, and the counters of the namespace. Listeners of the
    two samples are matched by socket cookie, which the kernel never gives twice.
    """
    sockets = now.sockets
    assert sockets is not None
    old = before.sockets if before is not None else None
    window = now.clock.mono - before.clock.mono if before is not None else None
    if window is not None and window <= 0:  # another boot: no rates
        old = window = None
    earlier: dict[int, tuple[int, int | None]] = {}
    for table in old.tables if old is not None else ():
        for record in table.records:
            if _listening(table.protocol, record):
                earlier[record[0][11]] = (record[0][13], _memory(record).drops)
    whose = attributor(sockets)
    texts = Texts()
    watched = peaks if peaks is not None and peaks.looks and window is not None else None
    rows: list[tuple[Key, Listener]] = []
    fits: list[bool] = []
    for protocol, family, records in sockets.tables:
        make = maker(protocol, family, sockets.interfaces, sockets.users, info=False, more=True)
        for record in records:
            if _listening(protocol, record):
                owner = whose(record)
                fits.append(sockets.keeps is None or sockets.keeps(make(record, owner)))
                row = _listener(sockets, protocol, family, record, owner, texts, earlier, window)
                _queue(row, now.limits, record[0][11], watched)
                rows.append((key_of(family, record), row))
    half = half_open(sockets.tables, {key for key, _ in rows}) if now.half_open else None
    groups = joined(rows, half, now.limits)
    kept = [
        (key, row)
        for (key, row), fit in zip(rows, fits)
        if fit and narrow.keeps(row.pid, row.process, row.unit)
    ]
    kept.sort(key=lambda item: _trouble(item[1]))
    return Listening(
        [row for _, row in kept],
        len(kept),
        _counters(sockets.counters, old.counters if old else None, window),
        groups=[groups[key] for key in dict.fromkeys(key for key, _ in kept) if key in groups],
        limits=now.limits,
        looks=watched.looks if watched is not None else None,
    )


def _queue(row: Listener, limits: Limits, cookie: int, watched: Peaks | None) -> None:
    """What else is known of a TCP listener's accept queue."""
    limit = row.accept_queue_limit
    if limit is None:
        return
    if watched is not None:
        seen = (
            row.accept_queue,
            row.accept_queue_before,
            watched.most.get(cookie),
            watched.least.get(cookie),
        )
        known = [number for number in seen if number is not None]
        row.accept_queue_peak, row.accept_queue_least = max(known), min(known)
    if limits.somaxconn is not None:
        row.accept_queue_limited_by = (
            "application"
            if limit < limits.somaxconn
            else "somaxconn-or-application"
            if limit == limits.somaxconn
            else "somaxconn-lowered"
        )


def _listening(protocol: str, record: diag.Record) -> bool:
    return record[0][3] == (diag.LISTEN if protocol == "tcp" else diag.CLOSED)


def _memory(record: diag.Record) -> diag.Memory:
    try:
        return diag.memory(diag.attributes(record, "inet-diag").get(diag.INET_DIAG_SKMEMINFO))
    except ParseError:
        return diag.memory(None)


def _listener(
    now: read.Sample,
    protocol: str,
    family: str,
    record: diag.Record,
    owner: Whose,
    texts: Texts,
    earlier: dict[int, tuple[int, int | None]],
    window: float | None,
) -> Listener:
    values = record[0]
    tcp = protocol == "tcp"
    queue, limit, uid, inode = values[13:17]
    memory = _memory(record)
    queue_before, drops_before = earlier.get(values[11], (None, None))
    rate = None
    if window and memory.drops is not None and drops_before is not None and memory.drops >= drops_before:
        rate = (memory.drops - drops_before) / window
    return Listener(
        protocol=protocol,
        family=family,
        local_address=texts[values[8]],
        local_port=socket.ntohs(values[6]),
        reach=reach(values[8]),
        interface=now.interfaces.get(values[10], f"if{values[10]}") if values[10] else None,
        accept_queue=queue if tcp else None,
        accept_queue_before=queue_before if tcp else None,
        accept_queue_limit=limit if tcp else None,
        recv_q_bytes=None if tcp else queue,
        recv_q_limit_bytes=None if tcp else memory.receive_buffer_bytes,
        drops=memory.drops,
        drops_per_s=rate,
        inode=inode or None,
        uid=uid,
        user=now.users.get(uid),
        pid=owner.pid,
        process=owner.process,
        unit=owner.unit,
        container=owner.container,
        cgroup=owner.cgroup,
        container_name=owner.container_name,
    )


def reach(address: bytes) -> str:
    """Who may connect, as far as the address decides."""
    if address in UNSPECIFIED:
        return "any"
    parsed = ipaddress.ip_address(address)
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    if (mapped or parsed).is_loopback:
        return "loopback"
    return "link" if parsed.is_link_local else "address"


def _trouble(row: Listener) -> tuple[float, float, int, str, str, str]:
    """Worst first: dropping now, then how full, then by port."""
    queue, limit = (
        (row.accept_queue if row.accept_queue_peak is None else row.accept_queue_peak, row.accept_queue_limit)
        if row.protocol == "tcp"
        else (row.recv_q_bytes, row.recv_q_limit_bytes)
    )
    fill = (queue or 0) / (limit or 1)
    return -(row.drops_per_s or 0), -fill, row.local_port, row.protocol, row.family, row.local_address


def _counters(now: Counters | None, before: Counters | None, window: float | None) -> TcpCounters:
    def grown(name: str) -> int | None:
        return None if now is None or before is None else netstat.increase(now, before, name)

    def total(name: str) -> int | None:
        return None if now is None else now.get(name)

    return TcpCounters(
        window_s=window,
        listen_overflows_total=total("TcpExt.ListenOverflows"),
        listen_overflows=grown("TcpExt.ListenOverflows"),
        listen_drops_total=total("TcpExt.ListenDrops"),
        listen_drops=grown("TcpExt.ListenDrops"),
        segments_sent=grown("Tcp.OutSegs"),
        segments_retransmitted=grown("Tcp.RetransSegs"),
    )
