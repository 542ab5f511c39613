"""Models from samples; nothing is read here."""

from __future__ import annotations

import socket

from sretool.errors import ParseError
from sretool.sockets.model import Socket, Sockets
from sretool.sockets.read import diag, tcp_info
from sretool.sockets.read.sample import Sample
from sretool.sockets.read.whose import EVERYONE, UNSPECIFIED, Narrow, Texts, attributor


def build_list(now: Sample, narrow: Narrow = EVERYONE, *, info: bool = False) -> Sockets:
    """Rows for `sockets list`; with `info`, the tcp_info fields too."""
    rows: list[Socket] = []
    whose = attributor(now)
    texts = Texts()
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
            peerless = not remote_port and remote in UNSPECIFIED
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
