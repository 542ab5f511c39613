"""The summary from two readings; nothing is read here."""

from __future__ import annotations

import heapq
import socket
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from sretool.errors import ParseError
from sretool.host import netstat
from sretool.host.netstat import Counters
from sretool.sockets.read import diag, tcp_info
from sretool.sockets.read.build import state_name
from sretool.sockets.read.diag import plain
from sretool.sockets.read.whose import UNSPECIFIED
from sretool.sockets.summary import count, kernel, limits, model
from sretool.sockets.summary.count import HIDDEN, NOBODY, Counts, address
from sretool.sockets.summary.groups import Grouper, groups
from sretool.sockets.summary.health import by_cookie
from sretool.sockets.summary.kernel import Kernel
from sretool.sockets.summary.model import LISTED, By, CloseWait, Summary
from sretool.sockets.summary.read import FAMILIES, Sample
from sretool.sockets.summary.whose import Attributor, Whose

COUNTED = (
    *(f"TcpExt.{name}" for name in ("TCPTimeWaitOverflow", "TCPAbortOnMemory", "TCPMemoryPressures")),
    *(f"TcpExt.{name}" for name in ("TCPReqQFullDrop", "TCPReqQFullDoCookies", "SyncookiesSent")),
    *(f"TcpExt.{name}" for name in ("ListenOverflows", "ListenDrops")),
    *(f"Udp.{name}" for name in ("InDatagrams", "InErrors", "RcvbufErrors", "MemErrors", "SndbufErrors")),
    *(f"Udp6.{name}" for name in ("InDatagrams", "InErrors", "RcvbufErrors", "MemErrors", "SndbufErrors")),
)
_ACCEPTABLE = (diag.ESTABLISHED, count.CLOSE_WAIT)
Way = tuple[bytes, bytes, int]
"""Local and remote address, remote port."""
_TABLES = {
    "TCP": ("tcp", "inet"),
    "TCPv6": ("tcp", "inet6"),
    "UDP": ("udp", "inet"),
    "UDPv6": ("udp", "inet6"),
}


def build(now: Sample, before: Sample | None = None, by: By = "process", *, health: bool = False) -> Summary:
    """The answer, its groups by `by`; with `health`, for which both readings have tcp_info, with how
    their connections fare.
    """
    window = now.clock.mono - before.clock.mono if before is not None else None
    if window is not None and window <= 0:  # another boot: no rates
        before = window = None
    found = now.sockets
    assert found is not None  # only a recorder asks for none
    whose = Attributor(found)
    pool = limits.pool(now.kernel)
    counts = count.count(found.tables, whose.holders, pool)
    earlier = _numbers(before) if health else {}
    rows = groups(found.tables, Grouper(by, whose, now.routes), window, health, earlier)
    peers = _peers(counts)
    destinations, destinations_total = _destinations(counts, whose, now.kernel, pool)
    queues = _syn_queues(counts, whose)
    return Summary(
        groups=rows,
        total=len(rows),
        by=by,
        fares=health,
        window_s=window,
        sockets=counts.total,
        limits=limits.limits(now.kernel, counts, destinations, queues, whose),
        states=list(_states(now, counts)),
        unread=_unread(now),
        peers=peers,
        peers_total=len({remote for remote, *_ in counts.peers}),
        destinations=destinations,
        destinations_total=destinations_total,
        close_wait=_close_wait(now, counts, whose),
        syn_queues=queues[:LISTED],
        udp_drops=_udp_drops(now, before, whose),
        unattributed=None if whose.owners is None else _unattributed(counts),
        settings=limits.settings(now.kernel, pool),
        counters=_counters(now, before),
    )


def _states(now: Sample, counts: Counts) -> Iterator[model.States]:
    """TCP and UDP first, then the others that could be listed, then those that the kernel only counts."""
    tables: dict[tuple[str, str | None], Counter[str]] = defaultdict(Counter)
    for (protocol, version, state), number in sorted(counts.states.items()):
        tables[protocol, version][state_name(protocol, state)] += number
    assert now.sockets is not None
    dumped = {(table.protocol, table.family) for table in now.sockets.tables}
    listed = set()
    if now.others is not None:
        for table in now.others.tables:
            listed.add(table.protocol)
            names = [state_name(table.protocol, values[3]) for values, _, _ in table.records]
            tables[table.protocol, table.family].update(names)
        for protocol, rows in now.others.others.items():
            listed.add(protocol)
            tables[protocol, None].update(row.state for row in rows)
    for (protocol, family), states in tables.items():
        if states:
            yield model.States(protocol, family, states.total(), dict(states.most_common()), "sock_diag")
    for line in now.kernel.protocols:
        table_of = _TABLES.get(line.name)
        known = FAMILIES.get(line.name) in listed if table_of is None else table_of in dumped
        if line.sockets > 0 and not known and (table_of is None or table_of[1] in now.families):
            yield model.States(line.name, None, line.sockets, {}, "/proc/net/protocols")


