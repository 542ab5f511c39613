"""What belongs to an address and port rather than to one socket: half-open connections, and the listeners
that share it by SO_REUSEPORT.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from sretool.sockets.listen.model import Group, Limits, Listener
from sretool.sockets.read import diag

Key = tuple[str, bytes, int, int]
"""Family, address, port as on the wire, index of the device or 0."""
HALF_OPEN = (diag.SYN_RECV, diag.NEW_SYN_RECV)


def key_of(family: str, record: diag.Record) -> Key:
    """What a socket is bound to."""
    values = record[0]
    return family, values[8], values[6], values[10]


def half_open(tables: Iterable[diag.Table], listeners: set[Key]) -> Counter[Key]:
    """Half-open connections by what their listener is bound to. Each has the family of its listener, so one
    of IPv4 to a dual-stack listener is of inet6 (net/ipv4/tcp_input.c inet_reqsk_alloc).
    """
    found: Counter[Key] = Counter()
    for protocol, family, records in tables:
        for record in records if protocol == "tcp" else ():
            if record[0][3] not in HALF_OPEN:
                continue
            _, address, port, device = key_of(family, record)
            anywhere = bytes(len(address))
            keys = [(family, at, port, dev) for at in (address, anywhere) for dev in (device, 0)]
            key = next((key for key in keys if key in listeners), None)
            if key is not None:
                found[key] += 1
    return found


def joined(
    rows: Iterable[tuple[Key, Listener]], half: Counter[Key] | None, limits: Limits
) -> dict[Key, Group]:
    """Tell every TCP listener what its address and port have; the groups of more than one, by that. `half`
    is None where half-open connections were not read.
    """
    sharing: dict[Key, list[Listener]] = defaultdict(list)
    for key, row in rows:
        if row.protocol == "tcp":
            sharing[key].append(row)
    found = {}
    for key, members in sharing.items():
        count = None if half is None else half[key]
        for row in members:
            row.group_size = len(members)
            row.syn_queue = count if len(members) == 1 else None
            row.syn_queue_limit = syn_limit(row.accept_queue_limit, limits)
        if len(members) > 1:
            found[key] = _group(members, count)
    return found


def syn_limit(backlog: int | None, limits: Limits) -> int | None:
    """How many half-open connections a listener may have: net/ipv4/tcp_input.c tcp_conn_request. Without
    cookies the last quarter of tcp_max_syn_backlog is for peers that were here before.
    """
    if backlog is None or limits.tcp_syncookies is None or limits.tcp_max_syn_backlog is None:
        return backlog if limits.tcp_syncookies else None
    if limits.tcp_syncookies:
        return backlog
    most = limits.tcp_max_syn_backlog
    return min(backlog, most - (most >> 2))


def _group(members: list[Listener], half: int | None) -> Group:
    def most(row: Listener) -> int:
        return row.accept_queue_peak if row.accept_queue_peak is not None else row.accept_queue or 0

    fullest, emptiest = max(members, key=most), min(members, key=most)
    rates = [row.drops_per_s for row in members if row.drops_per_s is not None]
    limit = fullest.accept_queue_limit or 0
    return Group(
        family=fullest.family,
        local_address=fullest.local_address,
        local_port=fullest.local_port,
        interface=fullest.interface,
        members=len(members),
        accept_queue=sum(row.accept_queue or 0 for row in members),
        accept_queue_limit=sum(row.accept_queue_limit or 0 for row in members),
        fullest=most(fullest),
        fullest_limit=limit,
        fullest_pid=fullest.pid,
        emptiest=most(emptiest),
        uneven=_fill(most(fullest), limit)
        >= max(0.5, 2 * _fill(most(emptiest), emptiest.accept_queue_limit)),
        drops_per_s=sum(rates) if len(rates) == len(members) else None,
        syn_queue=half,
    )


def _fill(queue: int, limit: int | None) -> float:
    """How full it was; a limit of 0 still lets one in."""
    return queue / max(1, limit or 0)
