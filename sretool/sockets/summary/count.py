"""Sockets counted on the records of their dumps: there may be 100,000, so no row is made of each."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from sretool.sockets import states
from sretool.sockets.read import diag
from sretool.sockets.read.diag import plain

HIDDEN, NOBODY = -1, 0  # in place of a pid
CLOSE_WAIT = states.NUMBERS["close-wait"]


class Counts(NamedTuple):
    """Numbers of sockets. Addresses are packed, ports as in the dump (big-endian).

    states: by protocol, family and state.
    owners: by pid (HIDDEN: not seen; NOBODY: it has no inode), protocol and state.
    peers: by remote address, protocol, state, and whether it came to a listening port.
    destinations: TCP connections from here, by local and remote address, remote port, whether in
        time-wait, and pid; only those whose local port connect() may have chosen.
    listeners: TCP by local address and port; of several (SO_REUSEPORT) the one with the longest queue.
    backlogs: by the same, the sum of theirs.
    handshakes: TCP in syn-recv by local address and port.
    """

    states: Counter[tuple[str, str, int]]
    owners: Counter[tuple[int, str, int]]
    peers: Counter[tuple[bytes, str, int, bool]]
    destinations: Counter[tuple[bytes, bytes, int, bool, int]]
    listeners: dict[tuple[bytes, int], diag.Record]
    backlogs: Counter[tuple[bytes, int]]
    handshakes: Counter[tuple[bytes, int]]

    @property
    def total(self) -> int:
        """All sockets."""
        return sum(self.states.values())


def count(tables: Iterable[diag.Table], holders: dict[int, int], chosen: frozenset[int]) -> Counts:
    """Count them.

    Args:
        tables: the dumps.
        holders: pid by inode.
        chosen: local ports that connect() chooses from.
    """
    found = Counts(Counter(), Counter(), Counter(), Counter(), {}, Counter(), Counter())
    tables = list(tables)
    for table in tables:
        if table.protocol == "tcp":
            for record in table.records:
                if record[0][3] == diag.LISTEN:
                    _listener(found, record)
    listening = {port for _, port in found.listeners}
    # what comes to a listener's port has not taken it
    ours = frozenset(map(socket.htons, chosen)) - listening
    holder = holders.get
    for protocol, family, records in tables:
        tcp = protocol == "tcp"
        every = [record[0] for record in records]
        for state, number in Counter([values[3] for values in every]).items():
            found.states[protocol, family, state] += number
        owners = Counter(
            [(holder(values[16], HIDDEN if values[16] else NOBODY), values[3]) for values in every]
        )
        for (pid, state), number in owners.items():
            found.owners[pid, protocol, state] += number
        peers = Counter(
            [(values[9], values[3], tcp and values[6] in listening) for values in every if values[7]]
        )
        for (remote, state, incoming), number in peers.items():
            found.peers[plain(remote), protocol, state, incoming] += number
        if not tcp:
            continue
        destinations = Counter(
            [
                (values[8], values[9], values[7], values[3] == diag.TIME_WAIT, holder(values[16], HIDDEN))
                for values in every
                if values[6] in ours and values[7]
            ]
        )
        for (local, remote, port, waiting, pid), number in destinations.items():
            found.destinations[plain(local), plain(remote), port, waiting, pid] += number
        handshakes = [values for values in every if values[3] in (diag.SYN_RECV, diag.NEW_SYN_RECV)]
        for values in handshakes:
            found.handshakes[plain(values[8]), values[6]] += 1
    return found


def _listener(found: Counts, record: diag.Record) -> None:
    values = record[0]
    key = plain(values[8]), values[6]
    found.backlogs[key] += values[14]
    if key not in found.listeners or values[13] > found.listeners[key][0][13]:
        found.listeners[key] = record


def address(packed: bytes) -> str:
    """As text."""
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)
