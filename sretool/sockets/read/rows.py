"""Rows of `sockets list` from the records of a dump."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping

from sretool.errors import ParseError
from sretool.sockets.model import Socket
from sretool.sockets.read import diag, tcp_info
from sretool.sockets.read.whose import UNSPECIFIED, Texts, Whose

Maker = Callable[[diag.Record, Whose], Socket]
_UID_UNKNOWN = (diag.TIME_WAIT, diag.SYN_RECV, diag.NEW_SYN_RECV)


def maker(
    protocol: str,
    family: str,
    interfaces: Mapping[int, str],
    users: Mapping[int, str | None],
    *,
    info: bool,
    more: bool,
) -> Maker:
    """A function from a record, and whose it is, to its row; with `info` and `more`, the fields that
    are made on demand only (TCP_INFO_FIELDS and ATTRIBUTE_FIELDS).
    """
    connections, texts = protocol in diag.CONNECTIONS, Texts()
    states = [state_name(protocol, number) for number in range(256)]
    ntohs, user, name = socket.ntohs, users.get, interfaces.get

    def make(record: diag.Record, owner: Whose) -> Socket:
        # fmt: off
        (_, _, _, state, _, retransmits, local_port, remote_port, local, remote, index, _, _,
         rqueue, wqueue, uid, inode) = record[0]
        # fmt: on
        pid, process, unit, container, cgroup, container_name = owner
        listening = connections and state == diag.LISTEN
        peerless = not remote_port and remote in UNSPECIFIED
        owned = state not in _UID_UNKNOWN or not connections
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
            name(index, f"if{index}") if index else None,
            retransmits,
            inode or None,
            uid if owned else None,
            user(uid) if owned else None,
            pid,
            process,
            unit,
            container,
            cgroup,
            container_name,
        )
        if info or more:
            _on_demand(row, record, info=info, more=more)
        return row

    return make


def _on_demand(row: Socket, record: diag.Record, *, info: bool, more: bool) -> None:
    try:
        found = diag.attributes(record, "inet-diag")
    except ParseError:
        found = {}
    if info:
        decoded = tcp_info.decode(found.get(diag.INET_DIAG_INFO) if row.protocol == "tcp" else None)
        row.rtt_ms, row.rtt_min_ms = decoded.rtt_ms, decoded.rtt_min_ms
        row.retransmits_total = decoded.total_retrans
    if more:
        row.mark, row.cgroup_id = diag.mark(found), diag.cgroup_id(found)


def state_name(protocol: str, state: int) -> str:
    """The state in lower case, as ss's --state takes it (without connections: a peer or none)."""
    if protocol not in diag.CONNECTIONS:
        return diag.UDP_STATES.get(state) or f"unknown-{state}"
    if protocol == "tcp" and state == diag.CLOSED:
        # asked for as bound-inactive, told as closed (net/ipv4/inet_diag.c inet_diag_dump_icsk); TCP
        # sockets that are closed and no more are in no table
        return "bound-inactive"
    return diag.TCP_STATES[state] if 0 < state < len(diag.TCP_STATES) else f"unknown-{state}"