def _numbers(before: Sample | None) -> dict[int, bytes]:
    """Those of a reading that was taken to be compared with, or of the one of a watch's last round."""
    if before is None or before.sockets is None:
        return {}
    return by_cookie(before.sockets.tables) if before.numbers is None else before.numbers


def _unread(now: Sample) -> list[str]:
    assert now.sockets is not None
    asked = [(protocol, family) for protocol in ("tcp", "udp") for family in now.families]
    dumped = {(table.protocol, table.family) for table in now.sockets.tables}
    return [" ".join(table) for table in asked if table not in dumped]


def _peers(counts: Counts) -> list[model.Peer]:
    sizes: Counter[bytes] = Counter()
    for (remote, *_), number in counts.peers.items():
        sizes[remote] += number
    shown = heapq.nlargest(LISTED, sizes.items(), key=lambda item: (item[1], item[0]))
    rows = {remote: model.Peer(address(remote), number, 0, 0, 0, 0) for remote, number in shown}
    for (remote, protocol, state, incoming), number in counts.peers.items():
        if (row := rows.get(remote)) is None:
            continue
        row.incoming += number if incoming else 0
        if protocol == "tcp":
            row.established += number if state == diag.ESTABLISHED else 0
            row.time_wait += number if state == diag.TIME_WAIT else 0
            row.close_wait += number if state == count.CLOSE_WAIT else 0
    return list(rows.values())


def _destinations(
    counts: Counts, whose: Attributor, known: Kernel, pool: frozenset[int]
) -> tuple[list[model.Destination], int]:
    """Those with most ports used, and how many there are."""
    reuse = known.numbers.get(kernel.TW_REUSE)
    used: Counter[Way] = Counter()
    waiting: Counter[Way] = Counter()
    for (local, remote, port, time_wait, _), number in counts.destinations.items():
        way = (local, remote, port)
        if time_wait:
            waiting[way] += number
        used[way] += 0 if time_wait and limits.reusable(local, remote, reuse) else number
    shown = heapq.nlargest(LISTED, used, key=lambda way: (used[way], waiting[way], way))
    holders: dict[Way, Counter[int]] = {way: Counter() for way in shown}
    for (local, remote, port, _, holder), number in counts.destinations.items():
        if holder > 0 and (local, remote, port) in holders:
            holders[local, remote, port][holder] += number
    taken = defaultdict(set)
    for listening, port in counts.listeners:
        if socket.ntohs(port) in pool:
            taken[listening].add(port)
    rows = []
    for way in shown:
        local, remote, port = way
        pid = next((pid for pid, _ in holders[way].most_common(1)), None)
        who = whose.of(pid or NOBODY)
        there = None
        if known.ports is not None:
            there = len(pool) - len(taken[local].union(*(taken[any_] for any_ in UNSPECIFIED)))
        rows.append(
            model.Destination(
                address(local), address(remote), socket.ntohs(port), used[way], waiting[way],
                limits.reusable(local, remote, reuse), there, round(used[way] / there, 4) if there else None,
                who.process, pid, who.unit,
            )
        )  # fmt: skip
    return rows, len(used)


def _syn_queues(counts: Counts, whose: Attributor) -> list[model.SynQueue]:
    queues = []
    for (local, port), number in counts.handshakes.items():
        at = next(((one, port) for one in (local, *UNSPECIFIED) if (one, port) in counts.listeners), None)
        pid = None if at is None else whose.holders.get(counts.listeners[at][0][16])
        who = whose.of(pid or NOBODY)
        limit = None if at is None else counts.backlogs[at]
        queues.append(
            model.SynQueue(address(local), socket.ntohs(port), number, limit, who.process, pid, who.unit)
        )
    queues.sort(key=lambda row: (-row.waiting / (row.limit or 1), row.local_port, row.local_address))
    return queues


