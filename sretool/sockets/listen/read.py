"""Listeners from two samples of the sockets."""

from __future__ import annotations

import ipaddress
import socket

from sretool.errors import ParseError
from sretool.host import netstat
from sretool.host.netstat import Counters
from sretool.sockets.listen.model import Listener, Listening, TcpCounters
from sretool.sockets.read import diag
from sretool.sockets.read.sample import Sample
from sretool.sockets.read.whose import EVERYONE, UNSPECIFIED, Narrow, Texts, Whose, attributor


def build(now: Sample, before: Sample | None = None, narrow: Narrow = EVERYONE) -> Listening:
    """Listeners with their queues and drops, and the counters of the namespace. Listeners of the
    two samples are matched by socket cookie, which the kernel never gives twice.
    """
    window = now.clock.mono - before.clock.mono if before is not None else None
    if window is not None and window <= 0:  # another boot: no rates
        before = window = None
    earlier: dict[int, tuple[int, int | None]] = {}
    for table in before.tables if before is not None else ():
        for record in table.records:
            if _listening(table.protocol, record):
                earlier[record[0][11]] = (record[0][13], _memory(record).drops)
    whose = attributor(now)
    texts = Texts()
    rows = []
    for protocol, family, records in now.tables:
        for record in records:
            if not _listening(protocol, record):
                continue
            owner = whose(record)
            if narrow.keeps(owner.pid, owner.process, owner.unit):
                rows.append(_listener(now, protocol, family, record, owner, texts, earlier, window))
    rows.sort(key=_trouble)
    return Listening(rows, len(rows), _counters(now.counters, before.counters if before else None, window))


def _listening(protocol: str, record: diag.Record) -> bool:
    return record[0][3] == (diag.LISTEN if protocol == "tcp" else diag.CLOSED)


def _memory(record: diag.Record) -> diag.Memory:
    try:
        return diag.memory(diag.attributes(record, "inet-diag").get(diag.INET_DIAG_SKMEMINFO))
    except ParseError:
        return diag.memory(None)


def _listener(
    now: Sample,
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
        (row.accept_queue, row.accept_queue_limit)
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
