"""Models from samples; nothing is read here."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import NamedTuple

from sretool.errors import ParseError
from sretool.host import netstat
from sretool.host.attribution import Attribution, attribute, matches
from sretool.host.engines import name_of
from sretool.host.netstat import Counters
from sretool.sockets.model import Listener, Listening, Socket, Sockets, TcpCounters
from sretool.sockets.read import diag, tcp_info
from sretool.sockets.read.sample import Sample

_UNSPECIFIED = (bytes(4), bytes(16))


class Narrow(NamedTuple):
    """Filters the kernel does not know. None: not asked."""

    pid: int | None = None
    process: str | None = None
    unit: str | None = None

    def keeps(self, pid: int | None, process: str | None, unit: str | None) -> bool:
        """Whether a socket of this owner is wanted; one of unknown owner never is."""
        return (
            (self.pid is None or pid == self.pid)
            and (self.process is None or matches(self.process, process))
            and (self.unit is None or matches(self.unit, unit))
        )


EVERYONE = Narrow()


class _Whose(NamedTuple):
    pid: int | None
    process: str | None
    unit: str | None
    container: str | None
    cgroup: str | None
    container_name: str | None


_UNKNOWN = _Whose(None, None, None, None, None, None)


class _Texts(dict[bytes, str]):
    """Address text by its bytes, made once."""

    def __missing__(self, raw: bytes) -> str:
        made = self[raw] = socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)
        return made


def build_list(now: Sample, narrow: Narrow = EVERYONE, *, info: bool = False) -> Sockets:
    """Rows for `sockets list`; with `info`, the tcp_info fields too."""
    rows: list[Socket] = []
    whose = _attributor(now)
    texts = _Texts()
    ntohs, users, names = socket.ntohs, now.users, now.interfaces
    anyone = narrow == EVERYONE
    for protocol, family, records in now.tables:
        tcp = protocol == "tcp"
        states = [state_name(protocol, number) for number in range(256)]
        for record in records:
            # fmt: off
            (_, _, _, state, _, retransmits, local_port, remote_port, local, remote, index, _, _,
             rqueue, wqueue, uid, inode) = record[0]
            # fmt: on
            pid, process, unit, container, cgroup, container_name = whose(record)
            if not anyone and not narrow.keeps(pid, process, unit):
                continue
            listening = tcp and state == diag.LISTEN
            peerless = not remote_port and remote in _UNSPECIFIED
            owned = state not in _UID_UNKNOWN or not tcp
            row = Socket(
                protocol,
                family,
                states[state],
                None if listening else rqueue,
                None if listening else wqueue,
                rqueue if listening else None,
                wqueue if listening else None,
                texts[local],
                ntohs(local_port),
                None if peerless else texts[remote],
                None if peerless else ntohs(remote_port),
                names.get(index, f"if{index}") if index else None,
                retransmits,
                inode or None,
                uid if owned else None,
                users.get(uid) if owned else None,
                pid,
                process,
                unit,
                container,
                cgroup,
                container_name,
            )
            if info:
                found = _info(record, tcp)
                row.rtt_ms, row.rtt_min_ms = found.rtt_ms, found.rtt_min_ms
                row.retransmits_total = found.total_retrans
            rows.append(row)
    return Sockets(rows, len(rows))


_UID_UNKNOWN = (diag.TIME_WAIT, diag.SYN_RECV, diag.NEW_SYN_RECV)


def state_name(protocol: str, state: int) -> str:
    """The state in lower case, as ss's --state takes it (udp: connected or not)."""
    if protocol == "udp":
        return diag.UDP_STATES.get(state) or f"unknown-{state}"
    return diag.TCP_STATES[state] if 0 < state < len(diag.TCP_STATES) else f"unknown-{state}"


def _info(record: diag.Record, tcp: bool) -> tcp_info.TcpInfo:
    try:
        raw = diag.attributes(record, "inet-diag").get(diag.INET_DIAG_INFO) if tcp else None
    except ParseError:
        raw = None
    return tcp_info.decode(raw)


def _attributor(now: Sample) -> Callable[[diag.Record], _Whose]:
    """Whose a socket is: by its process, else by the cgroup of its creator."""
    if now.owners is None:
        return lambda _: _UNKNOWN
    by_pid: dict[int, _Whose] = {}
    for pid, owner in now.owners.processes.items():
        by_pid[pid] = _whose(pid, owner.comm, owner.attribution, owner.cgroup, now)
    by_inode, cgroups = now.owners.by_inode, now.cgroups

    def whose(record: diag.Record) -> _Whose:
        inode = record[0][16]
        pid = by_inode.get(inode)
        if pid is not None:
            return by_pid[pid]
        return _by_cgroup(record, now) if cgroups and inode else _UNKNOWN

    return whose


def _whose(
    pid: int | None, process: str | None, found: Attribution, cgroup: str | None, now: Sample
) -> _Whose:
    name = name_of(found, now.containers) or None
    return _Whose(pid, process, found.unit or None, found.container or None, cgroup, name)


def _by_cgroup(record: diag.Record, now: Sample) -> _Whose:
    try:
        number = diag.cgroup_id(diag.attributes(record, "inet-diag"))
    except ParseError:
        return _UNKNOWN
    path = now.cgroups.get(number or 0)
    return _UNKNOWN if path is None else _whose(None, None, attribute(path), path, now)


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
    whose = _attributor(now)
    texts = _Texts()
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
    owner: _Whose,
    texts: _Texts,
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
    if address in _UNSPECIFIED:
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
