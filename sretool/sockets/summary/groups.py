"""Sockets by whose they are, or where they go, and how the connections of each group fare."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

from sretool.sockets import states
from sretool.sockets.read import diag
from sretool.sockets.read.diag import plain
from sretool.sockets.summary import count
from sretool.sockets.summary.count import HIDDEN, NOBODY
from sretool.sockets.summary.health import Health, measured
from sretool.sockets.summary.model import By, Group
from sretool.sockets.summary.whose import NOBODY as NO_ONE
from sretool.sockets.summary.whose import Attributor

_KINDS = {
    states.NUMBERS[name]: kind
    for kind, names in {
        "established": ("established",),
        "listen": ("listen",),
        "close_wait": ("close-wait",),
        "opening": ("syn-sent", "syn-recv", "new-syn-recv"),
        "closing": ("fin-wait-1", "fin-wait-2", "time-wait", "last-ack", "closing"),
    }.items()
    for name in names
}
Pair = tuple[bytes, bytes]
"""Local and remote address, as `count.plain` gives them."""


class Key(NamedTuple):
    """What a group has in common."""

    process: str | None = None
    unit: str | None = None
    container: str | None = None
    container_name: str | None = None
    remote_address: str | None = None
    route: str | None = None


class Grouper:
    """Gives every socket its group."""

    def __init__(self, by: By, whose: Attributor, routes: Mapping[Pair, str]) -> None:
        self._by = by
        self._whose = whose
        self._routes = routes
        self._keys: dict[Hashable, Key | None] = {}

    def raw(self, table: diag.Table, pids: Sequence[int]) -> Sequence[Hashable]:
        """What decides on the group of each socket of the table, whose processes are `pids`; sockets of
        one group may have different ones.
        """
        if self._by == "peer":
            return [values[9] if values[7] else None for values, _, _ in table.records]
        if self._by == "route":
            return [(values[8], values[9]) if values[7] else None for values, _, _ in table.records]
        if not self._whose.cgroups:
            return pids
        records = table.records
        return [
            pid if pid != HIDDEN else self._whose.cgroup(records[place]) for place, pid in enumerate(pids)
        ]

    def pids(self, table: diag.Table) -> list[int]:
        """The process of each."""
        holder = self._whose.holders.get
        return [holder(values[16], HIDDEN if values[16] else NOBODY) for values, _, _ in table.records]

    def key(self, raw: Hashable) -> Key | None:
        """Its group; None where it has none: no peer, or nobody that could be named."""
        if raw not in self._keys:
            self._keys[raw] = self._key(raw)
        return self._keys[raw]

    def named(self, key: Key, pids: set[int]) -> Key:
        """With the process that all of a peer's or route's sockets belong to, if there is one."""
        who = {self._whose.of(pid) for pid in pids}
        if self._by in ("process", "unit") or len(who) != 1:
            return key
        return Key(*who.pop(), *key[4:])

    def _key(self, raw: Hashable) -> Key | None:
        if raw is None:
            return None
        if isinstance(raw, bytes):
            return Key(remote_address=count.address(plain(raw)))
        if isinstance(raw, tuple):
            local, remote = raw
            return Key(route=self._routes.get((plain(local), plain(remote))))
        # a number is a pid, a text the path of a control group
        who = self._whose.of(raw) if isinstance(raw, int) else self._whose.of_path(str(raw))
        if who == NO_ONE:
            return None
        return Key(None if self._by == "unit" else who.process, *who[1:])


def groups(
    tables: Iterable[diag.Table],
    grouper: Grouper,
    window: float | None,
    health: bool,
    before: Mapping[int, bytes],
) -> list[Group]:
    """Those with most sockets first; with `health` those that retransmitted most come before them."""
    kinds: dict[Key, Counter[str]] = defaultdict(Counter)
    pids: dict[Key, set[int]] = defaultdict(set)
    fares: dict[Key, Health] = defaultdict(Health)
    earlier = None if window is None else before
    for table in tables:
        holders = grouper.pids(table)
        raws = grouper.raw(table, holders)
        each = zip(raws, holders, (values[3] for values, _, _ in table.records))
        for (raw, pid, state), number in Counter(each).items():
            if (key := grouper.key(raw)) is not None:
                kinds[key][_kind(table.protocol, state)] += number
                if pid > 0:
                    pids[key].add(pid)
        for place, values, raw_info in measured(table) if health else ():
            if (key := grouper.key(raws[place])) is not None:
                fares[key].take(raw_info, values[5], earlier, values[11])
    rows = [_group(grouper.named(key, pids[key]), by_kind, pids[key]) for key, by_kind in kinds.items()]
    if health:
        for key, row in zip(kinds, rows):
            _fill(row, fares[key], window)
    rows.sort(key=_first)
    return rows


def _first(row: Group) -> tuple[float, int, list[str]]:
    again = row.segments_retransmitted if isinstance(row.segments_retransmitted, int) else 0
    names = (row.remote_address, row.route, row.process, row.unit, row.container)
    return -again, -row.sockets, [name or "" for name in names]


def _kind(protocol: str, state: int) -> str:
    return _KINDS.get(state, "other") if protocol == "tcp" else "udp" if protocol == "udp" else "other"


def _group(key: Key, kinds: Counter[str], pids: set[int]) -> Group:
    return Group(
        *key,
        pid=next(iter(pids)) if len(pids) == 1 else None,
        processes=len(pids),
        sockets=kinds.total(),
        established=kinds["established"],
        listen=kinds["listen"],
        close_wait=kinds["close_wait"],
        opening=kinds["opening"],
        closing=kinds["closing"],
        udp=kinds["udp"],
        other=kinds["other"],
    )


def _fill(row: Group, one: Health, window: float | None) -> None:
    """Health into its group's row."""
    row.connections, row.retransmitting, row.lost = one.connections, one.retransmitting, one.lost
    row.rtt_ms, row.rtt_max_ms = _ms(_median(one.rtts)), _ms(max(one.rtts, default=None))
    row.rtt_min_ms, row.rtt_over_min_ms = _ms(one.min_rtt), _ms(_median(one.over))
    row.delivery_rate_bytes_per_s = one.delivery_rate if one.connections else None
    if window is None:
        row.opened = row.segments_sent = row.segments_retransmitted = row.retransmitted_ratio = None
        row.bytes_sent = row.bytes_retransmitted = row.sent_bytes_per_s = row.received_bytes_per_s = None
        row.busy_ratio = row.rwnd_limited_ratio = row.sndbuf_limited_ratio = None
        return
    row.opened = one.opened
    row.segments_sent, row.segments_retransmitted = one.segments, one.retransmitted
    row.retransmitted_ratio = _ratio(one.retransmitted, one.segments)
    row.bytes_sent, row.bytes_retransmitted = one.bytes_sent, one.bytes_retransmitted
    row.sent_bytes_per_s = round(one.bytes_acked / window, 1)
    row.received_bytes_per_s = round(one.bytes_received / window, 1)
    row.busy_ratio = _ratio(one.busy / 1e6, window * one.connections)
    row.rwnd_limited_ratio = _ratio(one.rwnd_limited, one.busy)
    row.sndbuf_limited_ratio = _ratio(one.sndbuf_limited, one.busy)


def _median(values: list[int]) -> int | None:
    return sorted(values)[(len(values) - 1) // 2] if values else None


def _ms(microseconds: int | None) -> float | None:
    return None if microseconds is None else microseconds / 1000


def _ratio(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole else None
