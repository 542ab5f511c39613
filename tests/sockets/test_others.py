"""Families beside inet, from frames."""

from __future__ import annotations

import errno
import struct
from typing import Any

import corpus
import frames
import pytest

from sretool.host.fake import Fake
from sretool.sockets import read
from sretool.sockets.filter.parse import parse
from sretool.sockets.model import Socket
from sretool.sockets.read import others
from sretool.sockets.states import ALL_STATES


def unix(
    inode: int, peer: int = 0, name: bytes = b"", state: int = 1, queues: tuple[int, int] = (0, 0)
) -> bytes:
    attributes = frames.attribute(others.UNIX_DIAG_RQLEN, struct.pack("=II", *queues))
    attributes += frames.attribute(others.UNIX_DIAG_NAME, name) if name else b""
    attributes += frames.attribute(others.UNIX_DIAG_PEER, struct.pack("=I", peer)) if peer else b""
    attributes += frames.attribute(others.UNIX_DIAG_UID, struct.pack("=I", 33))
    return frames.message(20, struct.pack("=BBBxIQ", 1, 1, state, inode, 9) + attributes)


def host(**netlink: Any) -> Fake:
    files = {"/proc/812/comm": "client\n", "/proc/813/comm": "server\n"}
    links = {"/proc/812/fd/6": "socket:[10]", "/proc/813/fd/7": "socket:[20]"}
    tables = {f"{kind}-diag": raw for kind, raw in netlink.items()}
    return Fake(
        files, links=links, netlink={**tables, "route/links": [frames.LINKS]}, facts={"user 33": "www-data"}
    )


def rows(source: Fake, *kinds: str, **more: Any) -> tuple[list[Socket], list[str]]:
    ask = read.Ask(tcp_states=0, udp_states=0, others=dict.fromkeys(kinds, ALL_STATES), **more)
    now = read.sample(source, ask)
    narrow = read.Narrow(process=ask.process)
    return read.build_list(now, narrow).sockets, [str(error) for error in now.errors]


PAIR = unix(10, 20) + unix(20, 10, b"/run/app.sock\0") + unix(30, 0, b"/run/app.sock\0", 10, (2, 5))


def test_a_unix_socket_knows_the_process_at_its_other_end() -> None:
    found, errors = rows(host(unix=[PAIR + frames.DONE]), "unix")
    assert errors == []
    client, server, listener = found
    assert (client.local_address, client.remote_address, client.pid) == (None, "/run/app.sock", 812)
    assert (client.peer_inode, client.peer_pid, client.peer_process) == (20, 813, "server")
    assert (server.remote_address, server.peer_pid, server.user) == (None, 812, "www-data")
    assert (listener.accept_queue, listener.accept_queue_limit, listener.recv_q_bytes) == (2, 5, None)
    assert (listener.peer_inode, listener.peer_pid, listener.retransmits) == (None, None, None)


def test_the_other_end_is_found_whoever_was_asked_about() -> None:
    found, _ = rows(host(unix=[PAIR]), "unix", process="client")
    assert [(row.pid, row.peer_pid) for row in found] == [(812, 813)]
    found, _ = rows(host(unix=[PAIR]), "unix", filter=parse("state listen"))
    assert [row.inode for row in found] == [30]
    found, _ = rows(host(unix=[PAIR]), "unix", filter=parse("peer_process = server"))
    assert [row.inode for row in found] == [10]


def test_abstract_and_hostile_names() -> None:
    raw = unix(10, 0, b"\0a\0b") + unix(20, 0, b"/tmp/\x1b\xff\0")
    assert [row.local_address for row in rows(host(unix=[raw]), "unix")[0]] == ["/tmp/\x1b\\xff", "@a@b"]


def test_vsock() -> None:
    raw = corpus.vsock(10, 0xFFFFFFFF, 1024, (0, 0)) + corpus.vsock(1, 3, 5000, (2, 1024))
    listener, stream = rows(host(vsock=[raw]), "vsock")[0]
    assert (listener.protocol, listener.state, listener.local_address) == ("vsock-stream", "listen", "*")
    assert (stream.local_address, stream.local_port) == ("3", 5000)
    assert (stream.remote_address, stream.remote_port, stream.inode) == ("2", 1024, 77)
    [one], _ = rows(host(vsock=[raw]), "vsock", filter=parse("dport = :1024"))
    assert one.local_port == 5000


@pytest.mark.parametrize(
    ("kind", "module"),
    [
        ("unix", "unix_diag"),
        ("packet", "af_packet_diag"),
        ("netlink", "netlink_diag"),
        ("vsock", "vsock_diag"),
        ("raw", "inet_diag and raw_diag"),
        ("mptcp", "inet_diag and mptcp_diag"),
    ],
)
def test_a_kernel_without_the_module_is_told_and_keeps_the_rest(kind: str, module: str) -> None:
    source = host(**{"unix": [PAIR], kind: errno.ENOENT})
    source._netlink["inet-diag/raw/4"] = source._netlink["inet-diag/mptcp/4"] = errno.ENOENT
    found, [error] = rows(source, kind, *(["unix"] if kind != "unix" else []))
    assert error.endswith(f" {module})")
    assert len(found) == (3 if kind != "unix" else 0)


def test_what_is_unknown_stays_so() -> None:
    raw = frames.message(20, struct.pack("=BBBxIQ", 1, 9, 42, 10, 9))
    [row], _ = rows(host(unix=[raw]), "unix")
    assert (row.protocol, row.state, row.recv_q_bytes, row.uid) == (
        "unix-unknown-9",
        "unknown-42",
        None,
        None,
    )
    raw = frames.message(20, struct.pack("=BBHI8x", 17, 3, 0x88B5, 10))
    [row], _ = rows(host(packet=[raw]), "packet")
    assert (row.local_address, row.interface, row.recv_q_bytes) == ("0x88b5", None, None)
    raw = frames.message(20, struct.pack("=BBBBIIII8x", 16, 3, 99, 1, 5, 0, 2, 10))
    [row], _ = rows(host(netlink=[raw]), "netlink")
    assert (row.local_address, row.state, row.remote_address) == ("unknown-99", "established", "group-2")


def test_a_cut_message_costs_its_family() -> None:
    found, [error] = rows(host(unix=[PAIR], packet=[frames.message(20, b"\x11")]), "unix", "packet")
    assert len(found) == 3
    assert "packet-diag" in error