def _close_wait(now: Sample, counts: Counts, whose: Attributor) -> list[CloseWait]:
    rows: dict[tuple[int, Whose], CloseWait] = {}
    remotes: dict[tuple[int, Whose], Counter[bytes]] = defaultdict(Counter)
    at_port = {port: record[0][16] for (_, port), record in counts.listeners.items()}
    for table in now.waiting:
        for record in table.records:
            values = record[0]
            inode = values[16]
            # what nobody accepted has no inode: it is the listener's
            pid = whose.holders.get(inode or at_port.get(values[6], 0), 0)
            key = pid, whose.of(pid)
            if key not in rows:
                rows[key] = CloseWait(key[1].process, pid or None, key[1].unit, 0, 0, [], "")
            rows[key].sockets += 1
            rows[key].never_accepted += not inode
            remotes[key][values[9]] += 1
            if (age := _heard_s(record)) is not None:
                rows[key].oldest_s.append(age)
    for key, row in rows.items():
        row.oldest_s = heapq.nlargest(LISTED, row.oldest_s)
        row.remote = address(plain(remotes[key].most_common(1)[0][0]))
    return sorted(rows.values(), key=lambda row: (-row.sockets, row.pid or 0))


def _heard_s(record: diag.Record) -> float | None:
    try:
        raw = diag.attributes(record, "inet-diag").get(diag.INET_DIAG_INFO)
    except ParseError:
        return None
    heard_ms = tcp_info.decode(raw).last_ack_recv_ms
    return None if heard_ms is None else heard_ms / 1000


def _udp_drops(now: Sample, before: Sample | None, whose: Attributor) -> list[model.UdpDrops]:
    earlier = {}
    if before is not None:
        earlier = {record[0][11]: (record[0][13], memory.drops) for record, memory in _udp(before)}
    rows = []
    for record, memory in _udp(now):
        values = record[0]
        queue_before, drops_before = earlier.get(values[11], (None, None))
        if not memory.drops:
            continue
        grown = None
        if drops_before is not None and memory.drops >= drops_before:
            grown = memory.drops - drops_before
        elif before is not None and values[11] not in earlier:
            grown = memory.drops  # it was opened in between
        peerless = not values[7] and values[9] in UNSPECIFIED
        pid = whose.holders.get(values[16])
        who = whose.of(pid or NOBODY)
        rows.append(
            model.UdpDrops(
                address(plain(values[8])),
                socket.ntohs(values[6]),
                None if peerless else address(plain(values[9])),
                None if peerless else socket.ntohs(values[7]),
                memory.drops,
                grown,
                values[13],
                queue_before,
                memory.receive_buffer_bytes,
                who.process,
                pid,
                who.unit,
            )
        )
    rows.sort(key=lambda row: (-(row.drops_in_sample or 0), -row.drops, row.local_port, row.local_address))
    return rows[:LISTED]


def _udp(one: Sample) -> Iterator[tuple[diag.Record, diag.Memory]]:
    for table in one.sockets.tables if one.sockets is not None else ():
        for record in table.records if table.protocol == "udp" else ():
            try:
                raw = diag.attributes(record, "inet-diag").get(diag.INET_DIAG_SKMEMINFO)
            except ParseError:
                raw = None
            yield record, diag.memory(raw)


def _unattributed(counts: Counts) -> model.Unattributed:
    def number(pid: int, states: Iterable[int] | None) -> int:
        return sum(
            number
            for (holder, protocol, state), number in counts.owners.items()
            if holder == pid and (states is None or (protocol == "tcp" and state in states))
        )

    waiting = number(NOBODY, _ACCEPTABLE)
    return model.Unattributed(number(HIDDEN, None), waiting, number(NOBODY, None) - waiting)


def _counters(now: Sample, before: Sample | None) -> dict[str, model.Counter]:
    def of(one: Sample | None) -> Mapping[str, int]:
        found: Counters = {} if one is None or one.sockets is None else one.sockets.counters or {}
        return {**found, **(one.kernel.snmp6 if one is not None else {})}

    ours, theirs = of(now), of(before)
    return {name: model.Counter(ours.get(name), netstat.increase(ours, theirs, name)) for name in COUNTED}
